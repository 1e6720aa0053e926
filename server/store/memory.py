"""A store that forgets everything with its process: for tests and the demo."""

from dataclasses import replace
from itertools import islice
from operator import attrgetter
from typing import Any

from agentkit.protocol import Logged
from agentkit.rows import Broadcast, Delivery, HelpRequest, Task
from server.core.tables import Tables, Turn
from server.store.base import KEEP_SETTLED, Write
from server.store.log import LIVE, next_cursor, subjects


class MemoryStore:
    """Keeps log and rows in this object; closing and opening it again loses nothing."""

    def __init__(self) -> None:
        self._log: list[Logged] = []
        self._rows = Tables()

    async def open(self) -> None:
        """Do nothing: there is nothing to open."""

    async def load(self) -> tuple[int, Tables]:
        """Return the newest cursor and the rows that are still of use."""
        rows = self._rows
        waiting = {
            key: row for key, row in rows.deliveries.items() if LIVE[Delivery](row)
        }
        wanted = {row.ref for row in waiting.values()}
        return len(self._log), replace(
            rows,
            agents=dict(rows.agents),
            helps=_still_of_use(rows.helps, wanted),
            tasks=_still_of_use(rows.tasks, wanted),
            broadcasts=_still_of_use(rows.broadcasts, wanted),
            deliveries=waiting,
            spools=dict(rows.spools),
            receipts=dict(rows.receipts),
        )

    async def turn(self, write: Write) -> Turn:
        """Keep what `write` returns."""
        turn = write(())
        next_cursor(len(self._log), turn.events)
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
        span = self._log[after : None if before is None else max(before - 1, 0)]
        chosen = (
            logged
            for logged in (reversed(span) if newest_first else span)
            if logged.event.subject in wanted
            and (not agent or getattr(logged.event, "agent", "") == agent)
        )
        return list(islice(chosen, limit))

    async def deliveries(
        self, *, ref: str = "", agent: str = "", limit: int = 1000, after: str = ""
    ) -> list[Delivery]:
        """Read a ledger in order of agent, or a mailbox newest first."""
        chosen = [
            row
            for row in self._rows.deliveries.values()
            if (not ref or row.ref == ref)
            and (row.agent == agent if agent else row.agent > after)
        ]
        newest_first = bool(agent and not ref)
        chosen.sort(key=attrgetter("agent", "seq"), reverse=newest_first)
        return chosen[:limit]

    async def task(self, key: str) -> Task | None:
        """Read one task, however old."""
        return self._rows.tasks.get(key)

    async def help(self, key: str) -> HelpRequest | None:
        """Read one help request, however old."""
        return self._rows.helps.get(key)

    async def broadcast(self, key: str) -> Broadcast | None:
        """Read one broadcast, however old."""
        return self._rows.broadcasts.get(key)

    async def check(self) -> str:
        """Return the word for a store that can be written: memory always can."""
        return "writable"

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""


def _still_of_use(rows: dict[str, Any], wanted: set[str]) -> dict[str, Any]:
    """Return what waits, what a waiting delivery carries, and the newest rest."""
    settled = sorted(
        (row for row in rows.values() if not LIVE[type(row)](row)),
        key=attrgetter("version", "id"),
    )
    newest = {row.id for row in settled[-KEEP_SETTLED:]}
    return {
        key: row
        for key, row in rows.items()
        if LIVE[type(row)](row) or key in newest or key in wanted
    }
