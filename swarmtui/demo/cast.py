"""Who is in the demo, and what they say: names, skills, tasks, questions, blockers."""

from typing import NamedTuple

from agentkit.rows import Severity


class Role(NamedTuple):
    """A kind of agent: what it is called, what it can do, what it works on."""

    name: str
    skills: tuple[str, ...]
    work: tuple[str, ...]


class Question(NamedTuple):
    """What somebody needs a person for."""

    text: str
    choices: tuple[str, ...] = ()
    severity: Severity = "normal"


class Job(NamedTuple):
    """A task that a coordinator hands out."""

    title: str
    skill: str


class Work(NamedTuple):
    """A task that is queued for whoever is able to do it."""

    title: str
    skill: str = ""
    """What it takes; empty is nothing that not everybody has."""
    priority: int = 0
    delay: float = 0.0
    """Seconds before it may be claimed."""
    fails: str = ""
    """Why every attempt at it fails."""
    tries: int | None = None


ROLES = (
    Role(
        "backend",
        ("python", "postgres", "api"),
        (
            "paging the invoice endpoint",
            "moving sessions out of the main table",
            "retrying webhooks with backoff",
            "rate limits per tenant",
        ),
    ),
    Role(
        "frontend",
        ("typescript", "css", "a11y"),
        (
            "keyboard order in the settings form",
            "dark theme for the charts",
            "removing the last class component",
            "a date picker that knows Mondays",
        ),
    ),
    Role(
        "tests",
        ("tests", "python", "browser"),
        (
            "chasing the flaky checkout test",
            "property tests for the parser",
            "cutting the suite below five minutes",
            "a replay of last week's outage",
        ),
    ),
    Role(
        "review",
        ("review", "security", "python"),
        (
            "reviewing the token rotation",
            "reading the new upload path",
            "threat model of the admin pages",
        ),
    ),
    Role(
        "docs",
        ("writing", "research"),
        (
            "upgrade notes for 4.0",
            "first page of the API guide",
            "screenshots of the new editor",
        ),
    ),
    Role(
        "data",
        ("sql", "python", "charts"),
        (
            "backfilling March in batches",
            "why signups dip on Sundays",
            "deduplicating the address book",
        ),
    ),
    Role(
        "infra",
        ("deploy", "linux", "postgres"),
        (
            "moving the cron jobs to the queue",
            "restoring a backup to see that it works",
            "smaller images for the workers",
        ),
    ),
    Role(
        "video",
        ("video", "audio", "captions"),
        (
            "captions for lesson 12",
            "cutting the launch trailer",
            "levelling the podcast",
        ),
    ),
)

QUESTIONS = (
    Question(
        "Two migrations touch the same column: which one goes first?",
        ("0142 add index", "0143 rename", "merge them"),
        "high",
    ),
    Question(
        "May I drop the table sessions_old? 4.1 GB, last read in May.",
        ("drop it", "archive it first", "leave it"),
        "critical",
    ),
    Question("What should the error page say while payments are down?"),
    Question(
        "The guide wants sentence case, the menus use title case: follow which?",
        ("the guide", "the menus"),
        "low",
    ),
    Question(
        "This test passes only with a sleep. Keep it or rewrite the fixture?",
        ("keep it", "rewrite", "delete the test"),
    ),
    Question("Who owns the billing dashboard since the reorganisation?"),
    Question(
        "The library changed its licence in 3.0. Stay on 2.9?",
        ("stay on 2.9", "find another", "ask legal"),
        "high",
    ),
    Question("Which of the three logos in the archive is the current one?"),
    Question(
        "Deploy on Friday afternoon or wait for Monday?",
        ("Friday", "Monday"),
    ),
)

BLOCKERS = (
    "staging answers 503 since 14:20",
    "needs review of #812 before it can go on",
    "the password of the build mailbox has expired",
    "disk quota reached on runner-7",
    "waiting for the sample files from the customer",
    "two required checks contradict each other",
)

JOBS = (
    Job("Find out why the nightly export doubled in size", "sql"),
    Job("Write the changelog for 4.0", "writing"),
    Job("Check the signup form with a screen reader", "a11y"),
    Job("Rotate the signing key and note how", "security"),
    Job("Add German captions to lesson 12", "captions"),
    Job("Make the import resume where it stopped", "python"),
    Job("Measure the cold start of the workers", "linux"),
    Job("Turn the incident notes into a runbook", "writing"),
)

QUEUED = (
    Work("Nightly export of the ledgers", "sql", delay=600.0),
    Work(
        "Import the calendar", priority=6, fails="the file is not a calendar", tries=2
    ),
    Work("Resend what bounced", priority=6, fails="550 no such user", tries=1),
    Work("Answer the auditors about retention", "law", priority=5),
    Work("Thumbnails for the new lessons"),
    Work("Resize the avatars that were cropped", "python"),
    Work("Check every link in the guide", "writing"),
    Work("Probe the mirrors in Asia", "deploy", priority=2),
    Work("Subtitles for the keynote", "captions"),
    Work("Index the tickets of last year", priority=-1),
    Work("Fuzz the upload path for an hour", "security", priority=3),
    Work("Reconcile the invoices of May", "sql", priority=1),
    Work("Contrast of the disabled buttons", "a11y"),
    Work("Warm the caches before the launch", delay=45.0),
    Work("Sort the translations by age", "writing", priority=-1),
    Work("Prove that the backup restores", "postgres", priority=4),
)
"""What is queued for whoever is able to do it; one of them nobody is."""

PLANS = ("release", "lessons")
"""The plans that are run: files in the folder ``plans``."""

ODDS = "odds"
"""What those can do who live on the work queue, and what the plans ask for."""

LOST = "the lost lesson"
"""What a plan wants done that never works."""

MISHAPS = (
    "the runner was preempted",
    "connection reset by the registry",
    "disk quota reached on runner-7",
    "two of 40 files differ",
)
"""Why an attempt may fail that would do better the next time."""

BROADCASTS = (
    ("The release branch is cut: only fixes until 17:00, please.", ""),
    ("main is red since 8f31c2e: hold your merges.", "state:busy"),
    ("The staging database comes back in ten minutes.", "cap:postgres"),
    ("main is green again, go ahead.", "state:busy"),
)

ANSWERS = (
    "Say what still works, and when we know more.",
    "Ask in the team channel, then note it in the wiki.",
    "Take the one dated this year.",
)
