"""What takes away what is no longer kept, beside the work of a real hub."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentkit.protocol import AgentLost, Logged, Notify
from server import retention as module
from server.core.tables import Tables, Turn
from server.hub import Hub
from server.retention import Retention
from server.store import MemoryStore, SQLiteStore, Store, StoreError, Write
from server.store.base import Trimmed

NOW = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
WEEK = timedelta(days=7)
ROOM = 2**40


class Diary(MemoryStore):
    """A store that notes what it is asked for, and can be told to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.broken: Exception | None = None

    async def turn(self, write: Write) -> Turn:
        self.asked.append("turn")
        return await super().turn(write)

    async def trim(self, before: datetime, size: int) -> Trimmed:
        self.asked.append("trim")
        if self.broken is not None:
            raise self.broken
        return await super().trim(before, size)


@asynccontextmanager
async def hub_of(store: Store, old: int = 0) -> AsyncIterator[Hub]:
    """Run a hub whose log begins with so many events of a month ago."""
    await store.open()
    then = NOW - timedelta(days=30)
    events = tuple(
        Logged(cursor, AgentLost(at=then, agent="a1")) for cursor in range(1, old + 1)
    )
    await store.turn(lambda _: Turn(events, Tables()))
    await store.close()
    hub = Hub(store, clock=lambda: NOW)
    await hub.start()
    yield hub
    await hub.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0)


async def cursors(hub: Hub) -> list[int]:
    return [cursor for cursor, _ in await hub.store.events(limit=10_000)]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    made: dict[str, Callable[[], Store]] = {
        "memory": MemoryStore,
        "sqlite": lambda: SQLiteStore(tmp_path / "hub.db"),
    }
    return made[request.param]()


async def test_a_round_takes_all_that_is_older_than_its_age(store: Store) -> None:
    async with hub_of(store, old=5000) as hub:
        went = await Retention(hub, WEEK, ROOM).round()

        assert went.rows == 5000
        assert await cursors(hub) == [5001]
        assert hub.stats.trimmed_rows == 5000


async def test_a_round_leaves_what_is_younger_than_its_age(store: Store) -> None:
    async with hub_of(store, old=50) as hub:
        went = await Retention(hub, timedelta(days=31), ROOM).round()

        assert went.is_all
        assert await cursors(hub) == [*range(1, 52)]


async def test_a_round_takes_the_oldest_of_what_is_too_much(store: Store) -> None:
    async with hub_of(store, old=50) as hub:
        await Retention(hub, timedelta(days=31), size=0).round()

        assert await cursors(hub) == [51]


async def test_the_first_round_begins_at_once(store: Store) -> None:
    async with hub_of(store, old=5000) as hub:
        retention = Retention(hub, WEEK, ROOM)
        retention.start()
        await until(lambda: hub.stats.trimmed_rows == 5000)
        await retention.stop()

        assert await cursors(hub) == [5001]


async def test_after_each_round_it_is_looked_for_what_that_left_without_use(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVERY", 0)
    seen: list[int] = []
    async with hub_of(store, old=5000) as hub:

        async def look() -> None:
            seen.append(hub.stats.trimmed_rows)
            if len(seen) == 1:
                raise PermissionError(13, "not yours")

        retention = Retention(hub, WEEK, ROOM, look)
        retention.start()
        await until(lambda: len(seen) == 3)
        await retention.stop()

    assert seen == [5000, 5000, 5000]


async def test_the_work_of_the_hub_goes_on_between_batches() -> None:
    store = Diary()
    async with hub_of(store, old=60_000) as hub:
        store.asked.clear()
        trimming = asyncio.create_task(Retention(hub, WEEK, ROOM).round())
        await until(lambda: "trim" in store.asked)
        await hub.submit(Notify(agent="a1", report="idle"))
        await trimming

    turn = store.asked.index("turn")
    assert "trim" in store.asked[:turn]
    assert "trim" in store.asked[turn + 1 :]


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (StoreError("the disk is full"), "could be taken away: the disk is full"),
        (ZeroDivisionError(), "a round of retention failed"),
    ],
)
async def test_a_round_that_fails_is_told_and_followed_by_others(
    failure: Exception,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "EVERY", 0)
    caplog.set_level(logging.INFO, "swarmtui.hub")
    store = Diary()
    async with hub_of(store, old=10) as hub:
        store.broken = failure
        retention = Retention(hub, WEEK, ROOM)
        retention.start()
        await until(lambda: store.asked.count("trim") > 1)
        store.broken = None
        await until(lambda: hub.stats.trimmed_rows == 10)
        await until(lambda: "took away 10 rows" in caplog.text)
        await retention.stop()

    assert words in caplog.text


async def test_one_that_was_never_started_can_be_stopped(store: Store) -> None:
    async with hub_of(store) as hub:
        await Retention(hub, WEEK, ROOM).stop()
