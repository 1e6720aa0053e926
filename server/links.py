"""Every link of the hub in figures, and what transports tell of theirs.

The links are kinds of connections, not single ones: agents, watchers, HTTP, the bus.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import isfinite
from time import perf_counter
from typing import Any, Final

from agentkit.transports.metrics import BOUNDS, Metrics, SubscriptionMetrics, Tally
from server.asgi import dumps
from server.wire import LINK_TOLD

TOLD: Final = 1000
"""Transports whose figures are kept; those that told theirs longest ago go first."""
EACH: Final = 16
"""Transports that one source may tell of."""
SHOWN: Final = 100
"""Subscriptions of each that are kept."""
LARGEST: Final = 1 << 16
"""Bytes of the figures of one transport."""

GONE: Final = timedelta(seconds=60)
"""How long a transport that is closed is still shown."""

SEEN: Final = 100_000
"""Names by which reconnections are known."""

Queue = Callable[[], tuple[int, int]]
"""Says how many messages wait on a link, and how many bytes."""
Subscriptions = Callable[[], tuple[SubscriptionMetrics, ...]]


class Link:
    """One kind of connection to the hub."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path
        self.tally = Tally()
        """`received` is what came to the hub, `published` what the hub sent."""
        self.queue: Queue = lambda: (0, 0)
        self.subscriptions: Subscriptions = tuple
        self.since = datetime.now(UTC)
        self._seen: set[str] = set()

    def opened(self, name: str) -> None:
        """Count a connection; of somebody who was here before it is a reconnection."""
        self.tally.reconnects += name in self._seen
        if len(self._seen) >= SEEN:
            self._seen.clear()
        self._seen.add(name)

    def time(self, answer: asyncio.Future[Any]) -> None:
        """Count how long an answer takes from now."""
        begun = perf_counter()
        answer.add_done_callback(lambda _: self.tally.took(perf_counter() - begun))

    def metrics(self, url: str) -> Metrics:
        """Return the link in figures."""
        tally = self.tally
        queued, queued_bytes = self.queue()
        return Metrics(
            kind=self.name,
            name=self.name,
            url=url + self.path,
            state="connected",
            persistent=self.name == "agents",
            since=self.since,
            published=tally.published,
            received=tally.received,
            delivered=tally.delivered,
            failed=tally.failed,
            retried=tally.retried,
            dead=tally.dead,
            dropped=tally.dropped,
            garbage=tally.garbage,
            reconnects=tally.reconnects,
            bytes_in=tally.bytes_in,
            bytes_out=tally.bytes_out,
            queued=queued,
            queued_bytes=queued_bytes,
            latency=tally.latency(),
            subscriptions=self.subscriptions(),
        )


class Links:
    """The hub's own links, the bridges', and what transports told."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.agents = Link("agents", "/v1/agent")
        self.watchers = Link("watchers", "/v1/coordinator")
        self.bus = Link("bus", "/v1/bus")
        self.http = Link("http", "")
        self.bridges: dict[str, Callable[[], Metrics]] = {}
        """By name, what tells the figures of each bridge."""
        self.garbled = 0
        """Figures that could not be read."""
        self._now = now
        self._told: dict[tuple[str, str, str], tuple[datetime, Metrics]] = {}

    @property
    def own(self) -> tuple[Link, ...]:
        """The links of the hub itself."""
        return self.agents, self.watchers, self.bus, self.http

    def at(self, path: str) -> Link:
        """Return the link of a WebSocket's path."""
        return next(link for link in self.own if link.path == path)

    def tell(self, via: str, source: str, data: Mapping[str, Any]) -> None:
        """Take in what a transport tells of itself on ``_link``.

        Args:
            via: the link that it came by: ``bus``, or the name of a bridge.
            source: who told it; it stands before a name that is not its own.
            data: metrics; what is none is counted and left out.
        """
        try:
            metrics = _fitted(LINK_TOLD.validate_python(data), source)
        except ValueError:
            self.garbled += 1
            return
        self._told.pop((via, source, metrics.name), None)
        mine = [key for key in self._told if key[:2] == (via, source)]
        for key in mine[: max(len(mine) - EACH + 1, 0)]:
            del self._told[key]
        self._told[via, source, metrics.name] = self._now(), metrics
        if len(self._told) > TOLD:
            del self._told[next(iter(self._told))]

    def gone(self, via: str, source: str) -> None:
        """Note that whoever told of a transport is gone, and the transport with it."""
        now = self._now()
        for key, (_, metrics) in tuple(self._told.items()):
            if key[:2] == (via, source) and metrics.state != "closed":
                self._told[key] = now, replace(metrics, state="closed", since=now)

    def standing(self, url: str) -> list[Metrics]:
        """Return the hub's own links and its bridges in figures.

        Args:
            url: of the hub.
        """
        bridges = [bridge() for bridge in self.bridges.values()]
        return [*(link.metrics(url) for link in self.own), *bridges]

    def all(self, url: str) -> list[Metrics]:
        """Return every link in figures, those too that transports told of."""
        self._forget()
        return [*self.standing(url), *(metrics for _, metrics in self._told.values())]

    def _forget(self) -> None:
        now = self._now()
        for key, (at, metrics) in tuple(self._told.items()):
            if metrics.state == "closed" and now - at > GONE:
                del self._told[key]


def _fitted(metrics: Metrics, source: str) -> Metrics:
    """Return figures with no more subscriptions than are shown, under who told them.

    Raises:
        ValueError: they are too large all the same, or cannot be told on.
    """
    latency = metrics.latency
    if len(latency.buckets) != len(BOUNDS) + 1:
        raise ValueError("the buckets of the latency are others")
    if not isfinite(latency.p50 + latency.p99):
        raise ValueError("a latency is no number")
    own = metrics.name == source
    name = source if own else f"{source}: {metrics.name}"
    fitted = replace(metrics, name=name, subscriptions=metrics.subscriptions[:SHOWN])
    try:
        size = len(dumps(fitted))
    except TypeError as error:
        raise ValueError(str(error)) from None
    if size > LARGEST:
        raise ValueError("the figures are too large")
    return fitted
