"""How a run ends, and how one that ended goes on."""

from datetime import datetime
from typing import Any

from agentkit.protocol import (
    RunCancelled,
    RunFailed,
    RunFinished,
    RunResumed,
    RunRetried,
)
from agentkit.rows import Item, Result, Run, RunState
from server.core.renewal import replace
from server.core.runs.errors import error_of
from server.core.swarm import Swarm

RESULT = "result"
"""The name that what a run led to is kept under."""


def evolve_finished(swarm: Swarm, event: RunFinished) -> None:
    """Keep what the run led to."""
    _end(swarm, event.run, event.at, "done", event.output, output=event.output)


def evolve_failed(swarm: Swarm, event: RunFailed) -> None:
    """Keep why the run failed."""
    _end(swarm, event.run, event.at, "failed", event.error, error=event.error)


def evolve_cancelled(swarm: Swarm, event: RunCancelled) -> None:
    """Let the run go no further; what it began is called off next."""
    error = error_of(event.reason or "the run was cancelled", "Cancelled")
    _end(swarm, event.run, event.at, "cancelled", error, reason=event.reason)


def _end(
    swarm: Swarm, key: str, at: datetime, state: RunState, value: Any, **changes: Any
) -> None:
    run = swarm.runs.rows[key]
    _write(swarm, run, at, value=value)
    swarm.put_run(
        replace(
            run,
            state=state,
            due=None,
            changed=at,
            ended=at,
            version=swarm.cursor,
            **changes,
        )
    )


def _write(swarm: Swarm, run: Run, at: datetime, **changes: Any) -> None:
    swarm.put_result(
        Result(
            run=run.id, name=RESULT, at=at, by=run.by, version=swarm.cursor, **changes
        )
    )


def evolve_resumed(swarm: Swarm, event: RunResumed) -> None:
    """Let the run go on with what it had not done."""
    run = swarm.runs.rows[event.run]
    _go_on(swarm, run, event, entered=run.entered, visit=run.visit)


def evolve_retried(swarm: Swarm, event: RunRetried) -> None:
    """Let the run be back at a stage, and do what had failed there.

    The checkpoint of then is the newest once more.
    """
    then = swarm.runs.contexts[event.run]
    swarm.put_checkpoint(replace(then, version=swarm.cursor))
    items = swarm.runs.items.get(event.run, {})
    run = replace(
        swarm.runs.rows[event.run],
        stage=event.stage,
        total=event.total,
        started=max(items, default=-1) + 1,
        done=sum(item.state == "done" for item in items.values()),
    )
    _go_on(swarm, run, event, entered=True, visit=event.visit)


def _go_on(
    swarm: Swarm, run: Run, event: RunResumed | RunRetried, **changes: Any
) -> None:
    if run.is_settled:
        _write(swarm, run, event.at, deleted=True)
    going = replace(
        run,
        state="running",
        failed=0,
        due=event.due,
        output=None,
        error={},
        reason="",
        changed=event.at,
        ended=None,
        version=swarm.cursor,
        **changes,
    )
    swarm.put_run(going)
    if not going.entered:
        return  # The items are those of the stage before.
    for item in tuple(swarm.runs.items.get(run.id, {}).values()):
        if item.is_settled and item.state != "done":
            swarm.put_item(_anew(item, swarm.cursor))
    swarm.runs.line_up(run.id)


def _anew(item: Item, version: int) -> Item:
    return replace(
        item, state="waiting", attempt=0, ended=None, not_before=None, version=version
    )
