"""A terminal in which a program runs, as somebody sits in front of it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

PATIENCE = 90.0
"""Seconds that a program may take for what a person would see at once."""

AGAIN = 2.0
"""Seconds after which keys that changed nothing are pressed again."""


def until(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: it did not come about; the text says what.
    """
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"it did not come about that {what}")
        time.sleep(0.1)


class Terminal:
    """A terminal of its own server of tmux.

    Args:
        socket: of that server.
        environ: what the server is started with.
    """

    def __init__(self, socket: Path, environ: Mapping[str, str]) -> None:
        self._socket = socket
        self._environ = environ

    def open(self, words: Sequence[str], cwd: Path, columns: int, rows: int) -> None:
        """Run a program in it."""
        size = ("-x", str(columns), "-y", str(rows))
        self._tmux("new-session", "-d", *size, "-c", str(cwd), *words)
        self._tmux("set", "-w", "remain-on-exit", "on")

    def type(self, text: str) -> None:
        """Type text until it is on the screen, then press enter.

        What is typed while a program still begins gets lost, in part as well. Emptying
        the line and typing are never done at once: some take them in another order.
        """
        turns = cycle((("-l", text), ("C-u",)))
        self.insists(
            lambda: self._tmux("send-keys", *next(turns)),
            lambda screen: text[-20:] in screen,
            f"{text!r} is typed",
        )
        self.press("Enter")

    def press(self, *keys: str) -> None:
        """Press keys, by the names that tmux has for them."""
        self._tmux("send-keys", *keys)

    @property
    def screen(self) -> str:
        """What stands on the screen, without empty lines."""
        lines = self._tmux("capture-pane", "-p").splitlines()
        return "\n".join(line.rstrip() for line in lines if line.strip())

    def shows(self, *texts: str) -> str:
        """Wait until a line of the screen has all of these; return it."""
        found: list[str] = []

        def is_there() -> bool:
            lines = self.screen.splitlines()
            found[:] = [line for line in lines if all(text in line for text in texts)]
            return bool(found)

        try:
            until(is_there, "")
        except AssertionError:
            raise AssertionError(f"no line has {texts}:\n{self.screen}") from None
        return found[0]

    def answers(self, asked: str, keys: Sequence[str]) -> None:
        """Press keys until what is asked is off the screen: early ones get lost."""
        self.shows(asked)
        self.insists(
            lambda: self.press(*keys),
            lambda screen: asked not in screen,
            f"{asked!r} is answered",
        )

    def insists(
        self, does: Callable[[], object], seen: Callable[[str], bool], what: str
    ) -> None:
        """Do something, again every few seconds, until it is seen on the screen."""
        done = 0.0

        def is_seen() -> bool:
            nonlocal done
            if done and seen(self.screen):
                return True
            if time.monotonic() > done + AGAIN:
                does()
                done = time.monotonic()
            return False

        try:
            until(is_seen, what)
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.screen}") from None

    def ends(self, keys: Sequence[str]) -> None:
        """Press keys, with the pauses of a person, until the program has ended.

        An enter that comes right behind a text is taken for a part of what is pasted.
        """

        def has_ended() -> bool:
            for key in keys:
                self.press(key)
                time.sleep(0.5)
            return self._tmux("display", "-p", "#{pane_dead}").strip() == "1"

        until(has_ended, f"it ended with {keys}")

    def close(self) -> None:
        """End the server and what runs in it."""
        with suppress(subprocess.CalledProcessError):
            self._tmux("kill-server")

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", "/dev/null", *words]
        done = subprocess.run(
            command, env=self._environ, check=True, capture_output=True, text=True
        )
        return done.stdout


@contextmanager
def terminal(
    words: Sequence[str],
    environ: Mapping[str, str],
    cwd: Path,
    columns: int = 120,
    rows: int = 40,
) -> Iterator[Terminal]:
    """Run a program in a terminal."""
    with TemporaryDirectory() as short:  # the name of a socket has to be
        opened = Terminal(Path(short) / "tmux", environ)
        opened.open(words, cwd, columns, rows)
        try:
            yield opened
        except AssertionError as error:
            error.add_note(f"in front of it stood:\n{opened.screen}")
            raise
        finally:
            opened.close()


def end_all(home: Path) -> None:
    """End every program that was started with a home folder: some leave daemons."""
    mark = f"HOME={home}".encode()
    for found in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in found.read_bytes().split(b"\0"):
                os.kill(int(found.parent.name), signal.SIGKILL)
