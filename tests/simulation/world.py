"""A world of its own: time that passes only in the simulation, dice, processes.

A process that is killed never runs again: no handler of errors and no `finally` of it
does, as after `kill -9`. Nothing in here looks at a real clock, a thread or a socket,
so the same seed gives the same history.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any, Final, cast
from weakref import WeakSet

from agentkit.errors import AgentkitError

BEGINNING: Final = datetime(2025, 12, 31, 23, 59, 45, tzinfo=UTC)
STANDSTILL: Final = 5_000
"""Rounds of the loop at one moment after which time stands still for good."""


class Gone(Exception):
    """Somebody else is not there, or not any more."""


class Stuck(Exception):
    """Nothing will ever happen again, or time does not pass any more."""


class Process:
    """What dies together."""

    def __init__(self, world: "World", name: str) -> None:
        self.name = name
        self.alive = True
        self.tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        self.context = copy_context()
        self.context.run(PROCESS.set, self)
        self._world = world
        world.processes.append(self)

    def start(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run something in this process."""
        return self._world.loop.create_task(work, context=self.context)

    def kill(self) -> None:
        """Let nothing of it run again; whoever called this ends at its next await."""
        self.alive = False
        self._world.loop.forget(self)
        self._world.loop.call_soon(self.bury, context=self._world.outside)

    def bury(self) -> None:
        """Clear away what will never run again, as nobody else does it in order."""
        for task in tuple(self.tasks):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            with suppress(RuntimeError):  # It would go on awaiting.
                cast(Coroutine[Any, Any, Any], task.get_coro()).close()


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop that does not wait: it goes straight to what is next."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._rounds = 0
        self._selector = self
        self.set_task_factory(cast(Any, _in_process))

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> tuple[()]:
        """Let time pass, in place of waiting for sockets."""
        if timeout is None:
            raise Stuck("everybody waits for something that nobody does")
        self._rounds = 0 if timeout > 0 else self._rounds + 1
        if self._rounds > STANDSTILL:
            raise Stuck("something goes on without end and lets no time pass")
        self._now += max(timeout, 0)
        return ()

    def _process_events(self, event_list: object) -> None: ...

    def _write_to_self(self) -> None: ...

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Call unless the process that it is part of was killed."""
        if self.is_closed():
            return asyncio.Handle(callback, args, self, context)
        handle = super().call_soon(callback, *args, context=context)
        if _is_dead(handle):
            handle.cancel()
        return handle

    def forget(self, process: Process) -> None:
        """Drop whatever a process was about to do."""
        handles: list[asyncio.Handle] = [*self._ready, *self._scheduled]  # type: ignore[attr-defined]
        for handle in handles:
            if not handle.cancelled() and _is_dead(handle):
                handle.cancel()


class World:
    """Time, dice and what happened."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(self._defect)
        self.stormy = True
        """Whether things go wrong."""
        self.processes: list[Process] = []
        self.history: list[str] = []
        self.violations: list[tuple[str, str]] = []
        """Which law was broken, and how."""
        self.outside = copy_context()
        """The context of what no process does."""

    def now(self) -> datetime:
        """Return the time, as the hub's clock tells it."""
        return BEGINNING + timedelta(seconds=self.loop.time())

    def dice(self, name: str) -> Random:
        """Return dice of somebody's own: what others do does not change their fall."""
        return Random(f"{self.seed} {name}")

    def later(
        self, seconds: float, call: Callable[..., object], *args: object
    ) -> asyncio.TimerHandle:
        """Call something that no process does, after a while."""
        return self.loop.call_later(seconds, call, *args, context=self.outside)

    def note(self, who: str, what: str) -> None:
        """Add a line to the history."""
        self.history.append(f"{self.loop.time():9.3f} {who:6} {what}")

    def accuse(self, law: str, what: str) -> None:
        """Note that a law was broken."""
        self.note(law, what)
        self.violations.append((law, what))

    def end(self) -> None:
        """End all processes, and the loop."""
        for process in self.processes:
            process.alive = False
            process.bury()
        self.loop.close()

    def digest(self) -> str:
        """Return a fingerprint of all that happened."""
        return sha256("\n".join(self.history).encode()).hexdigest()

    def _defect(self, _loop: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        # Whoever would have looked at an error of these kinds may have been killed.
        if error is not None and not isinstance(error, AgentkitError | Gone):
            self.accuse("defect", f"{context['message']}: {error!r}")


def _in_process(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any
) -> "asyncio.Task[Any]":
    task = asyncio.Task(work, loop=loop, **options)
    context = options.get("context")
    process = PROCESS.get() if context is None else context.get(PROCESS)
    if process is not None:
        process.tasks.add(task)
    return task


def _is_dead(handle: asyncio.Handle) -> bool:
    process = handle._context.get(PROCESS)  # type: ignore[attr-defined]
    return process is not None and not process.alive
