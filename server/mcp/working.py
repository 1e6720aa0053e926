"""Tools about work: how it goes, what there is, how it ended."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from agentkit.errors import Invalid, NotFound
from agentkit.protocol import (
    Claim,
    Complete,
    Extend,
    Fail,
    Logged,
    Notify,
    TaskLeased,
)
from agentkit.rows import Report, Task
from server.claims import Claimant
from server.core import Swarm
from server.mcp.desk import VIA, Answer, Desk, Said, is_mail, task_view, unread
from server.mcp.shapes import LONGEST

LEASE: Final = 3600.0
"""Seconds that a lease lasts: a model that works says nothing for a long time."""


async def notify(desk: Desk, said: Said) -> Answer:
    """Report; a task that the agent has stays its own."""
    progress = said.pop("progress", None)
    held = await report(desk, said.pop("status"), **said)
    if held is not None:
        note = said.get("message")
        extend = Extend(
            agent=desk.agent,
            task=held.id,
            fence=held.fence,
            progress=progress,
            note=note,
        )
        await desk.submit(extend, ":extend")
    return await _standing(desk)


async def blocked(desk: Desk, said: Said) -> Answer:
    """Say what is missing."""
    await report(desk, "blocked", message=said.pop("reason"), **said)
    return await _standing(desk)


async def report(desk: Desk, what: Report, **said: Any) -> Task | None:
    """Report; return the task that the agent is busy with, if it has its lease."""
    wish = Notify(agent=desk.agent, report=what, via=VIA, **said)

    def read(swarm: Swarm, _: Sequence[Logged]) -> Task | None:
        agent = swarm.agents[desk.agent]
        row = swarm.tasks.get(agent.task) if agent.status == "busy" else None
        mine = row is not None and (row.agent, row.state) == (agent.id, "leased")
        return row if mine else None

    held: Task | None = (await desk.submit(wish, read=read)).value
    return held


async def _standing(desk: Desk) -> Answer:
    """Tell how the agent stands after what it said."""

    def look(swarm: Swarm) -> Said:
        row = swarm.agent(desk.agent)
        return {
            "agent": row.id,
            "status": row.status,
            "task": row.task,
            "unread": unread(swarm, row.id),
        }

    return Answer(await desk.office.hub.ask(look))


# --- taking work ---------------------------------------------------------------------


async def claim(desk: Desk, said: Said) -> Answer:
    """Take a task, if there is one."""
    claimant = _enter(desk, said, wait=False)
    try:
        return Answer({"task": _view(await claimant.answer)})
    except BaseException:
        desk.office.claims.leave(claimant)
        raise


async def wait_for_task(desk: Desk, said: Said) -> Answer:
    """Wait for work or mail, whichever is there first."""
    seconds = said.pop("wait", LONGEST)
    await _be_there(desk, said)
    claimant = _enter(desk, said, wait=seconds > 0)
    mail = asyncio.create_task(desk.await_mail(is_mail, seconds))
    try:
        first: list[asyncio.Future[Any]] = [claimant.answer, mail]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        desk.office.claims.dismiss(claimant)
        tasks = await claimant.answer
        letters = await mail if mail.done() or not tasks else []
        told = await desk.hand_over(letters)
    except BaseException:
        desk.office.claims.leave(claimant)  # Nobody reads the answer.
        raise
    finally:
        mail.cancel()
    value = {"task": _view(tasks), "mail": told}
    return Answer(value, [letter.delivery for letter in letters])


def _enter(desk: Desk, said: Said, *, wait: bool) -> Claimant:
    wish = Claim(agent=desk.agent, via=VIA, **{"lease": LEASE, **said})
    return desk.office.claims.enter(wish, wait=wait, key=desk.key, size=desk.size)


def _view(tasks: Sequence[Task]) -> Said | None:
    return task_view(tasks[0]) if tasks else None


async def _be_there(desk: Desk, said: Said) -> None:
    """Let whoever waits be seen: as idle, unless it has work or asked for help."""

    def look(swarm: Swarm) -> bool:
        row = swarm.agents.get(desk.agent)
        done = row is not None and row.status == "busy" and row.id not in swarm.held
        return row is None or done

    if await desk.office.hub.ask(look):
        idle = Notify(
            agent=desk.agent,
            report="idle",
            via=VIA,
            capabilities=said.get("capabilities"),
        )
        await desk.submit(idle, ":idle")


# --- bringing it to an end -----------------------------------------------------------


async def complete(desk: Desk, said: Said) -> Answer:
    """Bring a task to its end, or its attempt to one."""
    key, agent = said["task"], desk.agent
    if "failed" in said and "result" in said:
        raise Invalid(
            "both result and failed are given: a task that has failed has no result, "
            "so send one of them"
        )
    fence = said.get("fence")
    if fence is None:
        fence = await _fence(desk, key)
    wish: Complete | Fail
    if "failed" in said:
        wish = Fail(agent=agent, task=key, fence=fence, reason=said["failed"])
    else:
        result, cost = _object(said.get("result", {})), said.get("cost")
        wish = Complete(agent=agent, task=key, fence=fence, result=result, cost=cost)
    desk.office.revocations.let_go(key, agent, fence)
    outcome = await desk.submit(wish, read=lambda swarm, _: swarm.tasks.get(key))
    row: Task = outcome.value or await _task(desk, key)
    standing = await _standing(desk)
    return Answer({**standing.value, "task": key, "state": row.state})


def _object(result: dict[str, Any] | str) -> dict[str, Any]:
    return {"text": result} if isinstance(result, str) else result


async def _fence(desk: Desk, key: str) -> int:
    """Return the fence of the lease on a task; one that has none is leased first."""
    row = await _task(desk, key)
    if (row.agent, row.state) != (desk.agent, "working"):
        return row.fence
    wish = Claim(agent=desk.agent, task=key, lease=LEASE, via=VIA)
    events = (await desk.submit(wish, ":claim")).events
    return next(e.fence for _, e in events if isinstance(e, TaskLeased))


async def _task(desk: Desk, key: str) -> Task:
    row = await desk.office.hub.ask(lambda swarm: swarm.tasks.get(key))
    row = row or await desk.office.hub.store.task(key)
    if row is None:
        raise NotFound(f"no task {key!r} is known: give the id of one that you claimed")
    return row
