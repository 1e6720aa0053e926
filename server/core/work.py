"""Work: tasks that a coordinator hands to an agent."""

from dataclasses import replace
from datetime import datetime

from agentkit.protocol import Assign, Event, TaskAssigned, TaskDone, TaskStarted
from agentkit.rows import Task, TaskState
from server.core.checks import check_id, check_text
from server.core.mailbox import advance, post
from server.core.swarm import Swarm
from server.core.transitions import TASK


def decide_assign(swarm: Swarm, wish: Assign, now: datetime) -> list[Event]:
    """Hand a task to an agent; a task that another agent had moves over."""
    agent = swarm.agent(wish.agent)
    key = wish.id or f"t{swarm.cursor + 1}"
    check_id(swarm.rules, "task", key)
    check_text(swarm.rules, "title", wish.title)
    return [
        TaskAssigned(
            at=now,
            agent=agent.id,
            task=key,
            title=wish.title,
            body={**wish.body, "id": key},
            by=wish.by,
        )
    ]


def evolve_assigned(swarm: Swarm, event: TaskAssigned) -> None:
    """Put the task into the agent's mailbox, and out of the last one's."""
    old = swarm.tasks.get(event.task)
    if old is not None:
        _withdraw(swarm, old, event.at)
    seq = post(swarm, event.agent, "task", event.task, event.at)
    swarm.put_task(
        Task(
            id=event.task,
            agent=event.agent,
            state="queued",
            created=old.created if old else event.at,
            title=event.title,
            body=event.body,
            by=event.by,
            seq=seq,
            changed=event.at,
            version=swarm.cursor,
        )
    )


def evolve_task_started(swarm: Swarm, event: TaskStarted) -> None:
    """The agent works on it: so it has it."""
    task = swarm.tasks[event.task]
    row = swarm.mail.get(task.agent, {}).get(task.seq)
    if row is not None:
        advance(swarm, row, "acked", event.at)
    _move(swarm, event.task, "working", event.at)


def evolve_task_done(swarm: Swarm, event: TaskDone) -> None:
    """The agent has completed it: so its delivery is handled."""
    task = swarm.tasks[event.task]
    _withdraw(swarm, task, event.at)
    _move(swarm, event.task, "done", event.at)


def _withdraw(swarm: Swarm, task: Task, at: datetime) -> None:
    row = swarm.mail.get(task.agent, {}).get(task.seq)
    if row is not None:
        advance(swarm, row, "done", at)


def _move(swarm: Swarm, key: str, state: TaskState, at: datetime) -> None:
    task = swarm.tasks[key]
    after = TASK.get((task.state, state))
    if after is not None:
        swarm.put_task(replace(task, state=after, changed=at, version=swarm.cursor))
