"""The shapes of what comes in, validated here and nowhere else.

A shape holds the fields of a command of `agentkit.protocol`, or of a question, that the
sender may fill, so that a valid one becomes its command by keyword and nothing is
renamed. How long a text may be is the core's business; here it is settled that a text
is a text. HTTP and WebSockets share the shapes: where the fields stand (path, query,
body, frame) makes no difference to them.

The exception is `AgentNotification`, the one shape of the webhook endpoints, with the
names of IF.notify.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, NotRequired, Required, TypeAlias

import orjson
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from agentkit import protocol as p
from agentkit.errors import Invalid
from agentkit.rows import Guarantee, Report, Severity

# --- numbers and bodies that everybody can read --------------------------------------

LARGEST: Final = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exact (RFC 8259, 6)."""

COSTLIEST: Final = 1e15
"""US dollars; the costs of all agents still have a sum."""

AROUND: Final = 32
"""How deep a body may come to lie within rows, events and frames."""

Number = Annotated[int, Field(ge=1, le=LARGEST)]
Whole = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]
Dollars = Annotated[float, Field(le=COSTLIEST, allow_inf_nan=False)]
FromZero = Annotated[int, Field(ge=0, le=LARGEST)]
Stamp = Annotated[str, Field(max_length=64)]
"""A time as an agent writes it; it is shown and never read."""


def is_plain(value: object) -> bool:
    """Say whether a value can be told on: as JSON, within all that is put around it."""
    for _ in range(AROUND):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    if is_plain(body):
        return body
    raise ValueError(
        "leave out numbers beyond 64 bits, halves of surrogate pairs and more than "
        "200 levels"
    )


Body = Annotated[dict[str, Any], AfterValidator(_plain)]
"""Any object of JSON that can be told on."""

# --- the webhook endpoints -----------------------------------------------------------

PlainId = Annotated[
    str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")
]


class AgentNotification(BaseModel):
    """What an agent posts, as IF.notify has it."""

    session_id: PlainId
    status: str
    timestamp: datetime
    last_task: str | None = None
    capabilities: list[str] = []
    cost_spent: float = Field(0.0, ge=0, le=COSTLIEST, allow_inf_nan=False)
    tasks_completed: int = Field(0, ge=0, le=LARGEST)
    waiting_since: datetime | None = None
    message: str | None = None


def notify_of(report: Report, said: AgentNotification) -> p.Notify:
    """Return the command: what was left out, or is null, keeps its known value."""
    given = said.model_fields_set
    return p.Notify(
        agent=said.session_id,
        report=report,
        task=said.last_task,
        message=said.message,
        capabilities=tuple(said.capabilities) if "capabilities" in given else None,
        cost=said.cost_spent if "cost_spent" in given else None,
        completed=said.tasks_completed if "tasks_completed" in given else None,
        reported_at=echo(said.timestamp),
        waiting_since=echo(said.waiting_since) if said.waiting_since else None,
    )


def echo(time: datetime) -> str:
    """Return a time as pydantic writes it: UTC is ``Z``, a naive one stays naive."""
    text = time.isoformat()
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


# --- what agents send ----------------------------------------------------------------


class ReportFields(TypedDict, total=False):
    """The fields of `Notify` that an agent may fill; one left out keeps its value."""

    report: Required[Report]
    id: str
    task: str | None
    message: str | None
    capabilities: tuple[str, ...] | None
    cost: Dollars | None
    completed: Annotated[int, Field(le=LARGEST)] | None
    reported_at: Stamp
    waiting_since: Stamp | None
    severity: Severity | None
    choices: Annotated[tuple[str, ...], Field(max_length=64)]


class ReportFrame(ReportFields):
    """A numbered report over the WebSocket."""

    type: Literal["notify"]
    seq: Number


class StatusReport(ReportFields, total=False):
    """A report over HTTP; with a `spool`, `seq` numbers it."""

    agent: Required[str]
    via: Literal["http", "cli"]
    spool: Annotated[str, Field(max_length=256)]
    seq: Number


class AckFrame(TypedDict):
    """The agent has its mailbox up to here."""

    type: Literal["ack"]
    upto: FromZero


class DoneFrame(TypedDict):
    """The agent has handled a delivery; `confirm` asks to be told of the COMMIT."""

    type: Literal["done"]
    seq: Number
    confirm: NotRequired[bool]


class DeadFrame(TypedDict):
    """The agent will not handle a delivery: it failed too often."""

    type: Literal["dead"]
    seq: Number
    reason: str
    confirm: NotRequired[bool]


class ByeFrame(TypedDict):
    """The agent is about to close."""

    type: Literal["bye"]


class AgentHello(TypedDict):
    """The first frame of an agent."""

    type: Literal["hello"]
    agent: str
    spool: Annotated[str, Field(min_length=1, max_length=256)]
    got: NotRequired[FromZero]
    store: NotRequired[Annotated[str, Field(max_length=256)]]
    capabilities: NotRequired[tuple[str, ...] | None]
    guarantee: NotRequired[Guarantee]


class GivenUp(TypedDict):
    """A delivery that its agent will not handle, and why."""

    seq: Number
    reason: str


class Receipts(TypedDict):
    """What an agent says of its mailbox over HTTP."""

    agent: str
    acked: NotRequired[FromZero]
    done: NotRequired[tuple[Number, ...]]
    dead: NotRequired[tuple[GivenUp, ...]]


# --- work under a lease --------------------------------------------------------------

RequestId = Whole | Annotated[str, Field(max_length=256)]
"""What an answer is told apart by; it comes back with it."""


class ClaimFields(TypedDict, total=False):
    """The fields of `Claim` that every door takes."""

    tasks: Number
    task: str
    lease: Seconds | None


class LeaseFields(TypedDict):
    """Which lease is meant."""

    task: str
    fence: FromZero


class ExtendFields(LeaseFields):
    """The fields of `Extend`."""

    lease: NotRequired[Seconds | None]


class CompleteFields(LeaseFields):
    """The fields of `Complete`."""

    result: NotRequired[Body]
    cost: NotRequired[Dollars | None]


class NackFields(LeaseFields):
    """The fields of `Nack`."""

    reason: NotRequired[str]
    delay: NotRequired[Seconds | None]


class FailFields(NackFields):
    """The fields of `Fail`."""

    final: NotRequired[bool]


class ClaimWish(ClaimFields, total=False):
    """A claim over HTTP; it may wait for as many seconds."""

    agent: Required[str]
    capabilities: tuple[str, ...] | None
    wait: Annotated[float, Field(ge=0, le=50)]


class ExtendWish(ExtendFields):
    """An extension over HTTP."""

    agent: str


class CompleteWish(CompleteFields):
    """A completion over HTTP."""

    agent: str


class FailWish(FailFields):
    """A failure over HTTP."""

    agent: str


class NackWish(NackFields):
    """A task given back over HTTP."""

    agent: str


class ClaimFrame(ClaimFields):
    """A claim over the WebSocket; with `wait` it is kept until there is something."""

    type: Literal["claim"]
    id: RequestId
    wait: NotRequired[bool]


class UnclaimFrame(TypedDict):
    """A claim shall wait no longer."""

    type: Literal["unclaim"]
    id: RequestId


class ExtendFrame(ExtendFields):
    """An extension over the WebSocket."""

    type: Literal["extend"]
    id: RequestId


class CompleteFrame(CompleteFields):
    """A completion, numbered with the reports."""

    type: Literal["complete"]
    seq: Number


class FailFrame(FailFields):
    """A failure, numbered with the reports."""

    type: Literal["fail"]
    seq: Number


class NackFrame(NackFields):
    """A task given back, numbered with the reports."""

    type: Literal["nack"]
    seq: Number


AgentFrame: TypeAlias = Annotated[
    ReportFrame
    | CompleteFrame
    | FailFrame
    | NackFrame
    | AckFrame
    | DoneFrame
    | DeadFrame
    | ClaimFrame
    | UnclaimFrame
    | ExtendFrame
    | ByeFrame,
    Field(discriminator="type"),
]

# --- what coordinators wish ----------------------------------------------------------


def _in_utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("choose a time in the years 1 to 9999, in UTC") from None


Moment = Annotated[datetime, AfterValidator(_in_utc)]
"""A time; a naive one means UTC."""


class TaskFields(TypedDict, total=False):
    """What every new task may have."""

    id: str
    title: str
    body: Body
    priority: Whole
    not_before: Moment | None
    max_attempts: Number | None


class AssignWish(TaskFields):
    """The fields of `Assign`."""

    agent: str


class EnqueueWish(TaskFields, total=False):
    """The fields of `Enqueue`."""

    needs: tuple[str, ...]


class TaskWish(EnqueueWish, total=False):
    """A new task: for one `agent`, else for whoever has the capabilities it `needs`."""

    agent: str


def _says_something(wish: EnqueueWish) -> EnqueueWish:
    if wish.keys() & {"id", "title", "body"}:
        return wish
    raise ValueError("what is to be done is missing: add a title or a body")


class CancelWish(TypedDict):
    """The fields of `Cancel`."""

    id: str
    reason: NotRequired[str]


class RequeueWish(TypedDict):
    """The fields of `Requeue`."""

    id: str


DELIVERY: Final = re.compile(r"^[0-9]{1,16}@.")


def _names_a_delivery(text: str) -> str:
    if DELIVERY.match(text):
        return text
    raise ValueError(
        "a delivery is called by its number, @ and its agent, as in 12@a1, and "
        "swarmtui deliveries --dead lists those that are dead"
    )


DeliveryId = Annotated[
    str,
    AfterValidator(_names_a_delivery),
    Field(json_schema_extra={"pattern": DELIVERY.pattern}),
]


class RetryWish(TypedDict):
    """Which delivery is meant: its number, ``@`` and its agent."""

    id: DeliveryId


def _delivery_of(wish: RetryWish) -> dict[str, Any]:
    """Return the fields of `Retry`."""
    seq, _, agent = wish["id"].partition("@")
    return {"agent": agent, "seq": int(seq)}


class BroadcastWish(TypedDict):
    """The fields of `SendBroadcast`."""

    text: str
    where: NotRequired[str]
    id: NotRequired[str]


class AnswerWish(TypedDict):
    """The fields of `Answer`."""

    help: str
    text: str


class TakeWish(TypedDict):
    """The fields of `Take`."""

    help: str


class HelperWish(TypedDict):
    """The fields of `AssignHelper`."""

    help: str
    helper: str
    note: NotRequired[str]


class SnoozeWish(TypedDict):
    """The fields of `Snooze`."""

    help: str
    until: Moment


class ResolveWish(TypedDict):
    """The fields of `Resolve`."""

    help: str
    note: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Wish:
    """A command that coordinators may give: its class, and the shape of its fields."""

    command: type[p.CoordinatorCommand]
    shape: TypeAdapter[Any]
    names: bool = False
    """Whether it makes something new: its id may be left to the hub."""

    def read(self, fields: Mapping[str, Any], by: str) -> p.CoordinatorCommand:
        """Return the command, given by `by`.

        Raises:
            Invalid: a field is missing or of the wrong kind.
        """
        given = valid(self.shape, fields)
        if self.names:
            given.setdefault("id", "")
        return self.command(by=by, **given)


WISHES: Final[dict[str, Wish]] = {
    "assign": Wish(p.Assign, TypeAdapter(AssignWish), names=True),
    "enqueue": Wish(
        p.Enqueue,
        TypeAdapter(Annotated[EnqueueWish, AfterValidator(_says_something)]),
        names=True,
    ),
    "cancel": Wish(p.Cancel, TypeAdapter(CancelWish)),
    "requeue": Wish(p.Requeue, TypeAdapter(RequeueWish)),
    "retry": Wish(
        p.Retry, TypeAdapter(Annotated[RetryWish, AfterValidator(_delivery_of)])
    ),
    "broadcast": Wish(p.SendBroadcast, TypeAdapter(BroadcastWish), names=True),
    "answer": Wish(p.Answer, TypeAdapter(AnswerWish)),
    "take": Wish(p.Take, TypeAdapter(TakeWish)),
    "assign_helper": Wish(p.AssignHelper, TypeAdapter(HelperWish)),
    "snooze": Wish(p.Snooze, TypeAdapter(SnoozeWish)),
    "resolve": Wish(p.Resolve, TypeAdapter(ResolveWish)),
}
"""What a coordinator may wish, by the word on the wire."""


class WatchHello(TypedDict):
    """The first frame of a watcher."""

    type: Literal["hello"]
    batch_ms: NotRequired[Annotated[int, Field(ge=0, le=10_000)]]


class SnapshotFrame(TypedDict):
    """A watcher wants a new snapshot."""

    type: Literal["snapshot"]


class RequestFrame(TypedDict):
    """A command or a question; the reply carries its id."""

    type: Literal["request"]
    id: RequestId
    do: str
    args: NotRequired[dict[str, Any]]
    key: NotRequired[Annotated[str, Field(max_length=256)]]


WatchFrame: TypeAlias = Annotated[
    SnapshotFrame | RequestFrame, Field(discriminator="type")
]

# --- reading -------------------------------------------------------------------------

NOTIFICATION: Final = TypeAdapter(AgentNotification)
STATUS: Final = TypeAdapter(StatusReport)
CLAIM: Final = TypeAdapter(ClaimWish)
TASK: Final = TypeAdapter(TaskWish)
RECEIPTS: Final = TypeAdapter(Receipts)
AGENT_HELLO: Final[TypeAdapter[AgentHello]] = TypeAdapter(AgentHello)
AGENT_FRAME: Final[TypeAdapter[Any]] = TypeAdapter(AgentFrame)
WATCH_HELLO: Final[TypeAdapter[WatchHello]] = TypeAdapter(WatchHello)
WATCH_FRAME: Final[TypeAdapter[Any]] = TypeAdapter(WatchFrame)


WANTS: Final = {
    "greater_than_equal": "the least is {ge}, so choose a larger number",
    "less_than_equal": "the most is {le}, so choose a smaller number",
}
"""What would do instead, by pydantic's name of the error, where it does not say so."""


def valid(shape: TypeAdapter[Any], fields: Mapping[str, Any]) -> Any:
    """Return the fields as the shape has them.

    Raises:
        Invalid: one sentence about the first field that will not do.
    """
    try:
        return shape.validate_python(fields)
    except ValidationError as refusal:
        raise Invalid(sentence(refusal)) from None


def sentence(refusal: ValidationError) -> str:
    """Tell what is wrong first: the field, its value, and what would do."""
    first = refusal.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"]) or "the message"
    wants = first["msg"].removeprefix("Value error, ")
    wants = wants[0].lower() + wants[1:]
    if first["type"] in WANTS:
        wants = WANTS[first["type"]].format_map(first["ctx"])
    if first["type"] == "missing":
        return f"{path} is missing: add it"
    if first["type"] == "json_invalid":
        return f"this is not JSON: {wants}"
    value = repr(first["input"])
    if len(value) > 60:
        value = value[:57] + "..."
    return f"{path} cannot be {value}: {wants}"
