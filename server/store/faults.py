"""What can be wrong with a file of SQLite, said so that a person can mend it."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentkit.sealing import Forged
from server.store.base import StoreError

_ROOM = "has no room left on its disk: free some space there, then try again"
_LOCKED = (
    "is locked by another program, perhaps a shell of sqlite3: close that program, "
    "then try again"
)
_DAMAGED = (
    "is damaged, or is not a database: move it away and put a copy from your backups "
    "in its place, or start without it"
)
_READ_ONLY = (
    "is read-only: let your user write to it and to its folder, or name another folder "
    "with --data-dir"
)
_DENIED = (
    "cannot be opened by your user: let your user read and write it and its folder, or "
    "name another folder with --data-dir"
)
_NO_FOLDER = (
    "is not in a folder that exists or can be made: name another folder with --data-dir"
)
_FAILING = "cannot be read or written: see whether its disk is healthy"

SQLITE = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_FULL: _ROOM,
    sqlite3.SQLITE_IOERR_SHMSIZE: _ROOM,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _DENIED,
    sqlite3.SQLITE_AUTH: _DENIED,
    sqlite3.SQLITE_CANTOPEN: _DENIED,
}
"""What is wrong and what helps, by SQLite's result code, extended or primary."""

SYSTEM = {
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _READ_ONLY,
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.ENOENT: _NO_FOLDER,
    errno.EEXIST: _NO_FOLDER,
    errno.ENOTDIR: _NO_FOLDER,
    errno.EISDIR: "is a folder: name another folder with --data-dir",
}
"""The same, by the system's error number."""


@contextmanager
def explained(path: Path, *, writing: bool = False) -> Iterator[None]:
    """Turn whatever goes wrong with the store at `path` into one clear sentence.

    A value without a form in JSON, or a body that is none, is the fault of whoever gave
    it when `writing`, else of the file.

    Raises:
        StoreError: in place of an error of SQLite, of the system, the encoding or a
            sealed body.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(_sentence(path, _of_sqlite(error))) from error
    except Forged as error:
        raise StoreError(str(error)) from error
    except OSError as error:
        words = SYSTEM.get(error.errno or 0, f"{_FAILING} ({error})")
        raise StoreError(_sentence(path, words)) from error
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        unfit = f"cannot hold what it was given ({error}): leave that out"
        raise StoreError(_sentence(path, unfit if writing else _DAMAGED)) from error


def _of_sqlite(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    known = SQLITE.get(code) or SQLITE.get(code & 0xFF)
    return known or f"{_FAILING} ({error})"


def _sentence(path: Path, words: str) -> str:
    return f"the store {path} {words}"
