"""The hub's rows as a coordinator has them: copied once, then kept up to date.

No connection and no waiting here: frames go in, changes come out.
"""

from collections.abc import Mapping
from typing import Any

from agentkit.changes import Change, Heard
from agentkit.codec import decode
from agentkit.rows import Agent, Broadcast, HelpRequest, Task

TABLES: dict[str, type[Any]] = {
    "agents": Agent,
    "helps": HelpRequest,
    "tasks": Task,
    "broadcasts": Broadcast,
}
"""The tables that are mirrored, and their rows."""


class Mirror:
    """Rows by id. The mappings stay the same objects, whatever they hold."""

    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self.helps: dict[str, HelpRequest] = {}
        self.tasks: dict[str, Task] = {}
        self.broadcasts: dict[str, Broadcast] = {}
        self.cursor = 0
        """The rows are as of this event."""
        self.loaded = False
        """Whether there was a snapshot yet."""
        self._copies = _no_rows()

    def copy(self, frame: Mapping[str, Any]) -> bool:
        """Take a part of a snapshot; say whether it was the last."""
        for table, kind in TABLES.items():
            self._copies[table] += [decode(kind, row) for row in frame[table]]
        if frame["more"]:
            return False
        for table, rows in self._copies.items():
            mirror = getattr(self, table)
            mirror.clear()
            mirror.update((row.id, row) for row in rows)
        self.cursor = frame["cursor"]
        self.loaded = True
        self.forget_copies()
        return True

    def forget_copies(self) -> None:
        """Forget the parts of a snapshot whose rest will not come."""
        self._copies = _no_rows()

    def turn(self, frame: Mapping[str, Any]) -> Change:
        """Take a turn and return what it changed."""
        rows: dict[str, Any] = {}
        for table, kind in TABLES.items():
            if frame.get(table):
                fresh = tuple(decode(kind, row) for row in frame[table])
                getattr(self, table).update((row.id, row) for row in fresh)
                rows[table] = fresh
        self.cursor = frame["cursor"]
        events = tuple(map(heard, frame["events"]))
        return Change(kind="turn", cursor=self.cursor, events=events, **rows)

    def snapshot(self, events: tuple[Heard, ...] = (), missed: int = 0) -> Change:
        """Return everything as one change."""
        return Change(
            kind="snapshot",
            cursor=self.cursor,
            events=events,
            missed=missed,
            agents=tuple(self.agents.values()),
            helps=tuple(self.helps.values()),
            tasks=tuple(self.tasks.values()),
            broadcasts=tuple(self.broadcasts.values()),
        )


def heard(frame: Mapping[str, Any]) -> Heard:
    """Read an event as it stands in a frame, without decoding it yet."""
    return Heard(
        frame["cursor"],
        bytes=frame.get("bytes", 0),
        ms=frame.get("ms", 0.0),
        subject=frame["subject"],
        data=frame["data"],
    )


def _no_rows() -> dict[str, list[Any]]:
    return {table: [] for table in TABLES}
