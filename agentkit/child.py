"""A command as a child of ours: signals passed on, its last words noted.

It has our standard input and output. Its standard error is ours too where that is a
terminal; otherwise it is copied byte by byte, so that its last line is known.
"""

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import IO, NamedTuple

from agentkit.running.tail import last_line

FINAL = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""Signals after which nothing is started again."""

PASSED = (*FINAL, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that the command gets when we do."""

KEYS = (signal.SIGINT, signal.SIGQUIT)
"""Signals that a terminal sends to everybody in front of it, the command included."""

TAIL = 4096
"""Bytes of standard error that are kept to find its last line."""

LINGER = 1.0
"""Seconds that we copy on after the command ended: what it started may hold the end."""


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    """As a shell gives it: 128 and the number of the signal that ended it."""
    seconds: float
    """How long it ran; 0 if it could not be started."""
    last: str
    """The last line of its standard error, or of its terminal, where that could be
    read; or why it could not be started."""

    @property
    def how(self) -> str:
        """How it ended, in a few words."""
        if not self.seconds:
            return "cannot be started"
        with suppress(ValueError):
            return f"ended by {signal.Signals(self.code - 128).name}"
        return f"exited with {self.code}"

    def __str__(self) -> str:
        """Say how it ended, and its last words."""
        return f"{self.how}: {self.last}" if self.last else self.how


class Relay:
    """Passes signals on to whichever command runs; use it within `passing`."""

    def __init__(self) -> None:
        self.stopped = False
        """Whether somebody wants us to end."""
        self._child: subprocess.Popen[bytes] | None = None
        self._apart = False
        self._early: list[int] = []
        # a queue of this kind, unlike an Event, may be used by a signal's handler
        self._told: SimpleQueue[int] = SimpleQueue()

    def attend(
        self, child: "subprocess.Popen[bytes] | None", *, apart: bool = False
    ) -> None:
        """Pass what comes on to this command; `apart` if our keys do not reach it."""
        self._child, self._apart = child, apart
        while child is not None and self._early:
            child.send_signal(self._early.pop(0))

    def pause(self, seconds: float) -> None:
        """Wait, but not when somebody wants us to end."""
        if not self.stopped:
            try:
                self._told.get(timeout=seconds)
            except Empty:
                return

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        if number in FINAL:
            self.stopped = True
            self._told.put(number)
        if number in KEYS and not self._apart and _in_front():
            return
        if self._child is None:
            self._early.append(number)
        else:
            self._child.send_signal(number)


def _in_front() -> bool:
    """Say whether what is typed at a terminal goes to us, and to the command too."""
    try:
        with Path("/dev/tty").open() as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


@contextmanager
def passing() -> Iterator[Relay]:
    """Pass signals on while the block runs."""
    relay = Relay()
    before = {number: signal.signal(number, relay.hear) for number in PASSED}
    try:
        yield relay
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(words: Sequence[str], environ: Mapping[str, str], relay: Relay) -> Ended:
    """Run a command to its end.

    Raises:
        OSError: it cannot be started.
    """
    shown = os.isatty(2)
    start = time.monotonic()
    child = subprocess.Popen(  # noqa: S603 - what the caller was asked to run
        words, env=environ, stderr=None if shown else subprocess.PIPE, bufsize=0
    )
    relay.attend(child)
    copy = Copy(child.stderr)
    _await(child)
    relay.attend(None)
    code = child.returncode if child.returncode >= 0 else 128 - child.returncode
    return Ended(code, time.monotonic() - start, copy.last_line())


def _await(child: "subprocess.Popen[bytes]") -> None:
    """Wait for the end of a command; whatever signal comes is handled meanwhile.

    One that came just before `waitpid` began to wait would be handled when that ends:
    too late for a command that the signal is to end. A byte in a pipe is there however
    early the signal was.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(child, writing))
    watcher.start()
    try:
        while child.returncode is None:
            os.read(reading, 64)
    finally:
        watcher.join()
        signal.set_wakeup_fd(before)
        os.close(reading)
        os.close(writing)


def _watch(child: "subprocess.Popen[bytes]", writing: int) -> None:
    child.wait()
    with suppress(BlockingIOError):  # full: whoever reads it looks again anyway
        os.write(writing, b"\0")


class Copy:
    """Copies a stream to our standard error, and keeps its tail."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._tail: deque[int] = deque(maxlen=TAIL)
        self._thread: threading.Thread | None = None
        if stream is not None:
            self._thread = threading.Thread(
                target=self._copy, args=(stream,), daemon=True
            )
            self._thread.start()

    def last_line(self) -> str:
        """Return the last line that is not blank, when the stream has ended."""
        if self._thread is not None:
            self._thread.join(LINGER)
        return last_line(bytes(self._tail))

    def _copy(self, stream: IO[bytes]) -> None:
        with stream:
            while part := os.read(stream.fileno(), 65536):
                self._tail.extend(part[-TAIL:])
                _write(part)


def _write(data: bytes) -> None:
    """Write all of it to our standard error; nothing when nobody reads it any more."""
    while data:
        try:
            data = data[os.write(2, data) :]
        except OSError:
            return
