"""The pump: commands in, one transaction a turn, answers and pushes after COMMIT.

One task owns the `Swarm`. It takes what has queued up, decides and evolves each command
in order, gives the store one transaction with the events and the rows they changed, and
only then answers the callers and pushes to the subscribers. Questions ride the same
queue and are answered after the COMMIT, so nobody ever sees what is not on disk.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from time import perf_counter
from typing import (
    Any,
    Final,
    Generic,
    NamedTuple,
    Protocol,
    TypeVar,
)

import orjson

from agentkit import protocol as p
from agentkit.errors import Conflict, SwarmError
from agentkit.protocol import Command, Logged, Start, Tick
from agentkit.rows import Receipt
from server.clock import Clock
from server.core import Rules, Swarm, Turn
from server.core.renewal import replace
from server.core.tables import Tables
from server.core.turns import carry_out
from server.recall import Known, recall
from server.stats import Meter
from server.store.base import Store, StoreError

T = TypeVar("T")
Read = Callable[[Swarm, Sequence[Logged]], T]
Query = Callable[[Swarm], T]

TURN: Final = 512
"""How many commands one transaction takes at most."""

LOOK: Final = timedelta(seconds=30)
"""How long a timer runs at most: it does not notice that the machine slept."""

RETRY: Final = 1.0
"""Seconds between attempts to reload after a failed COMMIT."""

DEFECT: Final = (
    "the hub met an error of its own and went back to what is on disk; its log has the "
    "details, send again"
)

USED: Final = "the Idempotency-Key was used for something else: send a fresh one"

LONG_AGO: Final = (
    "the Idempotency-Key was used so long ago that what it led to is no longer kept: "
    "send a fresh one"
)

FED: Final = ("agents", "helps", "tasks", "broadcasts", "runs")
"""The tables that watchers mirror."""

log = logging.getLogger(__name__)


class Outcome(NamedTuple, Generic[T]):
    """What a command led to."""

    events: tuple[Logged, ...]
    value: T


class Meta(NamedTuple):
    """What came over the wire to cause an event."""

    bytes: int
    ms: float
    """From its arrival to the COMMIT."""


@dataclass(frozen=True)
class Pushed:
    """A committed turn on its way to the subscribers."""

    turn: Turn
    meta: Mapping[int, Meta]
    counts: Mapping[str, int] = field(default_factory=dict)
    """Tasks by state; empty when the turn changed none."""

    @property
    def cursor(self) -> int:
        """The cursor of the newest event."""
        return self.turn.events[-1].cursor

    @cached_property
    def frame(self) -> str:
        """The turn as a frame for watchers, encoded once for all of them."""
        return encode_turn(self.cursor, self.events, self.turn.rows, self.counts)

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The events as they stand in a frame."""
        return [
            {
                "cursor": cursor,
                "subject": event.subject,
                "data": event,
                "bytes": self.meta[cursor].bytes,
                "ms": self.meta[cursor].ms,
            }
            for cursor, event in self.turn.events
        ]


def encode_turn(
    cursor: int,
    events: list[dict[str, Any]],
    rows: Tables,
    counts: Mapping[str, int],
) -> str:
    """Return the turn frame for watchers."""
    frame = {"type": "turn", "cursor": cursor, "events": events}
    if counts:
        frame["counts"] = counts
    for table in FED:
        if changed := fed(rows, table):
            frame[table] = changed
    return orjson.dumps(frame).decode()


def fed(rows: Swarm | Tables, table: str) -> list[Any]:
    """Return the rows of a table that watchers mirror.

    Of messages they get the events alone: there may be any number, with large bodies.
    Runs below others, and what runs led to, they ask for.
    """
    if table == "runs":
        runs = rows.runs.rows if isinstance(rows, Swarm) else rows.runs
        tops = (row for row in runs.values() if not row.parent)
        return [
            row if row.output is None else replace(row, output=None) for row in tops
        ]
    found: Mapping[str, Any] = getattr(rows, table)
    if table == "broadcasts":
        return [row for row in found.values() if not row.is_message]
    return list(found.values())


def count_tasks(swarm: Swarm) -> dict[str, int]:
    """Return how many tasks are in each state that there are tasks in."""
    return {state: count for state, count in swarm.task_counts.items() if count}


class Subscriber(Protocol):
    """Whoever wants every committed turn."""

    def push(self, pushed: Pushed) -> None:
        """Take a turn; called on the loop after COMMIT, must not block or raise."""


@dataclass(slots=True, eq=False)
class _Wish:
    command: Command
    answer: asyncio.Future[Any]
    read: Read[Any] | None = None
    key: str = ""
    size: int = 0
    known: Known | None = None
    """What it names, when that was settled so long ago that only the store has it."""
    receipt: Receipt | None = None
    """Of its key, when that was used so long ago that only the store has it."""
    posted: bool = False
    """Whether nothing was read for it before it came."""
    arrived: float = field(default_factory=perf_counter)
    outcome: Any = None
    first: int = 0
    last: int = -1


@dataclass(slots=True, eq=False)
class _Question:
    query: Query[Any]
    answer: asyncio.Future[Any]


class Hub:
    """Owns the swarm; see the module for what it guarantees."""

    def __init__(
        self,
        store: Store,
        *,
        rules: Rules | None = None,
        clock: Callable[[], datetime] | None = None,
        version: str = "",
    ) -> None:
        self.store = store
        self.rules = rules or Rules()
        self.now = clock or Clock()
        self.version = version
        self.started = self.now()
        self.stats = Meter()
        self.failure: StoreError | None = None
        """Why nothing can be written just now; None when all is well."""
        self._swarm = Swarm(self.rules)
        self._queue: deque[_Wish | _Question] = deque()
        self._wake = asyncio.Event()
        self._subscribers: dict[Subscriber, None] = {}
        self._pump: asyncio.Task[None] | None = None
        self._tick: tuple[datetime, asyncio.TimerHandle] | None = None
        self._stopping = False

    # --- for the edges ---

    async def start(self) -> None:
        """Open and load the store and begin to pump.

        Raises:
            StoreError: the store cannot be opened or loaded.
        """
        await self.store.open()
        await self._load()
        self._pump = asyncio.create_task(self._run(), name="hub-pump")
        await self.submit(Start(version=self.version))

    async def stop(self) -> None:
        """Finish what has queued up, then close the store."""
        self._stopping = True
        self._wake.set()
        if self._tick:
            self._tick[1].cancel()
        if self._pump:
            await self._pump
        await self.store.close()

    async def submit(
        self,
        command: Command,
        *,
        read: Read[T] | None = None,
        key: str = "",
        size: int = 0,
    ) -> Outcome[T | None]:
        """Decide a command and return once its events are on disk.

        Args:
            command: the wish.
            read: looks at the swarm right after this command, before any other.
            key: an idempotency key; used again it has no second effect and gives the
                same events. A wish that led to nothing did not use it.
            size: bytes that came over the wire for it.

        Raises:
            SwarmError: the wish is refused; nothing changed.
            StoreError: nothing can be written just now; nothing changed.
        """
        self.stats.arrived(size)
        known = await recall(self.store, self._swarm, command)
        receipt = await self._receipt(key)
        wish = _Wish(command, self._future(), read, key, size, known, receipt)
        self._enqueue(wish)
        outcome = await wish.answer
        if isinstance(outcome, Receipt):
            return await self._repeat(outcome, read)
        answer: Outcome[T | None] = outcome
        return answer

    async def _receipt(self, key: str) -> Receipt | None:
        """Read the receipt of a key unless memory has it, or has let go of none."""
        receipts = self._swarm.receipts
        if not key or key in receipts or len(receipts) < self.rules.keep_receipts:
            return None
        return await self.store.receipt(key)

    def post(
        self, command: Command, *, read: Read[T] | None = None, size: int = 0
    ) -> asyncio.Future[Outcome[T | None]]:
        """Decide a command like `submit`, for callers that do not wait in a task.

        What goes wrong is in the future that is returned, never raised here.
        """
        wish = _Wish(command, self._future(), read, size=size, posted=True)
        self.stats.arrived(size)
        try:
            self._enqueue(wish)
        except StoreError as error:
            wish.answer.set_exception(error)
        return wish.answer

    async def ask(self, query: Query[T]) -> T:
        """Look at the swarm once everything that queued up before is on disk."""
        question = _Question(query, self._future())
        self._enqueue(question)
        answer: T = await question.answer
        return answer

    def subscribe(self, subscriber: Subscriber) -> None:
        """Push every turn from now on.

        Called within a query, nothing lies between what the query sees and the first
        turn that is pushed.
        """
        self._subscribers[subscriber] = None

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Push no more turns."""
        self._subscribers.pop(subscriber, None)

    @property
    def backlog(self) -> int:
        """How many commands and questions wait."""
        return len(self._queue)

    @property
    def agents(self) -> int:
        """How many agents are known."""
        return len(self._swarm.agents)

    @property
    def watchers(self) -> int:
        """How many subscribe."""
        return len(self._subscribers)

    # --- the pump ---

    def _future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    def _enqueue(self, job: _Wish | _Question) -> None:
        if self._stopping:
            raise StoreError("the hub is stopping; try again in a moment")
        if self.failure is not None:
            raise StoreError(str(self.failure))
        self._queue.append(job)
        self._wake.set()

    async def _run(self) -> None:
        while self._queue or not self._stopping:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            jobs = [self._queue.popleft() for _ in range(min(TURN, len(self._queue)))]
            try:
                await self._turn(jobs)
            except StoreError as error:
                await self._fail(error, jobs)
            except Exception:
                # A defect must not stop the hub, and what it left in memory must go.
                log.exception("a turn failed")
                await self._fail(StoreError(DEFECT), jobs)

    async def _turn(self, jobs: list[_Wish | _Question]) -> None:
        wishes = [job for job in jobs if isinstance(job, _Wish)]
        if wishes:
            await self._recall_ids(wishes)
            started = perf_counter()
            turn = await self.store.turn(lambda _: self._decide(wishes))
            self.stats.wrote(turn.events, (perf_counter() - started) * 1000)
            self._committed(turn, wishes)
        for job in jobs:
            if isinstance(job, _Question):
                self._look(job)
        self._schedule()

    async def _recall_ids(self, wishes: list[_Wish]) -> None:
        """Read what has the ids of posted messages: they may be used, long ago."""
        posted = [
            wish for wish in wishes if wish.posted and isinstance(wish.command, p.Send)
        ]
        known = await asyncio.gather(
            *(recall(self.store, self._swarm, wish.command) for wish in posted)
        )
        for wish, row in zip(posted, known, strict=True):
            wish.known = row

    def _decide(self, wishes: list[_Wish]) -> Turn:
        events: list[Logged] = []
        for wish in wishes:
            try:
                wish.outcome = self._grant(wish, events)
            except SwarmError as error:
                wish.outcome = error
                self.stats.refused += 1
        return Turn(tuple(events), self._swarm.take())

    def _grant(self, wish: _Wish, events: list[Logged]) -> Outcome[Any] | Receipt:
        swarm = self._swarm
        kind = type(wish.command).__name__
        receipt = swarm.receipts.get(wish.key, wish.receipt) if wish.key else None
        if receipt is not None:
            return _used(receipt, kind)
        if wish.known is not None:
            swarm.recall(wish.known)
        now = self.now()
        first = swarm.cursor + 1
        mine = carry_out(swarm, wish.command, now)
        wish.first, wish.last = first, swarm.cursor
        events += mine
        if wish.key and mine:
            swarm.put_receipt(
                Receipt(
                    key=wish.key, at=now, first=wish.first, last=wish.last, wish=kind
                )
            )
        value = wish.read(swarm, mine) if wish.read else None
        return Outcome(tuple(mine), value)

    def _committed(self, turn: Turn, wishes: list[_Wish]) -> None:
        now = perf_counter()
        meta: dict[int, Meta] = {}
        for wish in wishes:
            ms = (now - wish.arrived) * 1000
            self.stats.stored(ms)
            for cursor in range(wish.first, wish.last + 1):
                meta[cursor] = Meta(wish.size, round(ms, 3))
            _resolve(wish.answer, wish.outcome)
        if turn.events:
            pushed = Pushed(turn, meta, self._count_tasks(turn))
            for subscriber in tuple(self._subscribers):
                subscriber.push(pushed)

    def _count_tasks(self, turn: Turn) -> dict[str, int]:
        return count_tasks(self._swarm) if turn.rows.tasks else {}

    def _look(self, question: _Question) -> None:
        try:
            _resolve(question.answer, question.query(self._swarm))
        except Exception as error:  # noqa: BLE001 - whoever asked gets it; the pump goes on
            _resolve(question.answer, error)

    def _schedule(self) -> None:
        """Let a Tick come in when the core next has something to do."""
        deadline = self._swarm.deadline
        if self._tick:
            if self._tick[0] == deadline:
                return
            self._tick[1].cancel()
            self._tick = None
        if deadline is not None and not self._stopping:
            wait = min(max(deadline - self.now(), timedelta(0)), LOOK).total_seconds()
            loop = asyncio.get_running_loop()
            self._tick = (deadline, loop.call_later(wait, self._due))

    def _due(self) -> None:
        self._tick = None
        answer = self._future()
        answer.add_done_callback(_retrieve)
        with suppress(StoreError):
            self._enqueue(_Wish(Tick(), answer))

    # --- when the store fails ---

    async def _load(self) -> None:
        cursor, tables = await self.store.load()
        self._swarm = Swarm.load(cursor, tables, self.rules)

    async def _fail(self, error: StoreError, jobs: list[_Wish | _Question]) -> None:
        """Tell everybody who waits, then go back to what is on disk."""
        self.failure = error
        self.stats.failed_commits += 1
        log.error("commit failed: %s", error)
        for job in (*jobs, *self._queue):
            _resolve(job.answer, StoreError(str(error)))
        self._queue.clear()
        while self.failure is not None and not self._stopping:
            try:
                await self.store.check()
                await self._load()
                self.failure = None
                log.info("the store can be written again")
            except StoreError as still:
                self.failure = still
                await asyncio.sleep(RETRY)
            except Exception:
                # The pump must outlive whatever keeps it from going on.
                log.exception("what is on disk cannot be loaded")
                await asyncio.sleep(RETRY)
        self._schedule()

    async def _repeat(
        self, receipt: Receipt, read: Read[T] | None
    ) -> Outcome[T | None]:
        """Answer a used idempotency key with the events it led to."""
        events: list[Logged] = []
        if receipt.first <= receipt.last:
            events = await self.store.events(
                after=receipt.first - 1,
                before=receipt.last + 1,
                limit=receipt.last - receipt.first + 1,
            )
        if len(events) <= receipt.last - receipt.first:
            raise Conflict(LONG_AGO)
        value = None
        if read:
            try:
                value = await self.ask(lambda swarm: read(swarm, events))
            except (LookupError, AttributeError):
                raise Conflict(USED) from None
        return Outcome(tuple(events), value)


def _used(receipt: Receipt, kind: str) -> Receipt:
    if receipt.wish not in ("", kind):
        raise Conflict(USED)
    return receipt


def _resolve(answer: asyncio.Future[Any], value: object) -> None:
    if answer.done():
        return
    if isinstance(value, Exception):
        answer.set_exception(value)
    else:
        answer.set_result(value)


def _retrieve(answer: asyncio.Future[Any]) -> None:
    """Look at an answer that nobody waits for, so that a failure is not reported."""
    if not answer.cancelled():
        answer.exception()
