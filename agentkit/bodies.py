"""What is told as JSON: checked before it is taken, so that no hub refuses it later."""

import json
from collections.abc import Mapping
from typing import Any, Final

from agentkit.codec import dumps

DEEPEST: Final = 200
"""How many levels what is told may have."""

SMALLEST: Final = -(2**63)
GREATEST: Final = 2**64 - 1


def check(what: str, body: object, largest: int) -> Mapping[str, Any]:
    """Return a body that the hub will take.

    Args:
        what: how to call it when it will not do.
        body: should be a mapping that has a form in JSON.
        largest: how many bytes its JSON may have.

    Raises:
        TypeError: it is no mapping, or something in it has no form in JSON.
        ValueError: it is too large, too deep, or has a number that is not everybody's.
    """
    if not isinstance(body, Mapping):
        raise TypeError(f"{body!r} is given as {what}: give a mapping or None")
    _check_depth(what, body, DEEPEST)
    text = dumps(body)
    json.loads(text, parse_constant=_no_number, parse_int=_whole)
    if (size := len(text.encode())) > largest:
        raise ValueError(
            f"{what} has {size:,} bytes of JSON, more than {largest:,}: keep it "
            "elsewhere and tell where it is"
        )
    return body


def _check_depth(what: str, value: object, left: int) -> None:
    if not left:
        raise ValueError(f"{what} has more than {DEEPEST} levels: make it flatter")
    inner = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, Mapping | list | tuple):
        for item in inner:  # type: ignore[attr-defined]
            _check_depth(what, item, left - 1)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} has no form in JSON: give a number or None")


def _whole(digits: str) -> int:
    number = int(digits)
    if SMALLEST <= number <= GREATEST:
        return number
    raise ValueError(f"{digits} has more than 64 bits: give it as text")
