"""What a tap shows: the messages that go by, on whatever link."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Tapped:
    """A message that went through the hub, as somebody saw it who looked on."""

    at: datetime
    """When the hub had it, in UTC."""
    link: str
    """The way it went: ``bus``, or the name of a bridge."""
    direction: Literal["in", "out"]
    """Whether it came to the hub, or the hub sent it."""
    subject: str
    id: str = ""
    source: str = ""
    """Who published it."""
    to: str = ""
    """Who got it: a name, or how many did."""
    size: int = 0
    """In bytes."""
    ms: float = 0.0
    """From its arrival at the hub until it was handed on."""
    data: Mapping[str, Any] | str = field(default_factory=dict)
    """What it says; as text, the beginning of its JSON, when that is longer than 4 KiB.
    """
