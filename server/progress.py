"""How far a run is: the stages behind it, the one that it is at, those ahead.

Every stage with work counts the same, and no plan tells how often it will go back, so
the shortest way counts, from the first stage and on to a final one.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from agentkit.plans import Flow, Machine
from agentkit.rows import Run

Edges: TypeAlias = Mapping[str, Iterable[str]]


class Step(NamedTuple):
    """Where a stage lies in its machine."""

    before: int
    """How many stages with work lie before it."""
    works: bool
    after: int
    """How many follow."""


Measure: TypeAlias = Mapping[str, Mapping[str, Step]]
"""Where the stages of a plan lie, by machine and stage."""


def measure(flow: Flow) -> Measure:
    """Return where the stages of a plan lie."""
    return {name: _steps(machine) for name, machine in flow.machines.items()}


def _steps(machine: Machine) -> dict[str, Step]:
    stages = machine.stages
    onward = {name: {way.to for way in at.transitions} for name, at in stages.items()}
    back: dict[str, set[str]] = {name: set() for name in stages}
    for name, ahead in onward.items():
        for to in ahead:
            back[to].add(name)
    finals = [name for name, stage in stages.items() if stage.kind == "final"]
    works = {name: stage.has_work for name, stage in stages.items()}
    before = _works_on_the_way([machine.initial], onward, works)
    after = _works_on_the_way(finals, back, works)
    return {
        name: Step(before.get(name, 0), works[name], after.get(name, 0))
        for name in stages
    }


def _works_on_the_way(
    starts: Iterable[str], edges: Edges, works: Mapping[str, bool]
) -> dict[str, int]:
    """Return how many stages with work have to be left to come to each, at least."""
    found: dict[str, int] = {}
    ahead = deque((0, start) for start in starts)
    while ahead:
        count, at = ahead.popleft()
        if at in found:
            continue
        found[at] = count
        ways = [(count + works[at], to) for to in edges[at]]
        if works[at]:
            ahead.extend(ways)
        else:
            ahead.extendleft(ways)
    return found


def progress(run: Run, step: Step, parts: float = 0.0) -> float:
    """Return how much of a run is done, 0 to 1.

    A failed item is done with as long as the run goes on; then it is to be done yet.

    Args:
        run: which.
        step: where the stage lies that it is at.
        parts: how much of its active items is done, added up.
    """
    if run.state == "done":
        return 1.0
    whole = step.before + step.works + step.after
    here = 0.0
    if step.works and run.entered and run.total:
        failed = 0 if run.is_settled else run.failed
        here = min((run.done + failed + parts) / run.total, 1.0)
    return (step.before + here) / whole if whole else 0.0
