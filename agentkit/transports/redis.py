"""Events over a Redis server: pub/sub, and streams where they must not be lost."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from secrets import token_hex
from typing import Final

from agentkit.errors import Invalid
from agentkit.subjects import matches
from agentkit.transports.base import Courier
from agentkit.transports.errors import ConnectionError, PublishError  # noqa: A004
from agentkit.transports.events import DEAD, Event, is_reserved
from agentkit.transports.redis_address import Address, is_of_redis, said
from agentkit.transports.redis_consumer import Consumer
from agentkit.transports.redis_link import Commands, Words
from agentkit.transports.redis_listener import Listener
from agentkit.transports.redis_streams import BELL, NEW, Entry, Shelf
from agentkit.transports.worker import Delivery, Subscription

log = logging.getLogger(__name__)

KEEP: Final = 100_000
"""Events that are kept unless told otherwise."""

LEASE: Final = 30.0
"""Seconds for which what a process fetched is its own, unless it says so again."""

DELIVERIES: Final = 7
"""How often an event is given to somebody who ends over it; then it is a letter."""

FATAL: Final = (
    f"{DELIVERIES} times it was given to somebody who ended before it was handled"
)


class RedisTransport(Courier):
    """Carries events over one Redis server, from version 6.2 on.

    Guarantee of pub/sub, the default: at most once. Who is connected and has subscribed
    when an event is published gets it, in the order of each publisher; who is away
    misses it, and so does everybody while the server is. `publish` fails then, within
    2 s; when it fails in the middle of an exchange, the event may have been published.

    Guarantee of streams, with `persistent`: at least once. `publish` returns when the
    server has stored the event, on disk as far as the server's own settings go. It is
    acknowledged when the handler has returned, or when its letter is stored; until then
    it is given again, to another process of the same name if this one is silent for
    `lease` seconds. An event that is stored twice, as after a publish that failed and
    was tried again, is handled once by the same process. A durable name, with its
    pattern, that is new begins with the oldest event that is kept. What was not
    taken before about `keep` newer events came is lost. Every durable name reads the
    whole stream of a `channel_prefix`: what has nothing to do with each other is better
    off with two.

    All who exchange events use the same `channel_prefix`, and all or none `persistent`.

    Args:
        url: ``redis://user:password@host:port/database``, or ``rediss://`` for TLS.
        channel_prefix: what the names of channels and keys begin with.
        persistent: whether events are kept in streams.
        name: who publishes; made of the host and the process if empty.
        ca_file: who signed the server's certificate, if not a public authority.
        cert_file: our certificate, if the server asks for one.
        key_file: its key.
        keep: events that are kept in the stream, about.
        lease: seconds.

    Raises:
        Invalid: an argument is malformed.
    """

    kind = "redis"

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        channel_prefix: str = "swarmtui",
        persistent: bool = False,
        name: str = "",
        ca_file: str = "",
        cert_file: str = "",
        key_file: str = "",
        keep: int = KEEP,
        lease: float = LEASE,
    ) -> None:
        self._address = Address(
            url=url, ca_file=ca_file, cert_file=cert_file, key_file=key_file
        )
        if not channel_prefix or keep < 1 or lease <= 0:
            raise Invalid(
                f"channel_prefix={channel_prefix!r}, keep={keep}, lease={lease} cannot "
                "be: give a prefix, and keep and lease above 0"
            )
        super().__init__(name=name, url=self._address.shown, persistent=persistent)
        self._prefix = f"{channel_prefix}:"
        self._shelf = Shelf(prefix=self._prefix, keep=keep, lease=lease)
        self._me = f"{self.name}-{token_hex(4)}"
        self._commands = Commands(self._address.connect)
        self._listener: Listener | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._consumers: set[Consumer] = set()

    # --- The connection ---------------------------------------------------------------

    async def _open(self) -> None:
        self._listener = Listener(await self._address.connect(), self._prefix)
        self._commands = Commands(self._address.connect)
        self._receiving = asyncio.create_task(self._receive(self._listener))
        if self.persistent:
            try:
                await self._listen(BELL)
            except BaseException:
                await self._close()
                raise

    async def _close(self) -> None:
        if self._listener and self._receiving:
            self._receiving.cancel()
            await self._listener.close()
            await self._commands.close()
            await asyncio.gather(self._receiving, return_exceptions=True)

    async def _receive(self, listener: Listener) -> None:
        """Take in what comes until the connection is lost."""
        bell = f"{self._prefix}{BELL}".encode()
        try:
            with self._explaining():
                while True:
                    way, payload = await listener.receive()
                    if way == bell:
                        self._ring(payload)
                    else:
                        await self._arrived(payload, way.decode())
        except ConnectionError as error:
            self._lost(error)
        except Exception:
            log.exception("what Redis sends to %s is not understood", self.name)
            self._lost(ConnectionError("it sent what is not understood"))

    async def _listen(self, pattern: str) -> None:
        if self._listener:
            with self._explaining():
                await self._listener.listen(pattern)

    async def _unlisten(self, pattern: str) -> None:
        if self._listener:
            with self._explaining():
                await self._listener.unlisten(pattern)

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Raise what redis-py raises as an error of ours.

        Raises:
            ConnectionError: the server is gone.
            TransportError: it refuses what it was asked.
        """
        try:
            yield
        except Exception as error:
            if not is_of_redis(error):
                raise
            raise self._address.gone(error) from None

    # --- Events -----------------------------------------------------------------------

    async def _send(self, event: Event, payload: bytes) -> None:
        try:
            await self._commands.ask_all(*self._sending(event.name, payload))
        except Exception as error:
            if not is_of_redis(error):
                raise
            raise PublishError(
                f"the Redis server at {self._address.host} did not take "
                f"{event.name!r} ({said(error)}): publish it again when it does"
            ) from None

    def _sending(self, subject: str, payload: bytes) -> Iterator[Words]:
        """Yield the commands that store or publish an event; a letter is both."""
        if self.persistent and subject == DEAD:
            yield self._shelf.storing(self._shelf.letters, payload)
        if self.persistent and not is_reserved(subject):
            yield self._shelf.storing(self._shelf.events, payload)
            yield self._shelf.ringing(NEW)
        else:
            yield ("PUBLISH", f"{self._prefix}{subject}", payload)

    def _ring(self, why: bytes) -> None:
        for consumer in self._consumers:
            consumer.ring(why)

    # --- Streams ----------------------------------------------------------------------

    async def _consume(
        self, subscription: Subscription
    ) -> AsyncGenerator[Delivery, None]:
        consumer = Consumer(
            self._commands,
            self._shelf,
            group=f"{subscription.name} {subscription.pattern}",
            me=self._me,
            most=subscription.limits.messages,
        )
        self._consumers.add(consumer)
        try:
            with self._explaining():
                async with aclosing(consumer.batches()) as batches:
                    async for entries in batches:
                        async for delivery in self._read(
                            subscription, consumer, entries
                        ):
                            yield delivery
        finally:
            self._consumers.discard(consumer)

    async def _read(
        self, subscription: Subscription, consumer: Consumer, entries: list[Entry]
    ) -> AsyncGenerator[Delivery, None]:
        """Yield what a subscription's handler is to have, and be done with the rest."""
        read = [(entry, self._event(entry, subscription.pattern)) for entry in entries]
        if unwanted := [entry for entry, event in read if not event]:
            await consumer.acknowledge(*unwanted)
        for entry, event in read:
            done = partial(self._done, consumer, entry)
            if not event or not consumer.holds(entry):
                continue
            if entry.deliveries > DELIVERIES:
                await self._bury(subscription, event, RuntimeError(FATAL))
                subscription.dead += 1
                await done()
            else:
                yield Delivery(event, len(entry.payload), done)

    def _event(self, entry: Entry, pattern: str) -> Event | None:
        """Return the event of an entry, if it matches."""
        try:
            event = Event.decode(entry.payload)
        except Invalid:
            self._tally.garbage += 1
            return None
        return event if matches(pattern, event.name) else None

    async def _done(self, consumer: Consumer, entry: Entry) -> None:
        with self._explaining():
            await consumer.acknowledge(entry)
