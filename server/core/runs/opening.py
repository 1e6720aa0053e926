"""How a run is opened: as it was asked for, by a stage that launches, for an item."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from agentkit.plans import Cost, Flow
from agentkit.protocol import PlanKept, RunLaunched
from agentkit.rows import Checkpoint, Plan, Run
from server.core.renewal import replace
from server.core.runs.errors import StageError, check_size
from server.core.runs.moment import Moment
from server.core.swarm import Swarm

APART = "."
"""Between the id of a run and the number of what it began; given ids have none."""


def digest_of(document: Mapping[str, Any]) -> str:
    """Return the id of a plan: the same document has the same one."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def open_run(swarm: Swarm, flow: Flow, first: RunLaunched, cost: Cost) -> RunLaunched:
    """Return the launch of a run with its context reckoned from its input.

    Args:
        swarm: what is known.
        flow: the plan.
        first: the launch, with what the plan cannot know; of `stage` and `context`
            what is empty is as the plan says.
        cost: what it takes is added to it.

    Raises:
        ExpressionError: its context cannot be reckoned.
        StageError: its input or context is too large.
    """
    machine = flow.machines[first.machine]
    check_size(swarm.rules, "input", first.input, cost)
    if first.stage:
        return first
    about = {"id": first.run, "plan": flow.name, "machine": machine.name}
    scope = {"input": first.input, "context": {}, "run": about}
    context = machine.context.render(scope, cost)
    check_size(swarm.rules, "context", context, cost)
    return replace(first, stage=machine.initial, context=context)


def check_descent(run: Run, most: int) -> None:
    """Refuse to launch from a run that was itself begun by so many in a row.

    Raises:
        StageError: it was; each that launches the next would never come to an end.
    """
    if run.id.count(APART) >= most:
        raise StageError(
            f"the run is the last of {most} that were begun by one another, as many as "
            "are allowed: let a machine that launches itself come to an end",
            "TooDeep",
        )


def spawn(at: Moment, machine: str, value: Any, **place: Any) -> RunLaunched:
    """Return the launch of a run that another one begins.

    Args:
        at: the one that begins it.
        machine: of the same plan.
        value: its input.
        place: where it stands: `run`, its id, and `parent`, `item`, `root`, `depth`,
            or `launched_by`.

    Raises:
        ExpressionError: its context cannot be reckoned.
        StageError: its input or context is too large.
    """
    first = RunLaunched(
        at=at.now,
        plan=at.run.plan,
        machine=machine,
        stage="",
        input=value if isinstance(value, Mapping) else {"input": value},
        context={},
        by=at.run.by,
        **place,
    )
    return open_run(at.swarm, at.swarm.runs.flow(at.run), first, at.cost)


def name_next(run: Run, ahead: int = 0) -> str:
    """Return the id of what a run begins next, or of the one `ahead` of that."""
    return f"{run.id}{APART}{run.spawned + ahead + 1}"


def evolve_kept(swarm: Swarm, event: PlanKept) -> None:
    """Keep the plan."""
    swarm.put_plan(
        Plan(
            id=event.plan,
            name=event.name,
            document=event.document,
            kept=event.at,
            by=event.by,
            version=swarm.cursor,
        )
    )


def evolve_launched(swarm: Swarm, event: RunLaunched) -> None:
    """Let the run begin; what it knows is its first checkpoint."""
    swarm.put_run(
        Run(
            id=event.run,
            plan=event.plan,
            machine=event.machine,
            state="running",
            created=event.at,
            stage=event.stage,
            parent=event.parent,
            item=event.item,
            root=event.root or event.run,
            launched_by=event.launched_by,
            depth=event.depth,
            resumed_from=event.resumed_from,
            by=event.by,
            changed=event.at,
            version=swarm.cursor,
        )
    )
    swarm.put_checkpoint(
        Checkpoint(
            run=event.run,
            number=0,
            stage=event.stage,
            context=event.context,
            input=event.input,
            at=event.at,
            version=swarm.cursor,
        )
    )
