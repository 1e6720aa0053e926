"""What agents send: reports, receipts of mail, and claims of work under a lease."""

from typing import Annotated, Any, Final, Literal, NotRequired, Required, TypeAlias

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from agentkit.rows import Guarantee, Report, Severity
from server.wire.messages import ErrandFrame, SendFrame
from server.wire.values import (
    LARGEST,
    Body,
    Dollars,
    FromZero,
    Number,
    RequestId,
    Seconds,
    Stamp,
)

# --- reports and mail ----------------------------------------------------------------


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
    via: Literal["http", "cli", "hook"]
    spool: Annotated[str, Field(max_length=256)]
    seq: Number


class SpendFields(TypedDict, total=False):
    """What an agent used since the last time."""

    cost: Annotated[Dollars, Field(ge=0)]
    tokens_in: FromZero
    tokens_out: FromZero


class SpendFrame(SpendFields):
    """It, numbered with the reports."""

    type: Literal["spend"]
    seq: Number


class SpendWish(SpendFields):
    """It, over HTTP."""

    agent: str


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
    progress: NotRequired[Seconds | None]
    note: NotRequired[str | None]


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
    | SpendFrame
    | CompleteFrame
    | FailFrame
    | NackFrame
    | AckFrame
    | DoneFrame
    | DeadFrame
    | ClaimFrame
    | UnclaimFrame
    | ExtendFrame
    | SendFrame
    | ErrandFrame
    | ByeFrame,
    Field(discriminator="type"),
]

STATUS: Final = TypeAdapter(StatusReport)
SPEND: Final = TypeAdapter(SpendWish)
CLAIM: Final = TypeAdapter(ClaimWish)
RECEIPTS: Final = TypeAdapter(Receipts)
AGENT_HELLO: Final[TypeAdapter[AgentHello]] = TypeAdapter(AgentHello)
AGENT_FRAME: Final[TypeAdapter[Any]] = TypeAdapter(AgentFrame)
