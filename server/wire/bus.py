"""What comes over the bus: messages, wishes for them, and figures of transports."""

from typing import Annotated, Any, Final, Literal, NotRequired, TypeAlias

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from agentkit.transports.metrics import Metrics
from server.wire.values import Body, FromZero, Moment, PlainId, RequestId

Pattern = Annotated[str, Field(max_length=512)]


class BusHello(TypedDict):
    """The first frame of a connection to the bus; `name` is what it is called."""

    type: Literal["hello"]
    name: PlainId


class BusEvent(TypedDict):
    """A message; `only` names the one subscription that it is for.

    What data cannot be told on is refused by the bus: the connection stays.
    """

    name: Pattern
    id: Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]
    data: NotRequired[dict[str, Any]]
    at: NotRequired[Moment]
    only: NotRequired[Annotated[str, Field(max_length=512)]]
    letter: NotRequired[Annotated[str, Field(max_length=256)]]


class PublishFrame(TypedDict):
    """A message for all who subscribe to its subject."""

    type: Literal["publish"]
    id: RequestId
    event: BusEvent


class SubscribeFrame(TypedDict):
    """Every message that the pattern matches is wanted."""

    type: Literal["subscribe"]
    pattern: Pattern


class UnsubscribeFrame(TypedDict):
    """They are wanted no longer."""

    type: Literal["unsubscribe"]
    pattern: Pattern


BusFrame: TypeAlias = Annotated[
    PublishFrame | SubscribeFrame | UnsubscribeFrame, Field(discriminator="type")
]


class LetterTold(TypedDict):
    """A letter as ``_dead`` carries it; when it was given up, the hub sees itself."""

    id: Annotated[str, Field(max_length=256)]
    event: Body
    subscription: str
    pattern: str
    transport: str
    reason: str
    attempts: FromZero


BUS_HELLO: Final[TypeAdapter[BusHello]] = TypeAdapter(BusHello)
BUS_FRAME: Final[TypeAdapter[Any]] = TypeAdapter(BusFrame)

LETTER_TOLD: Final[TypeAdapter[LetterTold]] = TypeAdapter(LetterTold)
LINK_TOLD: Final[TypeAdapter[Metrics]] = TypeAdapter(Metrics)
"""What a transport tells of itself on ``_link``."""
