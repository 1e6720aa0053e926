"""What an agent asks the hub about tasks: undertake, look, cancel, and what becomes.

    await agent.errands.undertake("T1", title="count", body={"to": 10})
    async for update in agent.errands.updates("T1"):
        print(update.state, update.progress)

The hub pushes updates into the mailbox of whoever watches a task. Whoever begins to
watch is told first how the task stands, however late it comes.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from agentkit.codec import decode
from agentkit.errors import AgentkitError, NotAllowed
from agentkit.exchange import Exchange
from agentkit.rows import Task, TaskState
from agentkit.shelf import Mail
from agentkit.waiting import Waiters

SETTLED: Final = frozenset({"done", "dead", "cancelled"})

AT_ONCE: Final = 32
"""How many requests of one agent are on their way; the hub takes twice as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """How a task stands."""

    task: str
    state: TaskState
    progress: float | None = None
    """How much of it is done, 0 to 1, as whoever has it told."""
    note: str = ""
    """What whoever has it told that it does just now."""
    attempts: int = 0
    reason: str = ""
    """Why its last attempt ended, or why it was cancelled."""
    result: Mapping[str, Any] = field(default_factory=dict)
    """What it led to; empty unless it is done."""
    version: int = field(default=0, compare=False)
    """The cursor since which it stands so: the later of two updates has the higher."""

    @classmethod
    def of(cls, row: Task) -> "Update":
        """Return how the task of a row stands."""
        return cls(
            task=row.id,
            state=row.state,
            progress=row.progress,
            note=row.note,
            attempts=row.attempts,
            reason=row.reason,
            result=row.result,
            version=row.version,
        )

    @property
    def is_settled(self) -> bool:
        """Whether nothing more happens to it unless it is requeued."""
        return self.state in SETTLED


UpdateHandler: TypeAlias = Callable[[Update], Awaitable[None]]

Permit: TypeAlias = Callable[[], Awaitable[Update]]
"""Has whoever has a task let this agent watch it; returns how it stands."""


class Errands:
    """What one agent asks about tasks, its own and those of others.

    Args:
        exchange: asks the hub.
        waiters: those who wait for updates.
    """

    def __init__(self, exchange: Exchange, waiters: Waiters) -> None:
        self._exchange = exchange
        self._waiters = waiters
        self._followers: dict[str, list[deque[Update]]] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(AT_ONCE)

    async def undertake(
        self,
        task: str,
        *,
        title: str = "",
        body: Mapping[str, Any] | None = None,
        watchers: Sequence[str] = (),
        max_attempts: int | None = None,
        call: str = "",
    ) -> Task:
        """Give this agent a task; its `on_work` handler is pushed it.

        Said again, with the same content, it changes nothing.

        Args:
            task: what it is called.
            title: what it is, for people.
            body: what it is, for the handler.
            watchers: agents that are told what becomes of it.
            max_attempts: how often it is tried; else the hub decides.
            call: the correlation id of the call that it is undertaken for, so that the
                hub notices when agents keep each other at work.

        Raises:
            SwarmError: there is another task of that name, or agents handed this work
                on too often.
        """
        return await self._ask(
            "undertake",
            task=task,
            title=title,
            body=dict(body or {}),
            watchers=list(watchers),
            max_attempts=max_attempts,
            **({"call": call} if call else {}),
        )

    async def look(self, task: str) -> Task:
        """Return a task as it is now that this agent has, is to have, or watches.

        Raises:
            NotFound: there is none of that name.
            NotAllowed: it is none of our business.
        """
        return await self._ask("look", task=task)

    async def watch(self, task: str, *, agent: str | None = None) -> Task:
        """Have the changes of a task pushed into a mailbox; return how it stands.

        Args:
            task: what is watched.
            agent: who watches, of a task that this agent has or is to have; else it is
                this agent, which has it, is to have it, or was named as a watcher, and
                its `on_update` handler is told.

        Raises:
            SwarmError: there is none, or it is none of our business.
        """
        return await self._ask("watch", task=task, agent=agent)

    async def cancel(self, task: str, reason: str = "") -> Task:
        """Call a task off that this agent has or is to have.

        Raises:
            SwarmError: there is none, it is settled, or it is none of our business.
        """
        return await self._ask("cancel", task=task, reason=reason)

    async def updates(
        self, task: str, permit: Permit | None = None
    ) -> AsyncGenerator[Update]:
        """Yield how a task stands, then every change of that, until it is settled.

        Args:
            task: what is followed.
            permit: is asked when the task is another agent's and not ours to watch.

        Raises:
            NotFound: there is no task of that name.
            NotAllowed: it is none of our business, and there is no `permit`.
        """
        told: deque[Update] = deque()
        self._followers.setdefault(task, []).append(told)
        latest: Update | None = None
        try:
            latest = await self._begin(task, permit)
            yield latest
            while not latest.is_settled:
                await self._waiters.until(lambda: bool(told))
                update = told.popleft()
                if update.version > latest.version and update != latest:
                    latest = update
                    yield update
        finally:
            self._leave(task, told, settled=latest is None or latest.is_settled)

    async def wait(self, task: str, permit: Permit | None = None) -> Update:
        """Wait until a task is settled; return how it ended. For more see `updates`."""
        async with aclosing(self.updates(task, permit)) as updates:
            async for update in updates:
                latest = update
        return latest

    def hear(self, mail: Mail) -> bool:
        """Take an update; say whether somebody follows the task."""
        followers = self._followers.get(mail.message["about"], ())
        for told in followers:
            told.append(update_of(mail))
        self._waiters.stir()
        return bool(followers)

    def close(self) -> None:
        """Ask nothing more."""
        for chore in self._chores:
            chore.cancel()

    async def _ask(self, kind: str, **fields: Any) -> Task:
        async with self._room:
            asked = asyncio.ensure_future(self._exchange.ask(kind, **fields))
            asked.add_done_callback(lambda _: self._waiters.stir())
            try:
                await self._waiters.until(asked.done)
                return decode(Task, asked.result()["task"])
            finally:
                asked.cancel()

    async def _begin(self, task: str, permit: Permit | None) -> Update:
        """Begin to watch a task; return how it stands."""
        try:
            return Update.of(await self.watch(task))
        except NotAllowed:
            if permit is None:
                raise
        return await permit()

    def _leave(self, task: str, told: deque[Update], *, settled: bool) -> None:
        """Follow a task no longer; the last to leave has the watching ended."""
        self._followers[task] = [
            one for one in self._followers[task] if one is not told
        ]
        if self._followers[task]:
            return
        del self._followers[task]
        if not settled:
            chore = asyncio.create_task(self._unwatch(task))
            self._chores.add(chore)
            chore.add_done_callback(self._chores.discard)

    async def _unwatch(self, task: str) -> None:
        with suppress(AgentkitError):  # the task may be gone, and the watching with it
            await self._ask("watch", task=task, on=False)


def update_of(mail: Mail) -> Update:
    """Return the update that mail carries."""
    return replace(decode(Update, mail.message["body"]), version=mail.seq)
