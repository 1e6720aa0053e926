"""A program that speaks JSON, one object a line, over its standard input and output."""

import asyncio
import json
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from agentkit.workers.driver import Ended, NotStarted, ProgramError

Message: TypeAlias = dict[str, Any]

LARGEST: Final = 1 << 24
"""Bytes in one line: programs quote whole files."""

TAIL: Final = 4096
"""Bytes of standard error that are kept to find its last line."""

LINE: Final = 300
"""Characters of a line that are quoted."""

LINGER: Final = 1.0
"""Seconds that a program has to end when it says no more, or is told to."""

STUFFED: Final = 30.0
"""Seconds that a program may leave what we say unread."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How a program is started."""

    words: Sequence[str]
    cwd: Path
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def name(self) -> str:
        """What it is called in errors."""
        return Path(self.words[0]).name


class Program:
    """One run of a program.

    Args:
        launch: how it is started.
        hear: is given each message, in order.
        over: is told once that no more come, and why.
    """

    def __init__(
        self,
        launch: Launch,
        hear: Callable[[Message], None],
        over: Callable[[ProgramError], None],
    ) -> None:
        self._launch = launch
        self._hear = hear
        self._over = over
        self._process: Process | None = None
        self._chores: list[asyncio.Task[None]] = []
        self._tail = bytearray()
        self._stray = ""
        self._fault = ""
        self._closing = False

    @property
    def runs(self) -> bool:
        """Whether it can be talked to."""
        process = self._process
        return process is not None and process.returncode is None and not self._fault

    async def start(self) -> None:
        """Start it, in a group of its own: the keys of our terminal are ours.

        Raises:
            NotStarted: it cannot be.
        """
        launch = self._launch
        try:
            self._process = await asyncio.create_subprocess_exec(
                *launch.words,
                cwd=launch.cwd,
                env=launch.environ,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                limit=LARGEST,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise NotStarted(
                f"{launch.words[0]} cannot be started ({reason.lower()}): install it, "
                "or put it on the PATH"
            ) from None
        errors = asyncio.create_task(self._read_errors(self._process))
        self._chores = [
            errors,
            asyncio.create_task(self._read(self._process, errors)),
        ]

    async def say(self, message: Message) -> None:
        """Send it a message.

        Raises:
            Ended: it has gone, or does not read.
        """
        process = self._process
        self.put(message)
        try:
            if process is not None and process.stdin is not None and self.runs:
                async with asyncio.timeout(STUFFED):
                    await process.stdin.drain()
                return
        except TimeoutError:
            self._break(f"{self._launch.name} did not read for {STUFFED:g} s")
        except ConnectionError:
            pass
        if self._chores:  # until its last words are read
            await asyncio.wait(self._chores, timeout=LINGER)
        raise self._ended()

    def put(self, message: Message) -> None:
        """Send it a short message, without waiting; nothing when it has gone."""
        process = self._process
        if process is not None and process.stdin is not None and self.runs:
            process.stdin.write(json.dumps(message).encode() + b"\n")

    async def close(self, grace: float) -> None:
        """End it, after the end of its input and `grace` seconds by force."""
        process, self._closing = self._process, True
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        if not await _gone(process, grace):
            _signal(process, signal.SIGTERM)
            if not await _gone(process, grace and LINGER):
                _signal(process, signal.SIGKILL)
        await process.wait()
        done, late = await asyncio.wait(self._chores, timeout=LINGER)
        for chore in late:  # what it started holds the pipes
            chore.cancel()
        await asyncio.gather(*done, *late, return_exceptions=True)
        _close_pipes(process)

    # --- what it says ---

    async def _read(self, process: Process, errors: "asyncio.Task[None]") -> None:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            while line := await process.stdout.readline():
                self._take(line)
        except ValueError:
            self._break(
                f"{self._launch.name} sent a line of more than {LARGEST >> 20} MiB"
            )
        if not self._closing and not await _gone(process, LINGER):
            self._break(f"{self._launch.name} closed its output")
        await asyncio.wait([errors], timeout=LINGER)
        self._over(self._ended())

    def _take(self, line: bytes) -> None:
        """Take a line: a message, or what somebody printed between them."""
        if self._fault:
            return
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, dict):
            self._understand(message, line)
            return
        self._stray = _plain(line) or self._stray
        if line.lstrip().startswith(b"{"):
            self._break(f"{self._launch.name} sent what is no JSON: {self._stray}")

    def _understand(self, message: Message, line: bytes) -> None:
        try:
            self._hear(message)
        except (AttributeError, LookupError, TypeError, ValueError):
            self._break(f"{self._launch.name} sent what makes no sense: {_plain(line)}")

    async def _read_errors(self, process: Process) -> None:
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        while part := await process.stderr.read(1 << 16):
            self._tail += part
            del self._tail[:-TAIL]

    # --- how it ended ---

    def _break(self, fault: str) -> None:
        """End it at once: what it says makes no sense."""
        self._fault = self._fault or fault
        if self._process is not None:
            _signal(self._process, signal.SIGKILL)

    def _ended(self) -> Ended:
        if self._fault:
            return Ended(self._fault)
        code = self._process.returncode if self._process is not None else None
        lines = [_plain(line) for line in bytes(self._tail).splitlines()]
        last = next(filter(None, reversed(lines)), self._stray)
        return Ended(
            f"{self._launch.name} {_how(code)}" + (f": {last}" if last else "")
        )


def environment(agent: str) -> dict[str, str]:
    """Return the environment of a program, which may speak as the agent.

    What its hooks would report is left to the worker.
    """
    return {**os.environ, "SWARMTUI_AGENT": agent, "SWARMTUI_WORKER": agent}


async def within(answer: Awaitable[Any], seconds: float, what: str) -> Any:
    """Wait for the answer of a program.

    Raises:
        NotStarted: it did not come in time.
    """
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        raise NotStarted(f"{what} within {seconds:g} s: try it by hand") from None


async def _gone(process: Process, seconds: float) -> bool:
    """Wait for the end of a process; say whether it came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await process.wait()
    return process.returncode is not None


def _signal(process: Process, number: signal.Signals) -> None:
    """Tell the process and what it started to end."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def _close_pipes(process: Process) -> None:
    """Let go of what a child of the program may hold open for ever."""
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()


def _how(code: int | None) -> str:
    if code is None:
        return "is not there"
    if code >= 0:
        return f"exited with {code}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


def _plain(line: bytes) -> str:
    text = line[:TAIL].decode(errors="replace").strip()[:LINE]
    return "".join(sign for sign in text if sign.isprintable())
