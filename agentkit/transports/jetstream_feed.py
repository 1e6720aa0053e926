"""What one subscription takes from a stream, and holds until it is acknowledged."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from agentkit.errors import Invalid
from agentkit.subjects import matches
from agentkit.transports.errors import ConnectionError, TransportError  # noqa: A004
from agentkit.transports.events import Event
from agentkit.transports.jetstream import Stream
from agentkit.transports.jetstream_held import ACK, NEVER, Held, Place
from agentkit.transports.nats_errors import failing_as
from agentkit.transports.nats_link import Link
from agentkit.transports.worker import Bury, Delivery, Subscription

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

FETCHED: Final = 256
"""Events that are fetched at once, if the subscription's limits allow as many."""

DELIVERIES: Final = 7
"""Deliveries of an event that all ended without a word, after which it is buried."""

EXPIRES: Final = 30.0
"""Seconds after which the server forgets that it was asked for events."""

BEAT: Final = 2.0
"""Seconds of silence after which it says that it has not."""

PATIENCE: Final = 3 * BEAT
"""Seconds of silence that mean that it has."""

STILL_THERE, IN_TIME = "100", "408"
FULFILLED: Final = ("batch completed", "message size exceeds maxbytes")
"""What the server says of a request that it is done with, as it should be."""


class Feed:
    """The events of a subscription that this process has fetched.

    What came by one connection and is not acknowledged is handled over the next before
    what is new.

    It holds about as much as is handled in a second, and begins with one event: who is
    slow leaves the work to others, and an event that ends its process takes few others
    with it.

    Args:
        stream: what it takes from.
        subscription: whom it is for.
        bury: is given events that seem to end whoever handles them.
        link: returns the connection as it is now, if there is one.
        garbage: is called for what is no event.
    """

    def __init__(
        self,
        stream: Stream,
        subscription: Subscription,
        *,
        bury: Bury,
        link: Callable[[], Link | None],
        garbage: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._subscription = subscription
        self._bury = bury
        self._garbage = garbage
        self._most = min(subscription.limits.messages, FETCHED)
        self._window = 1
        """How many to hold."""
        self._asked = 0
        """How many of those that the server was asked for are still to come."""
        self._request = 0
        """The number of the latest request."""
        self._waiting: deque[tuple[Place, Msg]] = deque()
        self._held = Held(link, stream.ack_wait)
        self._trouble = ""
        self._news = asyncio.Event()

    def lose(self) -> None:
        """Take note that the connection is gone."""
        self._trouble = "the connection is lost"
        self._news.set()

    async def deliveries(self, link: Link) -> AsyncGenerator[Delivery, None]:
        """Yield what is held, then what is there, then what comes.

        When it is closed while there is a connection, what is held is given back.

        Raises:
            ConnectionError: the connection is gone, or the consumer is.
        """
        from nats.errors import Error

        self._trouble, self._asked = "", 0
        client, inbox = link.client, link.client.new_inbox()
        requests = await self._stream.consumer(link, self._subscription)
        with failing_as(ConnectionError, f"nothing comes from {self._stream.shown}"):
            listener = await client.subscribe(f"{inbox}.*", cb=self._arrived)
            if not await self._held.resume():
                self._waiting.clear()
        keeping = asyncio.create_task(self._held.keep())
        try:
            while True:
                place, message = await self._next(client, requests, inbox)
                try:
                    if delivery := await self._read(place, message):
                        yield delivery
                finally:
                    if place in self._held:
                        self._waiting.appendleft((place, message))
        finally:
            keeping.cancel()
            if client.is_connected:
                with suppress(Error, TimeoutError):
                    async with asyncio.timeout(1):  # what is on its way is ours as well
                        await listener.drain()  # type: ignore[no-untyped-call]
                self._waiting.clear()
                await self._held.give_back()

    # --- What comes -----------------------------------------------------------------

    async def _next(
        self, client: "Client", requests: str, inbox: str
    ) -> "tuple[Place, Msg]":
        """Return what is handled next, when there is something.

        Raises:
            ConnectionError: the connection is gone, or the consumer is.
        """
        while True:
            if self._trouble:
                raise ConnectionError(f"nothing comes: {self._trouble}, ask again")
            if not self._asked and len(self._waiting) <= self._window // 2:
                await self._ask(client, requests, inbox)
            if self._waiting:
                return self._waiting.popleft()
            self._news.clear()
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._news.wait()
            except TimeoutError:
                self._trouble = "the server is silent"

    async def _ask(self, client: "Client", requests: str, inbox: str) -> None:
        """Ask for as much as there is room for.

        Raises:
            ConnectionError: the connection is gone.
        """
        self._asked = self._window - len(self._waiting)
        self._request += 1
        request = {
            "batch": self._asked,
            "expires": int(EXPIRES * 1e9),
            "idle_heartbeat": int(BEAT * 1e9),
            # No less than one event can have, since that one would never come.
            "max_bytes": max(self._subscription.limits.bytes, 2 * client.max_payload),
        }
        with failing_as(ConnectionError, f"nothing comes from {self._stream.shown}"):
            await client.publish(
                requests, json.dumps(request).encode(), f"{inbox}.{self._request}"
            )

    async def _arrived(self, message: "Msg") -> None:
        """Take in an event, or what the server says of our request."""
        if message.reply:
            self._asked = max(0, self._asked - 1)
            at = message.metadata
            place = Place(at.sequence.stream, at.timestamp.timestamp())
            if self._held.take(place, message.reply):
                self._waiting.append((place, message))
        elif message.subject.endswith(f".{self._request}"):
            self._heard(message.headers or {})
        self._news.set()

    def _heard(self, headers: dict[str, str]) -> None:
        """Learn that the latest request is over, or that it is not."""
        status, text = headers.get("Status", ""), headers.get("Description", "")
        if status == STILL_THERE:
            return
        self._asked = 0
        if status != IN_TIME and text.lower() not in FULFILLED:
            self._trouble = f"the server answers {text.strip() or status}"

    async def _read(self, place: Place, message: "Msg") -> Delivery | None:
        """Return a message as what is to be handled, if it is.

        Raises:
            TransportError: it was to be buried, and that could not be stored.
        """
        try:
            event = Event.decode(message.data)
        except Invalid:
            self._garbage()
            await self._held.part(place, NEVER)
            return None
        if not matches(self._subscription.pattern, event.name):
            await self._held.part(place, ACK)
            return None
        if (times := message.metadata.num_delivered) > DELIVERIES:
            await self._bury(self._subscription, event, _never_ended(times))
            self._subscription.dead += 1
            await self._held.part(place, ACK)
            return None
        now = asyncio.get_running_loop().time()
        return Delivery(event, len(message.data), partial(self._done, place, now))

    # --- What becomes of it ---------------------------------------------------------

    async def _done(self, place: Place, since: float) -> None:
        """Acknowledge an event, and hold as many as are done in a second."""
        took = asyncio.get_running_loop().time() - since
        fit = int(1 / max(took, 1e-6))
        self._window = max(1, min(self._most, fit, 2 * self._window))
        await self._held.part(place, ACK)


def _never_ended(times: int) -> TransportError:
    return TransportError(
        f"it was delivered {times} times, and no process has ended its handling: see "
        "whether it ends them, then requeue it"
    )
