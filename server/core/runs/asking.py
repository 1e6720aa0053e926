"""What a person asks of runs: launch, call off, go on, do again what failed."""

from datetime import datetime
from itertools import count
from typing import Final

from agentkit.errors import Conflict, Invalid, SwarmError
from agentkit.plans import Cost, Flow, compile_plan
from agentkit.protocol import (
    CancelRun,
    Event,
    Launch,
    PlanKept,
    ResumeRun,
    RetryRun,
    RunCancelled,
    RunLaunched,
    RunResumed,
    RunRetried,
)
from agentkit.rows import Run
from server.core.checks import check_id, check_text
from server.core.renewal import replace
from server.core.runs.errors import StageError
from server.core.runs.moment import Moment
from server.core.runs.opening import APART, digest_of, open_run
from server.core.swarm import Swarm

LONGEST: Final = 128
"""Characters that a given id may have: what a run begins adds to its own."""


def decide_launch(swarm: Swarm, wish: Launch, now: datetime) -> list[Event]:
    """Open a run; asked again under the same id it is the same run."""
    key = wish.id or _unused(swarm)
    _check_key(swarm, key)
    flow = compile_plan(wish.plan)
    plan = digest_of(wish.plan)
    known = swarm.runs.rows.get(key)
    machine = _machine(flow, wish)
    if known is not None:
        return _same(known, plan, machine, wish)
    first = RunLaunched(
        at=now,
        run=key,
        plan=plan,
        machine=machine,
        stage=wish.stage,
        input=wish.input,
        context=wish.context,
        resumed_from=wish.resumed_from,
        by=wish.by,
    )
    launched = _opened(swarm, flow, first)
    if swarm.runs.in_use[plan]:
        return [launched]
    kept = PlanKept(at=now, plan=plan, name=flow.name, document=wish.plan, by=wish.by)
    return [kept, launched]


def _unused(swarm: Swarm) -> str:
    """Return an id that no run has: somebody may have called one as we do."""
    names = (f"r{number}" for number in count(swarm.cursor + 1))
    return next(name for name in names if name not in swarm.runs.rows)


def _check_key(swarm: Swarm, key: str) -> None:
    check_id(swarm.rules, "run", key)
    if len(key) > LONGEST:
        raise Invalid(
            f"the id of the run has {len(key):,} characters, at most {LONGEST} are "
            "allowed: the ids of what it begins are longer, so choose a shorter one"
        )
    for sign in (APART, "/", "?", "#", " "):
        if sign in key:
            raise Invalid(
                f"the id {key!r} of the run has {sign!r} in it: choose one of letters, "
                "digits, - and _"
            )


def _same(known: Run, plan: str, machine: str, wish: Launch) -> list[Event]:
    there = known.plan, known.machine, known.resumed_from
    if there == (plan, machine, wish.resumed_from):
        return []
    raise Conflict(
        f"run {known.id!r} is there already and is {known.state}: leave the id out, or "
        "choose another"
    )


def _machine(flow: Flow, wish: Launch) -> str:
    name = wish.machine or flow.main
    if name not in flow.machines:
        there = ", ".join(sorted(flow.machines))
        raise Invalid(f"the plan has no machine {name!r}: it has {there}")
    if wish.stage and wish.stage not in flow.machines[name].stages:
        raise Invalid(
            f"the machine {name!r} has no state {wish.stage!r}: it is another plan "
            "that the checkpoint is of"
        )
    return name


def _opened(swarm: Swarm, flow: Flow, first: RunLaunched) -> RunLaunched:
    try:
        return open_run(swarm, flow, first, Cost())
    except StageError as error:
        raise Invalid(str(error)) from None


def decide_cancel(swarm: Swarm, wish: CancelRun, now: datetime) -> list[Event]:
    """Call a run off."""
    run = swarm.run(wish.id)
    check_text(swarm.rules, "reason", wish.reason)
    if run.is_settled:
        raise Conflict(f"run {run.id!r} is {run.state}: there is nothing to cancel")
    return [RunCancelled(at=now, run=run.id, reason=wish.reason, by=wish.by)]


def decide_resume(swarm: Swarm, wish: ResumeRun, now: datetime) -> list[Event]:
    """Let a run go on with what it had not done."""
    run = swarm.run(wish.id)
    if run.state in ("running", "done"):
        return []
    _check_ready(swarm, run)
    at = Moment(swarm, run, now)
    if run.entered and len(at.items) < run.started:
        raise Conflict(
            f"run {run.id!r} is so old that parts of it are gone: begin a new one from "
            "its checkpoint, or launch it anew"
        )
    due = at.due() if run.entered else None
    return [RunResumed(at=now, run=run.id, due=due, by=wish.by)]


def decide_retry(swarm: Swarm, wish: RetryRun, now: datetime) -> list[Event]:
    """Do again what had failed, of one stage, and whatever follows from that."""
    run = swarm.run(wish.id)
    if run.state == "running":
        raise Conflict(
            f"run {run.id!r} is running: cancel it first, or wait until it is done"
        )
    _check_ready(swarm, run)
    _check_context(swarm, run, wish.visit)
    items = swarm.runs.items.get(run.id, {}).values()
    if not any(item.is_settled and item.state != "done" for item in items):
        raise Conflict(f"run {run.id!r} has no failed items: there is nothing to retry")
    checkpoint = swarm.runs.contexts[run.id]
    if any(item.visit != wish.visit for item in items):
        raise Conflict(f"run {run.id!r} has gone on meanwhile: try again")
    at = Moment(swarm, replace(run, stage=checkpoint.stage, entered=False), now)
    total = _total(at)
    if any(item.index >= total for item in items):
        raise Conflict(
            f"run {run.id!r} cannot go back: its stage {checkpoint.stage!r} has other "
            "items by now, so launch it anew"
        )
    return [
        RunRetried(
            at=now,
            run=run.id,
            visit=wish.visit,
            stage=checkpoint.stage,
            total=total,
            checkpoint=checkpoint.number,
            due=at.due(),
            by=wish.by,
        )
    ]


def _check_context(swarm: Swarm, run: Run, visit: int) -> None:
    """Refuse to go back to a stage whose context was not kept."""
    is_there = run.entered and visit == run.visit
    if not is_there and visit > 1 and not swarm.runs.machine(run).keeps_checkpoints:
        raise Conflict(
            f"the plan of run {run.id!r} keeps no checkpoints, so it cannot go back to "
            "an earlier state: launch it anew, and enable persistence"
        )


def _total(at: Moment) -> int:
    try:
        return len(at.values())
    except (StageError, SwarmError) as error:
        raise Conflict(
            f"run {at.run.id!r} cannot go back to {at.run.stage!r}: {error}"
        ) from None


def _check_ready(swarm: Swarm, run: Run) -> None:
    if run.parent:
        raise Conflict(
            f"run {run.id!r} is part of {run.root!r}: let that one go on instead"
        )
    if run.active:
        raise Conflict(
            f"run {run.id!r} is still being called off: try again in a moment"
        )
    if run.id not in swarm.runs.contexts:
        raise Conflict(
            f"run {run.id!r} has changed, or parts of it are still being called off: "
            "try again in a moment"
        )
