"""What the hub knows, as rows: the same frozen records from the core to the screen.

A row is replaced, never changed, so that it may be handed to another thread, encoded
later or compared with an older one without copying. Times are aware datetimes in UTC,
by the hub's clock; costs are US dollars. `version` is the cursor of the last event that
touched the row: two rows with the same key and version are equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

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
TaskState: TypeAlias = Literal["queued", "sent", "acked", "working", "done"]
DeliveryState: TypeAlias = Literal["queued", "sent", "acked", "done"]
DeliveryKind: TypeAlias = Literal["task", "broadcast", "answer", "helper"]

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
    help: str = ""
    """Its current help request, settled or not; empty when there is none."""
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
class Task:
    """A piece of work handed to one agent."""

    id: str
    agent: str
    state: TaskState
    created: datetime
    title: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    """The task as the coordinator gave it; delivered unchanged."""
    by: str = ""
    seq: int = 0
    """Its delivery in the agent's mailbox."""
    changed: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """A message to many agents, and how far it got."""

    id: str
    text: str
    where: str
    """The filter that chose the recipients; empty is everybody."""
    at: datetime
    by: str = ""
    recipients: int = 0
    sent: int = 0
    """Recipients that were sent it, acknowledged or not."""
    acked: int = 0
    done: int = 0
    version: int = 0

    @property
    def queued(self) -> int:
        """Recipients that it still waits for."""
        return self.recipients - self.sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message in one agent's mailbox, keyed by (agent, seq)."""

    agent: str
    seq: int
    """The cursor of the event that queued it: what came later has a higher number."""
    kind: DeliveryKind
    ref: str
    """The task, broadcast or help request that it carries."""
    state: DeliveryState
    queued: datetime
    attempts: int = 0
    """How often it was handed to a connection."""
    sent: datetime | None = None
    acked: datetime | None = None
    done: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spool:
    """How much of one outbox of an agent has been accepted, keyed by (agent, spool)."""

    agent: str
    spool: str
    accepted: int
    """The highest sequence number that took effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An idempotency key that was used, and the events it led to."""

    key: str
    at: datetime
    first: int
    last: int
    """Cursors of its events; `last` < `first` when there were none."""


Row: TypeAlias = Agent | HelpRequest | Task | Broadcast | Delivery | Spool | Receipt


def key_of(row: Row) -> tuple[str, ...] | tuple[str, int]:
    """Return the row's key within its table."""
    match row:
        case Delivery():
            return (row.agent, row.seq)
        case Spool():
            return (row.agent, row.spool)
        case Receipt():
            return (row.key,)
        case _:
            return (row.id,)
