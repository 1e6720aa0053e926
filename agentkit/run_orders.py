"""What a coordinator orders and asks about runs, and how it waits for one."""

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from agentkit.changes import Change
from agentkit.codec import decode
from agentkit.errors import ConnectionLost, HubUnavailable, HubUnreachable, StillRunning
from agentkit.orders import Orders
from agentkit.progress import RunTree, RunView
from agentkit.rows import Checkpoint, Item, ItemState, Plan, Run, RunState

AWAY = (ConnectionLost, HubUnavailable, HubUnreachable)
"""What goes over: the connection comes back by itself."""

SPARING = 20
"""How much longer than an answer takes one waits before one asks again."""

ENDS = frozenset({"run.finished", "run.failed", "run.cancelled"})
"""The subjects of what ends a run, if only for now."""


class RunOrders(Orders):
    """Orders to the hub about runs, and questions.

    Raises:
        SwarmError: the hub refuses.
        HubError: it cannot be asked.
    """

    # --- orders ---

    async def launch(
        self,
        plan: Mapping[str, Any],
        input: Mapping[str, Any] | None = None,  # noqa: A002 - as a plan calls it
        *,
        machine: str = "",
        run: str = "",
        key: str = "",
    ) -> str:
        """Run a plan, and return the id of the run at once.

        Args:
            plan: its document, as `agentkit.plans.read_plan` reads it from its files.
            input: what the run is given.
            machine: which of its machines; else the main one.
            run: the id of the run; the hub makes one when there is none. The same once
                more, with the same plan and input, has no second effect.
            key: an idempotency key.
        """
        args = {"plan": plan, "input": input, "machine": machine, "id": run}
        return (await self._run_order("launch", args, key)).id

    async def launch_from(
        self,
        address: str,
        *,
        plan: Mapping[str, Any] | None = None,
        run: str = "",
        key: str = "",
    ) -> str:
        """Begin a new run at a checkpoint of another, and return its id at once.

        The other run stays as it was.

        Args:
            address: ``swarm://RUN/checkpoint/N``; without the number, or as ``RUN``, it
                is the newest.
            plan: its document, when it is not that of the other run.
            run: the id of the new run; the hub makes one when there is none.
            key: an idempotency key.
        """
        args = {"resume_from": address, "plan": plan, "id": run}
        return (await self._run_order("launch", args, key)).id

    async def cancel_run(self, run: str, *, reason: str = "", key: str = "") -> Run:
        """Call a run off, with everything below it; return it as it is then."""
        args = {"id": run, "reason": reason}
        return await self._run_order("cancel_run", args, key)

    async def resume_run(self, run: str, *, key: str = "") -> Run:
        """Let a run that failed or was called off go on with what it had not done."""
        return await self._run_order("resume_run", {"id": run}, key)

    async def retry_failed(self, run: str, *, visit: int = 0, key: str = "") -> Run:
        """Do the failed items of a run again, and go on from there.

        Args:
            run: which.
            visit: of which stage, counted as `Run.visit` does; 0 is the last that had
                any.
            key: an idempotency key.
        """
        args = {"id": run, "visit": visit or None}
        return await self._run_order("retry_run", args, key)

    async def _run_order(self, do: str, args: Mapping[str, Any], key: str) -> Run:
        given = {name: value for name, value in args.items() if value not in ("", None)}
        return decode(Run, (await self._request(do, given, key))["run"])

    # --- questions ---

    async def run(self, run: str) -> RunView:
        """Return one run, however old, and how far it is."""
        return RunView.read((await self._ask("run", {"id": run}))[0])

    async def list_runs(
        self,
        *,
        state: RunState | None = None,
        parent: str | None = None,
        launched_by: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Run]:
        """Return runs without their output, those that changed last first.

        Args:
            state: only those.
            parent: those below a run; else those with none above them.
            launched_by: those that a run launched.
            before: the version of the last one seen.
            limit: how many at most, up to 1000.
        """
        args = {"state": state, "parent": parent, "launched_by": launched_by}
        rows = await self._ask("runs", {**args, "before": before, "limit": limit})
        return [decode(Run, row) for row in rows]

    async def items(
        self,
        run: str,
        *,
        visit: int | None = None,
        state: ItemState | None = None,
        after: int | None = None,
        limit: int = 1000,
    ) -> list[Item]:
        """Return items of a stage of a run, in order.

        Fewer than `limit` may come, when they are large: go on until there is none.

        Args:
            run: which.
            visit: which stage, counted as `Run.visit` does; else the one it is at.
            state: only those.
            after: the index of the last one seen.
            limit: how many at most, up to 1000.
        """
        args = {"id": run, "visit": visit, "state": state, "after": after}
        rows = await self._ask("items", {**args, "limit": limit})
        return [decode(Item, row) for row in rows]

    async def tree(self, run: str) -> RunTree:
        """Return a run with all runs below it, and how far they are."""
        return RunTree.read((await self._ask("tree", {"id": run}))[0])

    async def checkpoints(self, run: str, *, limit: int = 100) -> list[Checkpoint]:
        """Return the checkpoints of a run, the newest first, without what they hold.

        That is read at the `address` of each.
        """
        rows = await self._ask("checkpoints", {"id": run, "limit": limit})
        return [decode(Checkpoint, row) for row in rows]

    async def plan(self, plan: str) -> Plan:
        """Return a plan that is run, or was."""
        return decode(Plan, (await self._ask("plan", {"id": plan}))[0])

    # --- waiting ---

    @abstractmethod
    def changes(self) -> AsyncIterator[Change]:
        """Return what changes from now on."""

    async def wait_run(
        self,
        run: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the run goes on, so it is said
        *,
        told: Callable[[RunView], object] | None = None,
        every: float = 1.0,
    ) -> Run:
        """Wait until a run comes to its end, and return it as it is then.

        A hub that is away meanwhile is waited for.

        Args:
            run: which.
            timeout: seconds; None waits for ever.
            told: is told how far it is, at once and then again and again.
            every: at least so many seconds lie in between.

        Raises:
            StillRunning: the time is over.
            NotFound: there is no such run.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._wait_run(run, told, every)
        except TimeoutError:
            raise StillRunning(
                f"run {run!r} has not ended within {timeout:g} s and goes on: wait for "
                "it longer, or cancel it"
            ) from None

    async def _wait_run(
        self, run: str, told: Callable[[RunView], object] | None, every: float
    ) -> Run:
        changes = self.changes()
        listening = asyncio.create_task(_heard_end(changes, run))
        try:
            while True:
                asked = time.monotonic()
                view = await self._seen(run)
                took = time.monotonic() - asked
                if view is not None:
                    if told is not None:
                        told(view)
                    if view.run.is_settled:
                        return view.run
                seldom = told is None and view is not None
                wait = None if seldom else max(every, took * SPARING)
                await asyncio.wait({listening}, timeout=wait)
                if listening.done():
                    listening.result()
                    listening = asyncio.create_task(_heard_end(changes, run))
        finally:
            listening.cancel()

    async def _seen(self, run: str) -> RunView | None:
        """Look at a run; None while the hub is away."""
        try:
            return await self.run(run)
        except AWAY:
            return None


async def _heard_end(changes: AsyncIterator[Change], run: str) -> None:
    """Wait until a run ended, or may have."""
    async for change in changes:
        if change.kind == "snapshot":
            return
        for heard in change.events:
            if heard.subject in ENDS and getattr(heard.event, "run", "") == run:
                return
    raise ConnectionLost(
        f"the connection was closed while run {run!r} was waited for: connect again"
    )
