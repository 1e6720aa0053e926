"""What an agent has said and the hub has not stored yet, numbered.

A spool has a name and counts its reports from 1 without gaps. The hub accepts only the
next one, in the same transaction as its effect, so that after any reconnection it is
enough to send what comes after the number that it has.

How work ended (``complete``, ``fail``, ``nack``) is said in the same order as the
reports. A file also knows which jobs the agent holds: of those that it still holds when
it is opened it says that the agent crashed.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from agentkit.boxes import Box, report_place
from agentkit.codec import dumps

Report: TypeAlias = Mapping[str, Any]
"""A frame without its number; ``type`` is ``notify`` when there is none."""

ENDS: Final = frozenset({"complete", "fail", "nack"})
"""The frames with which a job ends."""

CRASHED: Final = "the agent crashed while working on it"


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

    async def add(self, report: Report) -> int:
        """Take a report and return its number."""
        self._take(self.last + 1, report)
        return self.last

    async def hold(self, task: str, fence: int) -> None:
        """Remember that the agent holds a job, until a report says how it ended."""

    async def let_go(self, task: str, fence: int) -> None:
        """Forget a job of which nothing is to be said: it was taken away."""

    async def renew(self) -> None:
        """Begin a new spool with the reports that are left, numbered from 1."""
        self._begin(_name(), list(self._reports.values()))

    def after(self, seq: int) -> Iterator[tuple[int, Report]]:
        """Yield the reports above a number, in order."""
        number = max(seq, self.stored)
        while number < self.last:
            number += 1
            yield number, self._reports[number]

    def get(self, seq: int) -> Report:
        """Return a report that the hub has not stored; empty when it has."""
        return self._reports.get(seq, {})

    def drop(self, upto: int) -> None:
        """Forget what the hub has stored."""
        for number in range(self.stored + 1, min(upto, self.last) + 1):
            del self._reports[number]

    def _take(self, seq: int, report: Report) -> None:
        self.last = seq
        self.taken += 1
        self._reports[seq] = report

    def _begin(self, spool: str, reports: list[Report]) -> None:
        self.spool = spool
        self._reports = dict(enumerate(reports, 1))
        self.last = len(reports)


class FileOutbox(Outbox):
    """An outbox that survives the process: a report is on the disk when `add` is over.

    What happens at once shares a transaction; the order is that of the calls.
    """

    def __init__(self, box: Box) -> None:
        super().__init__()
        self._box = box
        self.spool, self.last, self._reports = box.at_once(self._load)
        self.taken = len(self._reports)

    async def add(self, report: Report) -> int:
        """Store a report and return its number.

        Raises:
            NotStored: the disk is full, or cannot be written.
        """
        text = dumps(report)  # raises here rather than in everybody's transaction
        insert = partial(self._insert, report, text, self.spool, self.stored)
        return await self._box.write(insert, lambda seq: self._take(seq, report))

    async def hold(self, task: str, fence: int) -> None:
        """Store that the agent holds a job."""
        statement = "insert or ignore into jobs values (?, ?)"
        await self._box.write(lambda db: db.execute(statement, (task, fence)))

    async def let_go(self, task: str, fence: int) -> None:
        """Forget a job of which nothing is to be said: it was taken away."""
        await self._box.write(lambda db: _forget_job(db, task, fence))

    async def renew(self) -> None:
        """Begin a new spool with the reports that are left, numbered from 1."""
        renew = partial(self._renumber, _name(), self.stored)
        await self._box.write(renew, lambda begun: self._begin(*begun))

    # --- within a transaction ---

    def _load(self, db: sqlite3.Connection) -> tuple[str, int, dict[int, Report]]:
        if db.execute("select * from spool").fetchone() is None:
            db.execute("insert into spool values (?, 0)", (self.spool,))
        jobs = db.execute("select task, fence from jobs order by fence").fetchall()
        for task, fence in jobs:
            crashed = {"type": "fail", "task": task, "fence": fence, "reason": CRASHED}
            self._insert(crashed, dumps(crashed), "", 0, db)
        spool, last = db.execute("select name, last from spool").fetchone()
        return spool, last, self._left(db, spool, 0)

    def _insert(
        self,
        report: Report,
        text: str,
        spool: str,
        stored: int,
        db: sqlite3.Connection,
    ) -> int:
        # What the hub has stored goes in the same transaction: to forget it costs
        # nothing, and if it comes back after a crash the hub knows it.
        db.execute(
            "delete from reports where seq <= ? and ? = (select name from spool)",
            (stored, spool),
        )
        if report.get("type") in ENDS:
            _forget_job(db, report["task"], report["fence"])
        counted = db.execute("update spool set last = last + 1 returning name, last")
        name, seq = counted.fetchone()
        self._put(db, name, seq, text)
        return int(seq)

    def _renumber(
        self, name: str, stored: int, db: sqlite3.Connection
    ) -> tuple[str, list[Report]]:
        (old,) = db.execute("select name from spool").fetchone()
        reports = list(self._left(db, old, stored).values())
        db.execute("update spool set name = ?, last = ?", (name, len(reports)))
        db.execute("delete from reports")
        for seq, report in enumerate(reports, 1):
            self._put(db, name, seq, dumps(report))
        return name, reports

    def _left(
        self, db: sqlite3.Connection, spool: str, stored: int
    ) -> dict[int, Report]:
        unseal = self._box.sealer.unseal
        rows = db.execute(
            "select seq, body from reports where seq > ? order by seq", (stored,)
        )
        return {
            seq: json.loads(unseal(body, report_place(spool, seq)))
            for seq, body in rows
        }

    def _put(self, db: sqlite3.Connection, spool: str, seq: int, text: str) -> None:
        sealed = self._box.sealer.seal(text, report_place(spool, seq))
        db.execute("insert into reports values (?, ?)", (seq, sealed))


def _forget_job(db: sqlite3.Connection, task: str, fence: int) -> None:
    db.execute("delete from jobs where task = ? and fence = ?", (task, fence))


def _name() -> str:
    return os.urandom(8).hex()
