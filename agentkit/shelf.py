"""What an agent keeps of its mailbox: each delivery, and how far it came with it.

On a `Shelf` for as long as the process lives, on a `FileShelf` in the agent's file.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from agentkit.boxes import Box, NotStored, mail_place, reason_place
from agentkit.codec import decode, dumps
from agentkit.rows import DeliveryKind

DESKS: Final = {"call": "call", "answers": "reply", "about": "update"}
"""Who handles a message in which a field is filled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """Something that the hub has for an agent."""

    seq: int
    """Its number in the mailbox."""
    attempt: int
    """Which attempt at handling it this is, from 1."""
    kind: DeliveryKind
    ref: str
    """The task, broadcast or help request."""
    at: datetime
    """When it was put into the mailbox, in UTC."""
    by: str = ""
    """Who sent it."""
    body: Mapping[str, Any] = field(default_factory=dict)
    message: Mapping[str, Any] = field(default_factory=dict)
    """What is told of a message; empty unless it is one (see `agentkit.messages`)."""

    @property
    def text(self) -> str:
        """What it says: of a task the title, of a call for help the question."""
        name = {"task": "title", "helper": "question"}.get(self.kind, "text")
        return str((self.message or self.body).get(name, ""))

    @property
    def desk(self) -> str:
        """Who handles it: its kind, unless it is a call, a reply or an update."""
        roles = (name for name in DESKS if self.message.get(name))
        return DESKS.get(next(roles, ""), self.kind)


Key: TypeAlias = tuple[int, datetime]
Frame: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A delivery, and how far this agent came with it."""

    mail: Mail
    epoch: int
    """Which mailbox it came from: a new hub has a new one."""
    state: Literal["new", "done", "dead"] = "new"
    settled: bool = False
    """The hub knows how it ended."""
    attempts: int = 0
    reason: str = ""
    """Why the last attempt ended without success."""

    @property
    def key(self) -> Key:
        """What it is recognised by: another hub may use the number again."""
        return self.mail.seq, self.mail.at

    @property
    def frame(self) -> Frame:
        """What the hub is told of its end."""
        told = {"type": self.state, "seq": self.mail.seq, "confirm": True}
        return {**told, "reason": self.reason} if self.state == "dead" else told


BARE: Final = {"attempt": 0, "kind": "", "ref": ""}
"""What is left of mail that is finished: it is recognised and no more."""


class Shelf:
    """Where entries are kept: here for as long as the process lives, which is nowhere.

    What is awaited is kept when it is over.
    """

    epoch = 0
    """Which mailbox is the current one."""
    got = 0
    """The highest number in it that is kept."""
    store = ""
    """Which store of a hub the mailbox is in; empty while that is not known."""
    entries: Sequence[Entry] = ()
    """What was kept when it was opened, in order."""

    def receive(
        self, entry: Entry, after: int, then: Callable[[bool], None]
    ) -> asyncio.Future[bool] | None:
        """Keep a new entry, then call `then` with whether it is new indeed.

        Args:
            entry: what came.
            after: the number that came before it, which has to be kept already.
            then: is not called when it could not be kept.

        Returns:
            What fails then with `NotStored`, unless it is kept when this returns.
        """
        _ = entry, after
        then(True)
        return None

    async def save(self, entry: Entry) -> None:
        """Keep how far an entry came."""

    def note(self, entry: Entry) -> None:
        """Keep how far an entry came, some time soon."""

    def begin(self, epoch: int, store: str) -> None:
        """Note which mailbox is the current one; a new one begins with nothing kept."""
        self.epoch, self.store = epoch, store

    def forget(self, entry: Entry) -> None:
        """Drop an entry."""


class FileShelf(Shelf):
    """Entries in the agent's file."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self.epoch, self.got, self.store, self.entries = box.at_once(self._load)

    def receive(
        self, entry: Entry, after: int, then: Callable[[bool], None]
    ) -> asyncio.Future[bool]:
        """Store a new entry; one that waits to be stored already is not new."""
        insert = partial(self._insert, entry, dumps(entry.mail), after)
        return self._box.write(insert, then)

    async def save(self, entry: Entry) -> None:
        """Store how far an entry came; what it said goes when it is finished."""
        await self._box.write(partial(self._update, entry))

    def note(self, entry: Entry) -> None:
        """Store how far an entry came, some time soon."""
        self._box.write(partial(self._update, entry))

    def begin(self, epoch: int, store: str) -> None:
        """Store which mailbox is the current one; `epoch` and `store` tell when it is.

        Said again it changes nothing.
        """
        begun = super().begin
        write = partial(self._begin, epoch, store)
        self._box.write(write, lambda _: begun(epoch, store))

    def forget(self, entry: Entry) -> None:
        """Drop an entry."""
        statement = "delete from mail where seq = ? and at = ?"
        self._box.write(lambda db: db.execute(statement, _stored_key(entry)))

    # --- within a transaction ---

    def _load(self, db: sqlite3.Connection) -> tuple[int, int, str, list[Entry]]:
        epoch, got = db.execute("select epoch, got from inbox").fetchone()
        (store,) = db.execute("select store from hub").fetchone() or ("",)
        reader = db.cursor()
        reader.row_factory = sqlite3.Row
        rows = reader.execute("select * from mail order by place")
        return epoch, got, store, [self._entry(row) for row in rows]

    def _begin(self, epoch: int, store: str, db: sqlite3.Connection) -> None:
        db.execute(
            "update inbox set got = iif(epoch = :epoch, got, 0), epoch = :epoch",
            {"epoch": epoch},
        )
        db.execute("delete from hub")
        db.execute("insert into hub values (?)", (store,))

    def _entry(self, row: sqlite3.Row) -> Entry:
        place, unseal = (row["seq"], row["at"]), self._box.sealer.unseal
        said = {**BARE, "seq": row["seq"], "at": row["at"]}
        if row["body"]:
            said = json.loads(unseal(row["body"], mail_place(*place)))
        return Entry(
            mail=decode(Mail, said),
            epoch=row["epoch"],
            state=row["state"],
            settled=bool(row["settled"]),
            attempts=row["attempts"],
            reason=unseal(row["reason"], reason_place(*place)),
        )

    def _insert(
        self, entry: Entry, body: str, after: int, db: sqlite3.Connection
    ) -> bool:
        seq, at = _stored_key(entry)
        added = db.execute(
            "insert or ignore into mail (seq, at, epoch, state, settled, attempts, "
            "reason, body) values (?, ?, ?, 'new', 0, 0, '', ?)",
            (seq, at, entry.epoch, self._box.sealer.seal(body, mail_place(seq, at))),
        )
        epoch, got = db.execute("select epoch, got from inbox").fetchone()
        if added.rowcount and (epoch, got) != (entry.epoch, after):
            # An acknowledgement stands for all that came before.
            raise NotStored(f"delivery {seq} came after one that could not be stored")
        newest = "update inbox set got = max(got, ?) where epoch = ?"
        db.execute(newest, (seq, entry.epoch))
        return added.rowcount == 1

    def _update(self, entry: Entry, db: sqlite3.Connection) -> None:
        seq, at = _stored_key(entry)
        reason = entry.reason and self._box.sealer.seal(
            entry.reason, reason_place(seq, at)
        )
        db.execute(
            "update mail set epoch = :epoch, state = :state, settled = :settled, "
            "attempts = :attempts, reason = :reason, "
            "body = iif(:state = 'new', body, '') where seq = :seq and at = :at",
            {
                "epoch": entry.epoch,
                "state": entry.state,
                "settled": entry.settled,
                "attempts": entry.attempts,
                "reason": reason,
                "seq": seq,
                "at": at,
            },
        )


def _stored_key(entry: Entry) -> tuple[int, str]:
    return entry.mail.seq, entry.mail.at.isoformat()
