"""From an event that came in to the subscriptions that it is for.

Each subscription has a queue and a task of its own, so that no handler delays another.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any, Final

from agentkit.subjects import Trie
from agentkit.transports.events import Event, Handler
from agentkit.transports.limits import Overflowed
from agentkit.transports.metrics import Tally
from agentkit.transports.worker import Bury, Fetch, Subscription, Worker

GRACE: Final = 5.0
"""Seconds that handlers have to finish in when their transport is disconnected."""


class Dispatch:
    """The subscriptions of one transport, and the tasks that serve them.

    Args:
        tally: is told what was delivered and what failed.
        bury: see `Bury`.
        too_slow: is told of a subscription that is to end, for its policy.
        fetch: see `Fetch`; None when events come by `give` alone.
    """

    def __init__(
        self,
        tally: Tally,
        bury: Bury,
        too_slow: Callable[[Subscription], None],
        fetch: Fetch | None,
    ) -> None:
        self._tally = tally
        self._bury = bury
        self._too_slow = too_slow
        self._fetch = fetch
        self._trie: Trie[Subscription] = Trie()
        self._by_id: dict[str, Subscription] = {}
        self._by_name: dict[str, Subscription] = {}
        self._numbers: dict[str, int] = {}
        """The last number that the name of a handler was given."""
        self._leaving: set[asyncio.Task[None]] = set()
        """Tasks of subscriptions that have ended while their handler ran."""
        self._started = False

    def __iter__(self) -> Iterator[Subscription]:
        """Yield the subscriptions, oldest first."""
        return iter(self._by_id.values())

    def named(self, name: str) -> Subscription | None:
        """Return the subscription of a name."""
        return self._by_name.get(name)

    def free_name(self, handler: Handler) -> str:
        """Return a name for the subscription of a handler that has none."""
        plain = _name_of(handler)
        if plain not in self._by_name:
            return plain
        numbers = count(self._numbers.get(plain, 1) + 1)
        number = next(n for n in numbers if f"{plain}#{n}" not in self._by_name)
        self._numbers[plain] = number
        return f"{plain}#{number}"

    def add(self, subscription: Subscription) -> None:
        """Let a subscription have what its pattern matches from now on."""
        self._trie.add(subscription.pattern, subscription)
        self._by_id[subscription.id] = subscription
        self._by_name[subscription.name] = subscription
        if self._started:
            self._start(subscription)

    def remove(self, subscription_id: str) -> Subscription | None:
        """Let a subscription have nothing more; a handler that runs may finish."""
        subscription = self._by_id.pop(subscription_id, None)
        if subscription is None:
            return None
        self._trie.remove(subscription.pattern, subscription)
        del self._by_name[subscription.name]
        if task := _stop(subscription):
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        self._tally.dropped += subscription.backlog.dropped
        return subscription

    def start(self) -> None:
        """Hand out events from now on."""
        self._started = True
        for subscription in self:
            self._start(subscription)

    async def stop(self) -> None:
        """Hand out nothing more, and wait up to `GRACE` for handlers that run.

        The handler that called this, if one did, is not waited for.
        """
        self._started = False
        tasks = {task for each in self if (task := _stop(each))} | self._leaving
        tasks.discard(asyncio.current_task())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=GRACE)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def give(self, event: Event, size: int) -> None:
        """Queue an event for each subscription that it is for.

        It waits only where a queue is full whose policy is ``block``.
        """
        full: list[Subscription] = []
        for subscription in self._trie.match(event.name):
            if event.only not in ("", subscription.name):
                continue
            try:
                if not subscription.backlog.offer(event, size):
                    full.append(subscription)
            except Overflowed:
                subscription.backlog.dropped += 1
                self._too_slow(subscription)
        if full:
            await asyncio.gather(*(each.backlog.wait(event, size) for each in full))

    def _start(self, subscription: Subscription) -> None:
        subscription.worker = Worker(subscription, self._tally, self._bury, self._fetch)


def _stop(subscription: Subscription) -> asyncio.Task[None] | None:
    """Stop the worker of a subscription, and drop what waits; return its task."""
    worker, subscription.worker = subscription.worker, None
    subscription.backlog.clear()
    if worker is None:
        return None
    worker.stop()
    return worker.task


def _name_of(handler: Any) -> str:
    """Return where a handler is defined, as ``module:qualname``."""
    while isinstance(handler, partial):
        handler = handler.func
    home = handler if hasattr(handler, "__qualname__") else type(handler)
    return f"{home.__module__}:{home.__qualname__}"
