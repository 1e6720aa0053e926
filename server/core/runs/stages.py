"""Stages: a run enters one, leaves it with what its items led to, and goes on."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from agentkit.errors import SwarmError
from agentkit.plans import Call, Stage
from agentkit.protocol import (
    Event,
    RunEntered,
    RunFailed,
    RunFinished,
    RunLaunched,
    RunMoved,
)
from agentkit.rows import Checkpoint, Item, Run
from server.core.renewal import replace
from server.core.runs.errors import (
    StageError,
    as_error,
    check_size,
    error_of,
    kind_of,
)
from server.core.runs.moment import Moment
from server.core.runs.opening import check_descent, name_next, spawn
from server.core.swarm import Swarm

Scope = Mapping[str, Any]

# --- going in -------------------------------------------------------------------------


def enter(at: Moment) -> list[Event]:
    """Let a run go to its next stage."""
    run = at.run
    if run.visit >= at.swarm.runs.machine(run).max_steps:
        text = (
            f"the run has gone through {run.visit:,} states, as many as its plan "
            "allows: let a transition lead to a final state, or raise max_steps"
        )
        return _fail(run, error_of(text, "TooManySteps"), at.now)
    try:
        return _entered(at)
    except (SwarmError, StageError) as problem:
        return _recover(at, run.visit + 1, as_error(problem))


def _entered(at: Moment) -> list[Event]:
    run, total, most = at.run, len(at.values()), at.swarm.rules.run_items
    if total > most:
        raise StageError(
            f"the state {run.stage!r} has {total:,} items, at most {most:,} are "
            "allowed: do them in several runs",
            "TooMany",
        )
    launches = _launches(at)
    return [
        *launches,
        RunEntered(
            at=at.now,
            run=run.id,
            stage=run.stage,
            visit=run.visit + 1,
            total=total,
            due=at.due(),
            launched=tuple(launch.run for launch in launches),
        ),
    ]


def _launches(at: Moment) -> list[RunLaunched]:
    stage, scope, run = at.stage, at.scope(), at.run
    if stage.launches:
        check_descent(run, at.swarm.rules.run_depth)
    return [
        spawn(
            at,
            call.machine,
            _input(at, call, scope),
            run=name_next(run, place),
            launched_by=run.id,
        )
        for place, call in enumerate(stage.launches)
    ]


def _input(at: Moment, call: Call, scope: Scope) -> Any:
    template = call.input or at.stage.launch_input
    return template.render(scope, at.cost) if template else {}


def evolve_entered(swarm: Swarm, event: RunEntered) -> None:
    """Let the run work on the items of the stage."""
    run = swarm.runs.rows[event.run]
    swarm.runs.leave(run.id)
    swarm.put_run(
        replace(
            run,
            stage=event.stage,
            visit=event.visit,
            entered=True,
            total=event.total,
            started=0,
            active=0,
            done=0,
            failed=0,
            due=event.due,
            launched=event.launched,
            spawned=run.spawned + len(event.launched),
            changed=event.at,
            version=swarm.cursor,
        )
    )


# --- going on -------------------------------------------------------------------------


def leave(at: Moment) -> list[Event]:
    """Let a run whose items are settled go on, or come to its end."""
    try:
        return [_left(at)]
    except (SwarmError, StageError) as problem:
        return _recover(at, at.run.visit, as_error(problem))


def _left(at: Moment) -> Event:
    stage, rules = at.stage, at.swarm.rules
    scope = at.scope() | {"output": _output(at)}
    changes = stage.output_to_context.render(scope, at.cost)
    scope["context"] = {**scope["context"], **changes}
    check_size(rules, "context", scope["context"], at.cost)
    if stage.kind != "final":
        return _moved(at, at.run.visit, _next(at, scope), changes)
    output = stage.output.render(scope, at.cost)
    check_size(rules, "output", output, at.cost)
    return RunFinished(at=at.now, run=at.run.id, output=output)


def _next(at: Moment, scope: Scope) -> str:
    for transition in at.stage.transitions:
        condition = transition.condition
        if condition is None or condition.value(scope, at.cost):
            return transition.to
    raise StageError(
        f"no transition of the state {at.stage.name!r} holds: end the list with one "
        "that has no condition",
        "NoTransition",
    )


def _moved(at: Moment, visit: int, to: str, changes: Scope) -> RunMoved:
    keeps = at.swarm.runs.machine(at.run).keeps_checkpoints
    return RunMoved(
        at=at.now,
        run=at.run.id,
        visit=visit,
        stage=to,
        changes=changes,
        checkpoint=visit if keeps else 1,
    )


def _recover(at: Moment, visit: int, error: Mapping[str, Any]) -> list[Event]:
    """Go where the stage says that an error leads, or fail."""
    stage = at.stage
    to = stage.on_error.get(kind_of(error)) or stage.on_error.get("default")
    if to is None:
        return _fail(at.run, error, at.now)
    changes = {
        "last_error": error["_error"],
        "last_error_type": error["_error_type"],
        "last_error_stage": stage.name,
    }
    return [_moved(at, visit, to, changes)]


def _fail(run: Run, error: Mapping[str, Any], now: datetime) -> list[Event]:
    return [RunFailed(at=now, run=run.id, error=error)]


def evolve_moved(swarm: Swarm, event: RunMoved) -> None:
    """Let the run go on; what it knows now is its newest checkpoint."""
    run = swarm.runs.rows[event.run]
    context = swarm.runs.contexts[run.id].context
    swarm.runs.leave(run.id)
    swarm.put_checkpoint(
        Checkpoint(
            run=run.id,
            number=event.checkpoint,
            stage=event.stage,
            context={**context, **event.changes},
            at=event.at,
            version=swarm.cursor,
        )
    )
    swarm.put_run(
        replace(
            run,
            stage=event.stage,
            visit=event.visit,
            entered=False,
            due=None,
            changed=event.at,
            version=swarm.cursor,
        )
    )


# --- what came out --------------------------------------------------------------------


def _output(at: Moment) -> Any:
    """Return what the items of a stage led to.

    Raises:
        StageError: the stage failed, or its time is over.
    """
    stage, run, items = at.stage, at.run, at.items
    if stage.mode == "any" and run.total:
        return _first(at)
    if run.done + run.failed < run.total or _is_cut(items):
        raise _timeout(stage)
    if not stage.has_work:
        return {"launched": list(run.launched)} if run.launched else None
    return _gathered(stage, [items[index] for index in range(run.total)])


def _is_cut(items: Mapping[int, Item]) -> bool:
    """Say whether items were called off: that is done when the time is over."""
    return any(item.state == "cancelled" for item in items.values())


def _timeout(stage: Stage) -> StageError:
    text = (
        f"the state {stage.name!r} was not done within {stage.timeout:g} s: give it "
        "more time, or let on_error lead on"
    )
    return StageError(text, "Timeout")


def _first(at: Moment) -> Any:
    """Return what the item led to that was done first."""
    items = sorted(at.items.values(), key=lambda item: (item.version, item.index))
    done = [item.output for item in items if item.state == "done"]
    if done:
        return done[0]
    if at.run.done + at.run.failed < at.run.total or _is_cut(at.items):
        raise _timeout(at.stage)
    text = f"none of {at.run.total:,} items was done: {items[-1].error['_error']}"
    raise StageError(text, kind_of(items[-1].error))


def _gathered(stage: Stage, items: Sequence[Item]) -> Any:
    outputs = [item.error if item.state == "failed" else item.output for item in items]
    if stage.foreach is not None:
        return outputs if stage.key is None else _keyed(stage, items, outputs)
    if stage.lists_calls:
        names = [item.name for item in items]
        return dict(zip(names, outputs, strict=True))
    return outputs if stage.samples > 1 else _single(items[0])


def _single(item: Item) -> Any:
    if item.state == "failed":
        raise StageError(str(item.error["_error"]), kind_of(item.error))
    return item.output


def _keyed(stage: Stage, items: Sequence[Item], outputs: Sequence[Any]) -> Any:
    named: dict[str, Any] = {}
    for item, output in zip(items, outputs, strict=True):
        if item.key in named:
            raise StageError(
                f"the key {item.key!r} of the state {stage.name!r} is that of several "
                "items: name something that differs",
                "DuplicateKey",
            )
        named[item.key] = output
    return named
