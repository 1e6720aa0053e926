"""A command in a terminal of its own, shown in ours byte for byte.

What is written there we write, and what is typed here goes there. Signals reach the
command through its leader, which also tells how it fares. Nothing waits for the hub.
"""

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from select import select
from typing import Final

from agentkit.child import LINGER, Ended, Relay
from agentkit.running.inside import Inside
from agentkit.running.ours import Ours
from agentkit.running.watch import Watch

PIECE: Final = 65536
"""Bytes that are copied at once, and that may wait for the command to read them."""

STILL: Final = 0.1
"""Seconds without output after which an ended command has written all it had: what it
left behind may hold the terminal."""

BEHIND: Final = 0.5
"""Seconds between two looks whether we are in front again: no signal tells."""

ABOUT_US: Final = (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)
"""Signals that are about our terminal, and not for the command."""


def run(
    words: Sequence[str], environ: Mapping[str, str], relay: Relay, watch: Watch
) -> Ended:
    """Run a command to its end, in a terminal of its own.

    Args:
        words: the command.
        environ: its environment.
        relay: passes signals on.
        watch: is shown what the command writes.

    Raises:
        OSError: it cannot be started.
    """
    start = time.monotonic()
    ours = Ours()
    ours.enter()
    try:
        with _signals() as heard:
            copy = Copy(Inside(words, environ, ours), ours, relay, watch, heard)
            code = copy.run()
    finally:
        relay.attend(None)
        ours.leave()
    now = time.monotonic()
    if watch.interrupted(now) or code - 128 in (signal.SIGINT, signal.SIGQUIT):
        relay.stopped = True
    return Ended(code, now - start, watch.last_line())


@contextmanager
def _signals() -> Iterator[int]:
    """Give a pipe on which the numbers of signals come, whenever they come."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    before = {number: signal.signal(number, _pass) for number in ABOUT_US}
    try:
        yield reading
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(woken)
        os.close(reading)
        os.close(writing)


def _pass(_number: int, _frame: object) -> None:
    """Handle nothing: its number comes on the pipe."""


class Copy:
    """Copies between two terminals, until the command in one of them has ended."""

    def __init__(
        self, inside: Inside, ours: Ours, relay: Relay, watch: Watch, heard: int
    ) -> None:
        self._inside = inside
        self._ours = ours
        self._relay = relay
        self._watch = watch
        self._heard = heard
        self._pending = b""
        """What was typed and not yet read by the command."""
        self._typing = True
        """Whether more may be typed."""
        self._shown = True
        """Whether somebody sees what is written."""
        self._writing = True
        """Whether the command's terminal has somebody who may write."""
        self._code: int | None = None
        self._error = 0
        self._over: float | None = None
        """When the command ended."""

    def run(self) -> int:
        """Copy to the end; return the exit code of the command.

        Raises:
            OSError: it cannot be started.
        """
        try:
            while self._turn():
                pass
        finally:
            code = self._inside.close()
        if self._error:
            raise OSError(self._error, os.strerror(self._error))
        if self._code is None:
            return code if code >= 0 else 128 - code
        return self._code

    def _turn(self) -> bool:
        """Wait for what happens next, and see to it; return whether more may happen."""
        near, told = self._inside.near, self._inside.told
        writers = [near] if self._pending else []
        ready, free, _ = select(self._readers(), writers, [], self._patience())
        now = time.monotonic()
        if near in ready:
            self._show(now)
        if 0 in ready:
            self._type(now)
        if near in free:
            self._pass_on()
        if self._heard in ready:
            self._hear(now)
        if told in ready:
            self._learn(now)
        self._watch.look(now)
        if self._over is None:
            return True
        return self._writing and bool(ready) and now < self._over + LINGER

    def _readers(self) -> list[int]:
        found = [self._heard]
        if self._writing:
            found.append(self._inside.near)
        if self._over is None:
            found.append(self._inside.told)
            if self._is_read():
                found.append(0)
        return found

    def _is_read(self) -> bool:
        """Say whether more may be typed: the command takes it, and it is for us."""
        mine = self._ours.raw or not self._ours.is_there
        return self._typing and mine and len(self._pending) < PIECE

    def _patience(self) -> float | None:
        """Return for how long nothing but what happens needs us."""
        if self._over is not None:
            return STILL
        wait = self._watch.wait(time.monotonic())
        if self._ours.is_there and not self._ours.raw:
            self._ours.enter()
            return BEHIND if wait is None else min(wait, BEHIND)
        return wait

    # --- what is copied ---

    def _show(self, now: float) -> None:
        try:
            part = os.read(self._inside.near, PIECE)
        except BlockingIOError:
            return
        except OSError:  # how some systems say that nobody has the terminal any more
            part = b""
        if not part:
            self._writing = False
            return
        self._write(part)
        self._watch.wrote(part, now, drawing=self._inside.is_drawing())

    def _write(self, part: bytes) -> None:
        """Write it to our standard output; nowhere when that has gone."""
        while part and self._shown:
            try:
                part = part[os.write(1, part) :]
            except BlockingIOError:  # somebody who has it too does not want to wait
                select([], [1], [])
            except OSError:
                self._shown = False

    def _type(self, now: float) -> None:
        part = b""
        with suppress(OSError):
            part = os.read(0, PIECE)
        if part:
            self._watch.typed(part, now, drawing=self._inside.is_drawing())
            self._pending += part
        else:
            self._typing = False
            if not self._ours.is_there:
                # the first one ends a line that was begun, if there is one
                self._pending += self._inside.end_of_input() * 2
        self._pass_on()

    def _pass_on(self) -> None:
        try:
            self._pending = self._pending[os.write(self._inside.near, self._pending) :]
        except BlockingIOError:
            return
        except OSError:  # nobody is there to read it
            self._pending = b""

    # --- what is told ---

    def _hear(self, now: float) -> None:
        """Heed the signals that are about our terminal."""
        numbers = set(os.read(self._heard, 64))
        if signal.SIGTSTP in numbers:
            self._suspend(now)
        elif numbers & {signal.SIGWINCH, signal.SIGCONT}:
            if signal.SIGCONT in numbers:
                self._ours.enter()
            self._fit(now)

    def _learn(self, now: float) -> None:
        """Heed what the leader tells."""
        lines = os.read(self._inside.told, 4096).decode().splitlines()
        if not lines:  # somebody killed it, and so all in the terminal
            self._over = now
        for line in lines:
            word, _, number = line.partition(" ")
            match word:
                case "started":
                    self._inside.started()
                    self._relay.attend(self._inside.leader, apart=True)
                case "failed":
                    self._error = int(number)
                case "stopped":
                    self._suspend(now)
                case "ended":
                    self._code, self._over = int(number), now
                    self._relay.attend(None)

    def _suspend(self, now: float) -> None:
        """Stop as the command did, and go on with it."""
        self._ours.suspend()
        self._fit(now)
        self._inside.go_on()

    def _fit(self, now: float) -> None:
        self._ours.fit(self._inside.near)
        self._watch.resized(now)
