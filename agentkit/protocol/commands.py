"""Commands: what somebody wishes of the hub, which decides whether it comes to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from agentkit.rows import Guarantee, Report, Role, Severity


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
    guarantee: Guarantee = "at-least-once"


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
class GiveUp:
    """An agent will not handle one delivery: it failed too often."""

    agent: str
    seq: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An agent takes work under a lease: what is for it, or what it is able to do.

    The most urgent comes first. With `task` only that one is taken. An agent that has
    the task already is given it again under a new fence.
    """

    agent: str
    tasks: int = 1
    """How many at most."""
    task: str = ""
    lease: float | None = None
    """Seconds that the lease lasts; else as the hub is set."""
    capabilities: tuple[str, ...] | None = None
    via: str = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend:
    """Whoever has a task is alive: its lease lasts from now on."""

    agent: str
    task: str
    fence: int
    lease: float | None = None
    progress: float | None = None
    """How much of it is done, 0 to 1; None leaves what is known."""
    note: str | None = None
    """What it does just now; None leaves what is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What an agent used since the last time, never less than nothing.

    It tells that itself (`told`), or telemetry does: two counts of the same, of which
    the larger counts. With a `spool` it is numbered like `Notify`.
    """

    agent: str
    cost: float = 0.0
    """US dollars."""
    tokens_in: int = 0
    """Those read from a cache too."""
    tokens_out: int = 0
    told: bool = False
    spool: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """Whoever has a task has done it. With a `spool` it is numbered like `Notify`."""

    agent: str
    task: str
    fence: int
    result: Mapping[str, Any] = field(default_factory=dict)
    cost: float | None = None
    """US dollars spent so far."""
    spool: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """The attempt failed: another follows after a while, unless it was the last.

    With a `spool` it is numbered like `Notify`.
    """

    agent: str
    task: str
    fence: int
    reason: str = ""
    delay: float | None = None
    """Seconds until it may be claimed again; else a backoff that doubles."""
    final: bool = False
    """Another attempt would not help: the task is dead."""
    spool: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Nack:
    """Whoever has a task gives it back untouched: the attempt does not count.

    With a `spool` it is numbered like `Notify`.
    """

    agent: str
    task: str
    fence: int
    reason: str = ""
    delay: float | None = None
    """Seconds until it may be claimed again; else at once."""
    spool: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assign:
    """Hand a task to one agent: into its mailbox, or first when `not_before` has come.

    A task that another agent had moves over.
    """

    agent: str
    id: str
    title: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0
    not_before: datetime | None = None
    max_attempts: int | None = None
    by: str = ""
    watchers: tuple[str, ...] = ()
    """Agents that are told what becomes of it, in their mailboxes."""
    undertaken: bool = False
    """The agent gives it to itself: again it changes nothing, and it takes no other."""
    call: str = ""
    """The call that an agent undertakes it for: its correlation id."""
    giver: str = ""
    """The agent that gives it; empty when a person does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueue:
    """Queue a task for whoever has the capabilities."""

    id: str
    title: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    priority: int = 0
    not_before: datetime | None = None
    max_attempts: int | None = None
    by: str = ""
    giver: str = ""
    """The agent that gives it; empty when a person does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Nobody shall do a task any more; whoever has it loses it."""

    id: str
    reason: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requeue:
    """Put a task back to the beginning, with all its attempts; done ones too."""

    id: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Send a dead delivery once more, as a new one."""

    agent: str
    seq: int
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBroadcast:
    """Tell every agent that `where` matches; an empty filter is everybody."""

    id: str
    text: str
    where: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send a message to other agents. With a `spool` it is numbered like `Notify`."""

    agent: str
    """Who sends it; empty when a person does."""
    to: str
    """An address: ``name``, ``name@swarm``, ``cap:capability`` for one of those who
    have it, or a pattern of names such as ``render.*``."""
    id: str = ""
    text: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    call: str = ""
    """Makes it a call: the correlation id that its answer comes under."""
    answers: str = ""
    """Makes it an answer: the correlation id of the call."""
    expires: datetime | None = None
    """When nobody waits for the answer any more."""
    by: str = ""
    spool: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Push what becomes of a task into the mailbox of an agent, from now on."""

    task: str
    agent: str
    on: bool = True
    """False ends it."""
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
class CreateToken:
    """Let a token in; only its digest is told."""

    id: str
    role: Role
    digest: str
    agent: str = ""
    name: str = ""
    expires: datetime | None = None
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeToken:
    """Let a token in no longer.

    ``agent:ID`` is the derived token of an agent, ``viewer`` that of the viewer, which
    need no row until they are revoked; their next generation takes their place.
    """

    id: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bury:
    """A subscription gave a message up; told again it changes nothing."""

    id: str
    """The letter's own, made by the transport."""
    message: Mapping[str, Any]
    """What was published, as `agentkit.transports.Event` is told."""
    subscription: str
    pattern: str = ""
    transport: str = ""
    link: str = ""
    """How the hub was told: ``bus``, or the name of a bridge."""
    reason: str = ""
    attempts: int = 0
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbury:
    """Give a letter to its subscription once more; also one that was before."""

    id: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard:
    """Let a letter be: nobody will try it again."""

    id: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Run a machine of a plan; what it leads to is told by events, not by an answer."""

    id: str
    plan: Mapping[str, Any]
    """The document, as `agentkit.plans` reads it from its files."""
    input: Mapping[str, Any] = field(default_factory=dict)
    machine: str = ""
    """Which machine; empty is the plan's main one."""
    by: str = ""
    resumed_from: str = ""
    """The address of a checkpoint; then `stage` and `context` are what it holds."""
    stage: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRun:
    """Call a run off, with everything below it."""

    id: str
    reason: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRun:
    """Let a run that failed or was called off go on with what it had not done.

    It changes nothing for one that is running or done.
    """

    id: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRun:
    """Do the failed items of a run again, of a stage that had some."""

    id: str
    visit: int
    """Which stage, counted as `Run.visit` does."""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """Write something under ``swarm://RUN/NAME``, over what was there."""

    run: str
    name: str
    value: Any = None
    """JSON; None when it is in a file."""
    type: str = "application/json"
    file: str = ""
    """The SHA-256 of a file that is on disk already, in hexadecimal."""
    size: int = 0
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteResult:
    """Take away what is under ``swarm://RUN/NAME``; nothing there changes nothing."""

    run: str
    name: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Let time pass: whatever is due becomes an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The hub starts: no connection of the last run is open any more."""

    version: str


Numbered: TypeAlias = Notify | Spend | Complete | Fail | Nack | Send
"""What an outbox holds: taken in order, each with effect exactly once."""

AgentCommand: TypeAlias = (
    Numbered | Link | Unlink | Ack | Done | GiveUp | Claim | Extend
)
CoordinatorCommand: TypeAlias = (
    Assign
    | Enqueue
    | Cancel
    | Requeue
    | Retry
    | SendBroadcast
    | Send
    | Watch
    | Answer
    | Take
    | AssignHelper
    | Snooze
    | Resolve
    | CreateToken
    | RevokeToken
    | Unbury
    | Discard
    | Launch
    | CancelRun
    | ResumeRun
    | RetryRun
    | WriteResult
    | DeleteResult
)
Command: TypeAlias = AgentCommand | CoordinatorCommand | Bury | Sent | Tick | Start
