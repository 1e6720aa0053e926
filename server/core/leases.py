"""Leases: work is claimed by one agent at a time, and comes back if nothing is heard.

A claim gives a fence, the cursor of its event. It rises with every lease, so whoever
shows an older one lost the task to another claim, or to the time, and is refused.
"""

from datetime import datetime, timedelta
from zlib import crc32

from agentkit.errors import Conflict, Invalid
from agentkit.protocol import (
    Claim,
    Complete,
    Event,
    Extend,
    Fail,
    HubStarted,
    Nack,
    TaskDead,
    TaskDone,
    TaskExtended,
    TaskLeased,
    TaskProgressed,
    TaskReleased,
)
from agentkit.rows import Task
from server.core.checks import check_capabilities, check_id, check_result, check_text
from server.core.holders import lay_down, lose, take_up
from server.core.mailbox import advance
from server.core.outboxes import accept, numbered
from server.core.renewal import replace
from server.core.reports import moved_on
from server.core.rules import Rules
from server.core.spending import after_total, require_budget
from server.core.swarm import Swarm
from server.core.work import AT_ONCE, offer, withdraw

CLAIMS = range(1, 101)
"""How many tasks one claim may ask for."""

LEASE = (1.0, 86_400.0)
"""The shortest and the longest lease, in seconds."""

DELAY = 30 * 86_400.0
"""The longest delay that an attempt may ask for, in seconds."""

SPREAD = 0.1
"""By which share backoffs differ: what failed together is not retried together."""


# --- what agents wish ----------------------------------------------------------------


def decide_claim(swarm: Swarm, wish: Claim, now: datetime) -> list[Event]:
    """Lease the most urgent tasks that the agent may have, or the one it names."""
    able = _checked_claim(swarm, wish)
    lease = _lease(swarm.rules, wish.lease)
    known = swarm.agents.get(wish.agent)
    if wish.task:
        chosen = [_claimable(swarm, wish, able).id]
    elif known is not None and known.over_budget:
        chosen = []
    else:
        chosen = swarm.ready.best(wish.agent, able, wish.tasks)
    if not chosen:
        return []
    closed = moved_on(swarm, wish.agent, now, f"{wish.agent} claimed {chosen[0]}")
    first = swarm.cursor + 1 + len(closed)
    return [
        *closed,
        *(
            TaskLeased(
                at=now,
                agent=wish.agent,
                task=key,
                fence=fence,
                lease=lease.total_seconds(),
                until=now + lease,
                attempt=swarm.tasks[key].attempts + 1,
                capabilities=able,
                via=wish.via,
            )
            for fence, key in enumerate(chosen, first)
        ),
    ]


def decide_extend(swarm: Swarm, wish: Extend, now: datetime) -> list[Event]:
    """Let a lease last from now on, and note how far its task is."""
    task = _held(swarm, wish)
    _check_progress(swarm.rules, wish)
    return [*_extended(swarm, wish, task, now), *_progressed(wish, task, now)]


def _extended(swarm: Swarm, wish: Extend, task: Task, now: datetime) -> list[Event]:
    """Extend a lease; nothing changes before a third of it is used."""
    assert task.lease_until is not None  # noqa: S101 - it is leased
    lease = (
        timedelta(seconds=task.lease)
        if wish.lease is None
        else _lease(swarm.rules, wish.lease)
    )
    same = lease.total_seconds() == task.lease
    if same and now + lease - task.lease_until < lease / 3:
        return []
    return [
        TaskExtended(
            at=now,
            agent=task.agent,
            task=task.id,
            fence=task.fence,
            lease=lease.total_seconds(),
            until=now + lease,
        )
    ]


def _progressed(wish: Extend, task: Task, now: datetime) -> list[Event]:
    """Note how far a task is, if that is news."""
    progress = task.progress if wish.progress is None else wish.progress
    note = task.note if wish.note is None else wish.note
    if (progress, note) == (task.progress, task.note):
        return []
    return [
        TaskProgressed(
            at=now,
            agent=task.agent,
            task=task.id,
            fence=task.fence,
            progress=progress,
            note=note,
        )
    ]


@numbered
def decide_complete(swarm: Swarm, wish: Complete, now: datetime) -> list[Event]:
    """Accept what was done under the current lease, once."""
    task = swarm.task(wish.task)
    if task.state == "done" and _shows(wish, task):
        return []
    if (wish.cost or 0) < 0:
        raise Invalid("cost cannot be negative; send a total")
    check_result(swarm.rules, wish.result)
    _held(swarm, wish)
    return [
        TaskDone(
            at=now,
            agent=task.agent,
            task=task.id,
            fence=task.fence,
            result=wish.result,
            cost=wish.cost,
            spool=wish.spool,
            seq=wish.seq,
        ),
        *moved_on(swarm, task.agent, now, f"{task.agent} completed {task.id}"),
        *after_total(swarm, swarm.agents[task.agent], wish.cost, now),
    ]


@numbered
def decide_fail(swarm: Swarm, wish: Fail, now: datetime) -> list[Event]:
    """End an attempt: the task waits for its next, or is dead."""
    task = _held(swarm, wish)
    check_text(swarm.rules, "reason", wish.reason)
    reason = wish.reason or "it failed without a reason"
    if wish.final or task.attempts >= task.max_attempts:
        ended: Event = TaskDead(
            at=now,
            agent=task.agent,
            task=task.id,
            fence=task.fence,
            reason=reason,
            spool=wish.spool,
            seq=wish.seq,
        )
    else:
        wait = _backoff(swarm.rules, task) if wish.delay is None else _delay(wish.delay)
        ended = _release(task, wish, now, reason, wait)
    return [ended, *moved_on(swarm, task.agent, now, f"{task.agent} failed {task.id}")]


@numbered
def decide_nack(swarm: Swarm, wish: Nack, now: datetime) -> list[Event]:
    """Give a task back as if it had not been claimed."""
    task = _held(swarm, wish)
    check_text(swarm.rules, "reason", wish.reason)
    wait = timedelta(0) if wish.delay is None else _delay(wish.delay)
    return [
        _release(task, wish, now, wish.reason, wait),
        *moved_on(swarm, task.agent, now, f"{task.agent} gave {task.id} back"),
    ]


def due_expiries(swarm: Swarm, now: datetime) -> list[Event]:
    """Take tasks from whoever was not heard of for as long as the lease lasts."""
    return [
        _expire(swarm.rules, swarm.tasks[key], now)
        for key in swarm.leases.due(now, AT_ONCE)
    ]


# --- what follows --------------------------------------------------------------------


def evolve_leased(swarm: Swarm, event: TaskLeased) -> None:
    """Give the task to the agent; it is busy with it."""
    task = swarm.tasks[event.task]
    row = swarm.mail.get(task.agent, {}).get(task.seq) if task.seq else None
    if row is not None:
        advance(swarm, row, "acked", event.at)
    swarm.put_task(
        replace(
            task,
            state="leased",
            agent=event.agent,
            attempts=event.attempt,
            fence=event.fence,
            lease=event.lease,
            lease_until=event.until,
            changed=event.at,
            version=swarm.cursor,
        )
    )
    take_up(swarm, event)


def evolve_extended(swarm: Swarm, event: TaskExtended) -> None:
    """Let the lease last longer; whoever has it was heard."""
    task = swarm.tasks[event.task]
    swarm.put_task(
        replace(task, lease=event.lease, lease_until=event.until, version=swarm.cursor)
    )
    agent = swarm.agents[event.agent]
    swarm.put_agent(replace(agent, heard=event.at, version=swarm.cursor))


def evolve_progressed(swarm: Swarm, event: TaskProgressed) -> None:
    """Show how far the task is; whoever has it was heard."""
    task = swarm.tasks[event.task]
    swarm.put_task(
        replace(task, progress=event.progress, note=event.note, version=swarm.cursor)
    )
    agent = swarm.agents[event.agent]
    swarm.put_agent(replace(agent, heard=event.at, version=swarm.cursor))


def evolve_done(swarm: Swarm, event: TaskDone) -> None:
    """Settle the task with its result; a report told of the agent itself."""
    task = swarm.tasks[event.task]
    withdraw(swarm, task, event.at)
    swarm.put_task(
        replace(
            task,
            state="done",
            lease_until=None,
            reason="",
            result=event.result,
            watchers=(),
            changed=event.at,
            version=swarm.cursor,
        )
    )
    accept(swarm, event.agent, event.spool, event.seq)
    if event.fence:
        lay_down(swarm, event.agent, task.id, event.at, completed=1, cost=event.cost)


def evolve_released(swarm: Swarm, event: TaskReleased) -> None:
    """Let the task wait for its next attempt."""
    old = swarm.tasks[event.task]
    withdraw(swarm, old, event.at)
    task = replace(
        old,
        state="scheduled" if event.not_before else "queued",
        agent=old.target,
        not_before=event.not_before,
        attempts=old.attempts - (event.cause == "nacked"),
        lease_until=None,
        reason=event.reason,
        progress=None,
        note="",
        changed=event.at,
        version=swarm.cursor,
    )
    offer(swarm, task, event.at)
    accept(swarm, event.agent, event.spool, event.seq)
    if event.cause == "expired":
        lose(swarm, event.agent, task.id, event.at)
    else:
        lay_down(swarm, event.agent, task.id, event.at)


def evolve_dead(swarm: Swarm, event: TaskDead) -> None:
    """Settle the task as one that nobody could do."""
    old = swarm.tasks[event.task]
    withdraw(swarm, old, event.at)
    swarm.put_task(
        replace(
            old,
            state="dead",
            lease_until=None,
            reason=event.reason,
            watchers=(),
            changed=event.at,
            version=swarm.cursor,
        )
    )
    accept(swarm, event.agent, event.spool, event.seq)
    if old.state == "leased" and event.cause == "failed":
        lay_down(swarm, event.agent, old.id, event.at)
    elif old.is_held:
        lose(swarm, event.agent, old.id, event.at)


def evolve_leases_anew(swarm: Swarm, event: HubStarted) -> None:
    """Let every lease last anew: while the hub was away nobody could extend one.

    Nor does one last longer because the machine's clock was set back meanwhile.
    """
    for key in tuple(swarm.leases):
        task = swarm.tasks[key]
        until = event.at + timedelta(seconds=task.lease)
        if until != task.lease_until:
            swarm.put_task(replace(task, lease_until=until, version=swarm.cursor))


# --- how -----------------------------------------------------------------------------


def _checked_claim(swarm: Swarm, wish: Claim) -> tuple[str, ...]:
    """Check a claim and return what the agent is able to do."""
    check_id(swarm.rules, "agent", wish.agent)
    if wish.tasks not in CLAIMS:
        raise Invalid(f"{wish.tasks} tasks are claimed: ask for 1 to {CLAIMS[-1]}")
    if wish.capabilities is None:
        known = swarm.agents.get(wish.agent)
        return known.capabilities if known else ()
    check_capabilities(swarm.rules, wish.capabilities)
    return tuple(dict.fromkeys(wish.capabilities))


def _claimable(swarm: Swarm, wish: Claim, able: tuple[str, ...]) -> Task:
    task = swarm.task(wish.task)
    if task.agent == wish.agent and task.is_held:
        if task.attempts < task.max_attempts:
            return task
        raise Conflict(
            f"task {task.id!r} is at its last attempt of {task.max_attempts}: complete "
            "or fail that one"
        )
    require_budget(swarm, wish.agent)
    if not task.is_ready:
        raise Conflict(
            f"task {task.id!r} is {_whereabouts(task)}: claim another, or wait"
        )
    if task.target and task.target != wish.agent:
        raise Conflict(f"task {task.id!r} is for {task.target}: claim another")
    if not swarm.ready.covers(able, frozenset(task.needs)):
        raise Conflict(
            f"task {task.id!r} needs {', '.join(task.needs)} and {wish.agent} has "
            f"{', '.join(able) or 'no capabilities'}: claim another"
        )
    return task


def _held(swarm: Swarm, wish: Extend | Complete | Fail | Nack) -> Task:
    """Return the task that a wish is about, if its lease is the current one."""
    task = swarm.task(wish.task)
    if task.state == "leased" and _shows(wish, task):
        return task
    raise Conflict(
        f"task {task.id!r} is {_whereabouts(task)}, and {wish.agent} shows fence "
        f"{wish.fence}: the lease has ended, so claim again"
    )


def _shows(wish: Extend | Complete | Fail | Nack, task: Task) -> bool:
    return (wish.agent, wish.fence) == (task.agent, task.fence)


def _whereabouts(task: Task) -> str:
    if task.state == "leased":
        return f"leased by {task.agent} under fence {task.fence}"
    if task.not_before is not None:
        return f"scheduled for {task.not_before:%H:%M:%S} UTC"
    return task.state


def _release(
    task: Task, wish: Fail | Nack, now: datetime, reason: str, wait: timedelta
) -> TaskReleased:
    return TaskReleased(
        at=now,
        agent=task.agent,
        task=task.id,
        fence=task.fence,
        cause="failed" if isinstance(wish, Fail) else "nacked",
        reason=reason,
        not_before=now + wait if wait else None,
        spool=wish.spool,
        seq=wish.seq,
    )


def _expire(rules: Rules, task: Task, now: datetime) -> Event:
    reason = f"nothing was heard of {task.agent} for {task.lease:g} s"
    if task.attempts >= task.max_attempts:
        return TaskDead(
            at=now,
            agent=task.agent,
            task=task.id,
            fence=task.fence,
            cause="expired",
            reason=reason,
        )
    return TaskReleased(
        at=now,
        agent=task.agent,
        task=task.id,
        fence=task.fence,
        cause="expired",
        reason=reason,
        not_before=now + _backoff(rules, task),
    )


def _check_progress(rules: Rules, wish: Extend) -> None:
    if wish.progress is not None and not 0 <= wish.progress <= 1:
        raise Invalid(
            f"the progress is {wish.progress:g}: give the share that is done, 0 to 1"
        )
    check_text(rules, "note", wish.note or "")


def _lease(rules: Rules, seconds: float | None) -> timedelta:
    if seconds is None:
        return rules.lease
    shortest, longest = LEASE
    if not shortest <= seconds <= longest:
        raise Invalid(
            f"a lease of {seconds:g} s is asked for: choose {shortest:g} to "
            f"{longest:g} seconds"
        )
    return timedelta(seconds=seconds)


def _delay(seconds: float) -> timedelta:
    if not 0 <= seconds <= DELAY:
        raise Invalid(f"the delay is {seconds:g} s: choose 0 to {DELAY:g} seconds")
    return timedelta(seconds=seconds)


def _backoff(rules: Rules, task: Task) -> timedelta:
    """Return how long a task waits: doubled with each attempt, a little spread.

    The spread comes from the task itself: the same history has the same times.
    """
    doubled = rules.retry_first * (1 << min(task.attempts - 1, 20))
    dice = crc32(f"{task.id}:{task.attempts}".encode()) / 0xFFFFFFFF
    return min(doubled, rules.retry_most) * (1 + SPREAD * (2 * dice - 1))
