"""Who is to be told of a task: addresses, registered before it begins or meanwhile."""

import sqlite3
from functools import partial
from typing import Final

from agentkit.boxes import Box

KEPT: Final = 10_000
"""How many registrations are kept; the oldest go first."""


class Endpoints:
    """The push endpoints of tasks, for as long as the process lives."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] = {}
        self._count = 0

    def of(self, task: str) -> tuple[str, ...]:
        """Return the endpoints of a task, in the order of registration."""
        return self._known.get(task, ())

    async def add(self, task: str, address: str) -> bool:
        """Register an endpoint; say whether it is new."""
        is_new = address not in self.of(task)
        self._take(task, address)
        return is_new

    def _take(self, task: str, address: str) -> None:
        if address in self.of(task):
            return
        self._known[task] = (*self.of(task), address)
        self._count += 1
        if self._count > KEPT:
            self._forget(next(iter(self._known)))

    def _forget(self, task: str) -> None:
        """Forget the oldest endpoint of a task."""
        _, *left = self._known[task]
        self._count -= 1
        if left:
            self._known[task] = tuple(left)
        else:
            del self._known[task]


class FileEndpoints(Endpoints):
    """Endpoints in the agent's file."""

    def __init__(self, box: Box) -> None:
        super().__init__()
        self._box = box
        for task, address in box.at_once(_load):
            self._take(task, address)

    async def add(self, task: str, address: str) -> bool:
        """Register an endpoint; say whether it is new.

        Raises:
            NotStored: the disk is full, or cannot be written.
        """
        await self._box.write(partial(_insert, task, address))
        return await super().add(task, address)


def _load(db: sqlite3.Connection) -> list[tuple[str, str]]:
    rows = db.execute("select task, address from endpoints order by place")
    return rows.fetchall()


def _insert(task: str, address: str, db: sqlite3.Connection) -> None:
    db.execute(
        "insert or ignore into endpoints (task, address) values (?, ?)", (task, address)
    )
    db.execute(
        "delete from endpoints where place <= (select max(place) from endpoints) - ?",
        (KEPT,),
    )
