"""The store on disk: one file of SQLite, written from one thread.

SQLite before 3.51.3 can corrupt a file when two connections write or checkpoint at the
same instant (sqlite.org/wal.html#walresetbug). Here that cannot happen: one process
holds the lock, one connection writes and checkpoints, and reads go over a second
connection that may do neither. `synchronous=FULL` makes a commit survive a power cut;
with many commands to a commit it costs next to nothing.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import BinaryIO, Literal, ParamSpec, TypeVar

import aiosqlite

from agentkit.protocol import Logged
from agentkit.rows import (
    Broadcast,
    Delivery,
    HelpRequest,
    Letter,
    Receipt,
    Spool,
    Task,
)
from server.core.tables import Tables, Turn
from server.store import by_agent, copies
from server.store.base import Integrity, Trimmed, Write
from server.store.faults import explained
from server.store.log import parts_of_id, subjects
from server.store.reading import Value
from server.store.result_files import ResultFiles, folder_of
from server.store.run_reads import RunReads
from server.store.schema import NOTED, unseal_event, unseal_note
from server.store.writer import Writer

P = ParamSpec("P")
R = TypeVar("R")

_END = 2**63 - 1
"""Beyond every cursor, and the largest number that SQLite knows."""

_READER = (
    "PRAGMA query_only=1",
    "PRAGMA wal_autocheckpoint=0",
    "PRAGMA mmap_size=0",
)


class SQLiteStore(RunReads):
    """Keeps log and rows in the file at `path`, made with mode 0600 when it is new.

    Args:
        path: of the file; its folder is made when it is not there.
        master: the master key (see `agentkit.sealing`): what is written from now on is
            sealed with it. Empty seals nothing.
        previous: the master key before, while rows are sealed with it.
    """

    def __init__(self, path: Path, *, master: str = "", previous: str = "") -> None:
        super().__init__(path)
        self._master = master
        self._previous = previous
        self._thread: ThreadPoolExecutor | None = None
        self._copies = count()
        self._identity = ""

    @property
    def identity(self) -> str:
        """What this log is recognised by: made with the file, empty before `open`."""
        return self._identity

    @property
    def result_files(self) -> ResultFiles:
        """What is too large for a row: beside the file, sealed as its rows are."""
        return ResultFiles(folder_of(self._path), self._writing.sealer)

    async def open(self) -> None:
        """Open or create the file, with its folder, and take its lock.

        Raises:
            StoreError: it is locked, damaged, of a newer version, or not to be written.
            WrongKey: it is sealed with another key.
        """
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        try:
            with explained(self._path):
                self._writer = await self._in_thread(
                    partial(
                        Writer,
                        self._path,
                        master=self._master,
                        previous=self._previous,
                    )
                )
                self._identity = self._writer.identity
                copies.sweep(self._path)
                self._reader = await aiosqlite.connect(self._path, isolation_level=None)
                for pragma in _READER:
                    await self._reader.execute(pragma)
        except BaseException:
            await self.close()
            raise

    async def load(self) -> tuple[int, Tables]:
        """Return the cursor of the newest event and the rows that are still of use."""
        with explained(self._path):
            return await self._in_thread(self._writing.load)

    async def turn(self, write: Write) -> Turn:
        """Commit what `write` returns, durably, in one transaction."""
        writer = self._writing
        turn = write(())
        if turn.events or turn.rows:
            with explained(self._path, writing=True):
                await self._in_thread(writer.commit, turn)
        return turn

    async def events(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 500,
        subject: str = "**",
        agent: str = "",
        newest_first: bool = False,
    ) -> list[Logged]:
        """Read the log: cursors in (after, before), at most `limit`."""
        chosen = subjects(subject)
        start, end = min(after, _END), _END if before is None else min(before, _END)
        if agent:
            query, values = by_agent.query(
                agent, start, end, chosen, limit, newest_first=newest_first
            )
            return await self._read(query, values, unseal_event)
        return await self._fetch(
            "SELECT cursor, subject, data FROM events",
            unseal_event,
            where={
                "cursor > ?": start,
                "cursor < ?": end,
                f"subject IN ({', '.join('?' * len(chosen))})": chosen,
            },
            order="cursor DESC" if newest_first else "cursor",
            limit=limit,
        )

    async def oldest(self) -> int:
        """Return the cursor of the oldest event that is kept; 0 before the first."""
        oldest = await self._fetch(
            "SELECT min(cursor) FROM events", lambda values, _: values[0], where={}
        )
        return oldest[0] or 0

    async def deliveries(
        self,
        *,
        ref: str = "",
        agent: str = "",
        state: Literal["", "dead"] = "",
        limit: int = 1000,
        after: str = "",
    ) -> list[Delivery]:
        """Read a ledger in order of agent, a mailbox or dead ones newest first."""
        mine = {"agent = ?": agent} if agent else {}
        where: Mapping[str, Value]
        if state:
            past = {"(seq, agent) < (?, ?)": parts_of_id(after)} if after else {}
            where, order = {"dead": (), **mine, **past}, "seq DESC, agent DESC"
        elif ref:
            where = {"ref = ?": ref, **(mine or {"agent > ?": after})}
            order = "agent, seq"
        else:
            where, order = mine or {"agent > ?": after}, "agent, seq"
            order = "seq DESC" if agent else order
        return await self._rows("deliveries", where=where, order=order, limit=limit)

    async def task(self, key: str) -> Task | None:
        """Read one task, however old."""
        found: Task | None = await self._one("tasks", key)
        return found

    async def help(self, key: str) -> HelpRequest | None:
        """Read one help request, however old."""
        found: HelpRequest | None = await self._one("helps", key)
        return found

    async def broadcast(self, key: str) -> Broadcast | None:
        """Read one broadcast, however old."""
        found: Broadcast | None = await self._one("broadcasts", key)
        return found

    async def letter(self, key: str) -> Letter | None:
        """Read one letter, however old."""
        found: Letter | None = await self._one("letters", key)
        return found

    async def letters(
        self, *, state: Literal["", "dead"] = "", before: int = 0, limit: int = 100
    ) -> list[Letter]:
        """Read at most `limit` letters, those that changed last first."""
        where: dict[str, Value] = {"version < ?": before} if before else {}
        if state:
            where["dead"] = ()
        return await self._rows(
            "letters", where=where, order="version DESC", limit=limit
        )

    async def receipt(self, key: str) -> Receipt | None:
        """Read the receipt of an idempotency key, however old."""
        found: Receipt | None = await self._one("receipts", key)
        return found

    async def spool(self, agent: str, spool: str) -> Spool | None:
        """Read how much of an outbox was accepted, however long ago."""
        found: Spool | None = await self._one("spools", agent, spool)
        return found

    async def note(self, name: str) -> str:
        """Read what was noted under a name; empty when nothing was."""
        notes = await self._fetch(NOTED, unseal_note, where={"name = ?": name})
        return notes[0] if notes else ""

    async def put_note(self, name: str, text: str) -> None:
        """Note a text under a name, durably, in place of the one before."""
        with explained(self._path, writing=True):
            await self._in_thread(self._writing.put_note, name, text)

    async def run_tree(self, key: str) -> Tables:
        """Read a run with all that is below it, as it is at one moment."""
        with explained(self._path):
            return await self._in_thread(self._writing.tree, key)

    async def trim(self, before: datetime, size: int) -> Trimmed:
        """Take away one batch of what is no longer kept, between two turns."""
        with explained(self._path):
            return await self._in_thread(self._writing.trim, before, size)

    async def check(self) -> str:
        """Commit something, and return the word for a store that can do so."""
        with explained(self._path):
            await self._in_thread(self._writing.check)
        return "writable"

    async def copy(self) -> BinaryIO:
        """Copy everything, as it is at one moment, while turns go on."""
        target = copies.unfinished(self._path, str(next(self._copies)))
        try:
            await self._apart(lambda connection: copies.copy(connection, target))
            return target.open("rb")
        finally:
            target.unlink(missing_ok=True)

    async def examine(self) -> Integrity:
        """Read everything through and say whether it is sound, while turns go on."""
        return await self._apart(copies.examine)

    async def close(self) -> None:
        """Close the file and release its lock; a store that is not open stays so."""
        reader, self._reader = self._reader, None
        writer, self._writer = self._writer, None
        thread, self._thread = self._thread, None
        # The last connection to close checkpoints, and only the writer may.
        if reader is not None:
            await reader.close()
        if thread is not None and writer is not None:
            await asyncio.get_running_loop().run_in_executor(thread, writer.close)
        if thread is not None:
            thread.shutdown(wait=False)

    async def _apart(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Work over a connection that nothing else waits for, in a thread of its own.

        Whoever gives up on it ends the work.
        """
        if self._reader is None:
            raise self._closed()
        with explained(self._path):
            connection = copies.reading(self._path)

            def worked() -> R:
                with closing(connection):
                    return work(connection)

            working = asyncio.ensure_future(asyncio.to_thread(worked))
            try:
                return await asyncio.shield(working)
            except asyncio.CancelledError:
                with suppress(sqlite3.ProgrammingError):
                    connection.interrupt()
                await asyncio.gather(working, return_exceptions=True)
                raise

    async def _in_thread(
        self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(work, *args, **kwargs))
