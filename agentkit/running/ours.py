"""The terminal in front of which we are."""

import os
import signal
import termios
import tty
from contextlib import suppress
from typing import Final

USUAL: Final = (24, 80)
"""Lines and columns of a terminal that is shown nowhere."""


class Ours:
    """Our terminal, on standard input; or none, if what comes there is from elsewhere.

    Its modes are what they were when it is left.
    """

    def __init__(self) -> None:
        self.raw = False
        """Whether we get every key: only then may it be read."""
        self._usual = termios.tcgetattr(0) if os.isatty(0) else None

    @property
    def is_there(self) -> bool:
        """Whether there is one."""
        return self._usual is not None

    def enter(self) -> None:
        """Get every key, if we are in front: whoever is behind must not touch it."""
        if self._usual is not None and _in_front():
            with suppress(termios.error):
                tty.setraw(0, termios.TCSANOW)
                self.raw = True

    def leave(self) -> None:
        """Leave it as it was."""
        if self._usual is not None and self.raw and _in_front():
            with suppress(termios.error):
                termios.tcsetattr(0, termios.TCSANOW, self._usual)
        self.raw = False

    def lend(self, terminal: int) -> None:
        """Make another terminal like it."""
        if self._usual is not None:
            termios.tcsetattr(terminal, termios.TCSANOW, self._usual)
        self.fit(terminal)

    def fit(self, terminal: int) -> None:
        """Give another terminal its size."""
        with suppress(termios.error):
            termios.tcsetwinsize(terminal, _size())

    def suspend(self) -> None:
        """Stop, and all who were started with us, as ctrl+z does; return when we go on.

        Where nobody could let us go on the system does not stop us.
        """
        self.leave()
        before = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        os.killpg(0, signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        # To this very thread, so that we stop here and not a little later.
        signal.raise_signal(signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, before)
        self.enter()


def _in_front() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:  # it is not the one that signals come from: nobody is behind
        return True


def _size() -> tuple[int, int]:
    for descriptor in (1, 0, 2):
        with suppress(termios.error):
            return termios.tcgetwinsize(descriptor)
    return USUAL
