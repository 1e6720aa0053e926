"""What the hub does by itself, once a second: figures, pings, and the collector.

One task for all connections, instead of timers for each.
"""

import asyncio
import gc
import logging
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from agentkit.errors import HubUnavailable
from server.asgi import dumps
from server.connection import sweep
from server.office import Office

log = logging.getLogger("swarmtui.hub")

WAVE: Final = 500
"""New connections after which the survivors are taken from the collector's rounds."""

THRESHOLDS: Final = (50_000, 20, 1_000_000)
"""A full collection stops a loop with 10,000 connections for most of a second: so
collect the young when they are many, the middle-aged seldom, the old practically
never."""


class Pulse:
    """Runs once a second for as long as the hub does."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._frozen = 0
        self._before = 0
        self._task: asyncio.Task[None] | None = None
        self._links = b""
        """What was told of the links last."""

    def start(self) -> None:
        """Begin to beat."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        self._task = asyncio.create_task(self._beat(), name="pulse")

    def stop(self) -> None:
        """Beat no more."""
        if self._task:
            self._task.cancel()

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        second = ping = loop.time()
        while True:
            second += 1.0
            await asyncio.sleep(max(0.0, second - loop.time()))
            due = loop.time() - ping >= self._office.settings.ping_interval
            ping = loop.time() if due else ping
            try:
                await self._second(ping=due)
            except Exception:
                # A defect in one figure must not end the pings of all connections.
                log.exception("the hub's pulse stumbled")

    async def _second(self, *, ping: bool) -> None:
        """Do what is due once a second."""
        office = self._office
        office.hub.stats.tick()
        office.visits.expire(office.hub.now())
        office.refusals.settle(monotonic())
        self._calm_down()
        if ping:
            await sweep(office.connections)
        await office.mailroom.settle()
        await self._tell()
        self._tell_of_links()

    async def _tell(self) -> None:
        if not len(self._office.watchers):
            return
        # A hub that cannot write is silent; the rest of its figures is in /metrics.
        with suppress(HubUnavailable):
            self._office.watchers.tell(dumps(await stats(self._office)))

    def _tell_of_links(self) -> None:
        """Tell whoever asked how the links are, when anything has changed."""
        if not self._office.watchers.want_links:
            return
        links = self._office.links.all(self._office.url)
        text = dumps({"type": "links", "links": links})
        if text != self._links:
            self._links = text
            self._office.watchers.tell_of_links(text)

    def _calm_down(self) -> None:
        """Once a wave of connections is over, let the collector forget them."""
        now = len(self._office.connections)
        settled, self._before = now == self._before, now
        if settled and abs(now - self._frozen) >= WAVE:
            self._frozen = now
            gc.collect(1)
            gc.freeze()


async def stats(office: Office) -> dict[str, Any]:
    """Return the `stats` frame: rates of the last second, latencies of the last ten."""
    meter = office.hub.stats
    p50, p95, p99 = meter.percentiles(0.5, 0.95, 0.99)
    return {
        "type": "stats",
        "at": office.hub.now(),
        "agents": len(office.mailroom.recipients),
        "watchers": len(office.watchers),
        "in_rate": float(meter.last.arrived),
        "out_rate": float(meter.last.pushed),
        "in_bytes": meter.in_bytes,
        "out_bytes": meter.out_bytes,
        "p50_ms": round(p50, 3),
        "p95_ms": round(p95, 3),
        "p99_ms": round(p99, 3),
        "queue": office.hub.backlog,
        "commit_ms": round(meter.commit_ms, 3),
        "turns": meter.turns,
        "buckets": meter.histogram(),
        "alerts_failing": office.alerts.failing,
        "counts": await office.hub.ask(lambda swarm: dict(swarm.counts)),
    }
