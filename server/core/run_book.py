"""The runs that are not settled, with what they need to go on.

What a run works with, its items and its context, is in memory while it is not settled,
and while something that it began is still to be called off. Of the settled runs only
the rows of the newest stay; `RunBook.admit` brings another one back.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from agentkit.plans import Flow, Machine, Stage, compile_plan
from agentkit.rows import Checkpoint, Item, Plan, Run, Task
from server.core.deadlines import Deadlines
from server.core.tables import Tables

APART: Final = "\n"
"""Keeps run and index of an item apart in the name of its time; no id has it."""


class RunBook:
    """Runs by id, and where to look for what follows from a command.

    Args:
        keep: how many settled runs stay in memory.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self.rows: dict[str, Run] = {}
        self.plans: dict[str, Plan] = {}
        self.items: dict[str, dict[int, Item]] = {}
        """Items of the stage that a run is at, by index."""
        self.waiting: dict[str, dict[int, None]] = {}
        """Items that are to be begun again, by run, rising."""
        self.ripe: dict[str, dict[int, None]] = {}
        """Items whose time has come to be tried again, by run, the earliest first."""
        self.contexts: dict[str, Checkpoint] = {}
        """The newest checkpoint of each run: what it knows."""
        self.inputs: dict[str, Mapping[str, Any]] = {}
        self.stirred: dict[str, None] = {}
        """Runs that may have something to do, those stirred first at the front."""
        self.news: dict[str, dict[int, None]] = {}
        """Items whose task or run is settled, by run: they are to be settled too."""
        self.in_use: Counter[str] = Counter()
        """Runs that are not settled, by plan."""
        self._times = Deadlines()
        """When the time of a stage is over, and when an item is tried again."""
        self._flows: dict[str, Flow] = {}
        self._fans: dict[str, tuple[int, Sequence[Any]]] = {}
        self._guests: tuple[str, ...] = ()
        """Those that were taken in last, or may go on yet."""
        self._settled: dict[str, None] = {}
        """Settled runs that were launched, the oldest first."""

    @property
    def earliest(self) -> datetime | None:
        """When the first time is up."""
        return self._times.earliest

    def wake(self, now: datetime, limit: int) -> None:
        """Stir the runs whose times are up."""
        if self.earliest is None or self.earliest > now:
            return
        for key in self._times.due(now, limit):
            run, _, index = key.partition(APART)
            if index:
                self.ripe.setdefault(run, {})[int(index)] = None
            self.stir(run)

    def stir(self, run: str) -> None:
        """Let a run be looked at."""
        self.stirred.setdefault(run)

    def put_last(self, run: str) -> None:
        """Let a run be looked at after all others that are stirred."""
        del self.stirred[run]
        self.stirred[run] = None

    def settle_down(self, run: str) -> None:
        """Look at a run no more until it is stirred again."""
        del self.stirred[run]
        self.news.pop(run, None)

    def tell(self, run: str, index: int) -> None:
        """Let an item be looked at: what does it is settled."""
        self.news.setdefault(run, {})[index] = None
        self.stir(run)

    # --- what a run is made of ---

    def machine(self, run: Run) -> Machine:
        """Return the machine that a run is of."""
        return self.flow(run).machines[run.machine]

    def stage(self, run: Run) -> Stage:
        """Return the stage that a run is at, or goes to next."""
        return self.machine(run).stages[run.stage]

    def flow(self, run: Run) -> Flow:
        """Return the plan that a run is of."""
        found = self._flows.get(run.plan)
        if found is None:
            found = self._flows[run.plan] = compile_plan(self.plans[run.plan].document)
        return found

    def item(self, run: str, index: int) -> Item:
        """Return an item of the stage that a run is at."""
        return self.items[run][index]

    def going(self, run: Run) -> Iterator[Item]:
        """Yield the items that were begun and are not settled."""
        for item in self.items.get(run.id, {}).values():
            if item.state in ("running", "retrying"):
                yield item

    def fan(self, run: Run) -> Sequence[Any] | None:
        """Return what the stage is done for each of, if it was reckoned before."""
        visit, found = self._fans.get(run.id, (0, None))
        return found if visit == run.visit else None

    def keep_fan(self, run: Run, values: Sequence[Any]) -> None:
        """Remember what the stage is done for each of."""
        self._fans[run.id] = (run.visit, values)

    # --- what changes ---

    def put(self, new: Run) -> None:
        """Store a run's row; what nobody needs any more goes."""
        self._seat(new)
        if new.is_settled and not new.active:
            self._clear(new.id)
            if not self._report(new):
                self.forget(new.id)
            self._let_go()

    def _seat(self, new: Run) -> None:
        old = self.rows.get(new.id)
        was = old is not None and not old.is_settled
        self._use(new.plan, (not new.is_settled) - was)
        self.rows[new.id] = new
        self._times.set(new.id, None if new.is_settled else new.due)
        self._settled.pop(new.id, None)
        if not new.is_settled or new.active:
            self.stir(new.id)
        elif not new.parent:
            self._settled[new.id] = None

    def _use(self, plan: str, more: int) -> None:
        """Count the runs of a plan that go on; without any it goes.

        What is called off yet needs none, and what is brought back comes with its own.
        """
        if not more:
            return
        self.in_use[plan] += more
        if not self.in_use[plan]:
            del self.in_use[plan]
            self._drop_plan(plan)

    def _drop_plan(self, plan: str) -> None:
        self.plans.pop(plan, None)
        self._flows.pop(plan, None)

    def _report(self, run: Run) -> bool:
        """Let the run above know that one is settled; say whether it cares."""
        if not run.parent or not run.is_settled or run.active:
            return False
        item = self.items.get(run.parent, {}).get(run.item)
        cares = item is not None and item.ref == run.id and item.state == "running"
        if cares:
            self.tell(run.parent, run.item)
        return cares

    def put_item(self, new: Item) -> None:
        """Store an item's row."""
        self._place(new)
        if new.is_settled or new.state == "retrying":
            self.news.get(new.run, {}).pop(new.index, None)
            self.forget(new.ref)

    def _place(self, new: Item) -> None:
        self.items.setdefault(new.run, {})[new.index] = new
        waiting = self.waiting.setdefault(new.run, {})
        if new.state == "waiting":
            waiting[new.index] = None
        else:
            waiting.pop(new.index, None)
        self.ripe.get(new.run, {}).pop(new.index, None)
        retrying = new.state == "retrying"
        self._times.set(
            f"{new.run}{APART}{new.index}", new.not_before if retrying else None
        )

    def line_up(self, run: str) -> None:
        """Let items that wait be begun by index, whichever began to wait first.

        So does a hub that starts in between.
        """
        self.waiting[run] = dict.fromkeys(sorted(self.waiting.get(run, ())))

    def put_checkpoint(self, new: Checkpoint) -> None:
        """Store what a run knows from now on."""
        self.contexts[new.run] = new
        if new.input is not None:
            self.inputs[new.run] = new.input

    def leave(self, run: str) -> None:
        """Forget the items of the stage that a run was at."""
        for index in self.items.pop(run, {}):
            self._times.set(f"{run}{APART}{index}", None)
        for kept in (self.waiting, self.ripe, self.news, self._fans):
            kept.pop(run, None)

    def forget(self, key: str) -> None:
        """Let a run below another go if it is settled: its item has what it led to."""
        run = self.rows.get(key)
        if run is not None and run.parent and run.is_settled and not run.active:
            del self.rows[key]
            self._times.set(key, None)

    def admit(self, tables: Tables) -> None:
        """Take in rows from a store: at the start, or a settled run once more."""
        self._guests = (*self._dismiss(), *tables.runs)
        self.plans |= tables.plans
        awaited = {row.ref for row in tables.items.values() if not row.is_settled}
        for run in sorted(tables.runs.values(), key=lambda row: row.version):
            # What came to its end below another is in the items of that one by now.
            if run.state != "done" or not run.parent or run.id in awaited:
                self._seat(run)
        for item in sorted(tables.items.values(), key=lambda row: row.index):
            if item.run in self.rows:
                self._place(item)
        checkpoints = sorted(tables.checkpoints.values(), key=lambda row: row.number)
        for checkpoint in checkpoints:
            if checkpoint.run in self.rows:
                self.put_checkpoint(checkpoint)
        for run in tables.runs.values():
            self._report(run)

    def _dismiss(self) -> list[str]:
        """Let those go that were taken in and did not go on after all.

        Those below a run that goes on may do so yet: they stay, and are returned.
        """
        waiting = []
        for key in self._guests:
            run = self.rows.get(key)
            if run is None or not run.is_settled or run.active:
                continue
            top = self.rows.get(run.root)
            if top is not None and not top.is_settled:
                waiting.append(key)
                continue
            self._clear(key)
            self.forget(key)
            if run.plan not in self.in_use:
                self._drop_plan(run.plan)
        return waiting

    def hear(self, task: Task) -> None:
        """Take note of a task's row: it may be an item's."""
        if task.run and task.is_settled and task.run in self.rows:
            self.tell(task.run, task.item)

    def awaits(self, row: object) -> bool:
        """Say whether a row is of a task of which an item has not heard yet."""
        if not isinstance(row, Task) or not row.run:
            return False
        item = self.items.get(row.run, {}).get(row.item)
        return item is not None and item.ref == row.id and item.state == "running"

    def _clear(self, run: str) -> None:
        self.leave(run)
        self.contexts.pop(run, None)
        self.inputs.pop(run, None)

    def _let_go(self) -> None:
        while len(self._settled) > self._keep:
            oldest = next(iter(self._settled))
            del self._settled[oldest], self.rows[oldest]
