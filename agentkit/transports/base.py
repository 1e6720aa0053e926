"""The half of a transport that is the same in all of them."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from agentkit.errors import Invalid
from agentkit.transports.correspondence import Correspondent
from agentkit.transports.errors import PublishError, TransportError
from agentkit.transports.events import (
    Direction,
    Event,
    Handler,
    Observer,
    is_reserved,
    read_wanted,
)
from agentkit.transports.limits import Limits
from agentkit.transports.metrics import Metrics
from agentkit.transports.worker import Delivery, Retry, Subscription

log = logging.getLogger(__name__)

AROUND: Final = 8192
"""Bytes that a letter, or a broker's own frame, may have around an event."""


class Courier(Correspondent):
    """What all transports share: subscriptions, retries, letters, metrics.

    A subclass moves bytes: see the hooks of `Connection`, and `_consume`. It calls
    `_arrived` with each payload that what it listens to brings.
    """

    def __init__(
        self, *, name: str = "", url: str = "", persistent: bool = False
    ) -> None:
        super().__init__(name=name, url=url, fetch=self._fetch if persistent else None)
        self._observers: list[Observer] = []
        self._switching = asyncio.Lock()
        self._closing = False

    # --- For a subclass -------------------------------------------------------------

    def _consume(self, subscription: Subscription) -> AsyncGenerator[Delivery, None]:
        """Yield what a persistent broker holds for a subscription, in order.

        `subscription.name` is the durable consumer; a new one begins with the oldest
        event that is kept. `subscription.pattern` is what it gets: what the broker has
        beyond that is acknowledged and not yielded. At most
        `subscription.limits.messages` are fetched and not acknowledged. They stay ours
        for as long as they are not, since handlers and retries take their time; those
        that are left when the generator is closed are given back to others.

        Raises:
            ConnectionError: the connection is gone; it is called again when it is back.
        """
        raise NotImplementedError(f"{self.kind} is not persistent")

    async def _arrived(self, payload: bytes, way: str = "") -> None:
        """Give a payload that came in to the subscriptions it is for.

        It takes longer than no time only when a queue is full whose policy is to block.

        Args:
            payload: whatever it may be.
            way: which pattern of `_listen` brought it, if the broker sends an event
                once for each; empty if it sends it once.
        """
        try:
            event = Event.decode(payload)
        except Invalid:
            self._tally.garbage += 1
            return
        if self._copies.has(event.key, way):
            return
        if is_reserved(event.name):
            await self._overhear(event)
            return
        self._came_in(event, len(payload))
        await self._dispatch.give(event, len(payload))

    async def connect(self) -> None:
        """Open the connection; again after `disconnect`, with the same subscriptions.

        Raises:
            ConnectionError: nothing answers, or it refuses us.
        """
        async with self._switching:
            if self._state != "closed":
                return
            await self._establish()
            self._dispatch.start()
            if self.tells:
                self._run(self._keep_telling())

    async def disconnect(self) -> None:
        """Close the connection; nothing arrives from now on.

        Handlers that run have 5 seconds to finish; what waits for them is dropped, or
        stays at the broker if that is persistent. A handler may call it too.
        """
        if self._closing:
            return
        async with self._switching:
            if self._state != "closed":
                self._closing = True
                try:
                    await self._wind_up()
                finally:
                    self._closing = False
                    await self._close()

    async def publish(self, event: Event) -> None:
        """Publish an event to every subscription that matches, here and elsewhere.

        Args:
            event: its `source` becomes this transport's name if it has none.

        Raises:
            PublishError: there is no connection, the broker did not take it, or the
                subject is reserved.
            Invalid: the data has no form in JSON.
        """
        if is_reserved(event.name):
            raise PublishError(
                f"the subject {event.name!r} is for transports alone: use one that "
                "begins without an underscore"
            )
        self._require_connection()
        if not event.source:
            event = replace(event, source=self.name)
        payload = event.encode()
        self._require_room(event, payload)
        self._tally.left(event.key)
        await self._send(event, payload)
        self._tally.published += 1
        self._tally.bytes_out += len(payload)
        self._show("out", event, len(payload))

    async def subscribe(
        self,
        pattern: str,
        handler: Handler,
        *,
        name: str = "",
        limits: Limits | None = None,
        retry: Retry | None = None,
        on_end: Callable[[str], None] | None = None,
    ) -> str:
        """Have a handler called with what a pattern matches; return the id of that.

        Before `connect`, and while the broker is away, it is remembered; else the
        broker has confirmed it when this returns.

        Args:
            pattern: what for; see `agentkit.subjects`.
            handler: is awaited with one event after the other.
            name: of the subscription: its letters go by it, and at a persistent
                transport it is the durable consumer, whose processes share the work
                and go on where they stopped. Made of the handler's name if empty.
            limits: what may wait; by default `Limits()`.
            retry: how often a handler that raises is tried; by default `Retry()`.
            on_end: is called with the reason if the transport ends the subscription,
                which it does only by the policy ``disconnect``.

        Raises:
            Invalid: the pattern is malformed, or it is reserved.
            TransportError: the name is taken, or a persistent transport needs one, or
                the broker refuses what the pattern needs.
        """
        read_wanted(pattern)
        subscription = Subscription(
            name=self._checked(name) or self._dispatch.free_name(handler),
            pattern=pattern,
            handler=handler,
            limits=limits or Limits(),
            retry=retry or Retry(),
            on_end=on_end or _ignore,
        )
        self._dispatch.add(subscription)
        if not self.persistent:
            self._cover.add(pattern)
            try:
                await self._adjust_if_up()
            except TransportError:
                await self.unsubscribe(subscription.id)
                raise
        return subscription.id

    async def unsubscribe(self, subscription_id: str) -> bool:
        """End a subscription, and say whether there was one of that id.

        A handler that runs may finish; what waits for it is dropped, or stays at the
        broker if that is persistent.
        """
        known = self._forget(subscription_id)
        if known:
            await self._adjust_if_up()
        return known

    def metrics(self) -> Metrics:
        """Return the transport in figures."""
        tally, each = self._tally, tuple(self._dispatch)
        return Metrics(
            kind=self.kind,
            name=self.name,
            url=self.url,
            state=self._state,
            persistent=self.persistent,
            since=self._since,
            published=tally.published,
            received=tally.received,
            delivered=tally.delivered,
            failed=tally.failed,
            retried=tally.retried,
            dead=tally.dead,
            dropped=tally.dropped + sum(sub.backlog.dropped for sub in each),
            garbage=tally.garbage,
            reconnects=self.reconnects,
            bytes_in=tally.bytes_in,
            bytes_out=tally.bytes_out,
            queued=sum(len(sub.backlog) for sub in each),
            queued_bytes=sum(sub.backlog.bytes for sub in each),
            latency=tally.latency(),
            subscriptions=tuple(sub.metrics() for sub in each),
        )

    def observe(self, callback: Observer) -> Callable[[], None]:
        """Call back with each event that goes through; return what ends that.

        Args:
            callback: gets ``"in"`` or ``"out"``, the event, and its size in bytes. It
                must not block.
        """
        self._observers.append(callback)
        return lambda: self._observers.remove(callback)

    async def __aenter__(self) -> Self:
        """Connect."""
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect."""
        await self.disconnect()

    # --- Out of sight ---------------------------------------------------------------

    def _require_room(self, event: Event, payload: bytes) -> None:
        """Go on only with what the broker takes, in a letter too.

        Raises:
            PublishError: it is too large.
        """
        most = self._largest - AROUND
        if self._largest and len(payload) > most:
            raise PublishError(
                f"the event {event.name!r} has {len(payload):,} bytes and {self.url} "
                f"takes {most:,}: put what is large elsewhere and publish where"
            )

    def _checked(self, name: str) -> str:
        """Return the name that a subscription is to have.

        Raises:
            TransportError: it is taken, or missing where it must not be.
        """
        if self._dispatch.named(name):
            raise TransportError(
                f"the subscription {name!r} is there already: give this one another "
                "name, or unsubscribe that one"
            )
        if self.persistent and not name:
            raise TransportError(
                "a subscription of a persistent transport has no name: give it one "
                "that stays the same, by which it goes on after a restart"
            )
        return name

    def _came_in(self, event: Event, size: int) -> None:
        self._tally.received += 1
        self._tally.bytes_in += size
        self._show("in", event, size)

    def _show(self, direction: Direction, event: Event, size: int) -> None:
        """Tell the observers; one that fails is not let to stop the traffic."""
        for observer in tuple(self._observers):
            try:
                observer(direction, event, size)
            except Exception:
                log.exception("an observer of the transport %s failed", self.name)

    async def _wind_up(self) -> None:
        self._become("closed")
        await self._end_errands()
        self._become("closed")  # what was cancelled may have opened it once more
        await self._dispatch.stop()
        if self.tells:
            with suppress(TransportError):
                await self._tell_all()

    def _too_slow(self, subscription: Subscription) -> None:
        if self._forget(subscription.id):
            self._run(self._adjust_if_up())
        limits = subscription.limits
        try:
            subscription.on_end(
                f"the subscription {subscription.name!r} was too slow: more than "
                f"{limits.messages:,} events or {limits.bytes:,} bytes waited for it"
            )
        except Exception:
            log.exception("on_end of the subscription %s failed", subscription.name)

    def _forget(self, subscription_id: str) -> bool:
        """End a subscription here, and say whether there was one."""
        subscription = self._dispatch.remove(subscription_id)
        if subscription and not self.persistent:
            self._cover.remove(subscription.pattern)
        return subscription is not None

    async def _fetch(
        self, subscription: Subscription
    ) -> AsyncGenerator[Delivery, None]:
        """Yield what the broker holds for a subscription, once connected."""
        await self._up.wait()
        async with aclosing(self._consume(subscription)) as deliveries:
            async for delivery in deliveries:
                self._came_in(delivery.event, delivery.size)
                yield delivery


def _ignore(_: str) -> None:
    """Hear why a subscription ended, and do nothing about it."""
