"""Stores that fail: commits that are refused, machines that die in or beside one.

The disk outlives the processes of the hub: a new one finds what was committed.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, cast

from agentkit.protocol import Logged
from agentkit.rows import key_of
from server.core.tables import Tables, Turn
from server.store import MemoryStore
from server.store.base import Store, StoreError, Write
from server.store.schema import TABLES, read_event
from server.store.table import read
from server.store.writer import Writer
from tests.simulation.world import World

T = TypeVar("T")

FATES: Final = {
    "refused": 8,
    "dies before": 8,
    "dies inside": 8,
    "dies after": 8,
    "well": 968,
}
"""What becomes of a commit in the storm, of a thousand."""


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run what awaits nothing, and return what it returns."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    work.close()
    raise AssertionError("it waits for something")


class Disk(Store, Protocol):
    """A store whose machine may die, and which can be looked into."""

    def die(self) -> None:
        """Lose what is not committed, and whoever has it open."""

    def break_off(self, turn: Turn) -> None:
        """Die in the middle of writing a turn."""

    def log(self) -> list[Logged]:
        """Return all events."""

    def rows(self) -> Tables:
        """Return all rows."""


class MemoryDisk(MemoryStore):
    """The store in memory."""

    def die(self) -> None: ...

    def break_off(self, turn: Turn) -> None: ...

    def log(self) -> list[Logged]:
        return self._log

    def rows(self) -> Tables:
        return self._rows


class Broken(Exception):
    """The machine died."""


class Breaking:
    """A connection that can be made to fail at its nth statement from now."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self.left = 0

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        self.left -= 1
        if self.left == 0:
            raise Broken
        # what a killed process has written stays: there is no need to sync
        lazy = statement.replace("synchronous=FULL", "synchronous=OFF")
        return self._connection.execute(lazy, *values)

    def executescript(self, script: str) -> None:
        self._connection.executescript(script)

    def close(self) -> None:
        self._connection.close()


class SQLiteDisk(MemoryStore):
    """The writer of the real store, on the loop's own thread.

    Old rows and old events are read from the memory of what was committed.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._writer: Writer | None = None
        self._connection = cast(Breaking, None)

    async def open(self) -> None:
        self._writer = Writer(self._path, self._connect)

    async def load(self) -> tuple[int, Tables]:
        return self._writing.load()

    async def turn(self, write: Write) -> Turn:
        turn = write(())
        self._writing.commit(turn)
        return await super().turn(lambda _: turn)

    def die(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def break_off(self, turn: Turn) -> None:
        # BEGIN is the first statement, COMMIT at least the third
        self._connection.left = 2 + len(turn.events) % 2
        try:
            self._writing.commit(turn)
        except Broken:
            return
        raise AssertionError("the commit went through")

    def log(self) -> list[Logged]:
        found = self._select("SELECT cursor, subject, data FROM events ORDER BY cursor")
        return [read_event(*row) for row in found]

    def rows(self) -> Tables:
        tables = Tables()
        for name, rows in tables:
            for (body,) in self._select(f"SELECT body FROM {name}"):  # noqa: S608
                row = read(TABLES[name].kind, body)
                key = key_of(row)
                rows[key if len(key) > 1 else key[0]] = row
        return tables

    @property
    def _writing(self) -> Writer:
        assert self._writer is not None
        return self._writer

    def _connect(self, path: Path) -> sqlite3.Connection:
        self._connection = Breaking(path)
        return cast(sqlite3.Connection, self._connection)

    def _select(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._path)) as connection:
            return connection.execute(query).fetchall()


class FailingStore:
    """The store as one process of the hub has it.

    Args:
        die: kills that process, and with it whoever calls.
    """

    def __init__(self, world: World, disk: Disk, die: Callable[[str], None]) -> None:
        self._world = world
        self._disk = disk
        self._die = die
        self._dice = world.dice(f"store {world.loop.time()}")
        self.identity = disk.identity
        self.open = disk.open
        self.load = disk.load
        self.events = disk.events
        self.deliveries = disk.deliveries
        self.task = disk.task
        self.help = disk.help
        self.broadcast = disk.broadcast
        self.receipt = disk.receipt
        self.spool = disk.spool
        self.plan = disk.plan
        self.run = disk.run
        self.runs = disk.runs
        self.run_tree = disk.run_tree
        self.items = disk.items
        self.latest_failed_visit = disk.latest_failed_visit
        self.checkpoint = disk.checkpoint
        self.checkpoints = disk.checkpoints
        self.result = disk.result
        self.results = disk.results
        self.files = disk.files
        self.check = disk.check

    async def turn(self, write: Write) -> Turn:
        """Commit what `write` returns, or not, as the dice fall."""
        turn = write(())
        if not turn.events and not turn.rows:
            return turn
        await asyncio.sleep(self._dice.uniform(0.0005, 0.01))
        fate = self._fate()
        if fate == "refused":
            self._world.note("hub", "finds that the disk is full")
            raise StoreError("the disk is full: free some space there, then try again")
        if fate == "dies before":
            await self._end(fate)
        if fate == "dies inside":
            self._disk.break_off(turn)
            await self._end(fate)
        await self._disk.turn(lambda _: turn)
        if fate == "dies after":
            await self._end(fate)
        return turn

    async def close(self) -> None:
        """Leave the disk to whoever looks into it."""

    def _fate(self) -> str:
        if not self._world.stormy:
            return "well"
        return self._dice.choices(tuple(FATES), tuple(FATES.values()))[0]

    async def _end(self, fate: str) -> None:
        self._die(fate)
        await asyncio.Event().wait()
