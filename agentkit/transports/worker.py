"""One subscription, and what hands its events to its handler, one after the other."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Final, TypeAlias
from uuid import uuid4

from agentkit.backoff import delays
from agentkit.errors import Invalid
from agentkit.transports.errors import TransportError
from agentkit.transports.events import Event, Handler
from agentkit.transports.limits import Backlog, Limits
from agentkit.transports.metrics import Activity, SubscriptionMetrics, Tally

log = logging.getLogger(__name__)

STUMBLED: Final = "the transport stumbled over an event for the subscription %s"
"""Said of what no transport should raise; the subscription goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a handler that raises is tried, and how long it is left in between.

    Args:
        attempts: in all, at least 1.
        first: seconds; the bound of the first wait, doubled with each. A wait is
            anywhere below its bound.
        most: seconds; what the bound grows to.

    Raises:
        Invalid: a figure is below its bound.
    """

    attempts: int = 3
    first: float = 0.1
    most: float = 5.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first < 0 or self.most < self.first:
            raise Invalid(
                f"a retry of {self.attempts} attempts, {self.first} s to {self.most} s "
                "cannot be: use at least 1 attempt, and most no less than first"
            )


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that a persistent transport fetched, and how it is acknowledged."""

    event: Event
    size: int
    ack: Callable[[], Awaitable[None]]
    """Tells the broker that the event is done with."""


@dataclass(eq=False, kw_only=True)
class Subscription:
    """A handler, what it is for, and what waits for it."""

    name: str
    pattern: str
    handler: Handler
    limits: Limits
    retry: Retry
    on_end: Callable[[str], None]
    id: str = field(default_factory=lambda: uuid4().hex)
    delivered: int = 0
    dead: int = 0
    worker: "Worker | None" = None
    """What hands it events; None while nothing may."""

    def __post_init__(self) -> None:
        self.backlog = Backlog(self.limits)

    def metrics(self) -> SubscriptionMetrics:
        """Return it in figures."""
        return SubscriptionMetrics(
            name=self.name,
            pattern=self.pattern,
            queued=len(self.backlog),
            delivered=self.delivered,
            dropped=self.backlog.dropped,
            dead=self.dead,
            state=self.worker.activity if self.worker else "stopped",
        )


Bury: TypeAlias = Callable[[Subscription, Event, Exception], Awaitable[None]]
"""Makes a letter of an event; when it raises, the event is not acknowledged."""

Fetch: TypeAlias = Callable[[Subscription], AsyncGenerator[Delivery, None]]
"""Yields what the broker has for a subscription until the connection is lost."""


class Worker:
    """Hands events to the handler of a subscription, from now until it is stopped.

    While an event waits to be tried again, those behind it wait too: a handler sees
    what it is given in order.

    Args:
        subscription: is served.
        tally: is told what was delivered and what failed.
        bury: see `Bury`.
        fetch: see `Fetch`; None when events come into the backlog.
    """

    def __init__(
        self, subscription: Subscription, tally: Tally, bury: Bury, fetch: Fetch | None
    ) -> None:
        self.activity: Activity = "waiting"
        self._subscription = subscription
        self._tally = tally
        self._bury = bury
        self._stopped = False
        serve = self._serve_backlog() if fetch is None else self._serve_broker(fetch)
        self.task = asyncio.create_task(serve, name=f"subscription {subscription.name}")

    def stop(self) -> None:
        """Begin nothing more; a handler that runs may finish what it does."""
        self._stopped = True
        if self.activity != "handling":
            self.task.cancel()

    async def _serve_backlog(self) -> None:
        while not self._stopped:
            event, _ = await self._subscription.backlog.take()
            try:
                if not await self._handle(event):
                    self._tally.dropped += 1
            except Exception:
                log.exception(STUMBLED, self._subscription.name)
            self.activity = "waiting"

    async def _serve_broker(self, fetch: Fetch) -> None:
        """Handle what the broker has, and ask again when it went away."""
        waits = delays()
        seen = _Recent()
        while not self._stopped:
            try:
                async with aclosing(fetch(self._subscription)) as deliveries:
                    async for delivery in deliveries:
                        if not await self._settle(delivery, seen):
                            return
                        waits = delays()
            except TransportError as error:
                log.debug("%s: %s", self._subscription.name, error)
            except Exception:
                log.exception(STUMBLED, self._subscription.name)
            await asyncio.sleep(next(waits))

    async def _settle(self, delivery: Delivery, seen: "_Recent") -> bool:
        """Handle a delivery and acknowledge it; say whether to go on.

        Raises:
            TransportError: it could not be acknowledged, and comes again.
        """
        event = delivery.event
        wanted = event.only in ("", self._subscription.name)
        self.activity = "handling"
        try:
            if wanted and event.key not in seen:
                if not await self._handle(event):
                    return False
                seen.add(event.key)
            await delivery.ack()
        finally:
            self.activity = "waiting"
        return not self._stopped

    async def _handle(self, event: Event) -> bool:
        """Have an event handled or made a letter of, unless stopped before either.

        Raises:
            TransportError: the letter could not be stored.
        """
        retry = self._subscription.retry
        waits = delays(retry.first, retry.most)
        for attempt in range(1, retry.attempts + 1):
            error = await self._attempt(event)
            if error is None:
                return True
            if attempt == retry.attempts:
                await self._bury(self._subscription, event, error)
                self._subscription.dead += 1
                return True
            if self._stopped:
                return False
            self._tally.retried += 1
            self.activity = "retrying"
            await asyncio.sleep(next(waits))
        return True

    async def _attempt(self, event: Event) -> Exception | None:
        """Call the handler, and return what it raised."""
        self.activity = "handling"
        try:
            await _awaitable(self._subscription.handler(event))
        except asyncio.CancelledError:
            if self.task.cancelling():
                raise
            error: Exception = RuntimeError("what the handler waited for was cancelled")
        except Exception as raised:  # noqa: BLE001 - whatever it is, the letter tells it
            error = raised
        else:
            self._subscription.delivered += 1
            self._tally.handled(event.key)
            return None
        self._tally.failed += 1
        return error


def _awaitable(outcome: Awaitable[None]) -> Awaitable[None]:
    """Return what a handler returned, which is not awaitable if it is no coroutine."""
    if not isawaitable(outcome):
        raise TypeError("the handler cannot be awaited: write it with async def")
    return outcome


class _Recent:
    """The latest keys of events that were handled."""

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        self._keys: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def add(self, key: str) -> None:
        self._keys[key] = None
        if len(self._keys) > self._size:
            del self._keys[next(iter(self._keys))]
