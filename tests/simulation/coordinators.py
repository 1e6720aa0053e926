"""Coordinators: each wish has a key, and is sent until there is an answer."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from agentkit.errors import HubUnavailable, SwarmError
from agentkit.protocol import (
    Answer,
    Assign,
    Cancel,
    CoordinatorCommand,
    Enqueue,
    Requeue,
    Retry,
    Send,
    SendBroadcast,
    TaskAssigned,
    TaskEnqueued,
    Watch,
)
from agentkit.rows import Delivery
from server.core import Swarm
from tests.simulation.laws import Witness
from tests.simulation.network import Network
from tests.simulation.world import Process, World

KINDS: Final = ("plain",) * 16 + ("failing", "hopeless", "deadly")
"""What becomes of a task: most can be done."""
NEEDS: Final = ((), (), ("x",), ("y", "z"), ("x", "y", "z"))


class Coordinator:
    """Hands out work, calls it off, tells everybody this and that."""

    def __init__(
        self,
        world: World,
        network: Network,
        witness: Witness,
        name: str,
        agents: tuple[str, ...],
    ) -> None:
        self.name = name
        self._world = world
        self._network = network
        self._witness = witness
        self._agents = agents
        self._dice = world.dice(name)
        self._tasks: list[str] = []
        self._wishes = 0
        process = Process(world, name)
        self.over = process.start(self._live())

    async def _live(self) -> None:
        while self._world.stormy:
            await asyncio.sleep(self._dice.uniform(0.05, 0.8))
            wish = await self._choose()
            if wish is not None:
                await self._submit(wish)

    async def _choose(self) -> CoordinatorCommand | None:
        self._wishes += 1
        by = f"{self.name}-{self._wishes}"
        fall = self._dice.random()
        if fall < 0.75:
            return self._plain(by, fall)
        if fall < 0.81:
            return SendBroadcast(id="", text=self._text(by), by=by)
        if fall < 0.85:
            to = self._dice.choice((*self._agents, "cap:y"))
            return Send(agent="", to=to, text=self._text(by), by=by)
        if fall < 0.93:
            return await self._answer(by)
        return await self._retry(by)

    def _plain(self, by: str, fall: float) -> CoordinatorCommand | None:
        if fall < 0.42:
            return Enqueue(id="", needs=self._dice.choice(NEEDS), **self._task(by))
        if fall < 0.6:
            agent, watcher = self._dice.sample(self._agents, 2)
            watchers = self._dice.choice(((), (watcher,)))
            return Assign(agent=agent, id="", watchers=watchers, **self._task(by))
        if not self._tasks:
            return None
        task = self._dice.choice(self._tasks[-8:])
        if fall < 0.64:
            on, agent = self._dice.random() < 0.8, self._dice.choice(self._agents)
            return Watch(task=task, agent=agent, on=on, by=by)
        return Cancel(id=task, by=by) if fall < 0.68 else Requeue(id=task, by=by)

    def _task(self, by: str) -> dict[str, Any]:
        later = self._dice.choice((None, None, None, 2.0))
        now = self._world.now()
        return {
            "title": by,
            "body": {"kind": self._dice.choice(KINDS)},
            "priority": self._dice.choice((0, 0, 1)),
            "not_before": later and now + timedelta(seconds=later),
            "max_attempts": self._dice.choice((None, 2)),
            "by": by,
        }

    def _text(self, by: str) -> str:
        return f"deadly {by}" if self._dice.random() < 0.05 else by

    async def _answer(self, by: str) -> CoordinatorCommand | None:
        waiting = await self._ask(
            lambda swarm: [row.id for row in swarm.helps.values() if row.is_open]
        )
        chosen = self._dice.choice(waiting) if waiting else None
        return chosen and Answer(help=chosen, text=by, by=by)

    async def _retry(self, by: str) -> CoordinatorCommand | None:
        dead = await self._ask(
            lambda swarm: [row for row in swarm.deliveries() if row.state == "dead"]
        )
        if not dead:
            return None
        row: Delivery = self._dice.choice(dead)
        return Retry(agent=row.agent, seq=row.seq, by=by)

    async def _ask(self, query: Callable[[Swarm], list[Any]]) -> list[Any]:
        try:
            found = await self._network.request(
                self.name, lambda hub: hub.hub.ask(query)
            )
        except TimeoutError:
            return []
        return found if isinstance(found, list) else []

    async def _submit(self, wish: CoordinatorCommand) -> None:
        """Send a wish until it is answered; some are given up when none comes."""
        patience = 3 if self._dice.random() < 0.05 else 1000
        for _ in range(patience):
            try:
                reply = await self._network.request(
                    self.name, lambda hub: hub.submit(wish, wish.by)
                )
            except TimeoutError:
                continue
            if isinstance(reply, HubUnavailable):
                await asyncio.sleep(0.3)
                continue
            self._heard(wish, reply)
            return

    def _heard(self, wish: CoordinatorCommand, reply: Any) -> None:
        if isinstance(reply, SwarmError):
            self._world.note(self.name, f"{type(wish).__name__}: {reply}")
            return
        self._witness.answered(reply)
        self._tasks += [
            logged.event.task
            for logged in reply
            if isinstance(wish, Enqueue | Assign)
            and isinstance(logged.event, TaskEnqueued | TaskAssigned)
            and logged.event.by == wish.by
        ]
