"""What agents send over a broker, beside reports; the subject says who and what."""

from typing import Annotated, Final, NotRequired

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from server.wire.values import FromZero, Number


class Receipt(TypedDict):
    """It has its mailbox up to a number, or has handled what has this number."""

    seq: Number


class Refusal(TypedDict):
    """It will not handle what has this number."""

    seq: Number
    reason: NotRequired[Annotated[str, Field(max_length=10_000)]]


class Fetch(TypedDict, total=False):
    """It wants what it has not done, above a number."""

    after: FromZero


RECEIPT: Final = TypeAdapter(Receipt)
REFUSAL: Final = TypeAdapter(Refusal)
FETCH: Final = TypeAdapter(Fetch)
