"""A bus: subscribe in a line, publish by name, look back at what went by."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import wraps
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from agentkit.errors import AgentkitError
from agentkit.subjects import matches
from agentkit.transports.errors import TransportError
from agentkit.transports.events import Event, Handler, read_wanted
from agentkit.transports.limits import Limits
from agentkit.transports.local import LocalTransport
from agentkit.transports.protocol import Transport
from agentkit.transports.worker import Retry

log = logging.getLogger(__name__)

REMEMBERED: Final = 1000
"""Events that a bus can look back at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """A subscription that the transport has not been told of yet."""

    id: str
    pattern: str
    handler: Handler
    name: str
    limits: Limits | None
    retry: Retry | None


class EventBus:
    """Publishes and subscribes over a transport, and remembers what went by.

        bus = EventBus(RedisTransport("redis://localhost:6379"))
        bus.subscribe("task.*", handle)
        async with bus:
            await bus.publish("task.created", {"id": "123"})

    Handlers are the transport's: each is called once per event, whether this bus
    published it, somebody else in the process, or somebody far away.

    Args:
        transport: any; a `LocalTransport` of its own if there is none, which needs no
            `connect`.
    """

    def __init__(self, transport: Transport | None = None) -> None:
        self.transport: Transport = transport or LocalTransport()
        self._connects = transport is None
        """Whether publishing connects: only a transport of our own, and only once."""
        self._wishes: deque[_Wish] = deque()
        self._ids: dict[str, str] = {}
        self._history: dict[str, Event] = {}
        self._settling = asyncio.Lock()
        self._errands: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        """Connect the transport, unless it is.

        Raises:
            TransportError: it cannot be, or a name of a subscription is taken.
        """
        self._connects = False
        await self._settle()
        await self.transport.connect()

    async def disconnect(self) -> None:
        """Disconnect the transport; the subscriptions stay."""
        self._connects = False
        await self.transport.disconnect()

    def subscribe(
        self,
        pattern: str,
        handler: Handler,
        *,
        name: str = "",
        limits: Limits | None = None,
        retry: Retry | None = None,
    ) -> str:
        """Have a handler called with what a pattern matches; return the id of that.

        It may be called anywhere, before there is an event loop too. What this bus
        publishes afterwards reaches the handler.

        Args:
            pattern: what for; see `agentkit.subjects`.
            handler: is awaited with one event after the other.
            name: see `Transport.subscribe`.
            limits: what may wait for the handler.
            retry: how often a handler that raises is tried.

        Raises:
            Invalid: the pattern is malformed, or it is reserved.
            TransportError: the transport is persistent, and there is no name.
        """
        read_wanted(pattern)
        if self.transport.persistent and not name:
            raise TransportError(
                f"the subscription to {pattern!r} of a persistent transport has no "
                "name: give it one that stays the same, so that it goes on after a "
                "restart"
            )
        wish = _Wish(
            id=uuid4().hex,
            pattern=pattern,
            handler=self._remembering(handler),
            name=name,
            limits=limits,
            retry=retry,
        )
        self._wishes.append(wish)
        self._settle_soon()
        return wish.id

    async def unsubscribe(self, subscription_id: str) -> bool:
        """End a subscription, and say whether there was one of that id."""
        await self._settle()
        known = self._ids.pop(subscription_id, None)
        return known is not None and await self.transport.unsubscribe(known)

    async def publish(
        self, event: Event | str, data: Mapping[str, Any] | None = None
    ) -> Event:
        """Publish an event, or one made of a name and data; return it.

        Raises:
            PublishError: there is no connection, or the broker did not take it.
            Invalid: the name is no subject, or the data has no form in JSON.
        """
        if isinstance(event, str):
            event = Event(event, data or {})
        if self._connects:
            await self.connect()
        await self._settle()
        await self.transport.publish(event)
        self._history.setdefault(event.key, event)
        self._forget_the_oldest()
        return event

    def history(self, pattern: str = "**", limit: int = 100) -> list[Event]:
        """Return what this bus published or its handlers received, oldest first.

        Args:
            pattern: which of the latest 1,000.
            limit: at most so many, the newest.

        Raises:
            Invalid: the pattern is malformed.
        """
        newest = reversed(self._history.values())
        found = (event for event in newest if matches(pattern, event.name))
        return list(islice(found, max(limit, 0)))[::-1]

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

    def _remembering(self, handler: Handler) -> Handler:
        """Return a handler that puts what it is given into the history first."""

        @wraps(handler)
        async def remember(event: Event) -> None:
            self._history[event.key] = event
            self._forget_the_oldest()
            await handler(event)

        return remember

    def _forget_the_oldest(self) -> None:
        if len(self._history) > REMEMBERED:
            del self._history[next(iter(self._history))]

    def _settle_soon(self) -> None:
        """Tell the transport of the wishes without being awaited, in a loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        task = loop.create_task(self._settle_or_log())
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _settle_or_log(self) -> None:
        try:
            await self._settle()
        except AgentkitError as error:
            log.error("%s", error)  # noqa: TRY400 - the sentence says it all

    async def _settle(self) -> None:
        """Tell the transport of the wishes, in their order.

        Raises:
            TransportError: it refuses one, which is forgotten.
        """
        async with self._settling:
            while self._wishes:
                wish = self._wishes.popleft()
                self._ids[wish.id] = await self.transport.subscribe(
                    wish.pattern,
                    wish.handler,
                    name=wish.name,
                    limits=wish.limits,
                    retry=wish.retry,
                )
