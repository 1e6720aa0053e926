"""What transports carry: events, and their form in JSON."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import uuid4

from agentkit.errors import Invalid
from agentkit.subjects import read_pattern, read_subject

DEAD: Final = "_dead"
"""The subject of letters: events that a handler failed on for good."""

REQUEUE: Final = "_requeue"
"""The subject on which a letter is given to its subscription once more."""

LINK: Final = "_link"
"""The subject on which transports tell their metrics."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, under the subject that patterns match.

    Args:
        name: a subject, such as ``task.created``.
        data: what JSON can say, not to be changed by whoever receives it.

    Raises:
        Invalid: the name is no subject; see `agentkit.subjects.read_subject`.
    """

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid4().hex, kw_only=True)
    """Its own, whatever happens to it; what de-duplication goes by."""
    source: str = field(default="", kw_only=True)
    """Who published it: the name of a transport, or of an agent by the hub's word."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC), kw_only=True)
    """When it was made, in UTC, by the clock of who made it."""
    only: str = field(default="", kw_only=True)
    """The one subscription that is to handle it, by name; empty for all that match."""
    letter: str = field(default="", kw_only=True)
    """The letter that it was before it was requeued; empty if it was none."""

    def __post_init__(self) -> None:
        read_subject(self.name)

    @property
    def key(self) -> str:
        """What is the same in copies of one publishing: `id`, and the letter's."""
        return f"{self.id}.{self.letter}" if self.letter else self.id

    def encode(self) -> bytes:
        """Return the event as an object of JSON, in UTF-8.

        Half of a surrogate pair, as file names may have it, becomes a question mark.

        Raises:
            Invalid: the data has something that JSON has no form for.
        """
        try:
            text = json.dumps(
                as_data(self),
                ensure_ascii=False,
                allow_nan=False,
                separators=(",", ":"),
            )
        except (TypeError, ValueError, RecursionError) as error:
            raise Invalid(
                f"the data of the event {self.name!r} has no form in JSON ({error}): "
                "use text, numbers, booleans, None, lists and dicts of them"
            ) from None
        return text.encode("utf-8", "replace")

    @classmethod
    def decode(cls, payload: bytes | str) -> "Event":
        """Return the event that `encode` made the payload of.

        Raises:
            Invalid: it is nothing that `encode` makes.
        """
        try:
            return read_event(json.loads(payload, parse_constant=_refuse))
        except (ValueError, RecursionError) as error:
            raise Invalid(f"{_shown(payload)} is no event: {error}") from None


Handler: TypeAlias = Callable[[Event], Awaitable[None]]

Direction: TypeAlias = Literal["in", "out"]

Observer: TypeAlias = Callable[[Direction, Event, int], None]
"""Is called with each event that goes through a transport, and its size in bytes."""


def is_reserved(name: str) -> bool:
    """Say whether a subject or pattern is one that only transports use."""
    return name.startswith("_")


def read_wanted(pattern: str) -> None:
    """Check that a pattern is one that a user may subscribe to.

    Raises:
        Invalid: it is malformed, or reserved.
    """
    read_pattern(pattern)
    if is_reserved(pattern):
        raise Invalid(
            f"the pattern {pattern!r} is for transports alone: use one that begins "
            "without an underscore"
        )


def as_data(event: Event) -> dict[str, Any]:
    """Return an event as an object of JSON."""
    data: dict[str, Any] = {
        "id": event.id,
        "name": event.name,
        "data": event.data,
        "source": event.source,
        "at": event.at.isoformat(),
    }
    if event.only:
        data["only"] = event.only
    if event.letter:
        data["letter"] = event.letter
    return data


def read_event(data: Any) -> Event:
    """Return the event that `as_data` made the object of.

    Raises:
        Invalid: it is nothing that `as_data` makes.
    """
    if not isinstance(data, Mapping):
        raise Invalid(f"{_shown(data)} is no event: send an object of JSON")
    return Event(
        name=_text(data, "name"),
        data=_object(data),
        id=_text(data, "id") or uuid4().hex,
        source=_text(data, "source"),
        at=_time(data),
        only=_text(data, "only"),
        letter=_text(data, "letter"),
    )


def _refuse(constant: str) -> None:
    """Take no NaN and no infinity, which are not JSON.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{constant} is not JSON")


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key, "")
    if not isinstance(value, str):
        raise Invalid(f"the {key} of an event is {_shown(value)}: send text")
    return value


def _object(data: Mapping[str, Any]) -> Mapping[str, Any]:
    value = data.get("data", {})
    if not isinstance(value, Mapping):
        raise Invalid(f"the data of an event is {_shown(value)}: send an object")
    return value


def _time(data: Mapping[str, Any]) -> datetime:
    """Return when it was made: now if it does not say; a naive time is UTC."""
    text = _text(data, "at")
    try:
        at = datetime.fromisoformat(text) if text else datetime.now(UTC)
    except ValueError:
        raise Invalid(
            f"the time {_shown(text)} of an event is none: send RFC 3339, as in "
            "2026-11-21T08:00:00+00:00"
        ) from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
