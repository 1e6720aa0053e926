"""Records to JSON and back: commands, events and rows as plain objects.

On the wire an event is ``{"cursor": n, "subject": "agent.busy", "data": {…}}``, a row
is the object of its fields, a time is RFC 3339 text, a tuple is an array. Unknown keys
are left out when reading, so that an older client understands a newer hub.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

from agentkit import protocol
from agentkit.protocol import Event, Logged
from agentkit.rows import Report

R = TypeVar("R")

_Readers: TypeAlias = dict[str, Callable[[Any], Any] | None]
_READERS: dict[type[Any], _Readers] = {}

_REPORTS: tuple[str, ...] = get_args(Report)

EVENTS: dict[str, type[Event]] = {
    **{f"agent.{report}": protocol.AgentReported for report in _REPORTS},
    **{
        kind.subject: kind
        for kind in get_args(Event)
        if kind is not protocol.AgentReported
    },
}
"""The class of each subject."""


def encode(record: object) -> dict[str, Any]:
    """Return a record as a JSON-ready object of its fields."""
    return {
        field.name: _plain(getattr(record, field.name))
        for field in fields(record)  # type: ignore[arg-type]
    }


def decode(kind: type[R], data: Mapping[str, Any]) -> R:
    """Build a record from a JSON object.

    Raises:
        TypeError: a field without a default is missing.
        ValueError: a time is not RFC 3339.
    """
    readers = _readers(kind)
    return kind(
        **{
            name: read(data[name]) if read else data[name]
            for name, read in readers.items()
            if name in data
        }
    )


def decode_event(frame: Mapping[str, Any]) -> Logged:
    """Build an event from its frame.

    Raises:
        KeyError: the subject is not one of this version's.
    """
    return Logged(frame["cursor"], decode(EVENTS[frame["subject"]], frame["data"]))


def encode_event(logged: Logged) -> dict[str, Any]:
    """Return an event as its frame."""
    cursor, event = logged
    return {"cursor": cursor, "subject": event.subject, "data": encode(event)}


def dumps(value: object) -> str:
    """Return JSON text for whatever `encode` gives, records included.

    What a terminal or a file name gave us may not be Unicode: half of a surrogate pair
    becomes a question mark.
    """
    text = json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _plain(value: object) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.isoformat()
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
    if is_dataclass(value):
        return encode(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _readers(kind: type[Any]) -> _Readers:
    """Return, per field, what turns its JSON into its value; None when nothing does."""
    found = _READERS.get(kind)
    if found is None:
        hints = get_type_hints(kind)
        found = {field.name: _reader(hints[field.name]) for field in fields(kind)}
        _READERS[kind] = found
    return found


def _reader(hint: Any) -> Callable[[Any], Any] | None:
    parts = {hint, *get_args(hint)}
    if datetime in parts:
        return _time
    if get_origin(hint) is tuple or any(get_origin(part) is tuple for part in parts):
        return _tuple
    return None


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _tuple(value: list[Any] | None) -> tuple[Any, ...] | None:
    if value is None:
        return None
    return tuple(tuple(item) if isinstance(item, list) else item for item in value)
