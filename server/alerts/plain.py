"""What agents say, as it may stand in a message to a chat, a phone or a mailbox."""

import re
from typing import Final

NAME: Final = 80
"""Characters of a name that are told."""

SAID: Final = 400
"""Characters of a text that are told."""

LOOKED: Final = 2000
"""Characters of a text that are looked at: it may be long, and the hub waits."""

_BREAK: Final = "\N{ZERO WIDTH SPACE}"
_SEQUENCE: Final = re.compile(r"[\x1b\x9b]\[?[0-?]*[ -/]*[@-~]?")
_MARKUP: Final = re.compile(r"@(?=\S)|\](?=\()|[<>]")
_DEFUSED: Final = {
    "@": f"@{_BREAK}",
    "]": f"]{_BREAK}",
    "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
    ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
}


def plain(text: str, limit: int = SAID) -> str:
    """Return text as one line of at most `limit` characters that does nothing.

    Escape sequences are left out, and so is what draws nothing: controls and marks of
    direction. A mention (``@everyone``, ``<!channel>``) names nobody any more, and a
    link no longer hides where it leads.
    """
    head = text[:LOOKED]
    line = " ".join((head if head.isprintable() else _drawn(head)).split())
    cut = line if len(line) <= limit else f"{line[: limit - 1]}…"
    return _MARKUP.sub(lambda found: _DEFUSED[found[0]], cut)


def _drawn(text: str) -> str:
    kept = _SEQUENCE.sub("", text)
    return "".join(sign for sign in kept if sign.isprintable() or sign.isspace())


def name(text: str) -> str:
    """Return what something is called as it may stand in a message."""
    return plain(text, NAME)
