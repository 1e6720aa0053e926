"""Runs as they were at a time of a recording, made anew of what was heard of them.

A recording has the rows of runs with none above them. Those below, items and
checkpoints are made of events; what was before the first of these is not known.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from agentkit.changes import Heard
from agentkit.errors import NotFound
from agentkit.progress import RunTree, RunView
from agentkit.protocol import (
    Event,
    ItemCancelled,
    ItemDone,
    ItemFailed,
    ItemStarted,
    PlanKept,
    RunCancelled,
    RunEntered,
    RunFailed,
    RunFinished,
    RunLaunched,
    RunMoved,
    RunResumed,
    RunRetried,
)
from agentkit.rows import Checkpoint, Item, Plan, Run
from swarmtui.run_book import SUBJECTS, RunBook
from swarmtui.runs import share

About: TypeAlias = Callable[[str], Iterable[Heard]]
"""Gives what was heard of something until now, the oldest first."""


class PastRuns:
    """Answers questions about runs.

    Args:
        rows: the runs with none above them, as they were.
        about: what was heard.
    """

    def __init__(self, rows: Mapping[str, Run], about: About) -> None:
        self._rows = rows
        self._about = about

    def view(self, run: str) -> RunView:
        """Return a run, and how far its stage is.

        Raises:
            NotFound: it began before the recording, below another.
        """
        found = self._run(run)
        plan = self._kept(found.plan)
        below = [one.run.state for one in self.tree(run).children]
        return RunView(
            run=found,
            plan=plan.name if plan is not None else found.machine,
            progress=share(found) or 0.0,
            eta=None,
            children={state: below.count(state) for state in dict.fromkeys(below)},
            launched=found.launched,
        )

    def tree(self, run: str) -> RunTree:
        """Return a run with those below it that began within the recording.

        Raises:
            NotFound: it began before the recording, below another.
        """
        found = self._run(run)
        begun = [
            heard.event.run
            for heard in self._about(run)
            if isinstance(heard.event, RunLaunched) and heard.event.parent == run
        ]
        below = map(self.tree, dict.fromkeys(begun))
        return RunTree(
            run=replace(found, output=None),
            progress=share(found) or 0.0,
            eta=None,
            children=tuple(below),
        )

    def items(self, run: str) -> list[Item]:
        """Return the items that are known, by visit and index."""
        items = self._book(run).items.values()
        return sorted(items, key=lambda item: (item.visit, item.index))

    def checkpoints(self, run: str) -> list[Checkpoint]:
        """Return the checkpoints that are known, the newest first."""
        rows = self._book(run).checkpoints.values()
        return sorted(rows, key=lambda row: -row.number)

    def plan(self, plan: str) -> Plan:
        """Return a plan.

        Raises:
            NotFound: it was kept before the recording began.
        """
        found = self._kept(plan)
        if found is None:
            raise NotFound(
                f"the plan {plan!r} is not in this recording: it was kept before"
            )
        return found

    def _kept(self, plan: str) -> Plan | None:
        for heard in self._about(plan):
            if isinstance(event := heard.event, PlanKept):
                return Plan(
                    id=plan, name=event.name, document=event.document, kept=event.at
                )
        return None

    def _book(self, run: str) -> RunBook:
        book = RunBook(run)
        book.hear(self._about(run))
        return book

    def _run(self, run: str) -> Run:
        heard = [one for one in self._about(run) if one.subject.startswith(SUBJECTS)]
        events = [one.event for one in heard if getattr(one.event, "run", "") == run]
        row = self._rows.get(run)
        if row is not None:
            ends = (one.output for one in events if isinstance(one, RunFinished))
            return replace(row, output=next(ends, None))
        found = _made(events)
        if found is None:
            raise NotFound(f"the run {run!r} is not in this recording: it began before")
        return found


def _made(events: Iterable[Event]) -> Run | None:
    """Return a run as its events make it; None when its beginning is not known."""
    run: Run | None = None
    for event in events:
        if isinstance(event, RunLaunched):
            run = _begun(event)
        elif run is not None:
            run = replace(run, **_changes(run, event), changed=event.at)
    return run


def _begun(event: RunLaunched) -> Run:
    return Run(
        id=event.run,
        plan=event.plan,
        machine=event.machine,
        state="running",
        created=event.at,
        stage=event.stage,
        parent=event.parent,
        item=event.item,
        root=event.root,
        depth=event.depth,
        by=event.by,
    )


def _changes(run: Run, event: Event) -> dict[str, Any]:
    """Return what an event changes in a run."""
    match event:
        case ItemStarted():
            return {"started": max(run.started, event.index + 1)}
        case ItemDone():
            return {"done": run.done + 1}
        case ItemFailed() | ItemCancelled():
            return {"failed": run.failed + 1}
        case RunFinished() | RunFailed() | RunCancelled():
            return _end(event) | {"ended": event.at}
        case _:
            return _way(event)


def _end(event: RunFinished | RunFailed | RunCancelled) -> dict[str, Any]:
    match event:
        case RunFinished():
            return {"state": "done", "output": event.output}
        case RunFailed():
            return {"state": "failed", "error": event.error}
        case RunCancelled():
            return {"state": "cancelled", "reason": event.reason}


def _way(event: Event) -> dict[str, Any]:
    again = {"state": "running", "failed": 0, "error": {}, "ended": None}
    match event:
        case RunEntered():
            fresh = {"entered": True, "done": 0, "failed": 0}
            return _at(event) | fresh
        case RunMoved():
            return {"stage": event.stage, "entered": False, "total": 0}
        case RunResumed():
            return again
        case RunRetried():
            return again | _at(event)
    return {}


def _at(event: RunEntered | RunRetried) -> dict[str, Any]:
    return {"stage": event.stage, "visit": event.visit, "total": event.total}
