"""What turns the text or the TOML value of a setting into its value.

A reader raises a ValueError that says what the value is not: "is not a number".
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import SplitResult, urlsplit

Read: TypeAlias = Callable[[Any], Any]


def masked(raw: Any) -> str:
    """Return what may be shown of an address: no login, and nothing behind a ? or #.

    A login may be written wrongly, so it ends with the last @.
    """
    scheme, mark, rest = str(raw).partition("://")
    if not mark:
        scheme, rest = "", scheme
    _, login, place = rest.rpartition("@")
    place, *more = re.split("[?#]", place, maxsplit=1)
    return repr(f"{scheme}{mark}{'…@' if login else ''}{place}{'?…' if more else ''}")


def hidden(_: Any) -> str:
    """Return what may be shown of a secret."""
    return "what it is set to"


def text(raw: Any) -> str:
    """Read one line of text."""
    if not isinstance(raw, str) or not raw.isprintable():
        raise ValueError("is not a line of text")
    return raw


def words(raw: Any) -> tuple[str, ...]:
    """Read a list, or text with commas between."""
    items = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(items, list | tuple):
        raise ValueError("is not a list of words")  # noqa: TRY004
    return tuple(word for item in items if (word := text(item).strip()))


def json_object(raw: Any) -> dict[str, Any]:
    """Read an object of JSON."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("is not an object of JSON")  # noqa: TRY004
    return value


def switch(raw: Any) -> bool:
    """Read yes or no: 1, true, yes, on; 0, false, no, off or nothing."""
    said = str(raw).lower()
    if said in ("1", "true", "yes", "on"):
        return True
    if said in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("is neither true nor false")


def file(raw: Any) -> Path:
    """Read the path of a file or folder; ``~`` is the user's home."""
    return Path(text(raw)).expanduser().absolute()


def whole(low: int, high: int) -> Read:
    """Read a whole number within bounds."""

    def read(raw: Any) -> Any:
        return _within(low, high, _number(int, raw, "is not a whole number"))

    return read


def number(low: float, high: float) -> Read:
    """Read a number within bounds."""

    def read(raw: Any) -> Any:
        return _within(low, high, _number(float, raw, "is not a number"))

    return read


def one_of(*choices: str) -> Read:
    """Read one of a few words."""

    def read(raw: Any) -> str:
        if raw not in choices:
            raise ValueError(f"is none of {', '.join(choices)}")
        return str(raw)

    return read


def web_address(raw: Any) -> str:
    """Read the address of a hub."""
    address = text(raw).rstrip("/")
    split_address(address)
    return address


def split_address(address: str) -> SplitResult:
    """Return the parts of a hub's address.

    Raises:
        ValueError: it is not an address that a hub can have; the text says why.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        raise ValueError("has a host in brackets that is no address") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("does not begin with http:// or https://")
    if not parts.hostname:
        raise ValueError("has no host name")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("has more than a host, a port and a path")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("has a port that is not between 0 and 65535") from None
    return parts


def _number(kind: Callable[[Any], Any], raw: Any, otherwise: str) -> Any:
    if isinstance(raw, bool) or (kind is int and isinstance(raw, float)):
        raise ValueError(otherwise)
    try:
        return kind(raw)
    except (TypeError, ValueError):
        raise ValueError(otherwise) from None


def _within(low: Any, high: Any, value: Any) -> Any:
    if not low <= value <= high:
        low = f"{low:.2g}" if isinstance(low, float) else low
        raise ValueError(f"is not between {low} and {high}")
    return value
