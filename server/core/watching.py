"""Watching: agents are told what becomes of a task, in their mailboxes.

A message for its watchers follows every event of a task that changes how it stands, in
the same turn. That it was handed to an agent, or its lease extended, changes nothing
that a watcher would act on. Once a task is settled nobody watches it any more.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from agentkit.errors import Conflict
from agentkit.protocol import (
    Event,
    MessageSent,
    TaskAssigned,
    TaskCancelled,
    TaskDead,
    TaskDone,
    TaskLeased,
    TaskProgressed,
    TaskReady,
    TaskReleased,
    TaskRequeued,
    TaskStarted,
    TaskWatched,
    Watch,
)
from agentkit.rows import Task
from server.core.mailbox import check_room_for, has_room_for
from server.core.piles import size_of
from server.core.renewal import replace
from server.core.swarm import Swarm

WATCHERS: Final = 64
"""How many agents may watch one task."""

TOLD: Final = ("state", "progress", "note", "attempts", "reason", "result")
"""What watchers are told of a task."""

Step: TypeAlias = (
    TaskAssigned
    | TaskReady
    | TaskLeased
    | TaskProgressed
    | TaskStarted
    | TaskDone
    | TaskReleased
    | TaskDead
    | TaskCancelled
    | TaskRequeued
)
Change: TypeAlias = Callable[[Task, Any], Mapping[str, Any]]

AFRESH: Final = {"progress": None, "note": ""}
"""What a new attempt knows of the one before."""

CHANGES: Final[Mapping[type[Step], Change]] = {
    TaskAssigned: lambda _, event: {
        "state": "scheduled" if event.not_before else "queued",
        "attempts": 0,
        "reason": "",
        "result": {},
        "watchers": event.watchers,
        **AFRESH,
    },
    TaskReady: lambda _, __: {"state": "queued"},
    TaskLeased: lambda _, event: {"state": "leased", "attempts": event.attempt},
    TaskProgressed: lambda _, event: {"progress": event.progress, "note": event.note},
    TaskStarted: lambda _, __: {"state": "working"},
    TaskDone: lambda _, event: {"state": "done", "reason": "", "result": event.result},
    TaskReleased: lambda task, event: {
        "state": "scheduled" if event.not_before else "queued",
        "attempts": task.attempts - (event.cause == "nacked"),
        "reason": event.reason,
        **AFRESH,
    },
    TaskDead: lambda _, event: {"state": "dead", "reason": event.reason},
    TaskCancelled: lambda _, event: {"state": "cancelled", "reason": event.reason},
    TaskRequeued: lambda _, __: {
        "state": "queued",
        "attempts": 0,
        "reason": "",
        "result": {},
        **AFRESH,
    },
}
"""How a task stands after an event, as far as watchers are told of it."""


def decide_watch(swarm: Swarm, wish: Watch, now: datetime) -> list[Event]:
    """Tell an agent how a task stands, and from then on what becomes of it."""
    task, agent = swarm.task(wish.task), swarm.agent(wish.agent)
    watches = agent.id in task.watchers
    if watches == wish.on:
        return []
    watched = TaskWatched(at=now, agent=agent.id, task=task.id, on=wish.on)
    if not wish.on:
        return [watched]
    number = swarm.cursor + (1 if task.is_settled else 2)
    stands = _message(task, (agent.id,), 0, number, now)
    check_room_for(swarm, agent.id, size_of(stands), talk=True)
    if task.is_settled:
        return [stands]
    check_watchers(swarm, (*task.watchers, agent.id))
    return [watched, stands]


def check_watchers(swarm: Swarm, watchers: Sequence[str]) -> None:
    """Refuse watchers that are not known, or too many."""
    if len(watchers) > WATCHERS:
        raise Conflict(
            f"{len(watchers)} agents would watch the task, at most {WATCHERS} may: let "
            "one of them tell the others"
        )
    for agent in watchers:
        swarm.agent(agent)


def told(swarm: Swarm, events: Sequence[Event], now: datetime) -> list[Event]:
    """Return the messages for watchers that follow events which are yet to come."""
    tasks: dict[str, Task] = {}
    messages: list[Event] = []
    for event in events:
        change = CHANGES.get(type(event))  # type: ignore[arg-type]
        if change is None:
            continue
        task = _after(swarm, tasks, event, change)  # type: ignore[arg-type]
        if task is None or not task.watchers:
            continue
        number = swarm.cursor + len(events) + len(messages) + 1
        messages += _to_watchers(swarm, task, number, now)
    return messages


def evolve_watched(swarm: Swarm, event: TaskWatched) -> None:
    """Note who watches the task."""
    task = swarm.tasks[event.task]
    others = tuple(agent for agent in task.watchers if agent != event.agent)
    watchers = (*others, event.agent) if event.on else others
    swarm.put_task(replace(task, watchers=watchers, version=swarm.cursor))


def _after(
    swarm: Swarm, tasks: dict[str, Task], event: Step, change: Change
) -> Task | None:
    """Return how a task will stand; None when nobody watches it."""
    task = tasks.get(event.task) or swarm.tasks.get(event.task)
    if isinstance(event, TaskAssigned):
        if not event.watchers:
            return None
        task = task or Task(id=event.task, state="queued", created=event.at)
    elif task is None or not task.watchers:
        return None
    tasks[event.task] = after = replace(task, **change(task, event))
    return after


def _to_watchers(swarm: Swarm, task: Task, number: int, now: datetime) -> list[Event]:
    """Tell the watchers; that a task is settled also those whose mailbox is full."""
    message = _message(task, task.watchers, 0, number, now)
    if task.is_settled:
        return [message]
    size = size_of(message)
    agents = tuple(
        agent for agent in task.watchers if has_room_for(swarm, agent, size, talk=True)
    )
    left_out = len(task.watchers) - len(agents)
    return [replace(message, recipients=agents, left_out=left_out)] if agents else []


def _message(
    task: Task, agents: tuple[str, ...], left_out: int, number: int, now: datetime
) -> MessageSent:
    return MessageSent(
        at=now,
        message=f"m{number}",
        agent="",
        to="",
        recipients=agents,
        left_out=left_out,
        text=f"task {task.id} is {task.state}",
        body={"task": task.id, **{name: getattr(task, name) for name in TOLD}},
        about=task.id,
    )
