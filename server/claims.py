"""Claims that wait: when there is work again, who came first is asked for first.

The core knows nothing of waiting. A claim that it has nothing for is kept here, by what
its agent is able to do, and put to the core again when a turn leaves a task ready that
its agent may have: one claim for one task, however many wait. Two claims are never
given the same task, because each is decided by the core in its turn.
"""

import asyncio
import logging
from bisect import bisect_left, bisect_right, insort
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeAlias

from agentkit.errors import AgentkitError, HubUnavailable
from agentkit.protocol import AgentSolvent, Claim, Logged, Nack, TaskLeased
from agentkit.rows import Task
from server.core import Swarm
from server.core.ready import ReadyTasks
from server.hub import Hub, Pushed

GONE: Final = "whoever claimed it went away before it was handed over"

log = logging.getLogger(__name__)

Found: TypeAlias = list[tuple[int, TaskLeased, Task | None]]
"""Leases that were given, with cursors, and their tasks as far as these are in memory.
"""


class Claimant:
    """Somebody who wants work.

    `answer` gets the leased tasks, or what went wrong. Whoever cannot take it any more
    tells `Claims.leave`, before or after it came.
    """

    __slots__ = ("able", "answer", "key", "number", "size", "stays", "wish")

    def __init__(
        self, number: int, wish: Claim, *, stays: bool, key: str, size: int
    ) -> None:
        self.number = number
        """Its place: lower has waited longer."""
        self.wish = wish
        self.stays = stays
        """Whether it waits when there is nothing for it."""
        self.key = key
        self.size = size
        self.able: frozenset[str] = frozenset()
        """What it is known to be able to do, while it waits."""
        loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[list[Task]] = loop.create_future()


class Line:
    """Numbers of claimants that wait, in order."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def __iter__(self) -> Iterator[int]:
        return iter(tuple(self._numbers))

    def add(self, number: int) -> None:
        """Take somebody in, at the place that the number says."""
        insort(self._numbers, number)

    def remove(self, number: int) -> None:
        """Let somebody go."""
        del self._numbers[bisect_left(self._numbers, number)]

    def first(self, after: int) -> int | None:
        """Return the lowest number above `after`."""
        place = bisect_right(self._numbers, after)
        return self._numbers[place] if place < len(self._numbers) else None


class Claims:
    """Puts claims to the core and keeps those that wait; a subscriber of the hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._covers = ReadyTasks(hub.rules.claim_share).covers
        self._count = 0
        self._closing = False
        self._waiting: dict[int, Claimant] = {}
        self._by_agent: dict[str, Line] = {}
        self._by_skill: dict[frozenset[str], Line] = {}
        self._asking: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    async def open(self) -> None:
        """Begin to follow what the hub commits."""
        await self._hub.ask(lambda _: self._hub.subscribe(self))

    def release(self) -> None:
        """Answer everybody who waits: the hub is about to stop."""
        self._closing = True
        for claimant in tuple(self._waiting.values()):
            self.dismiss(claimant)

    # --- for those who claim ---

    def enter(
        self, wish: Claim, *, wait: bool = False, key: str = "", size: int = 0
    ) -> Claimant:
        """Put a claim to the core; with `wait`, keep it while there is nothing for it.

        A claim of one named task is never kept: it is had at once or refused.

        Args:
            wish: the claim.
            wait: whether to keep it.
            key: an idempotency key: used again it gives the same tasks.
            size: bytes that came over the wire for it.
        """
        self._count += 1
        stays = wait and not wish.task and not self._closing
        claimant = Claimant(self._count, wish, stays=stays, key=key, size=size)
        self._start(self._ask(claimant))
        return claimant

    def dismiss(self, claimant: Claimant) -> None:
        """Answer a claimant now, with nothing unless it is being given something."""
        claimant.stays = False
        if claimant.number in self._waiting:
            self._forget(claimant)
            self._answer(claimant, [])

    def leave(self, claimant: Claimant) -> None:
        """Forget a claimant that went away; what it was or is given is given back.

        Unless it gave a key: with that it may ask again for what it was given.
        """
        claimant.stays = False
        if claimant.number in self._waiting:
            self._forget(claimant)
        answer = claimant.answer
        if not answer.cancel() and not answer.cancelled() and not answer.exception():
            self._give_back(claimant, answer.result())

    # --- what the hub pushes ---

    def push(self, pushed: Pushed) -> None:
        """Offer what is ready now to those who wait for it."""
        if not self._waiting:
            return
        rows = pushed.turn.rows
        for _, event in pushed.turn.events:
            if isinstance(event, AgentSolvent):
                self._put_all(event.agent)
        for agent in rows.agents.values():
            if agent.id in self._by_agent:
                self._learn(agent.id, frozenset(agent.capabilities))
        reach: dict[tuple[str, ...], list[Line]] = {}
        for task in rows.tasks.values():
            if task.is_ready and self._waiting:
                self._offer(task, 0, reach)

    def _put_all(self, agent: str) -> None:
        """Ask again for an agent that could have nothing, whatever there was."""
        for number in self._by_agent.get(agent, ()):
            self._put(self._waiting[number])

    def _learn(self, agent: str, able: frozenset[str]) -> None:
        """Ask again for whoever is able to do other things now."""
        for number in self._by_agent[agent]:
            claimant = self._waiting[number]
            if claimant.wish.capabilities is None and claimant.able != able:
                self._put(claimant)

    def _offer(
        self, task: Task, after: int, reach: dict[tuple[str, ...], list[Line]]
    ) -> None:
        """Put the claim of the first who may have a task, of those after a number."""
        if task.target:
            line = self._by_agent.get(task.target)
            lines = [line] if line else []
        else:
            if task.needs not in reach:
                reach[task.needs] = self._able(task.needs)
            lines = reach[task.needs]
        numbers = [line.first(after) for line in lines]
        chosen = min((number for number in numbers if number), default=None)
        if chosen is not None:
            self._put(self._waiting[chosen], task.id)

    def _able(self, needs: tuple[str, ...]) -> list[Line]:
        needed = frozenset(needs)
        return [
            line for able, line in self._by_skill.items() if self._covers(able, needed)
        ]

    # --- asking the core ---

    def _put(self, claimant: Claimant, offered: str = "") -> None:
        self._forget(claimant)
        self._start(self._ask(claimant, offered))

    async def _ask(self, claimant: Claimant, offered: str = "") -> None:
        """Put a claim to the core, and answer it unless it waits on."""
        try:
            outcome = await self._hub.submit(
                claimant.wish,
                read=partial(self._read, claimant, offered),
                key=claimant.key,
                size=claimant.size,
            )
            if outcome.value is not None:
                self._answer(claimant, await self._recall(outcome.value))
        except HubUnavailable as failure:
            self._refuse(claimant, failure)
            self._fail(failure)
        except AgentkitError as refusal:
            self._refuse(claimant, refusal)
            with suppress(HubUnavailable):
                await self._hub.ask(partial(self._pass_on, claimant, offered))

    def _read(
        self, claimant: Claimant, offered: str, swarm: Swarm, events: Sequence[Logged]
    ) -> Found | None:
        """Return what was leased; line up who got nothing and stays.

        The core runs this right after the claim and before any other command: nothing
        becomes ready between its answer and the place in the line.
        """
        found: Found = [
            (cursor, event, swarm.tasks.get(event.task))
            for cursor, event in events
            if isinstance(event, TaskLeased)
        ]
        if not found and claimant.stays:
            self._line_up(claimant, swarm)
        self._pass_on(claimant, offered, swarm)
        return found if found or not claimant.stays else None

    def _pass_on(self, claimant: Claimant, offered: str, swarm: Swarm) -> None:
        """Offer a task to the next when this one left it.

        It took a more urgent one, is not able to do this one any more, or was refused.
        """
        task = swarm.tasks.get(offered)
        if task is not None and task.is_ready:
            self._offer(task, claimant.number, {})

    async def _recall(self, found: Found) -> list[Task]:
        tasks = []
        for cursor, event, known in found:
            row = known or await self._hub.store.task(event.task)
            if row is not None:
                tasks.append(as_leased(row, cursor, event))
        return tasks

    def _answer(self, claimant: Claimant, tasks: list[Task]) -> None:
        if not claimant.answer.done():
            claimant.answer.set_result(tasks)
        elif claimant.answer.cancelled():
            self._give_back(claimant, tasks)

    def _refuse(self, claimant: Claimant, refusal: AgentkitError) -> None:
        if claimant.number in self._waiting:
            self._forget(claimant)
        if not claimant.answer.done():
            claimant.answer.set_exception(refusal)

    def _fail(self, failure: HubUnavailable) -> None:
        """Tell everybody who waits: what is ready may have been offered in vain."""
        for claimant in tuple(self._waiting.values()):
            self._refuse(claimant, failure)

    def _give_back(self, claimant: Claimant, tasks: Iterable[Task]) -> None:
        """Let tasks be claimed again that could not be handed over."""
        if claimant.key:
            return
        agent = claimant.wish.agent
        for task in tasks:
            nack = Nack(agent=agent, task=task.id, fence=task.fence, reason=GONE)
            self._start(self._nack(nack))

    async def _nack(self, nack: Nack) -> None:
        try:
            await self._hub.submit(nack)
        except AgentkitError as refusal:
            log.info("task %s was not given back: %s", nack.task, refusal)

    # --- the lines ---

    def _line_up(self, claimant: Claimant, swarm: Swarm) -> None:
        agent, number = claimant.wish.agent, claimant.number
        known = swarm.agents.get(agent)
        able = claimant.wish.capabilities
        if able is None:
            able = known.capabilities if known else ()
        claimant.able = frozenset(able)
        self._waiting[number] = claimant
        self._by_agent.setdefault(agent, Line()).add(number)
        self._by_skill.setdefault(claimant.able, Line()).add(number)

    def _forget(self, claimant: Claimant) -> None:
        del self._waiting[claimant.number]
        self._step_out(self._by_agent, claimant.wish.agent, claimant.number)
        self._step_out(self._by_skill, claimant.able, claimant.number)

    @staticmethod
    def _step_out(lines: dict[Any, Line], key: object, number: int) -> None:
        lines[key].remove(number)
        if not lines[key]:
            del lines[key]

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)


def as_leased(row: Task, cursor: int, event: TaskLeased) -> Task:
    """Return a task as a lease left it, whatever has become of it since."""
    return replace(
        row,
        state="leased",
        agent=event.agent,
        attempts=event.attempt,
        fence=event.fence,
        lease=event.lease,
        lease_until=event.until,
        result={},
        changed=event.at,
        version=cursor,
    )
