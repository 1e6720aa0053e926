"""Telemetry of agents that are not there yet, and of hubs that cannot write."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from agentkit.protocol import Notify
from agentkit.rows import Agent
from server.core import Turn
from server.hub import Hub
from server.otlp import telemetry as module
from server.otlp.reading import Export, Series, Use
from server.otlp.telemetry import AGENT, PATIENCE, SESSION, Telemetry
from server.store.base import StoreError, Write
from server.store.memory import MemoryStore


class Full(MemoryStore):
    """A store whose disk can be full."""

    full = False

    async def turn(self, write: Write) -> Turn:
        if self.full:
            write(())
            raise StoreError("the disk is full; make room")
        return await super().turn(write)

    async def check(self) -> str:
        if self.full:
            raise StoreError("the disk is full; make room")
        return await super().check()


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def store() -> Full:
    return Full()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def hub(store: Full, clock: Clock) -> AsyncIterator[Hub]:
    hub = Hub(store, clock=clock)
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
async def telemetry(hub: Hub) -> Telemetry:
    telemetry = Telemetry(hub)
    await telemetry.open()
    return telemetry


def use(cost: float, agent: str = "a1", session: str = "") -> Use:
    return Use(agent, session, "claude-code", "metric", "cost", cost)


def who(use: Use) -> str:
    return AGENT + use.agent if use.agent else SESSION + use.session


async def take(telemetry: Telemetry, *uses: Use, digest: str = "d1") -> int:
    return await telemetry.take(Export(list(uses)), who, digest, 100)


async def report(hub: Hub, agent: str) -> None:
    await hub.submit(Notify(agent=agent, report="busy"))


async def cost(hub: Hub, agent: str = "a1") -> float:
    found: Agent = await hub.ask(lambda swarm: swarm.agent(agent))
    return found.cost


async def until_cost(hub: Hub, expected: float, agent: str = "a1") -> None:
    async with asyncio.timeout(10):
        while await cost(hub, agent) != expected:
            await asyncio.sleep(0)


async def test_what_comes_first_waits_for_the_first_report(
    hub: Hub, telemetry: Telemetry
) -> None:
    await take(telemetry, use(1.0))
    await take(telemetry, use(2.0), digest="d2")
    await take(telemetry, use(4.0, "", "0123456789abcdef"), digest="d3")

    await report(hub, "a1")
    await report(hub, "claude-shop-abcdef@box")

    await until_cost(hub, 3.0)
    await until_cost(hub, 4.0, "claude-shop-abcdef@box")
    assert telemetry.tally.counted == 3


async def test_it_does_not_wait_for_long(
    hub: Hub, telemetry: Telemetry, clock: Clock
) -> None:
    await take(telemetry, use(1.0))
    clock.now += PATIENCE

    await take(telemetry, use(2.0, "a2"), digest="d2")
    await report(hub, "a1")
    await report(hub, "a2")

    await until_cost(hub, 2.0, "a2")
    assert await cost(hub) == 0
    assert telemetry.tally.dropped == 1


async def test_it_waits_for_so_many_and_not_for_more(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OWED", 2)

    for agent in ("a1", "a2", "a3"):
        await take(telemetry, use(1.0, agent))

    assert telemetry.tally.dropped == 1


async def test_what_could_not_be_written_counts_once_when_it_is_sent_again(
    hub: Hub, telemetry: Telemetry, store: Full
) -> None:
    await report(hub, "a1")
    total = use(8.0)._replace(series=Series(b"s", 2**62))
    store.full = True
    for digest, told in (("d1", use(1.0)), ("d2", total)):
        with pytest.raises(StoreError, match="disk is full"):
            await take(telemetry, told, digest=digest)
    store.full = False
    async with asyncio.timeout(10):
        while hub.failure is not None:
            await asyncio.sleep(0.01)

    for _ in range(2):
        await take(telemetry, use(1.0), digest="d1")
        await take(telemetry, total, digest="d2")

    assert await cost(hub) == 9.0
    assert telemetry.tally.counted == 2


async def test_a_session_is_looked_up_once(hub: Hub, telemetry: Telemetry) -> None:
    await report(hub, "claude-shop-abcdef@box")
    session = "0123456789abcdef"
    await take(telemetry, use(1.0, "", session))
    await report(hub, "codex-shop-abcdef@box")

    await take(telemetry, use(2.0, "", session), digest="d2")

    assert await cost(hub, "claude-shop-abcdef@box") == 3.0


async def test_more_than_anybody_uses_is_dropped(
    hub: Hub, telemetry: Telemetry
) -> None:
    await report(hub, "a1")

    await take(telemetry, use(1e12), use(1e12))
    await take(telemetry, use(1.0), digest="d2")

    assert await cost(hub) == 1.0
    assert telemetry.tally.dropped == 2


async def test_the_next_day_is_counted_anew(
    hub: Hub, telemetry: Telemetry, clock: Clock
) -> None:
    await report(hub, "a1")
    await take(telemetry, use(1.0))
    clock.now += timedelta(days=1)
    await take(telemetry, use(2.0), digest="d2")

    row = await hub.ask(lambda swarm: swarm.agent("a1"))
    assert (row.cost, row.spent, row.spent_on) == (3.0, 2.0, "2026-01-02")
