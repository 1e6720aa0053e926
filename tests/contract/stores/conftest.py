"""Every store there is, one after the other."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from server.store import MemoryStore, SQLiteStore, Store


@pytest.fixture(params=["memory", "sqlite", "sealed"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: dict[str, Callable[[], Store]] = {
        "memory": MemoryStore,
        "sqlite": lambda: SQLiteStore(tmp_path / "hub.db"),
        "sealed": lambda: SQLiteStore(tmp_path / "hub.db", master="a key of any text"),
    }
    store = made[request.param]()
    await store.open()
    yield store
    await store.close()
