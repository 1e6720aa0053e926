"""Orders about tasks and dead letters: what is asked before, how they are given."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from agentkit.errors import AgentkitError
from agentkit.follower import Follower
from agentkit.rows import Delivery, Task
from swarmtui.facts import carried
from swarmtui.model import Model, first_names
from swarmtui.text import clip, plural, safe
from swarmtui.work import Letter

R = TypeVar("R")

AT_ONCE = 50
"""Orders that are on their way at the same time."""
NAMES = 60


async def each(
    rows: Sequence[R], wish: Callable[[R], Awaitable[Any]]
) -> list[AgentkitError]:
    """Give an order for each row, some at a time; return what was refused."""
    refused: list[AgentkitError] = []
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        results = await asyncio.gather(*map(wish, some), return_exceptions=True)
        for result in results:
            if isinstance(result, AgentkitError):
                refused.append(result)
            elif isinstance(result, BaseException):
                raise result
    return refused


async def again(swarm: Follower, row: Letter) -> None:
    """Begin a task anew, or send a dead delivery once more."""
    if isinstance(row, Task):
        await swarm.requeue(row.id)
    elif row.kind == "task":
        await swarm.requeue(row.ref)
    else:
        await swarm.retry(row.id)


async def hand_over(swarm: Follower, agent: str, task: Task) -> None:
    """Hand a task to one agent, as it is."""
    await swarm.assign(
        agent,
        task.id,
        title=task.title,
        body=task.body,
        priority=task.priority,
        max_attempts=task.max_attempts,
    )


def requeue_question(rows: Sequence[Letter]) -> str:
    """Return what to ask before; empty when it is one thing and hurts nobody."""
    tasks = [row for row in rows if isinstance(row, Task)]
    held = [task for task in tasks if task.is_held]
    done = [task for task in tasks if task.state == "done"]
    lines = []
    if held:
        lines.append(f"{_named(held)}: {_holders(held)} loses it.")
    if done:
        lines.append(f"{_named(done)}: done before, and will be done again.")
    if not lines and len(rows) < 2:
        return ""
    return "\n".join([f"{plural(len(rows), 'row')} from the beginning.", *lines])


def cancel_question(tasks: Sequence[Task]) -> str:
    """Return what to ask before tasks are called off."""
    held = [task for task in tasks if task.is_held]
    them = "it" if len(tasks) == 1 else "them"
    lines = [f"{_named(tasks)} will not be done; r in Done puts {them} back."]
    if held:
        lines.append(f"{_holders(held)} works on it now and loses the lease.")
    return "\n".join(lines)


def hand_over_heading(tasks: Sequence[Task]) -> str:
    """Return what the list of agents is headed with."""
    held = [task for task in tasks if task.is_held]
    moves = f" (moves over from {_holders(held)})" if held else ""
    return safe(f"Hand {_named(tasks)} to{moves}")


def carried_heading(model: Model, row: Delivery) -> str:
    """Return what the ledger of a delivery's cargo is headed with."""
    return safe(clip(f"{row.kind} {carried(model, row)}", NAMES))


def _named(tasks: Sequence[Task]) -> str:
    if len(tasks) == 1:
        return safe(clip(f"{tasks[0].id} {tasks[0].title}".strip(), NAMES))
    return safe(", ".join(first_names((task.id for task in tasks), NAMES)))


def _holders(tasks: Sequence[Task]) -> str:
    names = dict.fromkeys(task.agent for task in tasks)
    return safe(", ".join(first_names(names, NAMES)))
