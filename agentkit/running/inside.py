"""The terminal that a command has to itself, and the leader that runs it there."""

import os
import signal
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from agentkit.running import leader
from agentkit.running.ours import Ours

LOCAL, SPECIAL = 3, 6
"""Where the local modes, and the special characters, stand in what termios gives."""

PARTING: Final = 1.0
"""Seconds that a leader may take to end once its terminal has gone."""


class Inside:
    """A terminal with a command in it.

    Args:
        words: the command.
        environ: its environment.
        ours: what the terminal is to be like.

    Raises:
        OSError: there are no more terminals, or processes.
    """

    def __init__(
        self, words: Sequence[str], environ: Mapping[str, str], ours: Ours
    ) -> None:
        self._open: set[int] = set()
        self._drawing = False
        try:
            self.near, self._far = self._pair(os.openpty())
            self.told, tell = self._pair(os.pipe())
            wait, _ = self._pair(os.pipe())
            os.set_blocking(self.near, False)
            ours.lend(self._far)
            self.leader = _start(words, environ, (self._far, tell, wait))
        except BaseException:
            self._shut(*self._open)
            raise
        self._shut(tell, wait)

    def started(self) -> None:
        """Leave the terminal to the command: when all have left it, it ends."""
        self._shut(self._far)

    def go_on(self) -> None:
        """Let a command that was stopped run on."""
        self.leader.send_signal(signal.SIGCONT)

    def is_drawing(self) -> bool:
        """Whether the command reads single keys, and draws by itself what it gets."""
        with suppress(termios.error):  # it has ended, and is as it was
            modes = termios.tcgetattr(self.near)
            self._drawing = not modes[LOCAL] & termios.ICANON
        return self._drawing

    def end_of_input(self) -> bytes:
        """Return what tells the command that nothing more is typed."""
        with suppress(termios.error):
            key: bytes = termios.tcgetattr(self.near)[SPECIAL][termios.VEOF]
            return key
        return b"\x04"

    def close(self) -> int:
        """Close the terminal, which ends the leader; return its exit code."""
        self._shut(*self._open)
        try:
            return self.leader.wait(PARTING)
        except subprocess.TimeoutExpired:  # its command lives on without a terminal
            return 0

    def _pair(self, descriptors: tuple[int, int]) -> tuple[int, int]:
        self._open.update(descriptors)
        return descriptors

    def _shut(self, *descriptors: int) -> None:
        for descriptor in descriptors:
            self._open.remove(descriptor)
            os.close(descriptor)


def _start(
    words: Sequence[str], environ: Mapping[str, str], given: tuple[int, int, int]
) -> "subprocess.Popen[bytes]":
    """Start the leader with what it is given: terminal, pipe to tell on, pipe to end.

    It runs without anything of ours or the user's: what is there to import is theirs.
    """
    ours = [sys.executable, "-IS", leader.__file__, *map(str, given)]
    return subprocess.Popen(  # noqa: S603 - what the caller was asked to run
        [*ours, *words], env=environ, pass_fds=given
    )
