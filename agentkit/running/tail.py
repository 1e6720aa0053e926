"""The last line of what a program wrote, without what a person typed.

A terminal shows what is typed as well, and so it is in what a program's terminal puts
out: echoed by the system while that reads whole lines, else drawn by the program
itself. So nothing is kept while a program reads single keys, nor of a line in which
something was typed.
"""

import re
from typing import Final

from agentkit.running.stream import clean

KEPT: Final = 8192
"""Bytes that are kept to find the last line in."""

PRINTING: Final = 0.3
"""Seconds since it wrote in which a program may have more under way: then no line is
kept for as long after a key, for it is not known which one has it."""

_MODES: Final = re.compile(rb".*\x1b\[\?[\d;]*[hl]", re.DOTALL)
"""All up to the last change of a mode: what a program draws ends with it."""

_SEQUENCE: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|\Z)"
    r"|[ -/]*[0-~]|\Z)"
)


class Tail:
    """Keeps the end of what is written."""

    def __init__(self) -> None:
        self._kept = b""
        self._lines = 0
        """How many ends of typed lines are still to come back."""
        self._open = False
        """Whether something was typed since the last of them."""
        self._wrote = self._until = 0.0
        self._drawing = False

    def typed(self, part: bytes, now: float, *, drawing: bool = False) -> None:
        """Note that something was typed: only how many lines it is, and when."""
        if drawing:  # what is made of it is drawn, and so not kept
            return
        head, _, _ = self._kept.rpartition(b"\n")
        self._kept = head + b"\n" if head else b""
        ends = part.count(b"\r") + part.count(b"\n")
        self._lines = min(self._lines + ends, KEPT)
        self._open = part[-1:] not in (b"\r", b"\n")
        if now < self._wrote + PRINTING:
            self._until = now + PRINTING

    def wrote(self, part: bytes, now: float, *, drawing: bool = False) -> None:
        """Note what was written.

        Args:
            part: of the stream.
            now: in seconds, by the clock that `typed` is told.
            drawing: whether the program reads single keys just now.
        """
        self._wrote = now
        drew, self._drawing = self._drawing, drawing
        if drawing:
            self._kept, self._lines, self._open = b"", 0, False
            return
        if drew:
            drawn = _MODES.match(part)
            part = part[drawn.end() :] if drawn else b""
        part = self._untyped(part)
        if now >= self._until:
            self._kept = (self._kept + part)[-KEPT:]

    def last_line(self) -> str:
        """Return the last line that is not blank."""
        return last_line(self._kept)

    def _untyped(self, part: bytes) -> bytes:
        """Return what follows the line that has something typed in it."""
        while part and (self._lines or self._open):
            _, end, part = part.partition(b"\n")
            if not end:
                return b""
            if self._lines:
                self._lines -= 1
            else:
                self._open = False
        return part


def last_line(text: bytes) -> str:
    """Return the last line that is not blank, without the sequences in it."""
    plain = _SEQUENCE.sub("", text.decode(errors="replace"))
    lines = (clean(line) for line in reversed(plain.splitlines()))
    return next((line for line in lines if line), "")
