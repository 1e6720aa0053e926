"""What must hold of runs, read from the log and the rows beside it (see `laws`)."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from agentkit import protocol as p
from agentkit.protocol import Event, Logged
from agentkit.rows import Item, Run, Task
from server.core.tables import Tables
from tests.simulation.plans import Stage
from tests.simulation.reference import Path

Accuse: TypeAlias = Callable[[str, str], None]
"""Called with a law that was broken, and how."""
Place: TypeAlias = tuple[str, int, int]
"""Run, visit and index of an item."""


@dataclass
class _Course:
    """Where a run is, as the log tells it."""

    plan: str
    machine: str
    path: Path
    stage: str = ""
    visit: int = 0
    total: int = 0
    over: str = ""
    """How it ended, unless it goes on."""


@dataclass
class Courses:
    """Walks through the log and keeps where runs and their items are (I12 to I15)."""

    accuse: Accuse
    runs: dict[str, _Course] = field(default_factory=dict)
    refs: dict[str, tuple[Place, int]] = field(default_factory=dict)
    """Items by the task or run that does them, with the number of the attempt."""
    attempts: Counter[Path] = field(default_factory=Counter)
    """How often each item of each run was begun at which attempt."""
    launched: list[str] = field(default_factory=list)
    """The runs that others launched."""
    _plans: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _made: set[str] = field(default_factory=set)
    _going: dict[str, dict[int, str]] = field(default_factory=dict)
    """Items that are begun and not settled, with what does them, by run."""
    _done: set[Place] = field(default_factory=set)
    _results: dict[str, Any] = field(default_factory=dict)
    """What tasks and runs that are done led to."""

    def walk(self, log: Iterable[Logged]) -> None:
        """Look at events that follow those before."""
        for _, event in log:
            self._look(event)

    def _look(self, event: Event) -> None:
        match event:
            case p.PlanKept():
                self._plans[event.plan] = event.document["machines"]
            case p.TaskEnqueued() if event.run:
                self._make(event.task)
            case p.TaskDone():
                self._results[event.task] = event.result
            case p.ItemStarted():
                self._started(event)
            case p.ItemRetrying() | p.ItemFailed() | p.ItemCancelled() | p.ItemDone():
                self._settled(event)
            case _:
                self._look_at_run(event)

    def _look_at_run(self, event: Event) -> None:
        match event:
            case p.RunLaunched():
                self._launched(event)
            case p.RunEntered():
                self._entered(event)
            case p.RunMoved():
                self._moved(event)
            case p.RunFinished() | p.RunFailed() | p.RunCancelled():
                self._ended(event)
            case p.RunResumed():
                self.runs[event.run].over = ""
            case p.RunRetried():
                self._retried(event)

    def _make(self, key: str) -> None:
        if key in self._made:
            self.accuse("I12", f"{key} is made twice")
        self._made.add(key)

    def _launched(self, event: p.RunLaunched) -> None:
        self._make(event.run)
        if event.launched_by:
            self.launched.append(event.run)
        self._going[event.run] = {}
        self.runs[event.run] = _Course(event.plan, event.machine, ())

    def _started(self, event: p.ItemStarted) -> None:
        run, going = self.runs[event.run], self._going[event.run]
        place = (event.run, event.visit, event.index)
        again = going.get(event.index)
        self._step(event.run, f"begins {event.index}")
        if again:
            self.accuse("I12", f"{place} is begun while {again} does it")
        if place in self._done:
            self.accuse("I13", f"{place} is begun again although it was done")
        if event.visit != run.visit or not 0 <= event.index < run.total:
            self.accuse("I12", f"{place} is no item of visit {run.visit}")
        going[event.index] = event.ref
        self._check_limit(event.run)
        path = (*run.path, (event.visit, event.index, event.attempt))
        self.attempts[path] += 1
        if event.ref:
            self.refs[event.ref] = (place, event.attempt)
        if event.kind == "machine" and event.ref:
            self.runs[event.ref].path = path

    def _check_limit(self, key: str) -> None:
        limit = self.stage(key).get("concurrency")
        if limit is not None and len(self._going[key]) > limit:
            self.accuse("I14", f"{key} works on {len(self._going[key])} of {limit}")

    def stage(self, key: str) -> Stage:
        """Return the stage that a run is at, as its plan has it."""
        run = self.runs[key]
        found: Stage = self._plans[run.plan][run.machine]["states"][run.stage]
        return found

    def _settled(
        self, event: p.ItemRetrying | p.ItemFailed | p.ItemCancelled | p.ItemDone
    ) -> None:
        place = (event.run, event.visit, event.index)
        ref = self._going[event.run].get(event.index)
        if ref is None or event.visit != self.runs[event.run].visit:
            self.accuse("I12", f"{event.subject}: {place} does not go on")
            return
        if isinstance(event, p.ItemRetrying):
            self._going[event.run][event.index] = ""
            return
        del self._going[event.run][event.index]
        if isinstance(event, p.ItemDone):
            self._done.add(place)
            if event.output != self._results.get(ref):
                self.accuse("I15", f"{place} led to what {ref} did not")

    def _entered(self, event: p.RunEntered) -> None:
        run = self.runs[event.run]
        self._step(event.run, f"enters {event.stage}")
        self._check_idle(event.run, "enters a stage")
        if event.visit != run.visit + 1:
            self.accuse("I12", f"{event.run} enters {event.visit} after {run.visit}")
        run.stage, run.visit, run.total = event.stage, event.visit, event.total

    def _moved(self, event: p.RunMoved) -> None:
        """Follow a run; it leaves a stage that it could not enter, too."""
        self._step(event.run, "moves")
        self._check_idle(event.run, "moves")
        self.runs[event.run].visit = event.visit

    def _step(self, key: str, what: str) -> None:
        if over := self.runs[key].over:
            self.accuse("I16", f"{key} is {over} and {what}")

    def _check_idle(self, key: str, what: str) -> None:
        if self._going[key]:
            self.accuse("I12", f"{key} {what} and leaves {self._going[key]} behind")

    def _ended(self, event: p.RunFinished | p.RunFailed | p.RunCancelled) -> None:
        word = event.subject.removeprefix("run.")
        self._step(event.run, f"is {word}")
        if not isinstance(event, p.RunCancelled):
            self._check_idle(event.run, f"is {word}")
        self.runs[event.run].over = word
        if isinstance(event, p.RunFinished):
            self._results[event.run] = event.output

    def _retried(self, event: p.RunRetried) -> None:
        run = self.runs[event.run]
        run.over, run.visit, run.stage = "", event.visit, event.stage
        run.total = event.total
        later = {
            place
            for place in self._done
            if place[0] == event.run and place[1] > event.visit
        }
        self._done -= later


@dataclass(frozen=True)
class Rows:
    """Holds rows of runs to each other (I14, I16, I17).

    Args:
        tables: all rows.
        stage: the stage that a run is at, as its plan has it.
    """

    tables: Tables
    stage: Callable[[str], Stage]
    accuse: Accuse

    def check(self, keys: Iterable[str], *, quiet: bool) -> None:
        """Look at some runs.

        Args:
            keys: their ids.
            quiet: nothing is left to be followed up.
        """
        for key in keys:
            run = self.tables.runs[key]
            items = self._items(run)
            self._check_counters(run, items)
            if quiet:
                self._check_quiet(run, items)

    def _items(self, run: Run) -> list[Item]:
        """Return the items of the stage; others are of a time before a retry."""
        keys = [(run.id, run.visit, index) for index in range(run.started)]
        return [self.tables.items[key] for key in keys if key in self.tables.items]

    def _check_counters(self, run: Run, items: list[Item]) -> None:
        if not run.entered:
            return
        states = Counter(item.state for item in items)
        counted = {
            "started": len(items),
            "active": states["running"] + states["retrying"],
            "done": states["done"],
            "failed": states["failed"] + states["cancelled"],
        }
        said = {name: getattr(run, name) for name in counted}
        if said != counted or run.started > run.total:
            self.accuse("I17", f"{run.id} counts {said}, and there are {counted}")

    def _check_quiet(self, run: Run, items: list[Item]) -> None:
        for item in items:
            self._check_item(item)
        if run.state != "running":
            if run.active:
                self.accuse("I16", f"{run.id} is {run.state} and does {run.active}")
            return
        if not run.entered or not run.active:
            self.accuse("I17", f"{run.id} has nothing to do at {run.stage!r}")
        limit = self.stage(run.id).get("concurrency", run.total)
        left = run.total - run.done - run.failed
        if run.active != min(limit, left):
            self.accuse("I14", f"{run.id} does {run.active} of {left}, not {limit}")

    def _check_item(self, item: Item) -> None:
        """What does an item goes on as long as the item does."""
        below: Task | Run | None = (
            self.tables.tasks.get(item.ref)
            if item.kind == "agent"
            else self.tables.runs.get(item.ref)
        )
        goes_on = below is not None and not below.is_settled
        if goes_on != (item.state == "running"):
            place = (item.run, item.visit, item.index)
            state = "not there" if below is None else below.state
            self.accuse("I12", f"{place} is {item.state}, {item.ref!r} is {state}")
