"""The file in which an agent keeps what it must not forget: outbox, inbox and jobs.

One SQLite file per agent, open in one process at a time. What is handed to `Box.write`
is on the disk (``synchronous = FULL``) when its future is done, and everything that has
queued up meanwhile goes into one transaction: a thousand reports at once pay for a few
fsyncs, not for a thousand.
"""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Final, Generic, TypeAlias, TypeVar
from urllib.parse import quote

from agentkit.errors import AgentkitError, Conflict
from agentkit.sealing import Sealer
from agentkit.settings import private_folder

T = TypeVar("T")
Change: TypeAlias = Callable[[sqlite3.Connection], T]

log = logging.getLogger(__name__)

BATCH: Final = 512
"""Changes that one transaction takes at most."""

SCHEMA: Final = """
begin immediate;
create table if not exists spool (name text not null, last integer not null);
create table if not exists reports (seq integer primary key, body text not null);
create table if not exists jobs (
    task text not null, fence integer not null, primary key (task, fence)
);
create table if not exists inbox (epoch integer not null, got integer not null);
insert into inbox select 0, 0 where not exists (select * from inbox);
create table if not exists hub (store text not null);
create table if not exists mail (
    place integer primary key, seq integer not null, at text not null,
    epoch integer not null, state text not null, settled integer not null,
    attempts integer not null, reason text not null, body text not null,
    unique (seq, at)
);
create table if not exists endpoints (
    place integer primary key, task text not null, address text not null,
    unique (task, address)
);
commit;
"""
"""`reports` and `spool` are as they always were: older files are opened and go on."""


class NotStored(AgentkitError):
    """What was to be kept is not on the disk; nothing of it was done."""

    code = "not_stored"


@dataclass(frozen=True, slots=True)
class _Wish(Generic[T]):
    change: Change[T]
    then: Callable[[T], None]
    future: asyncio.Future[T]


_OVER: Final = "its agent has ended, so open the agent anew"


def _nothing(_: object) -> None:
    pass


class Box:
    """The file of one agent.

    Args:
        path: where it is, or will be made, readable for this user alone.
        master: the master key that seals what is said in it; empty seals nothing.
        previous: the key before that one: what it sealed is sealed anew.

    Raises:
        Conflict: another process has the file open, or it is no such file.
        WrongKey: it was sealed with another key.
    """

    def __init__(self, path: Path, master: str = "", previous: str = "") -> None:
        private_folder(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self.path = path
        self._db = _open(path)
        try:
            self.sealer = Sealer.of(self._db, master, previous, where=path)
            if master:
                self._seal_anew()
        except BaseException:
            self._db.close()
            raise
        self._wishes: SimpleQueue[_Wish[Any] | None] = SimpleQueue()
        self._writer: Thread | None = None
        self._door = Lock()
        self._closed = False

    @classmethod
    def of(
        cls, agent: str, folder: Path, master: str = "", previous: str = ""
    ) -> "Box":
        """Open the file of an agent in a folder."""
        return cls(folder / f"{quote(agent, safe='@')}.db", master, previous)

    def at_once(self, change: Change[T]) -> T:
        """Make a change in the calling thread; only before the first `write`."""
        with self._db:
            self._db.execute("begin immediate")
            return change(self._db)

    def write(
        self, change: Change[T], then: Callable[[T], None] = _nothing
    ) -> asyncio.Future[T]:
        """Make a change, after those that were handed over before; do not wait.

        Args:
            change: gets the connection within a transaction, in another thread.
            then: is called on the loop with what `change` returned once it is on the
                disk, in order, whether or not anybody waits for the future.

        Returns:
            A future with what `change` returned; `NotStored` when the disk failed, or
            the file is closed already.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_note_failure)
        with self._door:
            if self._closed:
                future.set_exception(NotStored(f"{self.path} is closed: {_OVER}"))
                return future
            self._wishes.put(_Wish(change, then, future))
        if self._writer is None:
            self._writer = Thread(target=self._write, name=self.path.name, daemon=True)
            self._writer.start()
        return future

    def close(self) -> None:
        """Write what has queued up, and let go of the file."""
        with self._door:
            self._closed = True
            self._wishes.put(None)
        if self._writer is not None:
            self._writer.join()
        self._db.close()

    # --- the writer's thread ---

    def _write(self) -> None:
        is_open = True
        while is_open:
            batch = [self._wishes.get()]
            with suppress(Empty):
                while len(batch) < BATCH:
                    batch.append(self._wishes.get_nowait())
            wishes = [wish for wish in batch if wish is not None]
            is_open = len(wishes) == len(batch)
            if wishes:
                self._commit(wishes)

    def _commit(self, wishes: list[_Wish[Any]]) -> None:
        """Write all in one transaction; each in its own when one of them fails."""
        try:
            self._db.execute("begin immediate")
            results = [wish.change(self._db) for wish in wishes]
            self._db.execute("commit")
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self._roll_back()
            failure = self._failure(error)
            if len(wishes) == 1:
                _answer(wishes, lambda: _refuse(wishes, failure))
            else:
                for wish in wishes:
                    self._commit([wish])
        else:
            _answer(wishes, lambda: _grant(wishes, results))

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            self._db.execute("rollback")

    def _failure(self, error: Exception) -> Exception:
        if not isinstance(error, sqlite3.Error):
            return error
        return NotStored(
            f"{self.path} cannot be written ({error}): make room on the disk, or check "
            "its permissions"
        )

    # --- sealing ---

    def _seal_anew(self) -> None:
        """Seal what is plain, or sealed with an older key; forget the older keys."""
        self._db.execute("pragma secure_delete = on")
        with self._db:
            self._db.execute("begin immediate")
            self._seal_reports()
            self._seal_mail()
            self.sealer.forget(self._db)
        self._db.execute("pragma wal_checkpoint(truncate)")
        self._db.execute("pragma secure_delete = off")

    def _seal_reports(self) -> None:
        rows = self._db.execute("select name, seq, body from spool, reports").fetchall()
        for spool, seq, body in rows:
            self._db.execute(
                "update reports set body = ? where seq = ?",
                (self._again(body, report_place(spool, seq)), seq),
            )

    def _seal_mail(self) -> None:
        rows = self._db.execute("select seq, at, body, reason from mail").fetchall()
        for seq, at, body, reason in rows:
            self._db.execute(
                "update mail set body = ?, reason = ? where seq = ? and at = ?",
                (
                    self._again(body, mail_place(seq, at)),
                    self._again(reason, reason_place(seq, at)),
                    seq,
                    at,
                ),
            )

    def _again(self, text: str, place: str) -> str:
        if not text or text.startswith(self.sealer.mark):
            return text
        return self.sealer.seal(self.sealer.unseal(text, place), place)


def report_place(spool: str, seq: int) -> str:
    """Return where the text of a report belongs."""
    return f"reports:{spool}:{seq}"


def mail_place(seq: int, at: str) -> str:
    """Return where the text of a delivery belongs."""
    return f"mail:{seq}:{at}"


def reason_place(seq: int, at: str) -> str:
    """Return where the reason why a delivery failed belongs."""
    return f"reason:{seq}:{at}"


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=0, check_same_thread=False, isolation_level=None)
    try:
        db.execute("pragma locking_mode = exclusive")
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.executescript(SCHEMA)
    except sqlite3.DatabaseError as error:
        db.close()
        raise Conflict(
            f"the outbox {path} cannot be used ({error}): if another process is the "
            "same agent, give this one an id of its own"
        ) from None
    return db


def _answer(wishes: list[_Wish[Any]], tell: Callable[[], None]) -> None:
    """Run something on the loop of those who wait, if it still runs."""
    with suppress(RuntimeError):
        wishes[0].future.get_loop().call_soon_threadsafe(tell)


def _grant(wishes: list[_Wish[Any]], results: list[Any]) -> None:
    for wish, result in zip(wishes, results, strict=True):
        try:
            wish.then(result)
        except Exception as error:  # noqa: BLE001 - whoever waits is told, others go on
            _refuse([wish], error)
        if not wish.future.done():
            wish.future.set_result(result)


def _refuse(wishes: list[_Wish[Any]], failure: Exception) -> None:
    for wish in wishes:
        if not wish.future.done():
            wish.future.set_exception(failure)


def _note_failure(future: asyncio.Future[Any]) -> None:
    """Let a failure that nobody waits for be seen."""
    if not future.cancelled() and (error := future.exception()):
        log.error("%s", error)
