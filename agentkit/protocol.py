"""The alphabet: commands are wishes, events are facts.

The same frozen records are what the core takes and gives, the rows of the log, the
frames on the wire and the feed of the dashboard. Times and ids come in with a command,
so that the same commands always give the same events. `docs/protocol.md` shows the
frames that carry them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, TypeAlias

from agentkit.rows import HelpKind, Report, Severity, Status

# --- Commands ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """An agent reports its status. What is None keeps its known value.

    With a `spool`, `seq` must be one more than the last accepted of that spool: a lower
    one changes nothing, a higher one is refused.
    """

    agent: str
    report: Report
    id: str = ""
    """The id of the help request that this report may open."""
    task: str | None = None
    message: str | None = None
    capabilities: tuple[str, ...] | None = None
    cost: float | None = None
    completed: int | None = None
    reported_at: str = ""
    waiting_since: str | None = None
    severity: Severity | None = None
    choices: tuple[str, ...] = ()
    via: str = "http"
    spool: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A WebSocket of an agent opened; an agent the hub did not know joins as idle."""

    agent: str
    capabilities: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlink:
    """The WebSocket of an agent closed, or left a ping unanswered."""

    agent: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Deliveries were handed to connections."""

    deliveries: tuple[tuple[str, int], ...]
    """Pairs of agent and sequence number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """An agent has everything in its mailbox up to and including `upto`."""

    agent: str
    upto: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An agent has handled one delivery."""

    agent: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Assign:
    """Hand a task to an agent."""

    agent: str
    id: str
    title: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBroadcast:
    """Tell every agent that `where` matches; an empty filter is everybody."""

    id: str
    text: str
    where: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer a help request; the text goes into the asker's mailbox."""

    help: str
    text: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """A person takes a help request on."""

    help: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignHelper:
    """Send an agent to help another; it is told in its mailbox."""

    help: str
    helper: str
    note: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snooze:
    """Put a help request aside until a time."""

    help: str
    until: datetime
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve:
    """Close a help request without an answer."""

    help: str
    note: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Let time pass: whatever is due becomes an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The hub starts: no connection of the last run is open any more."""

    version: str


AgentCommand: TypeAlias = Notify | Link | Unlink | Ack | Done
CoordinatorCommand: TypeAlias = (
    Assign | SendBroadcast | Answer | Take | AssignHelper | Snooze | Resolve
)
Command: TypeAlias = AgentCommand | CoordinatorCommand | Sent | Tick | Start

# --- Events --------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConnected:
    """An agent opened its WebSocket."""

    subject: ClassVar[str] = "agent.connected"
    at: datetime
    agent: str
    capabilities: tuple[str, ...]


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
    """A task was put into an agent's mailbox."""

    subject: ClassVar[str] = "task.assigned"
    at: datetime
    agent: str
    task: str
    title: str
    body: Mapping[str, Any]
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted:
    """An agent reported busy with a task that it had been assigned."""

    subject: ClassVar[str] = "task.started"
    at: datetime
    agent: str
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDone:
    """An agent reported an assigned task as completed."""

    subject: ClassVar[str] = "task.done"
    at: datetime
    agent: str
    task: str


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
    | TaskStarted
    | TaskDone
    | BroadcastSent
    | DeliverySent
    | DeliveryAcked
    | DeliveryDone
)


class Logged(NamedTuple):
    """An event with its place in the log; cursors start at 1 and have no gaps."""

    cursor: int
    event: Event
