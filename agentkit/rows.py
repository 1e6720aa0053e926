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
TaskState: TypeAlias = Literal[
    "scheduled",
    "queued",
    "sent",
    "acked",
    "leased",
    "working",
    "done",
    "dead",
    "cancelled",
]
"""Where a task is. It waits: until its time (``scheduled``), for whoever claims it
(``queued``), in the mailbox of its agent (``sent``, ``acked``). Somebody has it: under
a lease, or without one because it only said that it works on it (``working``). It is
settled: ``done``, ``dead`` after its last attempt, or ``cancelled``."""

DeliveryState: TypeAlias = Literal["queued", "sent", "acked", "done", "dead"]
Guarantee: TypeAlias = Literal["at-least-once", "at-most-once"]
"""What an agent does with mail that it had begun to handle when it crashed: handle it
again, or leave it."""

LetterState: TypeAlias = Literal["dead", "requeued", "discarded"]
Role: TypeAlias = Literal["operator", "viewer", "agent"]
DeliveryKind: TypeAlias = Literal["task", "broadcast", "message", "answer", "helper"]

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
    guarantee: Guarantee = "at-least-once"
    """What it promises for its mail; told when its WebSocket opens."""
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
    """A piece of work: for one agent, or for whoever has the capabilities."""

    id: str
    state: TaskState
    created: datetime
    agent: str = ""
    """Who has it, or had it last; while it waits its `target`."""
    target: str = ""
    """The one agent it is for; empty is whoever covers `needs`."""
    needs: tuple[str, ...] = ()
    """The capabilities it takes."""
    title: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    """The task as the coordinator gave it; delivered unchanged."""
    by: str = ""
    priority: int = 0
    """A higher one is claimed first; of equals, the one that came first."""
    place: int = 0
    """Its place among equals: the cursor at which it entered the queue."""
    not_before: datetime | None = None
    """While it is scheduled: when it will be ready."""
    attempts: int = 0
    """How often it was claimed; one that was given back unused does not count."""
    max_attempts: int = 3
    """After so many failed attempts it is dead."""
    fence: int = 0
    """The cursor of its newest lease: whoever shows an older one has lost it."""
    lease: float = 0.0
    """Seconds that its lease lasts from each sign of life."""
    lease_until: datetime | None = None
    """When its lease ends unless it is extended; None unless it is leased."""
    reason: str = ""
    """Why its last attempt ended, or why it was cancelled."""
    result: Mapping[str, Any] = field(default_factory=dict)
    """What it led to, as its agent told it."""
    seq: int = 0
    """Its delivery in the agent's mailbox; 0 when it has none."""
    progress: float | None = None
    """How much of it is done, 0 to 1, as whoever has it told; None when it has not."""
    note: str = ""
    """What whoever has it told that it does just now."""
    watchers: tuple[str, ...] = ()
    """Agents that are told what becomes of it, in their mailboxes."""
    changed: datetime | None = None
    version: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether it can be claimed."""
        return self.state in ("queued", "sent", "acked")

    @property
    def is_held(self) -> bool:
        """Whether somebody works on it."""
        return self.state in ("leased", "working")

    @property
    def is_settled(self) -> bool:
        """Whether nothing more happens to it unless it is requeued."""
        return self.state in ("done", "dead", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """A message to one or many agents, and how far it got."""

    id: str
    text: str
    where: str
    """The filter that chose the recipients; empty is everybody, or as `to` says."""
    at: datetime
    by: str = ""
    sender: str = ""
    """The agent that sent it; empty when a person did, or the hub."""
    to: str = ""
    """The address that it was sent to; empty when `where` chose the recipients."""
    body: Mapping[str, Any] = field(default_factory=dict)
    call: str = ""
    """The correlation id that an answer comes under; empty unless it is a call."""
    answers: str = ""
    """The correlation id of the call that it answers; empty unless it is an answer."""
    expires: datetime | None = None
    """When nobody waits for the answer of a call any more."""
    about: str = ""
    """The task whose watchers it tells of."""
    called: tuple[str, ...] = ()
    """Who may answer, if it is a call."""
    answered: tuple[str, ...] = ()
    """Who of them has."""
    recipients: int = 0
    sent: int = 0
    """Recipients that were sent it, acknowledged or not."""
    acked: int = 0
    done: int = 0
    dead: int = 0
    """Recipients that gave up on it."""
    left_out: int = 0
    """Agents that were chosen but had no room in their mailbox; not recipients."""
    version: int = 0

    @property
    def is_message(self) -> bool:
        """Whether it went to an address, or to the watchers of a task."""
        return bool(self.to or self.about)

    @property
    def is_owed(self) -> bool:
        """Whether somebody who has handled it, a call, may answer it yet."""
        return bool(self.call) and self.done > len(self.answered)

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
    """When it was handled, or given up."""
    reason: str = ""
    """Why it is dead."""
    retried: int = 0
    """The delivery that took the place of a dead one; 0 when none has."""
    lapsed: bool = False
    """It is dead, and nobody waits for it any more: it is not tried again."""
    version: int = 0

    @property
    def id(self) -> str:
        """Its name in addresses: the number, ``@`` and the agent."""
        return f"{self.seq}@{self.agent}"

    @property
    def is_cast(self) -> bool:
        """Whether it carries a `Broadcast`, which counts how far all of them got."""
        return self.kind in ("broadcast", "message")

    @property
    def is_settled(self) -> bool:
        """Whether nothing more happens to it unless it is retried."""
        return self.state in ("done", "dead")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spool:
    """How much of one outbox of an agent has been accepted, keyed by (agent, spool)."""

    agent: str
    spool: str
    accepted: int
    """The highest sequence number that took effect."""
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An idempotency key that was used, and the events it led to."""

    key: str
    at: datetime
    first: int
    last: int
    """Cursors of its events; `last` < `first` when there were none."""
    wish: str = ""
    """The kind of command that it was used for."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message of a transport that a subscription gave up."""

    id: str
    state: LetterState
    at: datetime
    """When the hub was told of it."""
    message: Mapping[str, Any]
    """What was published, as `agentkit.transports.Event` is told."""
    subscription: str
    """The name of the subscription whose handler failed."""
    pattern: str = ""
    transport: str = ""
    """The name of the transport that gave it to the handler."""
    link: str = ""
    """How the hub was told: ``bus``, or the name of a bridge."""
    reason: str = ""
    """The last error, in one line."""
    attempts: int = 0
    told: str = ""
    """Who told the hub of it."""
    by: str = ""
    """Who requeued or discarded it."""
    settled: datetime | None = None
    """When it was requeued or discarded."""
    version: int = 0

    @property
    def subject(self) -> str:
        """The subject that it was published under."""
        return str(self.message.get("name", ""))


Row: TypeAlias = (
    Agent | HelpRequest | Task | Broadcast | Delivery | Spool | Receipt | Token | Letter
)


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
