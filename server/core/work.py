"""Work as coordinators hand it out: assigned, queued, called off, begun anew."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agentkit.errors import Conflict, Invalid
from agentkit.protocol import (
    Assign,
    Cancel,
    Enqueue,
    Event,
    Requeue,
    TaskAssigned,
    TaskCancelled,
    TaskEnqueued,
    TaskReady,
    TaskRequeued,
    TaskStarted,
)
from agentkit.rows import Task
from server.core.checks import check_body, check_capabilities, check_id, check_text
from server.core.holders import lose
from server.core.mailbox import advance, check_room, post
from server.core.renewal import replace
from server.core.swarm import Swarm
from server.core.transitions import TASK
from server.core.watching import check_watchers

AT_ONCE = 1000
"""How many tasks one tick makes ready, or takes from whoever has them."""

PRIORITIES = range(-1_000_000, 1_000_001)
ATTEMPTS = range(1, 1001)


def decide_assign(swarm: Swarm, wish: Assign, now: datetime) -> list[Event]:
    """Hand a task to an agent; a task that another agent had moves over."""
    agent = swarm.agent(wish.agent)
    key = _named(swarm, wish)
    known = swarm.tasks.get(key)
    body = {**wish.body, "id": key}
    if wish.undertaken:
        check_body(swarm.rules, "task", body)
        if known is not None:
            return _undertaken(known, wish, body)
    check_room(swarm, agent.id)
    watchers = dict.fromkeys((*(known.watchers if known else ()), *wish.watchers))
    check_watchers(swarm, tuple(watchers))
    return [
        TaskAssigned(
            at=now,
            agent=agent.id,
            task=key,
            title=wish.title,
            body=body,
            by=wish.giver or wish.by,
            priority=wish.priority,
            not_before=_later(wish.not_before, now),
            max_attempts=wish.max_attempts or swarm.rules.max_attempts,
            watchers=tuple(watchers),
            hops=_hops(swarm, wish),
        )
    ]


def decide_enqueue(swarm: Swarm, wish: Enqueue, now: datetime) -> list[Event]:
    """Queue a task for whoever has the capabilities."""
    key = _named(swarm, wish)
    check_capabilities(swarm.rules, wish.needs)
    if key in swarm.tasks:
        raise Conflict(
            f"task {key!r} is there already and is {swarm.tasks[key].state}: leave the "
            "id out, or requeue it"
        )
    return [
        TaskEnqueued(
            at=now,
            task=key,
            title=wish.title,
            body={**wish.body, "id": key},
            needs=tuple(dict.fromkeys(wish.needs)),
            priority=wish.priority,
            not_before=_later(wish.not_before, now),
            max_attempts=wish.max_attempts or swarm.rules.max_attempts,
            by=wish.giver or wish.by,
            hops=_hops(swarm, wish),
        )
    ]


def decide_cancel(swarm: Swarm, wish: Cancel, now: datetime) -> list[Event]:
    """Call a task off; whoever has it loses it."""
    task = swarm.task(wish.id)
    check_text(swarm.rules, "reason", wish.reason)
    if (task.state, "cancelled") not in TASK:
        raise Conflict(f"task {task.id!r} is {task.state}: there is nothing to cancel")
    return [
        TaskCancelled(
            at=now, agent=task.agent, task=task.id, reason=wish.reason, by=wish.by
        )
    ]


def decide_requeue(swarm: Swarm, wish: Requeue, now: datetime) -> list[Event]:
    """Begin a task anew, whatever became of it."""
    task = swarm.task(wish.id)
    if task.is_ready:
        raise Conflict(f"task {task.id!r} is {task.state}: it waits to be claimed")
    if task.target and task.is_settled:
        check_room(swarm, task.target)
    return [TaskRequeued(at=now, agent=task.agent, task=task.id, by=wish.by)]


def due_tasks(swarm: Swarm, now: datetime) -> list[Event]:
    """Make ready what was scheduled for now."""
    return [
        TaskReady(at=now, agent=swarm.tasks[key].target, task=key)
        for key in swarm.scheduled.due(now, AT_ONCE)
    ]


def evolve_assigned(swarm: Swarm, event: TaskAssigned) -> None:
    """Give the task to the agent, and take it from whoever had it."""
    old = swarm.tasks.get(event.task)
    if old is not None:
        withdraw(swarm, old, event.at)
    task = Task(
        id=event.task,
        state="scheduled" if event.not_before else "queued",
        created=old.created if old else event.at,
        agent=event.agent,
        target=event.agent,
        title=event.title,
        body=event.body,
        by=event.by,
        priority=event.priority,
        place=swarm.cursor,
        not_before=event.not_before,
        max_attempts=event.max_attempts,
        fence=old.fence if old else 0,
        watchers=event.watchers,
        run=old.run if old else "",
        item=old.item if old else 0,
        hops=event.hops,
        changed=event.at,
        version=swarm.cursor,
    )
    offer(swarm, task, event.at)
    if old is not None and old.is_held:
        lose(swarm, old.agent, old.id, event.at)


def evolve_enqueued(swarm: Swarm, event: TaskEnqueued) -> None:
    """Let the task wait for whoever claims it."""
    swarm.put_task(
        Task(
            id=event.task,
            state="scheduled" if event.not_before else "queued",
            created=event.at,
            needs=event.needs,
            title=event.title,
            body=event.body,
            by=event.by,
            priority=event.priority,
            place=swarm.cursor,
            not_before=event.not_before,
            max_attempts=event.max_attempts,
            run=event.run,
            item=event.item,
            hops=event.hops,
            changed=event.at,
            version=swarm.cursor,
        )
    )


def evolve_ready(swarm: Swarm, event: TaskReady) -> None:
    """Let the task be claimed from now on."""
    task = swarm.tasks[event.task]
    task = replace(
        task, state="queued", not_before=None, changed=event.at, version=swarm.cursor
    )
    offer(swarm, task, event.at)


def evolve_task_started(swarm: Swarm, event: TaskStarted) -> None:
    """The agent works on it: so it has it."""
    task = swarm.tasks[event.task]
    row = swarm.mail.get(task.agent, {}).get(task.seq)
    if row is not None:
        advance(swarm, row, "acked", event.at)
    task = swarm.tasks[event.task]
    swarm.put_task(
        replace(task, state="working", changed=event.at, version=swarm.cursor)
    )


def evolve_cancelled(swarm: Swarm, event: TaskCancelled) -> None:
    """Take the task from whoever has it."""
    old = swarm.tasks[event.task]
    withdraw(swarm, old, event.at)
    swarm.put_task(
        replace(
            old,
            state="cancelled",
            not_before=None,
            lease_until=None,
            reason=event.reason,
            watchers=(),
            changed=event.at,
            version=swarm.cursor,
        )
    )
    if old.is_held:
        lose(swarm, old.agent, old.id, event.at)


def evolve_requeued(swarm: Swarm, event: TaskRequeued) -> None:
    """Begin anew: at the end of the queue, with all attempts."""
    old = swarm.tasks[event.task]
    withdraw(swarm, old, event.at)
    task = replace(
        old,
        state="queued",
        agent=old.target,
        place=swarm.cursor,
        not_before=None,
        attempts=0,
        lease_until=None,
        reason="",
        result={},
        progress=None,
        note="",
        changed=event.at,
        version=swarm.cursor,
    )
    offer(swarm, task, event.at)
    if old.is_held:
        lose(swarm, old.agent, old.id, event.at)


def offer(swarm: Swarm, task: Task, at: datetime) -> None:
    """Store a task that waits; one that is ready for one agent goes to its mailbox.

    Unless that agent has spent its budget: then it goes there when the day is over.
    """
    seq = 0
    if task.target and task.state == "queued" and not _held_back(swarm, task):
        seq = post(swarm, task.target, "task", task.id, at)
    swarm.put_task(replace(task, seq=seq) if task.seq != seq else task)


def withdraw(swarm: Swarm, task: Task, at: datetime) -> None:
    """Take a task out of its agent's mailbox; a dead delivery has had its successor."""
    row = swarm.mail.get(task.agent, {}).get(task.seq)
    if row is None:
        return
    if row.state == "dead" and task.state == "dead":
        swarm.put_delivery(replace(row, retried=swarm.cursor, version=swarm.cursor))
    else:
        advance(swarm, row, "done", at)


def _held_back(swarm: Swarm, task: Task) -> bool:
    agent = swarm.agents.get(task.target)
    return agent is not None and agent.over_budget


def _hops(swarm: Swarm, wish: Assign | Enqueue) -> int:
    """Return how many agents handed work on before this.

    What an agent gives goes back to what it has just now, or to what the agent has that
    called for it. A person begins anew.

    Raises:
        Conflict: there were too many; this is how two agents keep each other at work.
    """
    givers = _givers(swarm, wish)
    held = (key for agent in givers for key in swarm.held.get(agent, ()))
    hops = 1 + max((swarm.tasks[key].hops for key in held), default=-1)
    if hops > swarm.rules.max_hops:
        raise Conflict(
            f"the work of {givers[0]} was handed on {hops} times by agents, and "
            f"{swarm.rules.max_hops} are allowed: a person has to give this task"
        )
    return hops


def _givers(swarm: Swarm, wish: Assign | Enqueue) -> tuple[str, ...]:
    """Return the agents whose work leads to a task; empty when a person gives it."""
    if wish.giver:
        return (wish.giver,)
    if not isinstance(wish, Assign) or not wish.undertaken:
        return ()
    call = swarm.call(wish.call) if wish.call else None
    called = call is not None and wish.agent in call.called
    return (wish.agent, call.sender) if call is not None and called else (wish.agent,)


def _undertaken(known: Task, wish: Assign, body: Mapping[str, Any]) -> list[Event]:
    """Let what an agent gives itself once more be; nobody takes a task from another."""
    same = known.target, known.by, known.title, known.body
    if same == (wish.agent, wish.by, wish.title, body):
        return []
    raise Conflict(
        f"task {known.id!r} is there already and is {known.state}: give the new one "
        "another id"
    )


def _named(swarm: Swarm, wish: Assign | Enqueue) -> str:
    """Check what a new task is given, and return its id."""
    key = wish.id or f"t{swarm.cursor + 1}"
    check_id(swarm.rules, "task", key)
    check_text(swarm.rules, "title", wish.title)
    if wish.priority not in PRIORITIES:
        raise Invalid(
            f"the priority {wish.priority} is beyond {PRIORITIES[-1]:,}: choose a "
            "smaller number"
        )
    if wish.max_attempts is not None and wish.max_attempts not in ATTEMPTS:
        raise Invalid(
            f"max_attempts is {wish.max_attempts}: choose 1 to {ATTEMPTS[-1]:,}"
        )
    return key


def _later(at: datetime | None, now: datetime) -> datetime | None:
    return at if at is not None and at > now else None
