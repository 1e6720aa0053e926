"""The shapes of what `/v1` answers; rows and events are those of `agentkit`."""

from typing import Any, Literal, NotRequired, TypeAlias

from typing_extensions import TypedDict

from agentkit.rows import (
    Agent,
    Broadcast,
    Checkpoint,
    Delivery,
    HelpRequest,
    Item,
    Letter,
    Plan,
    Presence,
    Result,
    Run,
    Task,
)


class EventFrame(TypedDict):
    """An event with its place in the log; `data` has the fields of its class."""

    cursor: int
    subject: str
    data: Any


class MessageView(TypedDict):
    """A message as it is handed to its recipients."""

    id: str
    sender: str
    to: str
    text: str
    body: dict[str, Any]
    call: str
    answers: str
    expires: str | None
    about: str
    at: str


class MailFrame(TypedDict):
    """A delivery as it is handed to its agent."""

    type: Literal["mail"]
    seq: int
    attempt: int
    kind: str
    ref: str
    at: str
    by: str
    body: NotRequired[dict[str, Any]]
    """What it carries, unless that is a message."""
    message: NotRequired[MessageView]


class AgentPage(TypedDict):
    """Agents by id; `next` is what to send as `after` for more."""

    agents: list[Agent]
    next: str | None


class AgentView(TypedDict):
    """One agent, how present it is, and the event that made its status what it is."""

    agent: Agent
    presence: Presence
    why: EventFrame | None


class SpendDone(TypedDict):
    """An agent as it is now, and what the request led to."""

    agent: Agent | None
    events: list[EventFrame]


class EventPage(TypedDict):
    """A part of the log.

    `next` is the cursor to go on from; `oldest` that of the oldest event that is kept,
    whatever was asked for: who goes on from an older one has missed some.
    """

    events: list[EventFrame]
    next: int | None
    oldest: int


class StatusReply(TypedDict):
    """A report is stored; `accepted` is the highest number of its spool."""

    status: Literal["received"]
    agent: str
    accepted: int


class MailboxPage(TypedDict):
    """What lies in a mailbox, in order."""

    agent: str
    mail: list[MailFrame]


class MailboxState(TypedDict):
    """How much of a mailbox an agent has not acknowledged."""

    agent: str
    unread: int


class Queue(TypedDict):
    """Idle agents, who waits longest first."""

    queue: list[Agent]


class TaskPage(TypedDict):
    """Tasks by id: unsettled ones, and the newest that are settled.

    `counts` tells how many there are in each state, beyond this page too.
    """

    tasks: list[Task]
    next: str | None
    counts: dict[str, int]


class Claimed(TypedDict):
    """What was claimed, as it was leased; empty when there is nothing."""

    tasks: list[Task]


class HelpPage(TypedDict):
    """Help requests by id: open ones, and the newest that are settled."""

    helps: list[HelpRequest]
    next: str | None


class BroadcastPage(TypedDict):
    """Broadcasts by id: unsettled ones, and the newest that are settled."""

    broadcasts: list[Broadcast]
    next: str | None


class TaskDone(TypedDict):
    """A task as it is now, and what the request led to."""

    task: Task | None
    events: list[EventFrame]


class HelpDone(TypedDict):
    """A help request as it is now, and what the request led to."""

    help: HelpRequest | None
    events: list[EventFrame]


class BroadcastDone(TypedDict):
    """A broadcast as it is now, and what the request led to."""

    broadcast: Broadcast | None
    events: list[EventFrame]


class MessagePage(TypedDict):
    """Messages by id: unsettled ones, and the newest that are settled."""

    messages: list[Broadcast]
    next: str | None


class MessageDone(TypedDict):
    """A message as it is now, and what the request led to."""

    message: Broadcast | None
    events: list[EventFrame]


class BroadcastView(TypedDict):
    """A broadcast and its ledger; `next` is what to send as `after` for more."""

    broadcast: Broadcast
    deliveries: list[Delivery]
    next: str | None


class Redelivery(TypedDict):
    """The delivery that takes the place of a dead one; None once it is handled."""

    delivery: Delivery | None
    events: list[EventFrame]


class Preview(TypedDict):
    """Who would receive a broadcast: how many, and the first of them."""

    count: int
    agents: list[str]


class DeliveryPage(TypedDict):
    """Deliveries of one thing by agent; of one agent, or dead ones, newest first."""

    deliveries: list[Delivery]
    next: str | None


class LetterPage(TypedDict):
    """Letters, those that changed last first; `next` is to be sent as `before`."""

    letters: list[Letter]
    next: int | None


class LetterDone(TypedDict):
    """A letter as it is now, and what the request led to."""

    letter: Letter | None
    events: list[EventFrame]


class RunDone(TypedDict):
    """A run as it is now, and what the request led to at once."""

    run: Run
    events: list[EventFrame]


class RunPage(TypedDict):
    """Runs without their output, those that changed last first.

    `next` is to be sent as `before`.
    """

    runs: list[Run]
    next: int | None


class RunState(TypedDict):
    """One run, and how far it is.

    `progress` is 0 to 1, `eta` in seconds. `children` tells how many runs are below it,
    by state; `launched` names runs that it launched and did not wait for.
    """

    run: Run
    plan: str
    progress: float
    eta: float | None
    children: dict[str, int]
    launched: list[str]


class RunBranch(TypedDict):
    """A run without its output, with those below it in order of their items.

    It is not `whole` when there were too many and only the newest are here.
    """

    run: Run
    progress: float
    eta: float | None
    children: list["RunBranch"]
    whole: bool


class ItemPage(TypedDict):
    """Items of one stage, in order; `next` is what to send as `after` for more."""

    items: list[Item]
    next: int | None


class CheckpointPage(TypedDict):
    """Checkpoints, the newest first, without what they hold: that is a result."""

    checkpoints: list[Checkpoint]


class PlanView(TypedDict):
    """A plan that is run, or was."""

    plan: Plan


class ResultDone(TypedDict):
    """A result as it was written, None when there is none, and what that led to."""

    result: Result | None
    events: list[EventFrame]


class Health(TypedDict):
    """That the hub runs."""

    hub: Literal["swarmtui"]
    version: str
    started: str
    store: str
    """Which store it has: another hub has another, and so has one that was restored."""
    bridges: dict[str, Literal["connected", "reconnecting", "closed"]]
    """How its bridges to brokers are."""


class Readiness(TypedDict):
    """That the hub can write."""

    ready: bool
    store: str


class Problem(TypedDict):
    """What went wrong (RFC 9457); `detail` says why and what helps."""

    type: str
    title: str
    status: int
    detail: str
    code: str


Rows: TypeAlias = Agent | Task | HelpRequest | Broadcast
