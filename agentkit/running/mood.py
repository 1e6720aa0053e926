"""What a program in a terminal is about: it works, it waits, or it wants a person.

It is told by the title of its window; where that says nothing, by whether it writes. A
bell or a notice calls a person until the program, or the person, goes on.
"""

from math import inf
from typing import Final, NamedTuple

from agentkit.rows import Report
from agentkit.running.stream import Bell, Notice, Signal, Title
from agentkit.running.titles import meaning

QUIET: Final = 20.0
"""Seconds without output after which a program is taken to wait."""

PACE: Final = 1.0
"""Seconds between two changes that are told, at least."""

SETTLING: Final = 1.0
"""Seconds after a call in which what is written belongs to it."""

ECHO: Final = 0.3
"""Seconds after a key, or a new size, in which what is written only answers that."""

RANG: Final = "rang the bell"


class Said(NamedTuple):
    """What is to be told."""

    report: Report
    message: str = ""


class Mood:
    """Follows a program by what it shows; all times are those of one clock, in seconds.

    Args:
        quiet: seconds without output after which it is taken to wait; 0 is never.
        now: when it started, busy.
    """

    def __init__(self, quiet: float, now: float) -> None:
        self._quiet = quiet
        self._works = True
        self._titled = False
        """Whether its titles say what it does."""
        self._wrote = now
        self._nudged = -inf
        self._call = ""
        self._called = -inf
        self._title_calls = False
        self._told = Said("busy")
        self._told_at = now

    @property
    def deadline(self) -> float:
        """When `due` next has something to say, if nothing else happens."""
        if self._said() != self._told:
            return self._told_at + PACE
        if self._timed and self._works:
            return max(self._wrote + self._quiet, self._told_at + PACE)
        return inf

    def due(self, now: float) -> Said | None:
        """Return what is to be told now; None when there is nothing.

        Whatever changes often is told once per `PACE`, the last state always.
        """
        if self._timed and now >= self._wrote + self._quiet:
            self._works = False
        said = self._said()
        if said == self._told or now < self._told_at + PACE:
            return None
        self._told, self._told_at = said, now
        return said

    def wrote(self, now: float) -> None:
        """Note that it wrote something."""
        if now < self._nudged + ECHO:
            return
        self._wrote = now
        if not self._titled:
            self._works = True
            self._go_on(now)

    def typed(self, now: float) -> None:
        """Note that a person is there, and typed something."""
        self._call, self._title_calls = "", False
        self._nudged = now

    def resized(self, now: float) -> None:
        """Note that it has to draw everything again."""
        self._nudged = now

    def take(self, signal: Signal, now: float) -> None:
        """Heed what it said to its terminal; after `wrote` of the same bytes."""
        match signal:
            case Title(text):
                self._heed(text, now)
            case Notice(text):
                self._ask(text, now)
            case Bell() if not self._call and now >= self._nudged + ECHO:
                self._ask(RANG, now)

    @property
    def _timed(self) -> bool:
        return self._quiet > 0 and not self._titled

    def _said(self) -> Said:
        if self._call:
            return Said("help", self._call)
        return Said("busy" if self._works else "idle")

    def _heed(self, title: str, now: float) -> None:
        means = meaning(title, known=self._titled)
        if means is None:
            return
        self._titled = True
        if means == "help":
            self._ask(title, now)
            self._title_calls = True
            return
        self._works = means == "busy"
        if self._title_calls:
            self._call, self._title_calls = "", False
        elif self._works:
            self._go_on(now)

    def _ask(self, text: str, now: float) -> None:
        self._call, self._called = text, now

    def _go_on(self, now: float) -> None:
        if now >= self._called + SETTLING:
            self._call = ""
