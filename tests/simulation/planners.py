"""Coordinators that launch plans, call their runs off, and let them go on."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from agentkit.protocol import (
    CancelRun,
    CoordinatorCommand,
    Launch,
    ResumeRun,
    RetryRun,
)
from server.core import Swarm
from tests.simulation.coordinators import Coordinator
from tests.simulation.machine import Machine
from tests.simulation.plans import Planner, fates
from tests.simulation.reference import Reference, TooMuch

LARGEST: Final = 40
"""How many stages and items a plan may take: there are four agents."""
PLANS: Final = 3
"""How many plans one history runs at most."""


class Chief(Coordinator):
    """Runs plans."""

    _launched = 0

    async def _live(self) -> None:
        await super()._live()
        for run in await self._persist(_called_off):
            if self._dice.random() < 0.8:
                self._wishes += 1
                await self._submit(ResumeRun(id=run, by=f"{self.name}-{self._wishes}"))

    async def _persist(self, query: Callable[[Swarm], list[str]]) -> list[str]:
        """Ask until there is an answer; calm has come, so there will be one."""
        while not (found := await self._ask(lambda swarm: ["", *query(swarm)])):
            continue
        return found[1:]

    async def _choose(self) -> CoordinatorCommand | None:
        self._wishes += 1
        by = f"{self.name}-{self._wishes}"
        fall = self._dice.random()
        if fall < 0.2:
            return self._launch(by)
        runs = await self._ask(_launched)
        if not runs:
            return None
        run = self._dice.choice(runs)
        if fall < 0.27:
            return CancelRun(id=run, reason="nobody needs it", by=by)
        if fall < 0.45:
            return ResumeRun(id=run, by=by)
        return await (self._retry_run(run, by) if fall < 0.8 else self._fork(run, by))

    def _launch(self, by: str) -> Launch | None:
        if self._launched == PLANS:
            return None
        planner = Planner(self._dice)
        while True:
            plan, given = planner.plan(), planner.input()
            reference = Reference(plan, fates(self._world.seed), LARGEST)
            with suppress(TooMuch):
                reference.run("main", given)
                self._launched += 1
                return Launch(id="", plan=plan, input=given, by=by)

    async def _retry_run(self, run: str, by: str) -> RetryRun | None:
        visit = await self._read(lambda hub: hub.hub.store.latest_failed_visit(run))
        return RetryRun(id=run, visit=visit, by=by) if isinstance(visit, int) else None

    async def _fork(self, run: str, by: str) -> Launch | None:
        """Launch from a checkpoint of a run that a person launched."""
        if self._launched == PLANS:
            return None
        found = await self._read(lambda hub: _checkpoint(hub, run, self._dice.random()))
        if not isinstance(found, Launch):
            return None
        self._launched += 1
        return replace(found, by=by)

    async def _read(self, call: Callable[[Machine], Any]) -> object:
        try:
            return await self._network.request(self.name, call)
        except TimeoutError:
            return None


def _launched(swarm: Swarm) -> list[str]:
    return [run.id for run in swarm.runs.rows.values() if not run.parent]


def _called_off(swarm: Swarm) -> list[str]:
    runs = swarm.runs.rows.values()
    return [run.id for run in runs if run.state == "cancelled" and not run.parent]


async def _checkpoint(hub: Machine, key: str, share: float) -> Launch | None:
    """Return the launch from one of the checkpoints of a run."""
    store = hub.hub.store
    run = await store.run(key)
    outlines = await store.checkpoints(key) if run else ()
    if not run or not outlines or run.parent:
        return None
    chosen = outlines[int(share * len(outlines))]
    row, first = (
        await store.checkpoint(key, chosen.number),
        await store.checkpoint(key, 0),
    )
    plan = await store.plan(run.plan)
    assert row
    assert first
    assert plan
    return Launch(
        id="",
        plan=plan.document,
        input=first.input or {},
        machine=run.machine,
        stage=row.stage,
        context=row.context,
        resumed_from=row.address,
    )
