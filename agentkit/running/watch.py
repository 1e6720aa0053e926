"""Whoever looks at a terminal: what is told of it, and what is remembered."""

from collections.abc import Callable
from math import inf

from agentkit.running.mood import Mood, Said
from agentkit.running.stream import Reader, is_answer
from agentkit.running.tail import Tail

INTERRUPTS = (b"\x03", b"\x1c")
"""What ctrl+c and ctrl+\\ send."""

INTERRUPTED = 2.0
"""Seconds after one of them in which an end was asked for."""


class Watch:
    """Looks at what a program shows and tells how it is; keeps nothing that is typed.

    All times are those of one clock, in seconds.

    Args:
        say: is told each change; it must not wait for anything.
        quiet: seconds without output after which the program is idle; 0 is never.
        now: when it starts.
    """

    def __init__(self, say: Callable[[Said], object], quiet: float, now: float) -> None:
        self._say = say
        self._reader = Reader()
        self._mood = Mood(quiet, now)
        self._tail = Tail()
        self._interrupted = -inf

    def wrote(self, part: bytes, now: float, *, drawing: bool) -> None:
        """Look at what the program wrote; `drawing` while it reads single keys."""
        self._mood.wrote(now)
        for signal in self._reader.feed(part):
            self._mood.take(signal, now)
        self._tail.wrote(part, now, drawing=drawing)

    def typed(self, part: bytes, now: float, *, drawing: bool) -> None:
        """Note that something was typed, unless the terminal itself said it."""
        if is_answer(part):
            return
        self._mood.typed(now)
        self._tail.typed(part, now, drawing=drawing)
        if any(key in part for key in INTERRUPTS):
            self._interrupted = now

    def resized(self, now: float) -> None:
        """Note that the terminal has another size, or is shown again."""
        self._mood.resized(now)

    def look(self, now: float) -> None:
        """Tell what has changed, when it is time to."""
        said = self._mood.due(now)
        if said is not None:
            self._say(said)

    def wait(self, now: float) -> float | None:
        """Return the seconds after which to look again; None is whenever."""
        deadline = self._mood.deadline
        return None if deadline == inf else max(deadline - now, 0)

    def interrupted(self, now: float) -> bool:
        """Say whether somebody has just asked the program to end."""
        return now < self._interrupted + INTERRUPTED

    def last_line(self) -> str:
        """Return the last line that the program wrote."""
        return self._tail.last_line()
