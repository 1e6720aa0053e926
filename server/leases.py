"""Work over HTTP: tasks are made, claimed under a lease, and brought to their end."""

import asyncio
from typing import Any, Final

from pydantic import TypeAdapter

from agentkit.errors import Invalid
from agentkit.protocol import Claim, Complete, Extend, Fail, Nack
from agentkit.rows import Task
from server import api, wire
from server.asgi import Reply, RequestError, dumps
from server.claims import Claimant
from server.office import Office
from server.questions import event_frame
from server.replies import Claimed, TaskDone
from server.routes import Call, Run
from server.wire import valid

STEPS: Final[dict[str, tuple[type[Extend | Complete | Fail | Nack], Any]]] = {
    "extend": (Extend, TypeAdapter(wire.ExtendWish)),
    "complete": (Complete, TypeAdapter(wire.CompleteWish)),
    "fail": (Fail, TypeAdapter(wire.FailWish)),
    "nack": (Nack, TypeAdapter(wire.NackWish)),
}
"""What whoever has a task may do with it: commands and the shapes of their fields."""

ENDS: Final = (Complete, Fail, Nack)
"""After these the agent has the task no longer, and need not be told."""


async def make(office: Office, call: Call) -> Reply:
    """Hand a task to one agent, or queue it for whoever has the capabilities."""
    body = await call.body()
    said = api.as_object(body)
    if "agent" in said and "needs" in said:
        raise Invalid(
            "both agent and needs are given, and a task is either for one agent or for "
            "whoever has the capabilities: send one of them"
        )
    if "watchers" in said and "agent" not in said:
        raise Invalid(
            "watchers are given and no agent: watch the task once it is there, or say "
            "whose it is"
        )
    word = "assign" if "agent" in said else "enqueue"
    return await api.submit(office, call, word, body, status=201)


def step(word: str) -> Run:
    """Return what runs one of `STEPS`."""
    command, shape = STEPS[word]

    async def run(office: Office, call: Call) -> Reply:
        body = await call.body()
        wish = command(**valid(shape, {**api.as_object(body), **call.params}))
        office.gate.require(call.principal, wish.agent)
        office.slow_down(wish.agent)
        if isinstance(wish, ENDS):
            office.revocations.let_go(wish.task, wish.agent, wish.fence)
        outcome = await office.hub.submit(
            wish,
            read=lambda swarm, _: swarm.tasks.get(wish.task),
            key=call.key(),
            size=len(body),
        )
        task = outcome.value or await office.hub.store.task(wish.task)
        events = [event_frame(logged) for logged in outcome.events]
        return Reply(dumps(TaskDone(task=task, events=events)))

    return run


async def claim(office: Office, call: Call) -> Reply:
    """Lease work to an agent, waiting for some when asked to."""
    body = await call.body()
    given = valid(wire.CLAIM, api.as_object(body))
    office.gate.require(call.principal, given["agent"])
    office.slow_down(given["agent"])
    seconds = given.pop("wait", 0.0)
    claimant = office.claims.enter(
        Claim(**given), wait=bool(seconds), key=call.key(), size=len(body)
    )
    try:
        tasks = await _await_tasks(office, call, claimant, seconds)
    except BaseException:
        office.claims.leave(claimant)  # Nobody reads the answer.
        raise
    return Reply(dumps(Claimed(tasks=tasks)))


async def _await_tasks(
    office: Office, call: Call, claimant: Claimant, seconds: float
) -> list[Task]:
    """Wait for the answer to a claim, as long as somebody waits for it.

    Raises:
        RequestError: whoever claimed went away.
    """
    gone = asyncio.create_task(call.gone())
    try:
        awaited: list[asyncio.Future[Any]] = [claimant.answer, gone]
        await asyncio.wait(
            awaited,
            timeout=seconds or None,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if gone.done():
            raise RequestError(400, "whoever claimed went away: claim again")
        office.claims.dismiss(claimant)
        return await claimant.answer
    finally:
        gone.cancel()
