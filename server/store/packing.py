"""The files of large results within a copy of the store: one file has everything.

A copy has a table more than a store: `pack` puts the files that its rows refer to
there, as they lie on the disk and so as sealed as they are; `unpack` takes them out.
"""

import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from server.store import result_files
from server.store.base import StoreError

PIECE: Final = 1 << 20
"""Bytes in a row of the table."""

TABLE: Final = """
CREATE TABLE result_files (
    name TEXT NOT NULL, piece INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (name, piece)
) STRICT
"""

NAME: Final = re.compile(r"[0-9a-f]{64}(\.[0-9a-f]{8})?")
"""What the files of results are called, plain or sealed."""


def referenced(connection: sqlite3.Connection) -> list[str]:
    """Return the digests that the rows of a store refer to; an older one has none."""
    if not _has(connection, "results"):
        return []
    found = "SELECT DISTINCT file FROM results WHERE file <> '' ORDER BY file"
    return [digest for (digest,) in connection.execute(found)]


def packed(connection: sqlite3.Connection) -> set[str]:
    """Return the digests of the results whose files are in a copy."""
    if not _has(connection, "result_files"):
        return set()
    names = connection.execute("SELECT DISTINCT name FROM result_files")
    return {result_files.digest_of(name) for (name,) in names}


def pack(copy: Path, folder: Path) -> None:
    """Put into a fresh copy the files that it refers to; those that are there.

    Raises:
        sqlite3.Error: the copy cannot be written; it is of no use then.
        OSError: a file cannot be read.
    """
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        digests = referenced(connection)
        if not digests:
            return
        # Whoever made the copy syncs it, or throws it away.
        connection.execute("PRAGMA journal_mode=OFF").fetchone()
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(TABLE)
        connection.execute("BEGIN")
        for digest in digests:
            for name in result_files.versions(folder, digest):
                with suppress(FileNotFoundError):
                    _pack_file(connection, folder, name)
        connection.execute("COMMIT")


def _pack_file(connection: sqlite3.Connection, folder: Path, name: str) -> None:
    insert = "INSERT INTO result_files VALUES (?, ?, ?)"
    with result_files.where(folder, name).open("rb") as file:
        connection.execute(insert, (name, 0, file.read(PIECE)))
        rows = ((name, n, piece) for n, piece in enumerate(_pieces(file), 1))
        connection.executemany(insert, rows)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def unpack(copy: Path, folder: Path) -> None:
    """Take the files out of a copy, which loses them, into a folder.

    Raises:
        StoreError: the copy names a file that is none of a result.
        sqlite3.Error: it cannot be read or written.
        OSError: a file cannot be written.
    """
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        if not _has(connection, "result_files"):
            return
        names = connection.execute("SELECT DISTINCT name FROM result_files")
        for (name,) in names.fetchall():
            if not NAME.fullmatch(name):
                raise StoreError(
                    f"{copy} is damaged (it has a file {name!r}): restore another copy"
                )
            _unpack_file(connection, folder, name)
        connection.execute("DROP TABLE result_files")
        # `execute` gives one page back and no more: it takes one step.
        connection.executescript("PRAGMA incremental_vacuum")


def _unpack_file(connection: sqlite3.Connection, folder: Path, name: str) -> None:
    select = "SELECT data FROM result_files WHERE name = ? ORDER BY piece"
    with _drafted(folder, name) as file:
        for (piece,) in connection.execute(select, (name,)):
            file.write(piece)


def adopt(other: Path, folder: Path) -> None:
    """Copy the files of results that lie in another folder; there may be none.

    Raises:
        OSError: it cannot be done.
    """
    for name in result_files.names(other):
        if NAME.fullmatch(name):
            with (
                result_files.where(other, name).open("rb") as old,
                _drafted(folder, name) as new,
            ):
                shutil.copyfileobj(old, new, PIECE)


@contextmanager
def _drafted(folder: Path, name: str) -> Iterator[BinaryIO]:
    """Give a file that is in its place when the block has ended well, else nowhere."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = folder / f"{result_files.DRAFT}{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        result_files.place(part, folder, name)
    finally:
        part.unlink(missing_ok=True)


def _has(connection: sqlite3.Connection, table: str) -> bool:
    found = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
    return connection.execute(found, (table,)).fetchone() is not None
