"""Events: what has happened, as the log has it and as everybody who watches is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

from agentkit.rows import Guarantee, HelpKind, Report, Role, Severity, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class HubStarted:
    """The hub started; every link of its last run is gone."""

    subject: ClassVar[str] = "hub.started"
    at: datetime
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReported:
    """An agent reported; every field holds what is known after the report."""

    at: datetime
    agent: str
    report: Report
    task: str
    message: str
    capabilities: tuple[str, ...]
    cost: float
    completed: int
    reported_at: str
    waiting_since: str | None
    via: str
    spool: str = ""
    seq: int = 0

    @property
    def subject(self) -> str:
        """Return ``agent.`` and the report."""
        return f"agent.{self.report}"

    @property
    def status(self) -> Status:
        """The status that the report leads to."""
        return "idle" if self.report == "completed" else self.report


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRefused:
    """A numbered report could not be accepted; its number counts as used."""

    subject: ClassVar[str] = "report.refused"
    at: datetime
    agent: str
    spool: str
    seq: int
    reason: str
    code: str = "invalid"
    """Of the error that it was refused with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConnected:
    """An agent opened its WebSocket."""

    subject: ClassVar[str] = "agent.connected"
    at: datetime
    agent: str
    capabilities: tuple[str, ...]
    guarantee: Guarantee = "at-least-once"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDisconnected:
    """An agent's WebSocket closed."""

    subject: ClassVar[str] = "agent.disconnected"
    at: datetime
    agent: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLost:
    """An agent's WebSocket stayed away for longer than lease and grace."""

    subject: ClassVar[str] = "agent.lost"
    at: datetime
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpAsked:
    """An agent needs a person."""

    subject: ClassVar[str] = "help.asked"
    at: datetime
    agent: str
    help: str
    kind: HelpKind
    question: str
    severity: Severity
    choices: tuple[str, ...]
    wanted: tuple[str, ...]
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpAnswered:
    """A help request was answered; the answer is in the asker's mailbox."""

    subject: ClassVar[str] = "help.answered"
    at: datetime
    agent: str
    help: str
    text: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpTaken:
    """A person took a help request on."""

    subject: ClassVar[str] = "help.taken"
    at: datetime
    agent: str
    help: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelperAssigned:
    """An agent was sent to help; the request is in the helper's mailbox."""

    subject: ClassVar[str] = "help.assigned"
    at: datetime
    agent: str
    help: str
    helper: str
    note: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpSnoozed:
    """A help request was put aside."""

    subject: ClassVar[str] = "help.snoozed"
    at: datetime
    agent: str
    help: str
    until: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpWoken:
    """The snooze of a help request ended."""

    subject: ClassVar[str] = "help.woken"
    at: datetime
    agent: str
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpEscalated:
    """An agent stayed blocked for longer than the limit; said once per blocker."""

    subject: ClassVar[str] = "help.escalated"
    at: datetime
    agent: str
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpResolved:
    """A help request was closed: by a person, or because the agent moved on."""

    subject: ClassVar[str] = "help.resolved"
    at: datetime
    agent: str
    help: str
    note: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAssigned:
    """A task was handed to one agent; unless it is for later, it is in its mailbox."""

    subject: ClassVar[str] = "task.assigned"
    at: datetime
    agent: str
    task: str
    title: str
    body: Mapping[str, Any]
    by: str
    priority: int = 0
    not_before: datetime | None = None
    max_attempts: int = 3
    watchers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnqueued:
    """A task waits for whoever has the capabilities."""

    subject: ClassVar[str] = "task.enqueued"
    at: datetime
    task: str
    title: str
    body: Mapping[str, Any]
    needs: tuple[str, ...]
    priority: int
    not_before: datetime | None
    max_attempts: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReady:
    """The time of a scheduled task has come."""

    subject: ClassVar[str] = "task.ready"
    at: datetime
    agent: str
    """The one agent it is for, if it is for one."""
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLeased:
    """An agent has claimed a task, and so is busy with it."""

    subject: ClassVar[str] = "task.leased"
    at: datetime
    agent: str
    task: str
    fence: int
    """The cursor of this event: it rises with every lease."""
    lease: float
    until: datetime
    attempt: int
    """Which attempt this is, from 1."""
    capabilities: tuple[str, ...]
    via: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskExtended:
    """A lease lasts longer; said when it had used up a third of its time."""

    subject: ClassVar[str] = "task.extended"
    at: datetime
    agent: str
    task: str
    fence: int
    lease: float
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProgressed:
    """Whoever has a task told how far it is."""

    subject: ClassVar[str] = "task.progressed"
    at: datetime
    agent: str
    task: str
    fence: int
    progress: float | None
    """Of the whole, 0 to 1."""
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskWatched:
    """An agent is told what becomes of a task, or no longer."""

    subject: ClassVar[str] = "task.watched"
    at: datetime
    agent: str
    task: str
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted:
    """An agent reported busy with a task that it had been assigned."""

    subject: ClassVar[str] = "task.started"
    at: datetime
    agent: str
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDone:
    """An agent has done a task."""

    subject: ClassVar[str] = "task.done"
    at: datetime
    agent: str
    task: str
    fence: int = 0
    """Of the lease that it ended; 0 when a report ended the task."""
    result: Mapping[str, Any] = field(default_factory=dict)
    cost: float | None = None
    spool: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReleased:
    """An attempt ended without success, and the task waits for the next."""

    subject: ClassVar[str] = "task.released"
    at: datetime
    agent: str
    task: str
    fence: int
    cause: Literal["failed", "nacked", "expired"]
    reason: str
    not_before: datetime | None
    """When it will be ready; None is at once."""
    spool: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDead:
    """The last attempt at a task failed."""

    subject: ClassVar[str] = "task.dead"
    at: datetime
    agent: str
    task: str
    fence: int
    reason: str
    cause: Literal["failed", "expired"] = "failed"
    spool: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCancelled:
    """A task was called off."""

    subject: ClassVar[str] = "task.cancelled"
    at: datetime
    agent: str
    """Who had it, or for whom it was."""
    task: str
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequeued:
    """A task begins anew, with all its attempts."""

    subject: ClassVar[str] = "task.requeued"
    at: datetime
    agent: str
    """Who had it last, or for whom it is."""
    task: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastSent:
    """A broadcast was put into the mailbox of each recipient."""

    subject: ClassVar[str] = "broadcast.sent"
    at: datetime
    broadcast: str
    text: str
    where: str
    by: str
    recipients: tuple[str, ...]
    left_out: int = 0
    """How many were chosen but had no room in their mailbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent:
    """A message was put into the mailbox of each recipient."""

    subject: ClassVar[str] = "message.sent"
    at: datetime
    message: str
    agent: str
    """Who sent it; empty when a person did, or the hub."""
    to: str
    recipients: tuple[str, ...]
    text: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    call: str = ""
    answers: str = ""
    expires: datetime | None = None
    about: str = ""
    """The task whose watchers it tells of."""
    by: str = ""
    left_out: int = 0
    """How many more were meant but had no room in their mailbox."""
    spool: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySent:
    """Deliveries were handed to connections, as pairs of agent and number."""

    subject: ClassVar[str] = "delivery.sent"
    at: datetime
    deliveries: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAcked:
    """An agent has its mailbox up to and including `upto`."""

    subject: ClassVar[str] = "delivery.acked"
    at: datetime
    agent: str
    upto: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDone:
    """An agent has handled one delivery."""

    subject: ClassVar[str] = "delivery.done"
    at: datetime
    agent: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDead:
    """An agent has given up on one delivery."""

    subject: ClassVar[str] = "delivery.dead"
    at: datetime
    agent: str
    seq: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRetried:
    """A dead delivery was put into the mailbox again; its new number is the cursor."""

    subject: ClassVar[str] = "delivery.retried"
    at: datetime
    agent: str
    seq: int
    """The number of the dead one."""
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCreated:
    """A token is let in from now on."""

    subject: ClassVar[str] = "token.created"
    at: datetime
    token: str
    role: Role
    agent: str
    name: str
    digest: str
    expires: datetime | None
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevoked:
    """A token is let in no longer."""

    subject: ClassVar[str] = "token.revoked"
    at: datetime
    token: str
    role: Role
    agent: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterDead:
    """A subscription gave a message up, after its last attempt."""

    subject: ClassVar[str] = "letter.dead"
    at: datetime
    letter: str
    message: Mapping[str, Any]
    """What was published, as `agentkit.transports.Event` is told."""
    subscription: str
    pattern: str
    transport: str
    link: str
    """How the hub was told: ``bus``, or the name of a bridge."""
    reason: str
    attempts: int
    by: str
    """Who told the hub of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterRequeued:
    """A letter was given to its subscription once more, if that is there to take it."""

    subject: ClassVar[str] = "letter.requeued"
    at: datetime
    letter: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterDiscarded:
    """A letter is of no more interest."""

    subject: ClassVar[str] = "letter.discarded"
    at: datetime
    letter: str
    by: str


Event: TypeAlias = (
    HubStarted
    | AgentReported
    | ReportRefused
    | AgentConnected
    | AgentDisconnected
    | AgentLost
    | HelpAsked
    | HelpAnswered
    | HelpTaken
    | HelperAssigned
    | HelpSnoozed
    | HelpWoken
    | HelpEscalated
    | HelpResolved
    | TaskAssigned
    | TaskEnqueued
    | TaskReady
    | TaskLeased
    | TaskExtended
    | TaskProgressed
    | TaskWatched
    | TaskStarted
    | TaskDone
    | TaskReleased
    | TaskDead
    | TaskCancelled
    | TaskRequeued
    | BroadcastSent
    | MessageSent
    | DeliverySent
    | DeliveryAcked
    | DeliveryDone
    | DeliveryDead
    | DeliveryRetried
    | TokenCreated
    | TokenRevoked
    | LetterDead
    | LetterRequeued
    | LetterDiscarded
)


class Logged(NamedTuple):
    """An event with its place in the log; cursors start at 1 and have no gaps."""

    cursor: int
    event: Event
