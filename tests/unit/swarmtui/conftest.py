"""Rows for the tests of the dashboard, and a swarm that stands still."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Self

from agentkit.coordinator import Change, Coordinator, Heard, Link, Stats
from agentkit.protocol import (
    AgentReported,
    DeliveryRetried,
    HelpAsked,
    HelpTaken,
    LetterDiscarded,
    LetterRequeued,
    Logged,
    TaskAssigned,
    TaskCancelled,
    TaskDead,
    TaskEnqueued,
    TaskLeased,
    TaskReleased,
    TaskRequeued,
)
from agentkit.rows import (
    Agent,
    Broadcast,
    Delivery,
    HelpKind,
    HelpRequest,
    Letter,
    Run,
    Task,
)
from agentkit.settings import Endpoint
from agentkit.traffic import Tapped
from agentkit.transports.metrics import Metrics

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SKILLS = ("docs", "infra", "ndi", "python", "review", "rust", "sql", "video")
QUESTIONS = (
    "integration test deadlocks while it holds the database lock",
    "which of the two API names is final?",
    "waiting for the schema migration",
    "the encoder panics on 10-bit input",
)


def agent(key: str, **fields: Any) -> Agent:
    """Return an idle agent that has just reported."""
    given: dict[str, Any] = {
        "status": "idle",
        "since": NOW,
        "heard": NOW,
        "joined": NOW,
    }
    return Agent(id=key, **(given | fields))


def request(key: str, asker: str = "a", **fields: Any) -> HelpRequest:
    """Return an open question."""
    given: dict[str, Any] = {
        "kind": "help",
        "state": "open",
        "question": "why?",
        "opened": NOW,
    }
    return HelpRequest(id=key, agent=asker, **(given | fields))


def task(key: str, holder: str, **fields: Any) -> Task:
    """Return a task that has not been sent yet."""
    given: dict[str, Any] = {"state": "queued", "created": NOW}
    return Task(id=key, agent=holder, **(given | fields))


def ledger(ref: str) -> list[Delivery]:
    """Return deliveries that got to every step."""
    then, soon = NOW - timedelta(minutes=6), NOW - timedelta(minutes=5)
    steps: dict[str, dict[str, Any]] = {
        "done": {"sent": then, "acked": soon, "done": soon, "attempts": 1},
        "acked": {"sent": then, "acked": soon, "attempts": 2},
        "dead": {"sent": then, "acked": soon, "done": soon, "attempts": 1},
        "queued": {},
    }
    return [
        Delivery(
            agent=f"session-{number:04}-docs",
            seq=number,
            kind="broadcast",
            ref=ref,
            state=state,  # type: ignore[arg-type]
            queued=then,
            reason="handler raised KeyError" if state == "dead" else "",
            **fields,
        )
        for number, (state, fields) in enumerate(steps.items(), 11)
    ]


def _at(minutes: int) -> datetime:
    return NOW - timedelta(minutes=minutes)


STORY = (
    Logged(
        67,
        TaskDead(at=_at(2), agent="s", task="T4", fence=65, reason="disk quota"),
    ),
    Logged(
        65,
        TaskLeased(
            at=_at(4),
            agent="s",
            task="T4",
            fence=65,
            lease=300.0,
            until=NOW,
            attempt=2,
            capabilities=(),
            via="ws",
        ),
    ),
    Logged(
        60,
        TaskReleased(
            at=_at(9),
            agent="s",
            task="T4",
            fence=55,
            cause="failed",
            reason="disk quota",
            not_before=None,
        ),
    ),
)
"""What befell the task T4, the newest first."""


class StillSwarm(Coordinator):
    """A coordinator without a hub: what it holds changes when a test says so."""

    def __init__(self, *agents: Agent, link: Link | None = None) -> None:
        super().__init__(Endpoint("http://127.0.0.1:8765"), batch_ms=100)
        self.agents = {one.id: one for one in agents}
        self._still_link = link or Link("live")
        self.dead_mail: list[Delivery] = []
        """What is dead in mailboxes, the newest first."""
        self.hub = {"started": (NOW - timedelta(hours=3, minutes=12)).isoformat()}
        self.given: list[tuple[str, ...]] = []
        """The orders that were given, in words."""
        self.shown_links: list[Metrics] = []
        """The hub's links."""
        self.bus_letters: list[Letter] = []
        """Messages that subscriptions gave up."""
        self._changes: asyncio.Queue[Change] = asyncio.Queue()

    @property
    def link(self) -> Link:
        """The link that the test wants."""
        return self._still_link

    async def __aenter__(self) -> Self:
        return self

    async def close(self) -> None:
        """Have nothing to close."""

    async def changes(self) -> AsyncIterator[Change]:
        """Yield the snapshot, then what `change` and `relink` are told."""
        if self.link.state == "live":
            yield self._whole()
        else:
            yield Change(kind="link")
        while True:
            yield await self._changes.get()

    def change(self, *rows: Agent | HelpRequest | Task | Broadcast | Run) -> None:
        """Change rows, as one turn."""
        tables: dict[type, tuple[str, dict[str, Any]]] = {
            Agent: ("agents", self.agents),
            HelpRequest: ("helps", self.helps),
            Task: ("tasks", self.tasks),
            Broadcast: ("broadcasts", self.broadcasts),
            Run: ("runs", self.runs),
        }
        changed: dict[str, list[Any]] = {}
        for row in rows:
            name, held = tables[type(row)]
            held[row.id] = row
            changed.setdefault(name, []).append(row)
        self._count_tasks()
        named: Mapping[str, Any] = {name: tuple(on) for name, on in changed.items()}
        self._changes.put_nowait(Change(kind="turn", **named))

    def _count_tasks(self) -> None:
        self.task_counts.clear()
        self.task_counts.update(Counter(one.state for one in self.tasks.values()))

    def hear(self, *heard: Heard) -> None:
        """Let events arrive."""
        self._changes.put_nowait(Change(kind="turn", events=heard))

    def pass_by(self, *messages: Tapped, dropped: int = 0) -> None:
        """Let messages go by, after some that went too fast."""
        self._changes.put_nowait(
            Change(kind="traffic", traffic=messages, dropped=dropped)
        )

    def relate(self, *links: Metrics) -> None:
        """Let the links have other figures."""
        self.shown_links = list(links)
        self._changes.put_nowait(Change(kind="links", links=links))

    async def tap(self, pattern: str) -> None:
        """Note what is to be shown."""
        self.given.append(("tap", pattern))

    async def links(self, *, follow: bool = False) -> list[Metrics]:
        """Note whether they are followed, and return them."""
        self.given.append(("links", str(follow)))
        return self.shown_links

    async def letters(self, **_: Any) -> list[Letter]:
        """Return the letters that are dead."""
        return self.bus_letters

    async def unbury(self, letter: str, **_: Any) -> LetterRequeued:
        """Note the order and let go of the letter."""
        self.given.append(("unbury", letter))
        event = LetterRequeued(at=NOW, letter=letter, by="you")
        self._settle(letter, event)
        return event

    async def discard(self, letter: str, **_: Any) -> LetterDiscarded:
        """Note the order and let go of the letter."""
        self.given.append(("discard", letter))
        event = LetterDiscarded(at=NOW, letter=letter, by="you")
        self._settle(letter, event)
        return event

    def _settle(self, letter: str, event: LetterRequeued | LetterDiscarded) -> None:
        self.bus_letters = [row for row in self.bus_letters if row.id != letter]
        self.hear(Heard(301 + len(self.given), event))

    def beat(self, rate: float = 0.0, delay: float = 0.0, **others: Any) -> None:
        """Let a second of figures arrive."""
        self.stats = Stats(at=NOW, in_rate=rate, out_rate=rate, p99_ms=delay, **others)
        self._changes.put_nowait(Change(kind="stats"))

    def relink(self, link: Link) -> None:
        """Change the link to the hub; live comes with a snapshot."""
        self._still_link = link
        live = link.state == "live"
        self._changes.put_nowait(self._whole() if live else Change(kind="link"))

    def _whole(self) -> Change:
        self._count_tasks()
        return Change(
            kind="snapshot",
            agents=tuple(self.agents.values()),
            helps=tuple(self.helps.values()),
            tasks=tuple(self.tasks.values()),
            broadcasts=tuple(self.broadcasts.values()),
            runs=tuple(self.runs.values()),
        )

    async def assign(
        self, agent: str, task: str = "", *, title: str = "", **_: Any
    ) -> TaskAssigned:
        """Note the order and hold the task."""
        self.given.append(("assign", agent, task, title))
        self.change(Task(id=task, agent=agent, title=title, state="sent", created=NOW))
        return TaskAssigned(
            at=NOW, agent=agent, task=task, title=title, body={}, by="you"
        )

    async def enqueue(
        self, title: str = "", *, task: str = "", **fields: Any
    ) -> TaskEnqueued:
        """Note the order and hold the task."""
        self.given.append(("enqueue", task, title, *fields["needs"]))
        kept = {name: fields[name] for name in ("needs", "priority")}
        self.change(Task(id=task, title=title, state="queued", created=NOW, **kept))
        return TaskEnqueued(
            at=NOW,
            task=task,
            title=title,
            body={},
            needs=fields["needs"],
            priority=0,
            not_before=None,
            max_attempts=3,
            by="you",
        )

    async def cancel(self, task: str, **_: Any) -> TaskCancelled:
        """Note the order and call the task off."""
        self.given.append(("cancel", task))
        held = self.tasks[task]
        self.change(replace(held, state="cancelled"))
        return TaskCancelled(at=NOW, agent=held.agent, task=task, reason="", by="you")

    async def requeue(self, task: str, **_: Any) -> TaskRequeued:
        """Note the order and begin the task anew."""
        self.given.append(("requeue", task))
        held = self.tasks[task]
        self.change(replace(held, state="queued", attempts=0, agent=""))
        return TaskRequeued(at=NOW, agent="", task=task, by="you")

    async def retry(self, delivery: str, **_: Any) -> DeliveryRetried:
        """Note the order and take the delivery off the dead ones."""
        self.given.append(("retry", delivery))
        self.dead_mail = [row for row in self.dead_mail if row.id != delivery]
        seq, _at, who = delivery.partition("@")
        event = DeliveryRetried(at=NOW, agent=who, seq=int(seq), by="you")
        self.hear(Heard(300, event))
        return event

    async def dead(self, agent: str = "", **_: Any) -> list[Delivery]:
        """Return the dead deliveries."""
        return [row for row in self.dead_mail if agent in ("", row.agent)]

    async def ledger(self, ref: str, **_: Any) -> list[Delivery]:
        """Return how something got along with three agents, one of them a bad one."""
        if ref in self.broadcasts:
            return ledger(ref)
        held = self.tasks.get(ref)
        return [row for row in ledger(ref) if held and held.target and row.seq == 12]

    async def events(self, **_: Any) -> list[Logged]:
        """Return the life of the one task that is dead."""
        return list(STORY)

    async def take(self, request: str, **_: Any) -> HelpTaken:
        """Note the order and take the request."""
        self.given.append(("take", request))
        held = self.helps[request]
        self.change(replace(held, state="taken", by="you"))
        return HelpTaken(at=NOW, agent=held.agent, help=request, by="you")

    async def history(self, agent: str, **_: Any) -> list[Logged]:
        """Return a day in the life of any agent."""
        day = (
            (3, "busy", "P2.0.53-webrtc", ""),
            (9, "completed", "P1.4.07-sql", ""),
            (20, "blocked", "P1.4.07-sql", "waiting for P1.4.06"),
            (31, "busy", "P1.4.07-sql", ""),
            (40, "idle", "", ""),
        )
        return [
            Logged(
                90 - number,
                AgentReported(
                    at=NOW - timedelta(minutes=minutes),
                    agent=agent,
                    report=report,  # type: ignore[arg-type]
                    task=work,
                    message=message,
                    capabilities=(),
                    cost=1.0,
                    completed=1,
                    reported_at="",
                    waiting_since=None,
                    via="ws",
                ),
            )
            for number, (minutes, report, work, message) in enumerate(day)
        ]

    async def mailbox(self, agent: str, **_: Any) -> list[Delivery]:
        """Return two deliveries."""
        then = NOW - timedelta(minutes=3)
        soon = then + timedelta(milliseconds=3)
        return [
            Delivery(
                agent=agent,
                seq=2,
                kind="task",
                ref="T3",
                state="acked",
                queued=then,
                acked=soon,
            ),
            Delivery(
                agent=agent,
                seq=1,
                kind="broadcast",
                ref="b1",
                state="sent",
                queued=then,
            ),
        ]


def lively(count: int = 240) -> StillSwarm:
    """Return a swarm of many agents in all states, the same every time."""
    dice = Random(7)
    swarm = StillSwarm(*(_anybody(number, dice) for number in range(count)))
    for number, one in enumerate(swarm.agents.values()):
        if one.help:
            swarm.helps[one.help] = _question(one, number, dice)
    swarm.tasks.update((one.id, one) for one in queue(list(swarm.agents)[::9]))
    swarm.dead_mail = [row for row in ledger("b1") if row.state == "dead"]
    swarm.broadcasts["b1"] = Broadcast(
        id="b1",
        text="freeze main",
        where="",
        at=NOW,
        recipients=count,
        sent=9,
        acked=7,
        done=5,
        dead=1,
    )
    for number in range(40):
        swarm.beat(1500 + 400 * Random(number).random(), 1 + Random(-number).random())
    return swarm


WORK = (
    ("Encode the intro", "video", "queued", 5),
    ("Review the patch to the parser", "python review", "queued", 0),
    ("Nightly export", "sql", "scheduled", 0),
    ("Restore last week's backup", "infra sql", "dead", 2),
    ("Captions for lesson 12", "video docs", "leased", 0),
    ("Deduplicate the address book", "python", "leased", 1),
    ("Write the changelog", "docs", "done", 0),
    ("Cut the suite below five minutes", "python", "scheduled", 0),
    ("Move the cron jobs", "infra", "sent", 0),
    ("Drop the old table", "sql", "cancelled", 0),
    ("Measure the cold start", "rust", "working", 0),
    ("Translate the guide", "", "queued", -2),
)
"""Titles, needs, states and priorities of some work."""


def queue(agents: list[str]) -> list[Task]:
    """Return a work queue with tasks in all states."""
    return [_work(n, agents[n % len(agents)], *one) for n, one in enumerate(WORK, 1)]


def _work(number: int, name: str, title: str, *rest: Any) -> Task:
    needs, state, prio = rest
    tried = state in ("leased", "dead", "done") or number == 8
    held = state in ("leased", "working")
    return task(
        f"T{number}",
        name if held or state in ("done", "dead", "sent") else "",
        title=title,
        state=state,
        target=name if state == "sent" else "",
        needs=tuple(needs.split()),
        priority=prio,
        place=number,
        created=_at(4 * number),
        changed=_at(2 * number),
        attempts={"dead": 3, "leased": number % 3 + 1}.get(state, int(tried)),
        reason="disk quota reached on runner-7"
        if state == "dead" or number == 8
        else "",
        not_before=NOW + timedelta(seconds=40 * number)
        if state == "scheduled"
        else None,
        lease=300.0,
        lease_until=NOW + timedelta(seconds=45 * number - 100)
        if state == "leased"
        else None,
        result={"pages": 12, "words": 3400} if state == "done" else {},
        progress=number % 7 / 7 if state == "leased" else None,
        note=f"{number % 7} of 7 parts" if state == "leased" else "",
        fence=60 + number,
        version=60 + number,
    )


def _anybody(number: int, dice: Random) -> Agent:
    status = dice.choices(("idle", "busy", "blocked", "help"), (18, 70, 4, 3))[0]
    skills = tuple(sorted(dice.sample(SKILLS, 3)))
    since = NOW - timedelta(seconds=dice.randrange(3600))
    asks = status in ("blocked", "help")
    return agent(
        f"session-{number:04}-{skills[0]}",
        status=status,
        since=since,
        heard=NOW - timedelta(seconds=dice.randrange(20)),
        joined=since,
        task=f"P{dice.randrange(4)}.{dice.randrange(9)}.{dice.randrange(99):02}-{skills[1]}",
        message=QUESTIONS[number % len(QUESTIONS)] if asks else "",
        capabilities=skills,
        cost=dice.randrange(3000) / 100,
        completed=dice.randrange(50),
        ticket=number + 1 if status == "idle" else 0,
        linked=dice.random() < 0.8,
        lost=status == "busy" and dice.random() < 0.02,
        help=f"h{number}" if asks else "",
        cause=90,
        version=number,
    )


def _question(asker: Agent, number: int, dice: Random) -> HelpRequest:
    state = dice.choice(("open", "open", "open", "taken", "snoozed", "answered"))
    settled = state == "answered"
    return request(
        asker.help,
        asker.id,
        kind=asker.status,
        state=state,
        question=asker.message,
        opened=asker.since,
        severity=dice.choice(("normal", "normal", "high", "critical")),
        choices=("restart it", "wait for the lock") if number % 2 else (),
        wanted=asker.capabilities[:2],
        task=asker.task,
        by="" if state == "open" else "you",
        answer="use a smaller batch" if settled else "",
        settled=NOW if settled else None,
        snoozed_until=NOW + timedelta(hours=1) if state == "snoozed" else None,
        version=number,
    )


def asked(asker: str, question: str, kind: HelpKind = "help") -> Heard:
    """Return the event of a question, or of a blocker."""
    event = HelpAsked(
        at=NOW,
        agent=asker,
        help="h1",
        kind=kind,
        question=question,
        severity="normal",
        choices=(),
        wanted=(),
        task="",
    )
    return Heard(200, event, 212, 0.4)
