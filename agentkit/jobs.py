"""Work that the hub pushes: claimed, kept by heartbeats, and ended by its handler.

    @agent.on_work(slots=2, lease=60)
    async def work(job: Job) -> dict[str, Any] | None:
        ...
        return {"pages": 3}

One claim waits at the hub for each free slot, so that there is no polling. While a
handler runs its lease is extended. What the handler returns completes the task; what it
raises fails the attempt, `Failed` in its own words, `Reject` the task, `Later` gives it
back. How a job ended goes through the outbox: it outlives an outage of the hub, and
with a durable agent a crash.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from agentkit.addresses import Address
from agentkit.backoff import delays
from agentkit.bodies import check
from agentkit.boxes import NotStored
from agentkit.codec import decode
from agentkit.errors import AgentkitError, Invalid, SwarmError
from agentkit.exchange import Exchange, Frame
from agentkit.inbox import is_cancelled
from agentkit.outbox import Outbox
from agentkit.results import ResultBackend, reference
from agentkit.rows import Task

__all__ = ["Failed", "Job", "Later", "Ready", "Reject", "WorkHandler"]

log = logging.getLogger(__name__)

SLOTS: Final = range(1, 65)
LONGEST_LEASE: Final = 86_400.0

BEATS: Final = 3
"""How often a lease is extended in the time that it lasts."""

LONGEST_REASON: Final = 2000
LARGEST_RESULT: Final = 65_536
"""Bytes of JSON that a handler may return: the hub takes no more."""

BOTH: Final = (
    "this agent has a handler for tasks or for work already: use on_work alone, which "
    "is given the tasks that are assigned too, or on_task alone"
)

LEAVING: Final = "the agent is leaving"

Result: TypeAlias = Mapping[str, Any] | None

Push: TypeAlias = Callable[[str, Mapping[str, Any], str, str], Awaitable[int]]
"""Sends a task's endpoints a body, a text and a key; returns how many there are."""


class Failed(Exception):
    """Raised by a handler: the attempt failed, and the text is all there is to say."""


class Reject(Exception):
    """Raised by a handler: another attempt at the task would not help."""


class Later(Exception):
    """Raised by a handler: give the task back, uncounted, for so many seconds."""

    def __init__(self, seconds: float = 0.0, reason: str = "") -> None:
        super().__init__(reason or f"given back for {seconds:g} s")
        self.seconds = seconds


class Job:
    """A task that this agent has claimed."""

    def __init__(
        self, task: Task, exchange: Exchange, push: Push, results: ResultBackend
    ) -> None:
        self.task = task
        """Its row, as it was when it was claimed."""
        self.cancelled = False
        """It was taken away: what its handler does from now on has no effect."""
        self.lease = task.lease
        """Seconds that its lease lasts from each sign of life."""
        self.due = asyncio.Event()
        """It is to be extended now, rather than with the next heartbeat."""
        self.results = results
        """Reads what the task speaks of by address, and writes what is large."""
        self._exchange = exchange
        self._push = push
        self._news: Frame = {}

    @property
    def id(self) -> str:
        """The task's id."""
        return self.task.id

    @property
    def title(self) -> str:
        """What it says it is."""
        return self.task.title

    @property
    def body(self) -> Mapping[str, Any]:
        """The task as the coordinator gave it."""
        return self.task.body

    @property
    def fence(self) -> int:
        """The number of the lease: a newer one has a higher number."""
        return self.task.fence

    @property
    def attempt(self) -> int:
        """Which attempt at the task this is, from 1."""
        return self.task.attempts

    async def extend(self, lease: float | None = None) -> None:
        """Let the lease last from now on; heartbeats do so by themselves.

        Args:
            lease: seconds that it lasts from each sign of life from now on; else as
                long as before.

        Raises:
            SwarmError: the lease has ended, and with it the job.
        """
        news, self._news = self._news, {}
        try:
            extended = await self._exchange.ask(
                "extend", task=self.id, fence=self.fence, lease=lease, **news
            )
        except AgentkitError:
            self._news = {**news, **self._news}
            raise
        if extended["task"]["lease"] != self.lease:
            self.lease = extended["task"]["lease"]
            self.due.set()  # heartbeats come in another measure

    async def progress(self, share: float | None = None, note: str = "") -> None:
        """Tell how far it is: to whoever watches the task, and to people.

        It is told at once, or as soon as the hub is there; this waits for neither. Of
        what could not be told in time the newest is.

        Args:
            share: how much is done, 0 to 1; else it stays what it was.
            note: what is being done just now; else it stays what it was.

        Raises:
            Invalid: the share is none.
        """
        if share is not None and not 0 <= share <= 1:
            raise Invalid(f"the progress is {share:g}: give the share done, 0 to 1")
        said = {"progress": share, "note": note[:LONGEST_REASON] or None}
        told = {name: value for name, value in said.items() if value is not None}
        self._news = {**self._news, **told}
        self.due.set()
        await asyncio.sleep(0)

    async def notify(
        self, body: Mapping[str, Any], *, text: str = "", key: str = ""
    ) -> int:
        """Send a message to each push endpoint of the task; return how many there are.

        Returns when it is in the outbox: it arrives, in order.

        Args:
            body: what it says to programs.
            text: what it says to people.
            key: what recognises it among those of the task: another attempt that says
                it again, with the same content, has no second effect. Without one each
                attempt sends its own.

        Raises:
            TypeError, ValueError: the body has no form in JSON that the hub takes.
            NotStored: the disk is full, or cannot be written.
        """
        return await self._push(self.id, body, text, key)

    async def keep(
        self, data: Any, name: str = "", *, kind: str = ""
    ) -> dict[str, str]:
        """Give something large to the hub; return what stands for it in a result.

            return await job.keep(Path("film.mp4"))

        It is kept as long as the run of the task, or as any other result. What another
        attempt at the task keeps under the same name takes its place.

        Args:
            data: bytes, the path of a file, an async iterable of bytes, or JSON.
            name: tells it from others of the task.
            kind: its media type; else as the data tells.

        Raises:
            Invalid: the data has no form in JSON, or is too large.
            NotAllowed: the lease has ended, and with it the job.
            HubError: the hub could not be asked, or has no room.
            OSError: the file cannot be read.
        """
        words = [self.id, name] if self.task.run else [name or "kept"]
        address = Address(self.task.run or self.id, "/".join(filter(None, words)))
        return reference(await self.results.write(str(address), data, kind=kind))


WorkHandler: TypeAlias = Callable[[Job], Coroutine[Any, Any, Result]]

Ready: TypeAlias = Callable[[], Awaitable[bool]]
"""Returns True when another job may come, False when none may; it raises nothing."""


async def always_ready() -> bool:
    """Let the next job come."""
    return True


@dataclass(slots=True)
class _Run:
    """A handler at work."""

    job: Job
    handler: asyncio.Task[Result]
    lost: str = ""
    """Why the job is not ours any more."""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def lose(self, reason: str) -> None:
        """Stop the handler, once: what it does has no effect any more."""
        if not self.lost:
            self.lost = reason
            self.job.cancelled = True
            self.handler.cancel()


class Worker:
    """Claims work for a handler and runs it, in as many slots as it has.

    Args:
        handler: does the work.
        slots: how many jobs it does at the same time.
        lease: seconds that a job is ours from each sign of life; else the hub decides.
        exchange: asks the hub.
        said: is called when something was put into the outbox.
        push: sends what a job has to say to the endpoints of its task.
        results: reads and writes what is large.
        ready: is awaited before each claim; a slot that it refuses claims no more.

    Raises:
        Invalid: the hub would not give so many slots, or such a lease.
    """

    def __init__(
        self,
        handler: WorkHandler,
        *,
        slots: int,
        lease: float | None,
        exchange: Exchange,
        said: Callable[[], None],
        push: Push,
        results: ResultBackend,
        ready: Ready = always_ready,
    ) -> None:
        if slots not in SLOTS:
            raise Invalid(f"{slots} slots are asked for: choose 1 to {SLOTS[-1]}")
        if lease is not None and not 1 <= lease <= LONGEST_LEASE:
            raise Invalid(
                f"a lease of {lease:g} s is asked for: choose 1 to {LONGEST_LEASE:g} "
                "seconds"
            )
        self._handler = handler
        self._lease = lease
        self._count = slots
        self._exchange = exchange
        self._said = said
        self._push = push
        self._results = results
        self._ready = ready
        self._outbox = Outbox()
        self._slots: list[asyncio.Task[None]] = []
        self._runs: dict[str, _Run] = {}
        self._closing = False

    def start(self, outbox: Outbox) -> None:
        """Begin to claim; how jobs end is said in the outbox."""
        self._outbox = outbox
        self._slots = [asyncio.create_task(self._serve()) for _ in range(self._count)]

    async def close(self, timeout: float, *, linked: bool) -> None:  # noqa: ASYNC109
        """Claim no more, and give back what is not finished.

        Args:
            timeout: seconds that handlers have to end.
            linked: whether the hub is there, and may just be giving us something.
        """
        self._closing = True
        self._exchange.withdraw("claim", linked=linked)
        for run in self._runs.values():
            run.handler.cancel()
        if self._slots:
            await asyncio.wait(self._slots, timeout=timeout)
        for slot in self._slots:
            slot.cancel()
        await asyncio.gather(*self._slots, return_exceptions=True)

    def linked(self) -> None:
        """Extend every lease now: the hub is there again."""
        for run in self._runs.values():
            run.job.due.set()

    def revoke(self, task: str, fence: int, reason: str) -> None:
        """Stop working on a job that the hub has taken away."""
        run = self._runs.get(task)
        if run is not None and run.job.fence == fence:
            run.lose(reason)

    # --- one slot ---

    async def _serve(self) -> None:
        waits = delays()
        while await self._may_claim():
            tasks = await self._claim()
            for task in tasks:
                waits = delays()
                await self._do(task)
            if not tasks:
                await asyncio.sleep(next(waits))

    async def _may_claim(self) -> bool:
        return not self._closing and await self._ready() and not self._closing

    async def _claim(self) -> list[Task]:
        """Wait for work; nothing when the hub cannot give any just now."""
        try:
            claimed = await self._exchange.ask(
                "claim", tasks=1, lease=self._lease, wait=True
            )
        except AgentkitError as error:
            log.warning("the hub gave no work: %s", error)
            return []
        return [decode(Task, row) for row in claimed["tasks"]]

    async def _do(self, task: Task) -> None:
        """Run one job, and say how it ended unless it was taken away."""
        while older := self._runs.get(task.id):
            older.lose("it was claimed anew")
            await older.over.wait()
        try:
            await self._outbox.hold(task.id, task.fence)
            ending = await self._run(
                Job(task, self._exchange, self._push, self._results)
            )
            if ending is None:
                await self._outbox.let_go(task.id, task.fence)
            else:
                await self._outbox.add(ending)
                self._said()
        except NotStored as error:
            log.error("nothing is said of task %s: %s", task.id, error)  # noqa: TRY400

    async def _run(self, job: Job) -> Frame | None:
        run = _Run(job, asyncio.create_task(self._handler(job), name=job.id))
        self._runs[job.id] = run
        if self._closing:
            run.handler.cancel()
        beat = asyncio.create_task(self._keep(run))
        try:
            return await self._ending(run)
        finally:
            beat.cancel()
            run.handler.cancel()
            del self._runs[job.id]
            run.over.set()

    async def _keep(self, run: _Run) -> None:
        """Extend the lease again and again; end the job when that is refused."""
        job = run.job
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(job.lease / BEATS):
                    await job.due.wait()
            job.due.clear()
            try:
                await job.extend()
            except SwarmError as error:
                run.lose(str(error))
                return
            except AgentkitError as error:
                log.warning("task %s is not extended: %s", job.id, error)

    async def _ending(self, run: _Run) -> Frame | None:
        """Wait for the handler, and return what is to be said of the job."""
        try:
            result = await run.handler
            told = check("the result", {} if result is None else result, LARGEST_RESULT)
            ending: Frame = {"type": "complete", "result": told}
        except Failed as error:
            ending = {"type": "fail", "reason": _cut(str(error))}
        except Reject as error:
            ending = {"type": "fail", "reason": _cut(str(error)), "final": True}
        except Later as error:
            reason = _cut(str(error))
            ending = {"type": "nack", "reason": reason, "delay": error.seconds}
        except asyncio.CancelledError:
            if is_cancelled() and not self._closing:
                raise
            stopped = {"type": "fail", "reason": "the handler was cancelled"}
            leaving = {"type": "nack", "reason": LEAVING}
            ending = leaving if self._closing else stopped
        except Exception as error:
            log.exception("the handler of task %s failed", run.job.id)
            ending = {"type": "fail", "reason": _why(error)}
        if run.lost:
            log.warning("task %s was taken away: %s", run.job.id, run.lost)
            return None
        return {**ending, "task": run.job.id, "fence": run.job.fence}


def _why(error: Exception) -> str:
    return _cut(f"{type(error).__name__}: {error}")


def _cut(reason: str) -> str:
    return reason[:LONGEST_REASON]
