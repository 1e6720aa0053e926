"""Numbers, texts, times and bodies that everybody can read."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
from pydantic import AfterValidator, Field

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

PlainId = Annotated[
    str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")
]

RequestId = Whole | Annotated[str, Field(max_length=256)]
"""What an answer is told apart by; it comes back with it."""


def _in_utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("choose a time in the years 1 to 9999, in UTC") from None


Moment = Annotated[datetime, AfterValidator(_in_utc)]
"""A time; a naive one means UTC."""
