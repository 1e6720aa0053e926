"""The hub's rows as a coordinator has them: copied once, then kept up to date.

No connection and no waiting here: frames go in, changes come out. Of tasks there may be
more than anybody wants to look at, so a mirror keeps those that tell most, and how many
there are in each state.
"""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

from agentkit.changes import Change, Heard
from agentkit.codec import decode
from agentkit.rows import Agent, Broadcast, HelpRequest, Run, Task, TaskState

TABLES: dict[str, type[Any]] = {
    "agents": Agent,
    "helps": HelpRequest,
    "tasks": Task,
    "broadcasts": Broadcast,
    "runs": Run,
}
"""The tables that are mirrored, and their rows."""

TASKS = 5000
"""How many tasks a mirror keeps, about: as many as a snapshot has."""

SLACK = 1000
"""How many more gather before those that tell least are let go."""

RECENT = 500
"""Tasks that were settled last: they are kept before those that wait."""

RUNS = 1000
"""How many settled runs a mirror keeps, about: as many as a snapshot has."""

SHORT = 500
"""When fewer tasks wait here, and more at the hub, a new snapshot is worth having."""

GROUPS = ("held", "dead", "ready", "later", "settled")

READY: tuple[TaskState, ...] = ("queued", "sent", "acked")


class Mirror:
    """Rows by id. The mappings stay the same objects, whatever they hold.

    `tasks` holds what somebody works on, what is dead, what was settled last and what
    is claimed next; `task_counts` tells how many tasks the hub has in each state. A
    task leaves when `TASKS` and some more are there and others tell more, which
    `Change.gone` says; of the settled runs those leave that changed longest ago, when
    `RUNS` and some more are there. Nothing else ever leaves but by a snapshot.
    """

    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self.helps: dict[str, HelpRequest] = {}
        self.tasks: dict[str, Task] = {}
        self.broadcasts: dict[str, Broadcast] = {}
        self.runs: dict[str, Run] = {}
        """Those with none above them, without their output."""
        self.task_counts: dict[str, int] = {}
        """The hub's tasks by state; a state without tasks is not there."""
        self._ready = 0
        """How many of `tasks` can be claimed."""
        self._ready_once = 0
        """How many there were at most since the last snapshot."""
        self.cursor = 0
        """The rows are as of this event."""
        self.loaded = False
        """Whether there was a snapshot yet."""
        self._copies = _no_rows()

    def copy(self, frame: Mapping[str, Any]) -> bool:
        """Take a part of a snapshot; say whether it was the last."""
        for table, kind in TABLES.items():
            self._copies[table] += [decode(kind, row) for row in frame.get(table, ())]
        if frame["more"]:
            return False
        for table, rows in self._copies.items():
            mirror = getattr(self, table)
            mirror.clear()
            mirror.update((row.id, row) for row in rows)
        self._ready = self._ready_once = sum(
            task.is_ready for task in self.tasks.values()
        )
        self._count(frame)
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
                if table == "tasks":
                    self._put_tasks(fresh)
                else:
                    getattr(self, table).update((row.id, row) for row in fresh)
                rows[table] = fresh
        self._count(frame)
        self.cursor = frame["cursor"]
        events = tuple(map(heard, frame["events"]))
        gone = self._let_go()
        for key in outdated(self.runs):
            del self.runs[key]
        return Change(kind="turn", cursor=self.cursor, events=events, gone=gone, **rows)

    @property
    def is_short(self) -> bool:
        """Whether tasks that wait have become few here while the hub has more."""
        there = sum(self.task_counts.get(state, 0) for state in READY)
        return self._ready < min(there, SHORT, self._ready_once // 2 + 1)

    def _put_tasks(self, rows: Iterable[Task]) -> None:
        for row in rows:
            old = self.tasks.get(row.id)
            self._ready += row.is_ready - (old is not None and old.is_ready)
            self.tasks[row.id] = row
        self._ready_once = max(self._ready_once, self._ready)

    def _count(self, frame: Mapping[str, Any]) -> None:
        if "counts" in frame:
            self.task_counts.clear()
            self.task_counts.update(frame["counts"])

    def _let_go(self) -> tuple[str, ...]:
        """Keep the tasks that tell most; return the ids of the others."""
        if len(self.tasks) <= TASKS + SLACK:
            return ()
        gone = telling(self.tasks.values())[TASKS:]
        for task in gone:
            del self.tasks[task.id]
            self._ready -= task.is_ready
        return tuple(task.id for task in gone)

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
            runs=tuple(self.runs.values()),
        )


def outdated(runs: Mapping[str, Run]) -> list[str]:
    """Return the ids of the settled runs that are not worth keeping; mostly none is.

    When there are `RUNS` and some more, those go that changed longest ago.
    """
    if len(runs) <= RUNS + SLACK:
        return []
    settled = [run for run in runs.values() if run.is_settled]
    settled.sort(key=attrgetter("version"))
    return [run.id for run in settled[:-RUNS]]


def telling(tasks: Iterable[Task]) -> list[Task]:
    """Return tasks in the order in which they are worth keeping.

    Those that somebody has, the dead, a few that were settled last, those that wait in
    the order in which they are claimed, those that are for later, the other settled.
    """
    groups: dict[str, list[Task]] = {name: [] for name in GROUPS}
    for task in sorted(tasks, key=_newest_first):
        groups[_group(task)].append(task)
    ready = sorted(groups["ready"], key=lambda task: (-task.priority, task.place))
    settled = groups["settled"]
    ahead = [*groups["held"], *groups["dead"], *settled[:RECENT]]
    return [*ahead, *ready, *reversed(groups["later"]), *settled[RECENT:]]


def _group(task: Task) -> str:
    if task.is_held:
        return "held"
    if task.is_ready:
        return "ready"
    if task.state == "dead":
        return "dead"
    return "settled" if task.is_settled else "later"


def _newest_first(task: Task) -> int:
    return -task.version


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
