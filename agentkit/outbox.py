"""What an agent has said and the hub has not stored yet, numbered.

A spool has a name and counts its reports from 1 without gaps. The hub accepts only the
next one, in the same transaction as its effect, so that after any reconnection it is
enough to send what comes after the number that it has.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias
from urllib.parse import quote

from agentkit.errors import Conflict
from agentkit.settings import paths, private_folder

Report: TypeAlias = Mapping[str, Any]

SCHEMA = """
begin immediate;
create table if not exists spool (name text not null, last integer not null);
create table if not exists reports (seq integer primary key, body text not null);
commit;
"""


class Outbox:
    """Reports on their way to the hub, for as long as the process lives."""

    def __init__(self) -> None:
        self.spool = _name()
        """The name of the spool."""
        self.last = 0
        """The number of the newest report; 0 before the first."""
        self.taken = 0
        """How many reports it has taken, whichever spool they were in."""
        self._reports: dict[int, Report] = {}

    def __len__(self) -> int:
        """Return how many reports the hub has not stored yet."""
        return len(self._reports)

    @property
    def stored(self) -> int:
        """The number up to which the hub has stored all."""
        return self.last - len(self._reports)

    def add(self, report: Report) -> int:
        """Take a report and return its number."""
        self.last += 1
        self.taken += 1
        self._reports[self.last] = report
        return self.last

    def after(self, seq: int) -> Iterator[tuple[int, Report]]:
        """Yield the reports above a number, in order."""
        number = max(seq, self.stored)
        while number < self.last:
            number += 1
            yield number, self._reports[number]

    def drop(self, upto: int) -> None:
        """Forget what the hub has stored."""
        for number in range(self.stored + 1, min(upto, self.last) + 1):
            del self._reports[number]

    def renew(self) -> None:
        """Begin a new spool with the reports that are left, numbered from 1."""
        self.spool = _name()
        self._reports = dict(enumerate(self._reports.values(), 1))
        self.last = len(self._reports)

    def close(self) -> None:
        """Let go of what is open."""


class FileOutbox(Outbox):
    """An outbox that survives the process: a report is on the disk when `add` returns.

    `add` waits for the disk; it may be called from any thread.

    Raises:
        Conflict: another process has the file open.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        private_folder(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._lock = Lock()
        self._db = _open(path)
        found = self._db.execute("select name, last from spool").fetchone()
        if found:
            self.spool, self.last = found
            rows = self._db.execute("select seq, body from reports order by seq")
            self._reports = {seq: json.loads(body) for seq, body in rows}
            self.taken = len(self._reports)
        else:
            self._rewrite()

    @classmethod
    def of(cls, agent: str) -> "FileOutbox":
        """Open the outbox of an agent on this machine."""
        return cls(paths().outbox / "agents" / f"{quote(agent, safe='@')}.db")

    def add(self, report: Report) -> int:
        """Store a report and return its number."""
        with self._lock, self._db:
            seq = self.last + 1
            # What the hub has stored goes in the same transaction: to forget it costs
            # nothing, and if it comes back after a crash the hub knows it.
            self._db.execute("delete from reports where seq <= ?", (self.stored,))
            self._db.execute(
                "insert into reports values (?, ?)", (seq, json.dumps(report))
            )
            self._db.execute("update spool set last = ?", (seq,))
            return super().add(report)

    def renew(self) -> None:
        """Begin a new spool with the reports that are left, numbered from 1."""
        with self._lock:
            super().renew()
            self._rewrite()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock, closing(self._db), self._db:
            self._db.execute("delete from reports where seq <= ?", (self.stored,))

    def _rewrite(self) -> None:
        with self._db:
            self._db.execute("delete from spool")
            self._db.execute("delete from reports")
            self._db.execute("insert into spool values (?, ?)", (self.spool, self.last))
            self._db.executemany(
                "insert into reports values (?, ?)",
                [(seq, json.dumps(body)) for seq, body in self._reports.items()],
            )


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=0, check_same_thread=False)
    try:
        db.execute("pragma locking_mode = exclusive")
        db.execute("pragma synchronous = full")
        db.executescript(SCHEMA)
    except sqlite3.DatabaseError as error:
        db.close()
        raise Conflict(
            f"the outbox {path} cannot be used ({error}): if another process is the "
            "same agent, give this one an id of its own"
        ) from None
    return db


def _name() -> str:
    return os.urandom(8).hex()
