"""What the tests of the store on disk do with it."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agentkit.protocol import AgentLost, Logged
from agentkit.rows import Task
from server.core.tables import Tables, Turn
from server.store import SQLiteStore, StoreError

NOW = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)


async def report(store: SQLiteStore, cursor: int, *tasks: Task) -> None:
    events = (Logged(cursor, AgentLost(at=NOW, agent="a1")),)
    rows = Tables(tasks={task.id: task for task in tasks})
    await store.turn(lambda _: Turn(events, rows))


def task(key: str, **values: Any) -> Task:
    return Task(id=key, agent="a1", created=NOW, **{"state": "queued", **values})


async def refusal(store: SQLiteStore) -> str:
    """Return the sentence with which a store refuses to open."""
    with pytest.raises(StoreError) as refused:
        await store.open()
    text = str(refused.value)
    assert text.startswith("the store ")
    assert not text.endswith(".")
    assert "\n" not in text
    return text


async def pragma(store: SQLiteStore, name: str) -> list[Any]:
    """Return a setting of the writing and of the reading connection."""
    assert store._reader is not None
    written = await store._in_thread(
        lambda: store._writing._connection.execute(f"PRAGMA {name}").fetchone()
    )
    read = list(await store._reader.execute_fetchall(f"PRAGMA {name}"))
    return [written[0], *(row[0] for row in read)]


async def trim_all(store: SQLiteStore, before: datetime) -> None:
    while not (await store.trim(before, 2**40)).is_all:
        pass


def execute(path: Path, statement: str, *values: str) -> None:
    shell = sqlite3.connect(path, isolation_level=None)
    shell.execute(statement, values)
    shell.close()
