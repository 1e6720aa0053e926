"""A person in front of a terminal: types, looks, and makes the window larger."""

import os
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from select import select
from typing import Self

from tests.integration.shell import MAIN, Shell

LOGIN = "import os; os.login_tty(os.dup(0)); "
"""Makes standard input the terminal that signals come from."""

EXEC = LOGIN + "import sys; os.execvp(sys.argv[1], sys.argv[1:])"

AGENTKIT = (sys.executable, "-c", MAIN)

PATIENCE = 30.0


class Screen:
    """A program in a terminal, and the person in front of it.

    Args:
        shell: where it runs, and with which environment.
        words: the program.
    """

    def __init__(self, shell: Shell, *words: str) -> None:
        self.person, self.terminal = os.openpty()
        self.seen = b""
        self.size(24, 80)
        self.process = subprocess.Popen(
            [sys.executable, "-c", EXEC, *words],
            cwd=shell.cwd,
            env={**shell.environ, "TERM": "xterm-256color"},
            stdin=self.terminal,
            stdout=self.terminal,
            stderr=self.terminal,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.person)
        os.close(self.terminal)

    def type(self, keys: str | bytes) -> None:
        os.write(self.person, keys.encode() if isinstance(keys, str) else keys)

    def until(self, text: str | bytes) -> bytes:
        """Look until a text is there; return what was seen up to it."""
        wanted = text.encode() if isinstance(text, str) else text
        deadline = time.monotonic() + PATIENCE
        while wanted not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, f"{wanted!r} did not come: {self.seen[-2000:]!r}"
            if select([self.person], [], [], left)[0]:
                self.seen += os.read(self.person, 65536)
        found, mark, self.seen = self.seen.partition(wanted)
        return found + mark

    def rest(self) -> bytes:
        """Wait for the end of the program; return what is still there to see."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            ready = select([self.person], [], [], 0 if ended else 0.01)[0]
            if ready:
                self.seen += os.read(self.person, 65536)
            elif ended:
                break
        self.process.wait(1)
        return self.seen

    def size(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self.terminal, (rows, columns))

    def modes(self) -> list[object]:
        return list(termios.tcgetattr(self.terminal))

    def is_raw(self) -> bool:
        return not termios.tcgetattr(self.terminal)[3] & termios.ICANON


def running(*flags: str, child: Path | Sequence[str]) -> list[str]:
    """Return the words that run a Python program, or a command, with agentkit."""
    command = [sys.executable, str(child)] if isinstance(child, Path) else list(child)
    return [*AGENTKIT, "run", *flags, "--", *command]
