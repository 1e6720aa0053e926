"""Copies of a store: made while it is written, looked at, and put in its place.

A copy is a database of its own in one file, which has the large results too, that a
store has in files beside it. Whatever reads here does so over a
connection that can neither write nor checkpoint, so it may run beside the one that
writes. Copies stay sealed: the master key is neither needed nor asked for.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from agentkit.sealing import reader
from server.store import by_agent, packing
from server.store.base import Integrity, StoreError
from server.store.faults import explained
from server.store.lock import StoreLock
from server.store.result_files import ResultFiles, folder_of, link
from server.store.schema import APPLICATION, VERSION

UNFINISHED: Final = ".part-"
"""Stands in the name of a copy that is still being made, behind that of its store."""

PROBLEMS: Final = 20
"""How many problems of a damaged file are told."""

SIDES: Final = ("-wal", "-shm")
"""What SQLite keeps beside a file that is in use."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a store holds."""

    agents: int
    tasks: int
    cursor: int
    """Of the newest event; 0 when there is none."""
    newest: datetime | None
    """When that was."""
    files: int = 0
    """Large results that are in a copy."""
    lost: int = 0
    """Large results that should be in a copy and are not."""


def reading(path: Path) -> sqlite3.Connection:
    """Open a file that can be read but not changed; any thread may interrupt it.

    Raises:
        sqlite3.Error: there is no such file, or it cannot be opened.
    """
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )


def copy(connection: sqlite3.Connection, target: Path) -> None:
    """Write everything, as it is at this moment, into a private new file.

    It is not yet on the disk for good: whoever keeps it syncs it.
    """
    os.close(_create(target))
    _fill(connection, target)


def _fill(connection: sqlite3.Connection, target: Path) -> None:
    (_, _, store) = connection.execute("PRAGMA database_list").fetchone()
    try:
        connection.execute("VACUUM INTO ?", (str(target),))
        packing.pack(target, folder_of(Path(store)))
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def examine(connection: sqlite3.Connection) -> Integrity:
    """Read the whole file, and say what is wrong with it."""
    problems = [
        str(text)
        for (text,) in connection.execute(f"PRAGMA integrity_check({PROBLEMS})")
        if text != "ok"
    ]
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not problems:
        problems = _gaps(connection)
    if not problems and version == VERSION:
        problems = by_agent.differences(connection)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page,) = connection.execute("PRAGMA page_size").fetchone()
    return Integrity(
        ok=not problems,
        problems=tuple(problems),
        version=version,
        size=pages * page,
        sqlite=sqlite3.sqlite_version,
    )


def _gaps(connection: sqlite3.Connection) -> list[str]:
    """Say whether events are missing between the oldest and the newest."""
    log = "SELECT count(*), coalesce(max(cursor) - min(cursor) + 1, 0) FROM events"
    there, expected = connection.execute(log).fetchone()
    if there == expected:
        return []
    return [f"the log has {there} events where there should be {expected}"]


def contents(connection: sqlite3.Connection) -> Contents:
    """Count what a store holds."""
    (agents,) = connection.execute("SELECT count(*) FROM agents").fetchone()
    (tasks,) = connection.execute("SELECT count(*) FROM tasks").fetchone()
    newest = "SELECT cursor, at FROM events ORDER BY cursor DESC LIMIT 1"
    cursor, at = connection.execute(newest).fetchone() or (0, None)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    when = None if at is None else epoch + timedelta(microseconds=at)
    wanted, there = set(packing.referenced(connection)), packing.packed(connection)
    files, lost = len(wanted & there), len(wanted - there)
    return Contents(agents, tasks, cursor, when, files, lost)


def sweep(store: Path) -> None:
    """Remove unfinished copies beside a store; only who has its lock may."""
    for left in store.parent.glob(f"{store.name}{UNFINISHED}*"):
        left.unlink(missing_ok=True)


def unfinished(store: Path, name: str) -> Path:
    """Return where a copy is made that is to be kept only when it is whole."""
    return store.with_name(f"{store.name}{UNFINISHED}{name}")


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Keep hubs away from a store.

    Raises:
        StoreError: there is no such store, or a hub has it; the text says which.
    """
    with explained(store):
        if not store.is_file():
            raise StoreError(
                f"there is no store {store}: name its folder with --data-dir"
            )
        lock = StoreLock(store)
    try:
        yield
    finally:
        lock.release()


def save(store: Path, target: Path) -> None:
    """Copy a store that no hub has into a private new file, on the disk for good.

    Raises:
        StoreError: a hub has it, or it cannot be read; nothing is left of the copy.
        OSError: the new file cannot be made.
    """
    with locked(store):
        os.close(_create(target))
        with explained(store), closing(reading(store)) as connection:
            _fill(connection, target)
            _sync(target)


def is_ours(store: Path) -> bool:
    """Say whether it was a hub that made a store, and not another program.

    Raises:
        StoreError: it cannot be read.
    """
    with explained(store), closing(reading(store)) as connection:
        return _is_ours(connection)


def _is_ours(connection: sqlite3.Connection) -> bool:
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    return bool(owner == APPLICATION)


def check(store: Path) -> Integrity:
    """Examine a store that no hub has.

    Raises:
        StoreError: a hub has it, or it cannot be read.
    """
    with locked(store), explained(store), closing(reading(store)) as connection:
        return examine(connection)


def lost_results(store: Path, master: str, previous: str) -> list[str]:
    """Read all large results of a store that no hub has; say what is wrong, if any.

    Args:
        store: its file.
        master: the master key, if it is sealed.
        previous: the one before.

    Raises:
        StoreError: it cannot be read.
        WrongKey: the key does not fit.
    """
    with explained(store), closing(reading(store)) as connection:
        sealer = reader(connection, master, previous, where=f"the store {store}")
        files = ResultFiles(folder_of(store), sealer)
        told = (files.examine(digest) for digest in packing.referenced(connection))
        return [problem for problem in told if problem][:PROBLEMS]


class Restoration:
    """Puts a copy in the place of a store; a context manager that holds its lock.

    Entering it takes the copy in and looks it over; nothing is changed before
    `finish`, and leaving it without that changes nothing at all.

    Args:
        copy: the file to restore.
        store: whose place it takes; there may be none yet.
    """

    def __init__(self, copy: Path, store: Path) -> None:
        self.contents: Contents
        """What the copy holds."""
        self._copy = copy
        self._store = store
        self._part = unfinished(store, "restore")
        self._lock: StoreLock | None = None

    def __enter__(self) -> Self:
        """Take the copy in.

        Raises:
            StoreError: a hub has the store, or the copy is damaged or not ours.
        """
        try:
            with explained(self._store):
                self._store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._lock = StoreLock(self._store)
                sweep(self._store)
            with explained(self._copy):
                self._take_in()
                with closing(reading(self._part)) as connection:
                    self._judge(connection)
                    self.contents = contents(connection)
                self._become_another()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def finish(self, now: datetime) -> Path | None:
        """Put the copy in place; return where the old store is kept, if there was one.

        Raises:
            StoreError: it cannot be done; the old store is still in place.
        """
        results = folder_of(self._store)
        with explained(self._store):
            # Beside those of the old store: names tell contents, and keys, apart.
            packing.unpack(self._part, results)
            packing.adopt(_results_of(self._copy), results)
            _sync(self._part)
            kept = self._set_aside(now) if self._store.exists() else None
            self._part.replace(self._store)
            _sync(self._store.parent)
        return kept

    def _take_in(self) -> None:
        """Copy the file, with what SQLite may have left beside it, and sync it."""
        for side in ("", "-wal"):
            source = self._copy.with_name(self._copy.name + side)
            if side and not source.exists():
                continue
            part = self._part.with_name(self._part.name + side)
            with source.open("rb") as old, os.fdopen(_create(part), "wb") as new:
                shutil.copyfileobj(old, new, 1 << 20)
        with closing(sqlite3.connect(self._part, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
        _sync(self._part)

    def _judge(self, connection: sqlite3.Connection) -> None:
        if not _is_ours(connection):
            raise StoreError(
                f"{self._copy} is a database of another program: name a file that "
                "swarmtui backup made"
            )
        health = examine(connection)
        if not 0 < health.version <= VERSION:
            raise StoreError(
                f"{self._copy} has version {health.version}, but this swarmtui reads "
                f"up to version {VERSION}: install the newer one that wrote it"
            )
        if not health.ok:
            raise StoreError(
                f"{self._copy} is damaged ({health.problems[0]}): restore another copy"
            )

    def _become_another(self) -> None:
        """Let it be recognised as another log: what it was had gone on from here."""
        with closing(sqlite3.connect(self._part, isolation_level=None)) as connection:
            connection.execute("DROP TABLE IF EXISTS identity")
        _sync(self._part)

    def _set_aside(self, now: datetime) -> Path:
        """Give the old store a second name, under which it stays."""
        with suppress(sqlite3.Error):
            self._fold()
        kept = self._store.with_name(f"{self._store.name}.before-{now:%Y%m%d-%H%M%S}")
        link(folder_of(self._store), _results_of(kept))
        kept.hardlink_to(self._store)
        # a damaged store may keep its log: the two belong together
        for side in SIDES:
            with suppress(FileNotFoundError):
                beside = self._store.with_name(self._store.name + side)
                beside.rename(kept.with_name(kept.name + side))
        return kept

    def _fold(self) -> None:
        """Fold the log of the old store into it; what cannot be read stays untouched.

        Raises:
            sqlite3.Error: the two are not to be separated.
        """
        with closing(reading(self._store)) as old:
            old.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        with closing(sqlite3.connect(self._store)) as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _leave(self) -> None:
        if self._lock is None:
            return
        for side in ("", *SIDES):
            self._part.with_name(self._part.name + side).unlink(missing_ok=True)
        self._lock.release()
        self._lock = None


def _results_of(copy: Path) -> Path:
    """Return where the large results of a store lie that was set aside."""
    return copy.with_name(f"{copy.name}.results")


def _create(path: Path) -> int:
    """Create a file that only its owner reads; there must be none."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
