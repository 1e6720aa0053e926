"""A transport over NATS: its subjects, or its streams."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from agentkit.errors import Invalid
from agentkit.subjects import read_subject
from agentkit.transports.base import Courier
from agentkit.transports.errors import (
    ConnectionError,  # noqa: A004
    PublishError,
    TransportError,
)
from agentkit.transports.events import DEAD, Event, is_reserved
from agentkit.transports.jetstream import Stream, subject_of
from agentkit.transports.jetstream_feed import Feed
from agentkit.transports.nats_address import Address, hang_up
from agentkit.transports.nats_errors import failing_as, said
from agentkit.transports.nats_link import Link
from agentkit.transports.worker import Delivery, Subscription

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription as Listener

log = logging.getLogger(__name__)

DAY = 86_400.0


class NatsTransport(Courier):
    """Carries events over a NATS server, on the subjects ``prefix.name``.

    Guarantee: at most once. What is published while a subscriber is not connected, or
    cannot keep up, it does not get; what is published just before the connection breaks
    may get lost.

    Guarantee when persistent: at least once, through JetStream. A publish that returns
    is stored. A subscription is a durable consumer: it gets what is kept and what
    comes, again and again until its handler has returned or its letter is stored, in
    the order of publishing within a process. Processes with the same name share the
    work; one with another pattern changes it for all. An event that is published twice
    within two minutes is stored once. What a power cut at the server may cost is up to
    its ``sync_interval``, by default two minutes; a crash of the server alone costs
    nothing.

    Args:
        url: ``nats://user:password@host:port``, or ``tls://`` for nothing but TLS;
            ``token@`` in place of a user for a token, and several servers of a cluster
            as ``host:port,host:port``.
        prefix: what all subjects begin with; the stream has its name.
        persistent: whether events are kept; the server needs JetStream for that.
        name: of this transport, as the source of what it publishes.
        ca_file: who signed the server's certificate; the system's authorities if empty.
        cert_file: our own certificate, if the server asks for one.
        key_file: its key; empty if it is in `cert_file` as well.
        max_age: seconds for which a stream that is made here keeps events.
        max_bytes: which it keeps; the oldest go first.
        replicas: servers of a cluster that keep a copy.
        ack_wait: seconds after which what a process had that died goes to another.

    Raises:
        Invalid: the url or the prefix is malformed, or there are certificates without
            TLS.
    """

    kind: ClassVar[str] = "nats"

    def __init__(
        self,
        url: str = "nats://localhost:4222",
        *,
        prefix: str = "swarmtui",
        persistent: bool = False,
        name: str = "",
        ca_file: str = "",
        cert_file: str = "",
        key_file: str = "",
        max_age: float = 7 * DAY,
        max_bytes: int = 2**30,
        replicas: int = 1,
        ack_wait: float = 30.0,
    ) -> None:
        self._address = Address(
            url=url, ca_file=ca_file, cert_file=cert_file, key_file=key_file
        )
        super().__init__(name=name, url=self._address.shown, persistent=persistent)
        if max_age < 0 or max_bytes < 1 or replicas < 1 or ack_wait <= 0:
            raise Invalid(
                f"max_age={max_age}, max_bytes={max_bytes}, replicas={replicas}, "
                f"ack_wait={ack_wait} cannot be: give 0 or more, and more than 0"
            )
        if is_reserved(prefix):
            raise Invalid(
                f"the prefix {prefix!r} begins with an underscore, as what is reserved "
                "does: use another one"
            )
        self._prefix = ".".join(read_subject(prefix))
        self._stream = Stream(
            prefix=prefix,
            shown=self.url,
            max_age=max_age,
            max_bytes=max_bytes,
            replicas=replicas,
            ack_wait=ack_wait,
        )
        self._link: Link | None = None
        self._listeners: dict[str, list[Listener]] = {}
        self._feeds: dict[Subscription, Feed] = {}
        """What is held for subscriptions, over connections."""

    # --- The connection ---------------------------------------------------------------

    async def _open(self) -> None:
        client = await self._address.connect(
            name=self.name,
            lost=lambda: self._ended(link),
            heard=lambda error: self._complain(link, error),
        )
        echo = f"_{self._prefix}._echo.{uuid4().hex}"
        link = Link(client, echo, lost=lambda: self._ended(link))
        try:
            with failing_as(ConnectionError, f"nothing comes back from {self.url}"):
                await link.begin()
            if self.persistent:
                await self._stream.make(link)
        except BaseException:
            link.end()
            await hang_up(client)
            raise
        self._link = link
        self._largest = client.max_payload
        self._listeners.clear()
        self._feeds = {
            sub: self._feeds[sub] for sub in self._dispatch if sub in self._feeds
        }

    async def _close(self) -> None:
        link, self._link = self._link, None
        if link:
            link.end()
            await hang_up(link.client)

    def _ended(self, link: Link) -> None:
        """Note that a connection is gone, if it is the one that we have."""
        if link is not self._link:
            return
        link.end()
        for feed in self._feeds.values():
            feed.lose()
        self._lost(ConnectionError(f"the NATS server at {self.url} went away"))

    def _complain(self, link: Link, error: Exception) -> None:
        """Log what the server says and nobody asked for."""
        if not link.refuse(error):
            log.warning("the NATS server at %s: %s", self.url, said(error))

    def _linked(self, kind: type[TransportError]) -> Link:
        if self._link is None:
            raise kind(
                f"there is no connection to the NATS server at {self.url}: try again "
                "when it is back"
            )
        return self._link

    # --- What is not kept -------------------------------------------------------------

    async def _send(self, event: Event, payload: bytes) -> None:
        link = self._linked(PublishError)
        subject = subject_of(self._prefix, event.name)
        with failing_as(PublishError, f"{self.url} did not take {event.name!r}"):
            if not self._keeps(event):
                await link.publish(subject, payload)
            elif not await self._stream.put(link, subject, payload, event.key):
                self._ended(link)  # to open it again makes the stream again
                raise PublishError(
                    f"the stream for {event.name!r} at {self.url} is gone: publish "
                    "again when it is made anew, in a moment"
                )

    def _keeps(self, event: Event) -> bool:
        return self.persistent and (event.name == DEAD or not is_reserved(event.name))

    async def _listen(self, pattern: str) -> None:
        link = self._linked(ConnectionError)
        subjects = [subject_of(self._prefix, pattern)]
        if pattern == "**":
            subjects.append(f"_{self._prefix}.>")
        what = f"{self.url} does not bring {pattern!r}"
        with failing_as(ConnectionError, what, refusal=TransportError):
            self._listeners[pattern] = [
                await link.listen(subject, partial(self._brought, pattern))
                for subject in subjects
            ]

    async def _unlisten(self, pattern: str) -> None:
        with failing_as(ConnectionError, f"{self.url} still brings {pattern!r}"):
            for listener in self._listeners.pop(pattern, ()):
                await listener.drain()  # type: ignore[no-untyped-call]

    async def _brought(self, pattern: str, message: "Msg") -> None:
        await self._arrived(message.data, pattern)

    # --- What is kept -----------------------------------------------------------------

    async def _consume(
        self, subscription: Subscription
    ) -> AsyncGenerator[Delivery, None]:
        link = self._linked(ConnectionError)
        feed = self._feeds.setdefault(subscription, self._feed(subscription))
        async with aclosing(feed.deliveries(link)) as deliveries:
            async for delivery in deliveries:
                yield delivery

    def _feed(self, subscription: Subscription) -> Feed:
        return Feed(
            self._stream,
            subscription,
            bury=self._bury,
            link=lambda: self._link,
            garbage=self._count_garbage,
        )

    def _count_garbage(self) -> None:
        self._tally.garbage += 1
