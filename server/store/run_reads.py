"""What the store on disk is asked about runs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from agentkit.rows import Checkpoint, Item, ItemState, Plan, Result, Run, RunState
from agentkit.sealing import Sealer
from server.store.reading import Reading, Value

_VISIT = "(SELECT visit FROM runs WHERE id = ?)"
_STARTED = "(SELECT started FROM runs WHERE id = ?)"


class RunReads(Reading):
    """Reads runs, and what belongs to them."""

    async def plan(self, key: str) -> Plan | None:
        """Read one plan."""
        found: Plan | None = await self._one("plans", key)
        return found

    async def run(self, key: str) -> Run | None:
        """Read one run, however old."""
        found: Run | None = await self._one("runs", key)
        return found

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
        # the terms that look idle let SQLite use an index without empty ones
        where: dict[str, Value] = {}
        if parent:
            where["parent <> '' AND parent = ?"] = parent
        if root:
            where["root = ?"] = root
        if launched_by:
            where["launched_by <> '' AND launched_by = ?"] = launched_by
        if not where:
            where["parent = ''"] = ()
        if state:
            where["state = ?"] = state
        if before:
            where["version < ?"] = before
        return await self._rows("runs", where=where, order="version DESC", limit=limit)

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
        where: dict[str, Value] = {"run = ?": run, "item > ?": after}
        if visit is None:
            where |= {f"visit = {_VISIT}": run, f"item < {_STARTED}": run}
        else:
            where["visit = ?"] = visit
        if state:
            where["state = ?"] = state
        return await self._rows("items", where=where, order="item", limit=limit)

    async def latest_failed_visit(self, run: str) -> int | None:
        """Return the last visit of which an item failed."""
        found = await self._fetch(
            "SELECT max(visit) FROM items",
            _first,
            where={
                "run = ?": run,
                "state = 'failed'": (),
                f"visit <= {_VISIT}": run,
            },
        )
        latest: int | None = found[0]
        return latest

    async def checkpoint(
        self, run: str, number: int | None = None
    ) -> Checkpoint | None:
        """Read one checkpoint, the newest by default."""
        if number is not None:
            found: Checkpoint | None = await self._one("checkpoints", run, number)
            return found
        newest = await self._rows(
            "checkpoints", where={"run = ?": run}, order="version DESC", limit=1
        )
        return newest[0] if newest else None

    async def checkpoints(self, run: str, limit: int = 100) -> list[Checkpoint]:
        """List the newest checkpoints of a run, without what they hold."""
        return await self._fetch(
            "SELECT run, number, version, at, stage FROM checkpoints",
            _outline,
            where={"run = ?": run},
            order="version DESC",
            limit=limit,
        )

    async def result(self, run: str, name: str) -> Result | None:
        """Read one result, or that it was deleted."""
        found: Result | None = await self._one("results", run, name)
        return found

    async def results(self, run: str = "", limit: int = 100) -> list[Result]:
        """Read at most `limit` results that are not deleted."""
        where: dict[str, Value] = {"NOT deleted": ()}
        if run:
            where["run = ?"] = run
        order = "name" if run else "version DESC"
        return await self._rows("results", where=where, order=order, limit=limit)

    async def files(self) -> set[str]:
        """Return the digests of the files that results are in."""
        found = await self._fetch(
            "SELECT DISTINCT file FROM results",
            _first,
            where={"file <> ''": ()},
            limit=-1,
        )
        return set(found)


def _first(values: Sequence[Any], _sealer: Sealer) -> Any:
    return values[0]


def _outline(values: Sequence[Any], _sealer: Sealer) -> Checkpoint:
    run, number, version, at, stage = values
    return Checkpoint(
        run=run,
        number=number,
        stage=stage,
        context={},
        at=datetime.fromisoformat(at),
        version=version,
    )
