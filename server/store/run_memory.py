"""Runs in the store that forgets everything with its process."""

from collections.abc import Container, Iterable
from dataclasses import replace
from operator import attrgetter
from typing import Literal, TypeVar

from agentkit.protocol import Logged
from agentkit.rows import Checkpoint, Item, ItemState, Plan, Result, Run, RunState
from server.core.tables import Tables
from server.store.base import KEEP_SETTLED
from server.store.log import LIVE

K = TypeVar("K")
V = TypeVar("V")


class RunMemory:
    """Reads runs, and what belongs to them, out of the rows."""

    _rows: Tables
    _log: list[Logged]
    _gone: int

    async def plan(self, key: str) -> Plan | None:
        """Read one plan."""
        return self._rows.plans.get(key)

    async def run(self, key: str) -> Run | None:
        """Read one run, however old."""
        return self._rows.runs.get(key)

    async def runs(
        self,
        *,
        state: RunState | Literal[""] = "",
        parent: str = "",
        root: str = "",
        launched_by: str = "",
        before: int = 0,
        limit: int = 100,
    ) -> list[Run]:
        """Read at most `limit` runs, those that changed last first."""
        launched = not (parent or root or launched_by)
        chosen = [
            row
            for row in self._rows.runs.values()
            if (not row.parent if launched else parent in ("", row.parent))
            and root in ("", row.root)
            and launched_by in ("", row.launched_by)
            and state in ("", row.state)
            and (not before or row.version < before)
        ]
        return sorted(chosen, key=attrgetter("version"), reverse=True)[:limit]

    async def run_tree(self, key: str) -> Tables:
        """Read a run with all that is below it."""
        rows = self._rows
        gone = self._gone if self._log else -1
        found = set() if key in _due(rows, gone) else _below(rows, key)
        runs = {key: row for key, row in rows.runs.items() if key in found}
        return Tables(
            plans=plans_of(rows, runs.values()),
            runs=runs,
            items=items_of(rows, found),
            checkpoints=checkpoints_of(rows, found),
        )

    async def items(
        self,
        run: str,
        *,
        visit: int | None = None,
        after: int = -1,
        limit: int = 1000,
        state: ItemState | Literal[""] = "",
    ) -> list[Item]:
        """Read at most `limit` items of one visit, in order of index."""
        if visit is None:
            every = items_of(self._rows, self._rows.runs.keys() & {run})
        else:
            every = self._rows.items
        chosen = [
            row
            for row in every.values()
            if row.run == run
            and visit in (None, row.visit)
            and row.index > after
            and state in ("", row.state)
        ]
        return sorted(chosen, key=attrgetter("index"))[:limit]

    async def latest_failed_visit(self, run: str) -> int | None:
        """Return the last visit of which an item failed."""
        last = self._rows.runs[run].visit if run in self._rows.runs else -1
        failed = [
            row.visit
            for row in self._rows.items.values()
            if row.run == run and row.state == "failed" and row.visit <= last
        ]
        return max(failed, default=None)

    async def checkpoint(
        self, run: str, number: int | None = None
    ) -> Checkpoint | None:
        """Read one checkpoint, the newest by default."""
        if number is not None:
            return self._rows.checkpoints.get((run, number))
        return next(iter(self._checkpoints(run)), None)

    async def checkpoints(self, run: str, limit: int = 100) -> list[Checkpoint]:
        """List the newest checkpoints of a run, without what they hold."""
        newest = self._checkpoints(run)[:limit]
        return [replace(row, context={}, input=None) for row in newest]

    def _checkpoints(self, run: str) -> list[Checkpoint]:
        mine = [row for row in self._rows.checkpoints.values() if row.run == run]
        return sorted(mine, key=attrgetter("version"), reverse=True)

    async def result(self, run: str, name: str) -> Result | None:
        """Read one result, or that it was deleted."""
        return self._rows.results.get((run, name))

    async def results(self, run: str = "", limit: int = 100) -> list[Result]:
        """Read at most `limit` results that are not deleted."""
        every = [row for row in self._rows.results.values() if not row.deleted]
        if run:
            mine = [row for row in every if row.run == run]
            return sorted(mine, key=attrgetter("name"))[:limit]
        return sorted(every, key=attrgetter("version"), reverse=True)[:limit]

    async def files(self) -> set[str]:
        """Return the digests of the files that results are in."""
        rows = self._rows.results.values()
        return {row.file for row in rows if row.file and not row.deleted}


def to_load(rows: Tables) -> Tables:
    """Return what a start loads of runs."""
    live = {key: row for key, row in rows.runs.items() if LIVE[Run](row)}
    settled = [
        row for row in rows.runs.values() if row.id not in live and not row.parent
    ]
    newest = sorted(settled, key=attrgetter("version", "id"))[-KEEP_SETTLED:]
    runs = {**live, **{row.id: row for row in newest}}
    items = items_of(rows, live.keys())
    checkpoints = checkpoints_of(rows, live.keys())
    plans = plans_of(rows, runs.values())
    return Tables(plans=plans, runs=runs, items=items, checkpoints=checkpoints)


def forget(rows: Tables, gone: int) -> int:
    """Forget the runs that settled, and what belongs to them; return how much it was.

    Args:
        rows: to take them from.
        gone: the cursor of the last event that is no longer in the log.
    """
    runs = _due(rows, gone)
    plans = {rows.runs[key].plan for key in runs}
    results = [
        key
        for key, row in rows.results.items()
        if row.run in runs
        or (row.version <= gone and (row.deleted or row.run not in rows.runs))
    ]
    items = [key for key in rows.items if key[0] in runs]
    checkpoints = [key for key in rows.checkpoints if key[0] in runs]
    _drop(rows.results, results)
    _drop(rows.items, items)
    _drop(rows.checkpoints, checkpoints)
    _drop(rows.runs, runs)
    _drop(rows.plans, plans - {row.plan for row in rows.runs.values()})
    return len(results) + len(items) + len(checkpoints) + len(runs)


def _due(rows: Tables, gone: int) -> set[str]:
    """Return the runs that go, each with the one at the top."""
    kept = {row.root for row in rows.runs.values() if LIVE[Run](row)}
    tops = {
        row.id
        for row in rows.runs.values()
        if not row.parent and row.version <= gone and row.id not in kept
    }
    return {row.id for row in rows.runs.values() if row.root in tops}


def _drop(rows: dict[K, V], keys: Iterable[K]) -> None:
    for key in keys:
        rows.pop(key, None)


def plans_of(rows: Tables, runs: Iterable[Run]) -> dict[str, Plan]:
    """Return the plans of runs."""
    ids = {run.plan for run in runs}
    return {key: row for key, row in rows.plans.items() if key in ids}


def items_of(rows: Tables, runs: Container[str]) -> dict[tuple[str, int, int], Item]:
    """Return the items that runs are at."""
    return {
        key: row
        for key, row in rows.items.items()
        if row.run in runs and _is_at(rows.runs[row.run], row)
    }


def _is_at(run: Run, item: Item) -> bool:
    """Say whether a run is at an item: others are of a time before a retry."""
    return item.visit == run.visit and item.index < run.started


def checkpoints_of(
    rows: Tables, runs: Container[str]
) -> dict[tuple[str, int], Checkpoint]:
    """Return the first and the newest checkpoint of runs."""
    mine = {key: row for key, row in rows.checkpoints.items() if row.run in runs}
    ordered = sorted(mine.values(), key=attrgetter("version"))
    newest = {row.run: row.number for row in ordered}
    return {
        (run, number): row
        for (run, number), row in mine.items()
        if number in (0, newest[run])
    }


def _below(rows: Tables, key: str) -> set[str]:
    """Return the ids of a run and of all below it; none when it is not there."""
    children: dict[str, list[str]] = {}
    for row in rows.runs.values():
        children.setdefault(row.parent, []).append(row.id)
    found: set[str] = set()
    ahead = [key] if key in rows.runs else []
    while ahead:
        found.add(next_ := ahead.pop())
        ahead += children.get(next_, ())
    return found
