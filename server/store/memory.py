"""A store that forgets everything with its process: for tests and the demo."""

import shutil
import weakref
from bisect import bisect_left
from collections.abc import Container
from dataclasses import replace
from datetime import datetime
from itertools import islice
from operator import attrgetter
from pathlib import Path
from secrets import token_hex
from tempfile import gettempdir
from typing import Any, BinaryIO, Final, Literal

from agentkit.errors import Conflict
from agentkit.protocol import Logged
from agentkit.rows import (
    Broadcast,
    Delivery,
    HelpRequest,
    Letter,
    Receipt,
    Spool,
    Task,
    key_of,
)
from agentkit.sealing import Sealer
from server.core.tables import Tables, Turn
from server.store import run_memory
from server.store.base import (
    KEEP_RECEIPTS,
    KEEP_SETTLED,
    KEEP_SPOOLS,
    LOOK_BACK,
    Integrity,
    Trimmed,
    Write,
)
from server.store.log import (
    LIVE,
    SETTLED,
    new_identity,
    next_cursor,
    parts_of_id,
    refs_not_in,
    subjects,
)
from server.store.result_files import ResultFiles
from server.store.run_memory import RunMemory

EVENT: Final = 1024
"""How many bytes an event counts for; rows are not counted."""

BATCH: Final = 2000


class MemoryStore(RunMemory):
    """Keeps log and rows in this object; closing and opening it again loses nothing."""

    def __init__(self) -> None:
        self._log: list[Logged] = []
        self._gone = 0
        """How many events were trimmed: the cursor before the oldest."""
        self._rows = Tables()
        self._identity = new_identity()
        self._notes: dict[str, str] = {}
        folder = Path(gettempdir()) / f"swarmtui-{token_hex(16)}"
        self._files = ResultFiles(folder, Sealer("", None, {}))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    @property
    def identity(self) -> str:
        """What this log is recognised by: made once for this object."""
        return self._identity

    @property
    def result_files(self) -> ResultFiles:
        """What is too large for a row: on the disk, until this object goes."""
        return self._files

    async def open(self) -> None:
        """Do nothing: there is nothing to open."""

    async def load(self) -> tuple[int, Tables]:
        """Return the newest cursor and the rows that are still of use."""
        rows = self._rows
        waiting = _waiting(rows)
        wanted = {row.ref for row in waiting.values()}
        loaded = replace(
            run_memory.to_load(rows),
            agents=dict(rows.agents),
            helps=_still_of_use(rows.helps, wanted),
            tasks=_still_of_use(rows.tasks, wanted),
            broadcasts=_still_of_use(rows.broadcasts, wanted),
            deliveries=waiting,
            spools=_last_used(rows.spools, KEEP_SPOOLS),
            receipts=_newest(rows.receipts),
            tokens=dict(rows.tokens),
            letters=_newest_letters(rows.letters),
        )
        for name, key in refs_not_in(loaded):
            if name == "runs":
                for table, below in await self.run_tree(key):
                    getattr(loaded, table).update(below)
            elif key in rows.tasks:
                loaded.tasks[key] = rows.tasks[key]
        return self._last, loaded

    async def turn(self, write: Write) -> Turn:
        """Keep what `write` returns."""
        turn = write(())
        next_cursor(self._last, turn.events)
        self._log.extend(turn.events)
        for name, rows in turn.rows:
            getattr(self._rows, name).update(rows)
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
        wanted = frozenset(subjects(subject))
        end = self._last if before is None else before - 1
        span = self._log[max(after - self._gone, 0) : max(end - self._gone, 0)]
        chosen = (
            logged
            for logged in (reversed(span) if newest_first else span)
            if logged.event.subject in wanted
            and (not agent or getattr(logged.event, "agent", "") == agent)
        )
        return list(islice(chosen, limit))

    async def oldest(self) -> int:
        """Return the cursor of the oldest event that is kept; 0 before the first."""
        return self._gone + 1 if self._log else 0

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
        if state:
            return self._dead(agent, after)[:limit]
        chosen = [
            row
            for row in self._rows.deliveries.values()
            if (not ref or row.ref == ref)
            and (row.agent == agent if agent else row.agent > after)
        ]
        newest_first = bool(agent and not ref)
        chosen.sort(key=attrgetter("agent", "seq"), reverse=newest_first)
        return chosen[:limit]

    def _dead(self, agent: str, after: str) -> list[Delivery]:
        end = parts_of_id(after) if after else None
        chosen = [
            row
            for row in self._rows.deliveries.values()
            if row.state == "dead"
            and not row.lapsed
            and agent in ("", row.agent)
            and (end is None or (row.seq, row.agent) < end)
        ]
        return sorted(chosen, key=attrgetter("seq", "agent"), reverse=True)

    async def task(self, key: str) -> Task | None:
        """Read one task, however old."""
        return self._rows.tasks.get(key)

    async def help(self, key: str) -> HelpRequest | None:
        """Read one help request, however old."""
        return self._rows.helps.get(key)

    async def broadcast(self, key: str) -> Broadcast | None:
        """Read one broadcast, however old."""
        return self._rows.broadcasts.get(key)

    async def letter(self, key: str) -> Letter | None:
        """Read one letter, however old."""
        return self._rows.letters.get(key)

    async def letters(
        self, *, state: Literal["", "dead"] = "", before: int = 0, limit: int = 100
    ) -> list[Letter]:
        """Read at most `limit` letters, those that changed last first."""
        chosen = [
            row
            for row in self._rows.letters.values()
            if state in ("", row.state) and (not before or row.version < before)
        ]
        return sorted(chosen, key=attrgetter("version"), reverse=True)[:limit]

    async def receipt(self, key: str) -> Receipt | None:
        """Read the receipt of an idempotency key, however old."""
        return self._rows.receipts.get(key)

    async def spool(self, agent: str, spool: str) -> Spool | None:
        """Read how much of an outbox was accepted, however long ago."""
        return self._rows.spools.get((agent, spool))

    async def note(self, name: str) -> str:
        """Read what was noted under a name; empty when nothing was."""
        return self._notes.get(name, "")

    async def put_note(self, name: str, text: str) -> None:
        """Note a text under a name, in place of the one before."""
        self._notes[name] = text

    async def trim(self, before: datetime, size: int) -> Trimmed:
        """Forget one batch of what is no longer kept."""
        last = len(self._log) - 1
        end = bisect_left(self._log, before, key=lambda logged: logged.event.at)
        end = min(max(end, len(self._log) - size // EVENT), last, BATCH)
        if end > 0:
            del self._log[:end]
            self._gone += end
            return Trimmed(end)
        if not self._log:
            return Trimmed()
        runs = run_memory.forget(self._rows, self._gone)
        return Trimmed(runs + sum(map(self._forget, SETTLED)))

    def _forget(self, name: str) -> int:
        """Forget what settled before the log begins; return how much that was."""
        rows: dict[Any, Any] = getattr(self._rows, name)
        settled, needed = SETTLED[name], self._needed(name)
        old = [
            key
            for key, row in rows.items()
            if settled(row) and _version(row) <= self._gone and key not in needed
        ]
        for key in old:
            del rows[key]
        return len(old)

    def _needed(self, name: str) -> Container[Any]:
        """Return the keys of what is kept however old: for others, or for good."""
        rows = self._rows
        match name:
            case "deliveries":  # the ledger of a broadcast goes with it
                mail = rows.deliveries.items()
                return {
                    key
                    for key, row in mail
                    if row.is_cast and row.ref in rows.broadcasts
                }
            case "broadcasts":
                settled = SETTLED["deliveries"]
                return {row.ref for row in rows.deliveries.values() if not settled(row)}
            case "spools":
                begun = {agent: (agent, spool) for agent, spool in rows.spools}
                return {*begun.values(), *_last_used(rows.spools, 1)}
            case _:
                return {row.ref for row in _waiting(rows).values()}

    async def check(self) -> str:
        """Return the word for a store that can be written: memory always can."""
        return "writable"

    async def copy(self) -> BinaryIO:
        """Refuse: nothing is in a file."""
        raise Conflict(
            "the hub keeps everything in memory, so there is nothing to copy: start it "
            "with --store sqlite"
        )

    async def examine(self) -> Integrity:
        """Find it sound: there is nothing that could be damaged."""
        return Integrity(ok=True)

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""

    @property
    def _last(self) -> int:
        return self._gone + len(self._log)


def _waiting(rows: Tables) -> dict[tuple[str, int], Delivery]:
    return {key: row for key, row in rows.deliveries.items() if LIVE[Delivery](row)}


def _version(
    row: HelpRequest | Task | Broadcast | Delivery | Receipt | Spool | Letter,
) -> int:
    return row.last if isinstance(row, Receipt) else row.version


def _last_used(
    spools: dict[tuple[str, str], Spool], count: int
) -> dict[tuple[str, str], Spool]:
    """Return the spools that each agent used last, so many of each."""
    used: dict[str, list[Spool]] = {}
    for spool in sorted(spools.values(), key=attrgetter("version")):
        used.setdefault(spool.agent, []).append(spool)
    last = {key_of(row) for mine in used.values() for row in mine[-count:]}
    return {key: row for key, row in spools.items() if key in last}


def _newest(receipts: dict[str, Receipt]) -> dict[str, Receipt]:
    ordered = sorted(receipts.values(), key=attrgetter("last"))
    return {row.key: row for row in ordered[-KEEP_RECEIPTS:]}


def _newest_letters(letters: dict[str, Letter]) -> dict[str, Letter]:
    """Return the newest that are dead, and the newest of the others."""
    ordered = sorted(letters.values(), key=attrgetter("version"))
    dead = [row for row in ordered if row.state == "dead"]
    rest = [row for row in ordered if row.state != "dead"]
    return {row.id: row for row in (*dead[-KEEP_SETTLED:], *rest[-KEEP_SETTLED:])}


def _still_of_use(rows: dict[str, Any], wanted: set[str]) -> dict[str, Any]:
    """Return what waits, what a waiting delivery carries, and the newest rest."""
    settled = sorted(
        (row for row in rows.values() if not LIVE[type(row)](row)),
        key=attrgetter("version", "id"),
    )
    newest = {row.id for row in settled[-KEEP_SETTLED:]}
    older = settled[-KEEP_SETTLED - LOOK_BACK : -KEEP_SETTLED]
    newest |= {row.id for row in older if isinstance(row, Broadcast) and row.is_owed}
    return {
        key: row
        for key, row in rows.items()
        if LIVE[type(row)](row) or key in newest or key in wanted
    }
