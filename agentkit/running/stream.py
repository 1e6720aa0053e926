"""What a program says to its terminal, found in the stream of what it writes.

It is read as it comes, in pieces of any size, and no more is kept of it than the
beginning of the sequence that is under way.
"""

import re
from base64 import b64decode
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

LIMIT: Final = 2048
"""Bytes of a sequence that are kept: a longer one is cut."""

SHOWN: Final = 200
"""Characters of a title or a notice that are kept."""


@dataclass(frozen=True, slots=True)
class Title:
    """The window has this title now."""

    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A person shall see this."""

    text: str


@dataclass(frozen=True, slots=True)
class Bell:
    """The bell rang."""


Signal: TypeAlias = Title | Notice | Bell

Place: TypeAlias = Literal["text", "escape", "command", "string"]
"""Where in the stream we are: in text, behind an escape, in an operating system command
(OSC), or in another string, which ends as that does but not with a bell."""

_OPENED: Final = re.compile(rb"\x07|\x1b(?:[]PX^_]|\Z)")
"""What matters in text: a bell, the beginning of a string, or an escape at the end."""

_CLOSED: Final[dict[Place, re.Pattern[bytes]]] = {
    "command": re.compile(rb"[\x07\x18\x1a\x1b]"),
    "string": re.compile(rb"[\x18\x1a\x1b]"),
}
"""What ends a string: the escape of its terminator, or one that cancels it."""

_ANSWER: Final = re.compile(
    rb"(?:\x1b\[(?:[?>=][\d;]*\$?[A-Za-z]|\d+;\d+R|[\d;]+[nt])"
    rb"|\x1b[]P_][^\x07\x1b]*(?:\x07|\x1b\\))+"
)
"""What a terminal answers when a program asks it for its kind, colours or cursor."""

_CONEMU: Final = re.compile(r"\d{1,2}(;|\Z)")
"""How OSC 9 begins where it is no notice: progress, and other commands of ConEmu."""


class Reader:
    """Reads a stream piece by piece, and says what was in it.

    However the stream is cut into pieces, the signals are the same. Sequences wrapped
    for tmux to pass on are found too: a doubled escape begins the inner one.
    """

    def __init__(self) -> None:
        self._place: Place = "text"
        self._command = bytearray()
        self._kitty = _Kitty()

    def feed(self, part: bytes) -> list[Signal]:
        """Read on; return what was said, oldest first."""
        if self._place == "text" and b"\x1b" not in part and b"\x07" not in part:
            return []
        found: list[Signal] = []
        at = 0
        while at < len(part):
            if self._place == "text":
                at = self._text(part, at, found)
            elif self._place == "escape":
                at = self._escape(part, at)
            else:
                at = self._string(part, at, found)
        return found

    @property
    def kept(self) -> int:
        """The bytes that are kept of the stream; never more than a few thousand."""
        return len(self._command) + self._kitty.kept

    def _text(self, part: bytes, at: int, found: list[Signal]) -> int:
        match = _OPENED.search(part, at)
        if match is None:
            return len(part)
        if match.group() == b"\x07":
            found.append(Bell())
            return match.end()
        self._place = "escape"
        return match.start() + 1

    def _escape(self, part: bytes, at: int) -> int:
        """Go by what stands behind an escape; what has no string is text to us."""
        byte = part[at : at + 1]
        if byte == b"]":
            self._place = "command"
            self._command.clear()
        elif byte in (b"P", b"X", b"^", b"_"):
            self._place = "string"
        else:
            self._place = "text"
            return at
        return at + 1

    def _string(self, part: bytes, at: int, found: list[Signal]) -> int:
        match = _CLOSED[self._place].search(part, at)
        end = match.start() if match else len(part)
        if self._place == "command":
            self._command += part[at : min(end, at + LIMIT - len(self._command))]
        if match is None:
            return end
        if match.group() in (b"\x07", b"\x1b"):
            self._end(found)
        self._place = "escape" if match.group() == b"\x1b" else "text"
        return match.end()

    def _end(self, found: list[Signal]) -> None:
        """Take a command that has ended; one that another cuts off is taken as well."""
        number, _, text = self._command.decode(errors="ignore").partition(";")
        self._command.clear()
        match number:
            case "0" | "2":
                found.append(Title(clean(text)))
            case "9" if not _CONEMU.match(text):
                _note(found, text)
            case "777" if text.startswith("notify;"):
                _note(found, text.removeprefix("notify;").replace(";", ": ", 1))
            case "99":
                _note(found, self._kitty.take(text))


class _Kitty:
    """A notice of OSC 99, which may come in several commands."""

    def __init__(self) -> None:
        self._id = ""
        self._parts: dict[str, str] = {}

    @property
    def kept(self) -> int:
        return len(self._id) + sum(map(len, self._parts.values()))

    def take(self, text: str) -> str:
        """Take a command; return the notice when it is whole, else nothing."""
        about, _, payload = text.partition(";")
        pairs = (pair.partition("=") for pair in about.split(":"))
        said = {name: value for name, _, value in pairs}
        part = said.get("p", "title")
        if part not in ("title", "body"):
            return ""
        if said.get("i", "") != self._id:
            self._id, self._parts = said.get("i", ""), {}
        if said.get("e") == "1":
            payload = _unpacked(payload)
        self._parts[part] = (self._parts.get(part, "") + payload)[:LIMIT]
        if said.get("d") == "0":
            return ""
        whole = [self._parts[name] for name in ("title", "body") if name in self._parts]
        self._id, self._parts = "", {}
        return ": ".join(filter(None, whole))


def _unpacked(payload: str) -> str:
    try:
        padded = payload + "=" * (-len(payload) % 4)
        return b64decode(padded, validate=True).decode(errors="ignore")
    except ValueError:
        return ""


def _note(found: list[Signal], text: str) -> None:
    shown = clean(text)
    if shown:
        found.append(Notice(shown))


def is_answer(part: bytes) -> bool:
    """Say whether what came from a terminal is its own answer, and typed by nobody."""
    return _ANSWER.fullmatch(part) is not None


def clean(text: str) -> str:
    """Return text as one short line without what would move a cursor."""
    line = " ".join(text.split())
    return "".join(c for c in line if c.isprintable())[:SHOWN]
