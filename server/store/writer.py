"""The one connection that writes: SQLite as the writer thread of the store uses it."""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from agentkit.rows import Broadcast, Row, key_of
from agentkit.sealing import Sealer
from server.core.tables import Tables, Turn
from server.store import by_agent
from server.store.base import KEEP_SETTLED, LOOK_BACK, StoreError, Trimmed
from server.store.insert import Values
from server.store.lock import StoreLock
from server.store.log import new_identity, next_cursor, refs_not_in
from server.store.run_tables import TREE
from server.store.schema import (
    APPLICATION,
    IDENTITY,
    INSERT_EVENT,
    NOTES,
    PUT_NOTE,
    SCHEMA,
    TABLES,
    VERSION,
    bind_event,
    seal_event,
    seal_note,
)
from server.store.table import Table
from server.store.trim import INCREMENTAL, give_back, take
from server.store.upgrade import upgrade

PRAGMAS: tuple[str, ...] = (
    "PRAGMA auto_vacuum=INCREMENTAL",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA secure_delete=ON",
    "PRAGMA mmap_size=0",
)
"""How the writing connection is set; the first counts while the file is empty.

What is deleted, or sealed in place of plain text, is overwritten in the file.
"""

log = logging.getLogger(__name__)


def connect(path: Path) -> sqlite3.Connection:
    """Open the file; transactions are begun and ended by whoever uses it."""
    return sqlite3.connect(path, isolation_level=None)


class Writer:
    """Writes turns into the file at `path`; use it from the thread that made it.

    Args:
        path: of the file; its folder is made when it is not there.
        connect: opens the file; another one lets the same statements run on a disk
            that loses its power.
        master: the master key that bodies are sealed with (`agentkit.sealing`); empty
            seals nothing.
        previous: the one before.

    Raises:
        WrongKey: the file is sealed with another key.
        StoreError: the file is locked, or not one that this version can write.
        sqlite3.Error: SQLite cannot use the file.
        OSError: the system does not let us.
    """

    def __init__(
        self,
        path: Path,
        connect: Callable[[Path], sqlite3.Connection] = connect,
        *,
        master: str = "",
        previous: str = "",
    ) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as undo:
            self._lock = StoreLock(path)
            undo.callback(self._lock.release)
            _make_private(path)
            self._connection = connect(path)
            undo.callback(self._connection.close)
            for pragma in PRAGMAS:
                self._connection.execute(pragma)
            self._ensure_schema(path)
            self.sealer = self._sealer(path, master, previous)
            """What reads the bodies; any thread may use it."""
            self.identity = self._identify()
            """What the log is recognised by."""
            self.check()
            self._last = self._newest()
            self._indexed = by_agent.upto(self._connection)
            undo.pop_all()

    def _ensure_schema(self, path: Path) -> None:
        if self._number("SELECT count(*) FROM sqlite_schema") == 0:
            self._connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
        elif self._number("PRAGMA application_id") != APPLICATION:
            raise StoreError(
                f"the store {path} is a database of another program: name another "
                "folder with --data-dir"
            )
        version = self._number("PRAGMA user_version")
        if version > VERSION:
            raise StoreError(
                f"the store {path} has version {version}, but this hub reads version "
                f"{VERSION}: install the newer swarmtui that wrote it, or name another "
                "folder with --data-dir"
            )
        if version < VERSION:
            upgrade(self._connection, version)
            log.info("the store %s is now of version %s", path, VERSION)
        if self._number("PRAGMA auto_vacuum") != INCREMENTAL:
            self._rebuild(path)

    def _rebuild(self, path: Path) -> None:
        """Write the file anew, once, so that it can give room back to the disk."""
        try:
            self._connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            self._connection.execute("VACUUM")
        except sqlite3.Error as error:
            log.warning(
                "the store %s cannot shrink yet (%s): free as much room on its disk as "
                "it takes up, and start the hub again",
                path,
                error,
            )

    def _sealer(self, path: Path, master: str, previous: str) -> Sealer:
        with self.transaction() as connection:
            return Sealer.of(connection, master, previous, where=f"the store {path}")

    def _identify(self) -> str:
        with self.transaction() as connection:
            connection.execute(IDENTITY)
            connection.execute(NOTES)
            found = connection.execute("SELECT id FROM identity").fetchone()
            if found is None:
                found = (new_identity(),)
                connection.execute("INSERT INTO identity VALUES (?)", found)
        return str(found[0])

    def load(self) -> tuple[int, Tables]:
        """Return the newest cursor and the rows that are still of use."""
        tables = Tables()
        for name, table in TABLES.items():
            for query in table.loads:
                self._take_in(tables, name, query)
        for row in self._older():
            if row.is_owed:
                tables.broadcasts[row.id] = row
        for name, key in refs_not_in(tables):
            if name == "runs":
                self._take_in_tree(tables, key)
            else:
                self._take_in(tables, name, f"{TABLES[name].select} WHERE id = ?", key)
        self._last = self._newest()
        self._indexed = by_agent.upto(self._connection)
        return self._last, tables

    def tree(self, run: str) -> Tables:
        """Return a run and all that is below it; see `Store.run_tree`."""
        tables = Tables()
        self._take_in_tree(tables, run)
        return tables

    def _take_in_tree(self, tables: Tables, run: str) -> None:
        for name, queries in TREE.items():
            for query in queries:
                self._take_in(tables, name, query, run)

    def _take_in(self, tables: Tables, name: str, query: str, *values: str) -> None:
        """Add the rows that a query gives to those of their table."""
        table, rows = TABLES[name], getattr(tables, name)
        for found in self._connection.execute(query, values):
            row = table.read(found, self.sealer)
            key = key_of(row)
            rows[key if len(key) > 1 else key[0]] = row

    def _older(self) -> Iterator[Broadcast]:
        """Yield settled broadcasts that are older than those that are all loaded."""
        table = TABLES["broadcasts"]
        older = (
            f"ORDER BY version DESC, id DESC LIMIT {LOOK_BACK} OFFSET {KEEP_SETTLED}"
        )
        for values in self._connection.execute(
            f"{table.select} WHERE NOT live {older}"
        ):
            yield table.read(values, self.sealer)

    def commit(self, turn: Turn) -> None:
        """Write a turn, durably; when that fails nothing of it is kept."""
        last = next_cursor(self._last, turn.events)
        with self.transaction() as connection:
            INSERT_EVENT.write(connection, self._events(turn))
            for name, rows in turn.rows:
                if rows:
                    table = TABLES[name]
                    table.upsert.write(connection, self._rows(table, rows.values()))
            indexed = by_agent.catch_up(connection, self._indexed, last)
        self._last, self._indexed = last, indexed

    def _events(self, turn: Turn) -> list[Values]:
        values = map(bind_event, turn.events)
        if not self.sealer.mark:
            return list(values)
        return [seal_event(each, self.sealer) for each in values]

    def _rows(self, table: Table, rows: Iterable[Row]) -> list[Values]:
        values = map(table.bind, rows)
        if not self.sealer.mark:
            return list(values)
        return [table.seal(each, self.sealer) for each in values]

    def put_note(self, name: str, text: str) -> None:
        """Note a text under a name, durably."""
        with self.transaction() as connection:
            connection.execute(PUT_NOTE, seal_note(name, text, self.sealer))

    def trim(self, before: datetime, size: int) -> Trimmed:
        """Take away one batch of what is no longer kept; see `Store.trim`."""
        with self.transaction() as connection:
            rows = take(connection, before, size)
        return Trimmed(rows, 0 if rows else give_back(self._connection))

    def check(self) -> None:
        """Write something, durably."""
        with self.transaction() as connection:
            connection.execute("UPDATE checks SET count = count + 1")

    def close(self) -> None:
        """Close the file, folding the write-ahead log into it, and release the lock."""
        try:
            self._connection.close()
        finally:
            self._lock.release()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection; commit in the end, keep nothing if that fails."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite itself has rolled back after a full disk, and may do so again.
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def _newest(self) -> int:
        return self._number("SELECT coalesce(max(cursor), 0) FROM events")

    def _number(self, query: str) -> int:
        (number,) = self._connection.execute(query).fetchone()
        return int(number)


def _make_private(path: Path) -> None:
    """Create the file, or tighten it, so that only its owner reads it.

    SQLite gives the files beside it the same mode.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(file).st_mode & 0o077:
            os.fchmod(file, 0o600)
    finally:
        os.close(file)
