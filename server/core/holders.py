"""Holders: what claiming and giving up work makes of an agent's status."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from agentkit.protocol import TaskLeased
from agentkit.rows import Agent
from server.core.renewal import replace
from server.core.spending import counted
from server.core.swarm import Swarm


def take_up(swarm: Swarm, event: TaskLeased) -> None:
    """Make whoever claimed a task busy with it; one the hub did not know joins."""
    known = swarm.agents.get(event.agent)
    if known is None:
        swarm.put_agent(_newcomer(swarm, event))
        return
    busy = known.status == "busy"
    swarm.put_agent(
        replace(
            known,
            status="busy",
            since=known.since if busy else event.at,
            heard=event.at,
            task=event.task,
            message="",
            capabilities=event.capabilities,
            waiting_since=None,
            ticket=0,
            lost=False,
            escalated=False,
            cause=known.cause if busy else swarm.cursor,
            version=swarm.cursor,
        )
    )


def lay_down(
    swarm: Swarm,
    agent: str,
    task: str,
    at: datetime,
    *,
    completed: int = 0,
    cost: float | None = None,
) -> None:
    """Let an agent that ended its work on a task itself be idle, or go on to its next.

    Call it when the task's row shows that the agent has it no longer.
    """
    row = swarm.agents[agent]
    swarm.put_agent(
        replace(
            row,
            heard=at,
            lost=False,
            completed=row.completed + completed,
            version=swarm.cursor,
            **({} if cost is None else counted(row, at, told=cost)),
            **_after(swarm, row, task, at),
        )
    )


def lose(swarm: Swarm, agent: str, task: str, at: datetime) -> None:
    """Let an agent that lost a task without a word of its own be idle.

    Only one that is there is: it said last that it was busy, and was not heard since.
    """
    row = swarm.agents.get(agent)
    if row is None or not row.linked or (row.status, row.task) != ("busy", task):
        return
    swarm.put_agent(replace(row, version=swarm.cursor, **_after(swarm, row, task, at)))


def goes_on_with(swarm: Swarm, agent: str, completed: str) -> str:
    """Return the lease that an agent works on when it has completed a task.

    Empty is none. What it only said that it works on does not count: IF.notify's agents
    may begin a task and never mention it again, and are idle nevertheless.
    """
    tasks = swarm.tasks
    held = swarm.held.get(agent, {})
    left = {key for key in held if tasks[key].state == "leased"} - {completed}
    current = swarm.agents[agent].task if left else ""
    return current if not left or current in left else _newest(swarm, left)


def _after(swarm: Swarm, row: Agent, task: str, at: datetime) -> dict[str, Any]:
    """Return what changes in the row of an agent whose work on a task has ended."""
    left = swarm.held.get(row.id)
    if left:
        return {"task": _newest(swarm, left)} if row.task == task else {}
    if row.status == "idle":
        return {"ticket": row.ticket or swarm.cursor}
    return {
        "status": "idle",
        "since": at,
        "message": "",
        "waiting_since": at.isoformat(),
        "ticket": swarm.cursor,
        "escalated": False,
        "cause": swarm.cursor,
    }


def _newest(swarm: Swarm, tasks: Iterable[str]) -> str:
    """Return what was claimed last; by the rows, so that a restart changes nothing."""
    rows = (swarm.tasks[key] for key in tasks)
    return max(rows, key=lambda row: (row.fence, row.place)).id


def _newcomer(swarm: Swarm, event: TaskLeased) -> Agent:
    return Agent(
        id=event.agent,
        status="busy",
        since=event.at,
        heard=event.at,
        joined=event.at,
        task=event.task,
        capabilities=event.capabilities,
        reported_at=event.at.isoformat(),
        via=event.via,
        cause=swarm.cursor,
        version=swarm.cursor,
    )
