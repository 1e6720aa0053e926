"""Work in the background: started by a call, watched, cancelled, pushing what it finds.

    async def count(job: Job) -> dict[str, int]:
        for number in range(job.body["to"]):
            await job.progress(number / job.body["to"])
            await job.notify({"number": number}, key=str(number))
        return {"counted": job.body["to"]}

    async with Agent("counter", durable=True) as agent:
        Background(agent, count, slots=4)
        await agent.run_forever()

and at another agent:

    tasks = Tasks(agent, "counter@swarm")
    started = await tasks.run(to=10)
    async for update in tasks.updates(started.task):
        print(update.state, update.progress)

A task that is run is a task of the swarm like any other: under a lease, tried again
when it fails or its agent crashes, and on the dashboard.
"""

import os
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any, Final

from agentkit.agent import Agent
from agentkit.codec import decode, encode
from agentkit.errands import Update
from agentkit.errors import NotAllowed
from agentkit.jobs import Job, WorkHandler
from agentkit.remote import current_call

__all__ = ["Background", "Job", "Tasks", "Update"]

METHODS: Final = (
    "run_task",
    "task_status",
    "cancel_task",
    "subscribe_task",
    "register_push_endpoint",
)
"""What other agents may call."""


class Background:
    """Lets other agents run tasks at this one; what it serves may be extended.

    Args:
        agent: does the work; it has no other handler for work or tasks.
        handler: does one task; what it is run with is the job's body.
        slots: how many it does at the same time.
        lease: seconds that a task is ours from each sign of life; else the hub decides.
        max_attempts: how often a task is tried; else the hub decides.

    Raises:
        Conflict: the agent has a handler for work or tasks already.
    """

    def __init__(
        self,
        agent: Agent,
        handler: WorkHandler,
        *,
        slots: int = 1,
        lease: float | None = None,
        max_attempts: int | None = None,
    ) -> None:
        self.agent = agent
        self._title = handler.__name__
        self._max_attempts = max_attempts
        agent.on_work(slots=slots, lease=lease)(handler)
        for name in METHODS:
            agent.on_call(name)(getattr(self, name))

    async def run_task(self, id: str = "", **params: Any) -> dict[str, Any]:  # noqa: A002
        """Begin a task, and return at once how it stands.

        Asked again, with the same id and parameters, it changes nothing.

        Args:
            id: what the task is to be called; one is made when there is none.
            params: the body of the job.
        """
        row = await self.agent.errands.undertake(
            id or f"t-{os.urandom(8).hex()}",
            title=self._title,
            body=params,
            max_attempts=self._max_attempts,
            call=current_call().call,
        )
        return encode(Update.of(row))

    async def task_status(self, id: str) -> dict[str, Any]:  # noqa: A002
        """Return how a task stands."""
        return encode(Update.of(await self.agent.errands.look(id)))

    async def cancel_task(self, id: str, reason: str = "") -> dict[str, Any]:  # noqa: A002
        """Call a task off; its handler is cancelled."""
        return encode(Update.of(await self.agent.errands.cancel(id, reason)))

    async def subscribe_task(self, id: str) -> dict[str, Any]:  # noqa: A002
        """Push every change of a task into the caller's mailbox, from now on.

        Returns how it stands.
        """
        caller = current_call().sender
        return encode(Update.of(await self.agent.errands.watch(id, agent=caller)))

    async def register_push_endpoint(
        self,
        id: str,  # noqa: A002
        endpoint: str = "",
    ) -> bool:
        """Let the caller have what a task notifies; say whether that is new.

        Args:
            id: the task, which need not have begun.
            endpoint: the caller's own address, if it is given: nobody has messages
                sent to others.

        Raises:
            NotAllowed: it is another address.
        """
        caller = current_call().sender
        at_home = f"{caller}{self.agent.address.removeprefix(self.agent.id)}"
        if endpoint not in ("", caller, at_home):
            raise NotAllowed(
                f"{endpoint!r} is not the address of {caller}, who called: an agent "
                "registers its own, so leave it out"
            )
        return await self.agent.endpoints.add(id, at_home)


class Tasks:
    """The background tasks of another agent.

    Args:
        agent: asks.
        to: the address of the other one.
        timeout: seconds that a call may take; None waits for as long as it takes.
    """

    def __init__(self, agent: Agent, to: str, *, timeout: float | None = 30.0) -> None:
        self._agent = agent
        self._remote = agent.remote(to, timeout=timeout)

    async def run(self, id: str = "", /, **params: Any) -> Update:  # noqa: A002
        """Begin a task there, and return at once how it stands.

        Asked again, with the same id and parameters, it changes nothing.

        Raises:
            CallTimeout: there was no answer.
            CallFailed: another task has the id, or it cannot be begun.
        """
        return _update(await self._remote.run_task(id=id, **params))

    async def status(self, id: str) -> Update:  # noqa: A002
        """Return how a task stands.

        Raises:
            NotFound: there is none of that name.
            CallTimeout: the other agent was asked, and there was no answer.
        """
        try:
            return Update.of(await self._agent.errands.look(id))
        except NotAllowed:
            return _update(await self._remote.task_status(id=id))

    async def wait(self, id: str) -> Update:  # noqa: A002
        """Wait until a task is done, dead or cancelled; return how it ended.

        Raises:
            NotFound: there is none of that name.
            CallTimeout: the other agent has not let this one watch in time.
        """
        return await self._agent.errands.wait(id, partial(self._subscribe, id))

    def updates(self, id: str) -> AsyncGenerator[Update]:  # noqa: A002
        """Yield how a task stands, then every change of that, until it is settled.

        Raises:
            NotFound: there is none of that name.
            CallTimeout: the other agent has not let this one watch in time.
        """
        return self._agent.errands.updates(id, partial(self._subscribe, id))

    async def cancel(self, id: str, reason: str = "") -> Update:  # noqa: A002
        """Call a task off.

        Raises:
            CallTimeout: there was no answer.
            CallFailed: there is none of that name, or it is settled.
        """
        return _update(await self._remote.cancel_task(id=id, reason=reason))

    async def register_push_endpoint(self, id: str, endpoint: str = "") -> bool:  # noqa: A002
        """Let this agent have what a task notifies; say whether that is new.

        Args:
            id: the task, which need not have begun.
            endpoint: the address of this agent, if it is given.

        Raises:
            CallTimeout: there was no answer.
            CallFailed: it is the address of another.
        """
        asked = self._remote.register_push_endpoint(id=id, endpoint=endpoint)
        return bool(await asked)

    async def _subscribe(self, id: str) -> Update:  # noqa: A002
        """Have the agent that has a task let this one watch it."""
        return _update(await self._remote.subscribe_task(id=id))


def _update(said: Mapping[str, Any]) -> Update:
    return decode(Update, said)
