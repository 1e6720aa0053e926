"""Agents, those who ask for help, and who is let in."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["idle", "busy", "blocked", "help"]
"""What an agent last said of itself. ``completed`` is a report, not a status: whoever
has completed a task is idle (IF.notify)."""

Report: TypeAlias = Literal["idle", "busy", "blocked", "completed", "help"]
"""The five notifications of IF.notify."""

Presence: TypeAlias = Literal["live", "late", "silent", "lost"]
"""What the hub knows of an agent's connection, whatever its status."""

Severity: TypeAlias = Literal["low", "normal", "high", "critical"]

HelpKind: TypeAlias = Literal["help", "blocked"]

HelpState: TypeAlias = Literal["open", "taken", "snoozed", "answered", "resolved"]

Guarantee: TypeAlias = Literal["at-least-once", "at-most-once"]
"""What an agent does with mail that it had begun to handle when it crashed: handle it
again, or leave it."""

Role: TypeAlias = Literal["operator", "viewer", "agent"]

LATE_AFTER = timedelta(seconds=30)

SILENT_AFTER = timedelta(seconds=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent: what it said, and what the hub knows of it."""

    id: str
    status: Status
    since: datetime
    """When `status` began; saying the same again does not restart it."""
    heard: datetime
    """When the hub last heard anything from it."""
    joined: datetime
    task: str = ""
    """The task it works on, or last worked on."""
    message: str = ""
    """What it said with its last report: the reason, or the question."""
    capabilities: tuple[str, ...] = ()
    cost: float = 0.0
    """US dollars in all: the larger of `told` and `metered`."""
    completed: int = 0
    reported_at: str = ""
    """The agent's own timestamp, echoed as given; never used for order."""
    waiting_since: str | None = None
    """Since when it says it waits, as given, else the hub's time; None unless idle."""
    ticket: int = 0
    """Its place in the idle queue, lower waits longer; 0 is not in the queue."""
    via: str = "http"
    """How its last report came: ``http``, ``ws`` or ``cli``."""
    linked: bool = False
    """A WebSocket of this agent is open."""
    unlinked: datetime | None = None
    """When its WebSocket went away; None for agents that never had one."""
    lost: bool = False
    escalated: bool = False
    """Blocked for longer than the limit, and a person has been told."""
    guarantee: Guarantee = "at-least-once"
    """What it promises for its mail; told when its WebSocket opens."""
    help: str = ""
    """Its current help request, settled or not; empty when there is none."""
    tokens_in: int = 0
    """Tokens it was billed for reading, in all; those read from a cache count too."""
    tokens_out: int = 0
    """Tokens that its models wrote, in all."""
    tokens_told: tuple[int, int] = (0, 0)
    """Tokens read and written in all, as it told itself; the larger counts."""
    tokens_metered: tuple[int, int] = (0, 0)
    """The same, as telemetry told."""
    told: float = 0.0
    """US dollars in all, as it told itself."""
    metered: float = 0.0
    """US dollars in all, as telemetry told bit by bit."""
    spent_on: str = ""
    """The UTC day that is counted, as ``2026-11-21``; empty before the first cost."""
    spent: float = 0.0
    """US dollars that count on that day: the larger of the two that follow."""
    spent_told: float = 0.0
    """What its own totals rose by on that day."""
    spent_metered: float = 0.0
    """What telemetry told of that day."""
    over_budget: bool = False
    """It reached its budget of that day, and gets no new work while the day lasts."""
    cause: int = 0
    """The cursor of the event that made `status` what it is."""
    version: int = 0

    @property
    def state(self) -> str:
        """What a person wants to see first: ``lost``, else the status."""
        return "lost" if self.lost else self.status


def presence(agent: Agent, now: datetime) -> Presence:
    """Say how present an agent is.

    An open WebSocket is live: the hub closes one that leaves a ping unanswered. Agents
    that only post are quiet between posts, so they turn late and silent but are never
    lost by silence alone; lost is a decision of the hub (`agent.lost`).
    """
    if agent.lost:
        return "lost"
    if agent.linked:
        return "live"
    gone = agent.unlinked is not None and agent.unlinked >= agent.heard
    quiet = now - (agent.unlinked if gone and agent.unlinked else agent.heard)
    if quiet >= SILENT_AFTER:
        return "silent"
    return "late" if gone or quiet >= LATE_AFTER else "live"


def spent_today(agent: Agent, now: datetime) -> float:
    """Return the US dollars that an agent has spent on the UTC day of `now`."""
    return agent.spent if agent.spent_on == day_of(now) else 0.0


def day_of(now: datetime) -> str:
    """Return the UTC day that a time is of, as rows write it."""
    return now.astimezone(UTC).date().isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpRequest:
    """Somebody needs a person: a question, or a blocker."""

    id: str
    agent: str
    kind: HelpKind
    state: HelpState
    question: str
    opened: datetime
    severity: Severity = "normal"
    choices: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    """The capabilities a helper should have."""
    task: str = ""
    escalated: bool = False
    by: str = ""
    """Who last handled it."""
    helper: str = ""
    """The agent assigned to help."""
    answer: str = ""
    snoozed_until: datetime | None = None
    settled: datetime | None = None
    """When it was answered or resolved."""
    note: str = ""
    version: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it still waits for a person."""
        return self.state in ("open", "taken", "snoozed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that the hub was asked to make; the token itself is kept nowhere.

    One row may stand for the derived token of an agent: it has no `digest`, and
    revoking it raises `generation`, which makes another token the agent's.
    """

    id: str
    role: Role
    created: datetime
    agent: str = ""
    """The agent that a token with the role ``agent`` is good for."""
    name: str = ""
    """Who or what it was made for; shown as who did something."""
    digest: str = ""
    """SHA-256 of the token, in hexadecimal."""
    generation: int = 0
    by: str = ""
    expires: datetime | None = None
    revoked: datetime | None = None
    version: int = 0
