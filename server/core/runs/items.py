"""Items: they are begun while there is room, settled, tried again, called off."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final
from zlib import crc32

from agentkit.codec import dumps
from agentkit.errors import SwarmError
from agentkit.plans import AgentStep, Stage
from agentkit.protocol import (
    Event,
    ItemCancelled,
    ItemDone,
    ItemFailed,
    ItemRetrying,
    ItemStarted,
    RunCancelled,
    RunLaunched,
    RunResumed,
    TaskCancelled,
    TaskEnqueued,
)
from agentkit.rows import Item, ItemKind, Run, Task
from server.core.checks import check_body, check_capabilities, check_text
from server.core.renewal import replace
from server.core.runs.errors import (
    StageError,
    as_error,
    error_of,
    failure_of,
    kind_of,
)
from server.core.runs.moment import Moment
from server.core.runs.opening import name_next, spawn
from server.core.swarm import Swarm

BATCH: Final = 256
"""How many items are begun, settled or called off in one step."""

COSTLY: Final = 100_000
"""After how much work for their inputs no more items are begun in one step."""


# --- begun ----------------------------------------------------------------------------


def begin(at: Moment, most: int) -> list[Event]:
    """Begin items while there is room for them, at most so many.

    Those whose time has come to be tried again have kept their room.
    """
    events: list[Event] = []
    spawned, before = 0, at.cost.steps
    for index in islice(_next(at, most), most):
        begun = _begun(at, index, name_next(at.run, spawned))
        spawned += any(isinstance(one, TaskEnqueued | RunLaunched) for one in begun)
        events += begun
        if at.cost.steps - before > COSTLY:
            break
    return events


def _next(at: Moment, most: int) -> Iterable[int]:
    """Yield which items to begin: again those that are due, then while there is room.

    Those that were begun before come first: they have the lower indexes.
    """
    run, limit = at.run, at.stage.concurrency
    yield from tuple(islice(at.swarm.runs.ripe.get(run.id, ()), most))
    room = most if limit is None else max(limit - run.active, 0)
    waiting = tuple(islice(at.swarm.runs.waiting.get(run.id, ()), room))
    yield from waiting
    yield from range(run.started, min(run.total, run.started + room - len(waiting)))


def _begun(at: Moment, index: int, ref: str) -> list[Event]:
    """Begin one item; one that cannot be begun has failed."""
    old = at.items.get(index)
    below = at.swarm.runs.rows.get(old.ref) if old else None
    if old is not None and old.state == "waiting" and below is not None:
        due = Moment(at.swarm, below, at.now).due() if below.entered else None
        again = RunResumed(at=at.now, run=below.id, due=due)
        return [again, _started(at, old, old.key, below.id)]
    new = old or _new(at, index)
    try:
        scope = _scope(at, index)
        key = _key(at, scope)
        work = _work(at, index, scope, ref)
    except (SwarmError, StageError) as problem:
        failed = ItemFailed(
            at=at.now,
            run=at.run.id,
            visit=at.run.visit,
            index=index,
            error=as_error(problem),
        )
        return [_started(at, new, new.key or str(index), ""), failed]
    return [work, _started(at, new, key, ref)]


def _new(at: Moment, index: int) -> Item:
    stage = at.stage
    kind: ItemKind = "agent" if stage.agent else "machine"
    doer = stage.agent or stage.calls[0 if stage.foreach else index]
    return Item(
        run=at.run.id,
        visit=at.run.visit,
        index=index,
        state="waiting",
        kind=kind,
        name=doer.name,
    )


def _started(at: Moment, item: Item, key: str, ref: str) -> ItemStarted:
    return ItemStarted(
        at=at.now,
        run=at.run.id,
        visit=at.run.visit,
        index=item.index,
        attempt=item.attempt + 1,
        kind=item.kind,
        name=item.name,
        key=key,
        ref=ref,
    )


def _scope(at: Moment, index: int) -> dict[str, Any]:
    scope = {**at.scope(), "index": index}
    if at.stage.foreach is not None:
        scope[at.stage.as_] = at.values()[index]
    return scope


def _key(at: Moment, scope: Mapping[str, Any]) -> str:
    key = at.stage.key
    value = key.value(scope, at.cost) if key else ""
    return value if isinstance(value, str) else dumps(value)


def _work(at: Moment, index: int, scope: Mapping[str, Any], ref: str) -> Event:
    """Return what does an item: a task, or a run below this one."""
    stage, run = at.stage, at.run
    if stage.agent:
        return _task(at, stage.agent, index, scope, ref)
    if run.depth >= at.swarm.rules.run_depth:
        raise StageError(
            f"the run is {run.depth} machines deep, as deep as is allowed: let a "
            "machine that calls itself come to an end",
            "TooDeep",
        )
    call = stage.calls[0 if stage.foreach else index]
    template = call.input or stage.input
    return spawn(
        at,
        call.machine,
        template.render(scope, at.cost) if template else _whole(stage, scope),
        run=ref,
        parent=run.id,
        item=index,
        root=run.root,
        depth=run.depth + 1,
    )


def _whole(stage: Stage, scope: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the input when the plan names none: the element, under its name."""
    return {stage.as_: scope[stage.as_]} if stage.foreach else {}


def _task(
    at: Moment, agent: AgentStep, index: int, scope: Mapping[str, Any], ref: str
) -> TaskEnqueued:
    run, rules, template = at.run, at.swarm.rules, at.stage.input
    _check_free(at, ref)
    body = {
        "id": ref,
        "run": run.id,
        "stage": run.stage,
        "item": index,
        "agent": agent.name,
        "input": template.render(scope, at.cost)
        if template
        else _whole(at.stage, scope),
        **({"config": agent.config} if agent.config else {}),
    }
    title = str(agent.title.render(scope, at.cost)) if agent.title else ""
    check_text(rules, "title", title)
    check_capabilities(rules, agent.needs)
    check_body(rules, "task", body)
    return TaskEnqueued(
        at=at.now,
        task=ref,
        title=title or f"{run.stage} · {agent.name}",
        body=body,
        needs=agent.needs,
        priority=agent.priority,
        not_before=None,
        max_attempts=agent.max_attempts or rules.max_attempts,
        by=run.by,
        run=run.id,
        item=index,
    )


def _check_free(at: Moment, ref: str) -> None:
    """Refuse to take the place of a task that somebody else has named so."""
    known = at.swarm.tasks.get(ref)
    if known is not None and not known.is_settled:
        raise StageError(
            f"there is a task {ref!r} already that is not of this run: cancel that, or "
            "launch the plan under another id",
            "Conflict",
        )


def evolve_started(swarm: Swarm, event: ItemStarted) -> None:
    """Let the item be done."""
    run = swarm.runs.rows[event.run]
    old = swarm.runs.items.get(run.id, {}).get(event.index)
    is_new_ref = bool(event.ref) and (old is None or old.ref != event.ref)
    swarm.put_item(
        Item(
            run=event.run,
            visit=event.visit,
            index=event.index,
            state="running",
            kind=event.kind,
            name=event.name,
            key=event.key,
            ref=event.ref,
            attempt=event.attempt,
            error=old.error if old else {},
            began=event.at,
            version=swarm.cursor,
        )
    )
    swarm.put_run(
        replace(
            run,
            started=max(run.started, event.index + 1),
            active=run.active + (old is None or old.state == "waiting"),
            spawned=run.spawned + is_new_ref,
            changed=event.at,
            version=swarm.cursor,
        )
    )


# --- settled --------------------------------------------------------------------------


def settle(at: Moment) -> list[Event]:
    """Settle the items of which it is known what became of them."""
    told = (at.items.get(index) for index in at.swarm.runs.news.get(at.run.id, ()))
    running = (item for item in told if item is not None and item.state == "running")
    settled = (_settled(at, item) for item in running)
    return list(islice((event for event in settled if event is not None), BATCH))


def _settled(at: Moment, item: Item) -> Event | None:
    """Return what became of an item; None when that is not known yet."""
    work = _work_of(at, item)
    if work is None or not work.is_settled:
        return None
    run, visit, index, now = item.run, item.visit, item.index, at.now
    if work.state == "done":
        return _done(at, item, work)
    error = _fault(work)
    again = _again(at, item) if kind_of(error) != "Cancelled" else None
    if again is None:
        return ItemFailed(at=now, run=run, visit=visit, index=index, error=error)
    return ItemRetrying(
        at=now, run=run, visit=visit, index=index, not_before=again, error=error
    )


def _done(at: Moment, item: Item, work: Task | Run) -> ItemDone:
    output = work.result if isinstance(work, Task) else work.output
    return ItemDone(
        at=at.now, run=item.run, visit=item.visit, index=item.index, output=output
    )


def _work_of(at: Moment, item: Item) -> Task | Run | None:
    if item.kind == "agent":
        return at.swarm.tasks.get(item.ref)
    return at.swarm.runs.rows.get(item.ref)


def _fault(work: Task | Run) -> Mapping[str, Any]:
    if work.state == "cancelled":
        return error_of(work.reason or "it was cancelled", "Cancelled")
    if isinstance(work, Task):
        return failure_of(work.reason, "TaskFailed")
    return work.error


def _again(at: Moment, item: Item) -> datetime | None:
    """Return when an item is tried again; None when it is not."""
    retry = at.stage.retry
    if retry is None or item.attempt > len(retry.backoffs):
        return None
    dice = crc32(f"{item.ref}:{item.attempt}".encode()) / 0xFFFFFFFF
    share = 1 + retry.jitter * (2 * dice - 1)
    return at.now + timedelta(seconds=retry.backoffs[item.attempt - 1] * share)


def evolve_done(swarm: Swarm, event: ItemDone) -> None:
    """Keep what the item led to."""
    _close(swarm, event, state="done", output=event.output, error={})


def evolve_failed(swarm: Swarm, event: ItemFailed) -> None:
    """Keep why the item failed."""
    _close(swarm, event, state="failed", error=event.error)


def evolve_cancelled(swarm: Swarm, event: ItemCancelled) -> None:
    """Nobody waits for the item any more."""
    error = error_of(event.reason or "it was cancelled", "Cancelled")
    _close(swarm, event, state="cancelled", error=error)


def _close(
    swarm: Swarm, event: ItemDone | ItemFailed | ItemCancelled, **changes: Any
) -> None:
    run = swarm.runs.rows[event.run]
    done = changes["state"] == "done"
    swarm.put_item(
        replace(
            swarm.runs.item(run.id, event.index),
            not_before=None,
            ended=event.at,
            version=swarm.cursor,
            **changes,
        )
    )
    swarm.put_run(
        replace(
            run,
            active=run.active - 1,
            done=run.done + done,
            failed=run.failed + (not done),
            changed=event.at,
            version=swarm.cursor,
        )
    )


def evolve_retrying(swarm: Swarm, event: ItemRetrying) -> None:
    """Let the item wait until it is tried again; it keeps its room."""
    swarm.put_item(
        replace(
            swarm.runs.item(event.run, event.index),
            state="retrying",
            error=event.error,
            not_before=event.not_before,
            version=swarm.cursor,
        )
    )


# --- called off -----------------------------------------------------------------------


def call_off(at: Moment, reason: str, most: int) -> list[Event]:
    """Call off items that are begun and not settled, and what does them.

    One that is done meanwhile is done, and is not done again when the run goes on.
    """
    events: list[Event] = []
    for item in islice(at.swarm.runs.going(at.run), most):
        work = _work_of(at, item)
        if work is not None and work.state == "done":
            events.append(_done(at, item, work))
            continue
        events += _stop(at, item, reason)
        events.append(
            ItemCancelled(
                at=at.now,
                run=item.run,
                visit=item.visit,
                index=item.index,
                reason=reason,
            )
        )
    return events


def _stop(at: Moment, item: Item, reason: str) -> list[Event]:
    work = _work_of(at, item)
    if work is None or work.is_settled:
        return []
    if isinstance(work, Run):
        return [RunCancelled(at=at.now, run=work.id, reason=reason)]
    return [
        TaskCancelled(at=at.now, agent=work.agent, task=work.id, reason=reason, by="")
    ]
