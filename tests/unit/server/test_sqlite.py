"""What only the store on disk must do: its file, its lock, and what can go wrong."""

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from agentkit.protocol import AgentLost, Logged
from agentkit.rows import Delivery, Task
from server.core.tables import Tables, Turn
from server.store import SQLiteStore, StoreError
from server.store.schema import TABLES, VERSION

NOW = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "hub.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(path)
    await store.open()
    yield store
    await store.close()


async def report(store: SQLiteStore, cursor: int, *tasks: Task) -> None:
    events = (Logged(cursor, AgentLost(at=NOW, agent="a1")),)
    rows = Tables(tasks={task.id: task for task in tasks})
    await store.turn(lambda _: Turn(events, rows))


def task(key: str, **values: Any) -> Task:
    return Task(id=key, agent="a1", state="queued", created=NOW, **values)


async def refusal(store: SQLiteStore) -> str:
    """Return the sentence with which a store refuses to open."""
    with pytest.raises(StoreError) as refused:
        await store.open()
    text = str(refused.value)
    assert text.startswith("the store ")
    assert not text.endswith(".")
    assert "\n" not in text
    return text


# --- One hub per store ----------------------------------------------------------------


async def test_a_second_hub_is_told_who_holds_the_store(
    store: SQLiteStore, path: Path
) -> None:
    text = await refusal(SQLiteStore(path))

    assert str(path) in text
    assert f"process id {os.getpid()}" in text


HOLDER = """
import asyncio, sys
from pathlib import Path
from server.store import SQLiteStore
async def hold():
    await SQLiteStore(Path(sys.argv[1])).open()
    print("open", flush=True)
    await asyncio.sleep(600)
asyncio.run(hold())
"""


async def test_a_killed_hub_leaves_no_lock_behind(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        held = await refusal(SQLiteStore(path))
        holder.kill()

    again = SQLiteStore(path)
    await again.open()

    assert f"process id {holder.pid}" in held
    await again.close()


async def test_a_closed_store_can_be_opened_by_another(
    store: SQLiteStore, path: Path
) -> None:
    await report(store, 1, task("T1"))
    await store.close()

    other = SQLiteStore(path)
    await other.open()

    assert await other.task("T1") == task("T1")
    await other.close()


async def test_a_store_that_is_not_open_says_so(path: Path) -> None:
    store = SQLiteStore(path)

    with pytest.raises(StoreError, match="is not open"):
        await store.load()
    with pytest.raises(StoreError, match="is not open"):
        await store.events()


# --- Its file -------------------------------------------------------------------------


async def test_only_the_owner_reads_the_store(store: SQLiteStore, path: Path) -> None:
    await report(store, 1)
    await store.events()

    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert modes == dict.fromkeys(
        ("hub.db", "hub.db-wal", "hub.db-shm", "hub.db.lock"), 0o600
    )


async def test_a_file_that_others_could_read_is_closed_to_them(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    path.touch(mode=0o644)
    store = SQLiteStore(path)

    await store.open()
    await store.close()

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o755


async def test_closing_folds_the_write_ahead_log_into_the_file(
    store: SQLiteStore, path: Path
) -> None:
    await report(store, 1)

    await store.close()

    assert sorted(file.name for file in path.parent.iterdir()) == [
        "hub.db",
        "hub.db.lock",
    ]


async def pragma(store: SQLiteStore, name: str) -> list[Any]:
    """Return a setting of the writing and of the reading connection."""
    assert store._reader is not None
    written = await store._in_thread(
        lambda: store._writing._connection.execute(f"PRAGMA {name}").fetchone()
    )
    read = list(await store._reader.execute_fetchall(f"PRAGMA {name}"))
    return [written[0], *(row[0] for row in read)]


async def test_a_commit_is_on_disk_and_only_the_writer_checkpoints(
    store: SQLiteStore,
) -> None:
    assert await pragma(store, "journal_mode") == ["wal", "wal"]
    assert (await pragma(store, "synchronous"))[0] == 2
    assert await pragma(store, "query_only") == [0, 1]
    assert await pragma(store, "wal_autocheckpoint") == [1000, 0]
    assert await pragma(store, "mmap_size") == [0, 0]


async def test_the_reading_connection_cannot_write(store: SQLiteStore) -> None:
    assert store._reader is not None
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await store._reader.execute("DELETE FROM events")


async def test_nothing_is_found_by_searching_a_whole_table(
    store: SQLiteStore, path: Path
) -> None:
    await report(store, 1)
    asked: list[str] = [
        query for table in TABLES.values() for query in table.loads if "WHERE" in query
    ]
    assert store._reader is not None
    await store._reader.set_trace_callback(asked.append)
    await store.events(after=1)
    await store.events(agent="a1", before=9, newest_first=True)
    await store.deliveries(ref="b1", after="a1")
    await store.deliveries(agent="a1")
    await store.task("T1")

    with sqlite3.connect(path) as shell:
        plans = {
            query: [row[3] for row in shell.execute(f"EXPLAIN QUERY PLAN {query}")]
            for query in asked
        }
    shell.close()

    assert len(plans) == 15
    assert [
        (query, step)
        for query, plan in plans.items()
        for step in plan
        if "TEMP B-TREE" in step
        or (step.startswith("SCAN") and "USING INDEX" not in step)
    ] == []


# --- What can be wrong with it --------------------------------------------------------


async def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"these are my notes, not a database\n" * 200)

    assert "damaged" in await refusal(SQLiteStore(path))


async def test_a_damaged_store_is_refused(store: SQLiteStore, path: Path) -> None:
    await report(store, 1, *(task(f"T{n}") for n in range(500)))
    await store.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))

    with pytest.raises(StoreError, match="damaged") as refused:
        await _load(SQLiteStore(path))

    assert str(path) in str(refused.value)


@pytest.mark.parametrize("body", ["{", "{}", "[]"])
async def test_a_row_that_cannot_be_read_is_damage(
    store: SQLiteStore, path: Path, body: str
) -> None:
    await report(store, 1, task("T1"))
    _execute(path, "UPDATE tasks SET body = ?", body)

    with pytest.raises(StoreError, match="damaged"):
        await store.load()
    with pytest.raises(StoreError, match="damaged"):
        await store.task("T1")


async def _load(store: SQLiteStore) -> None:
    try:
        await store.open()
        await store.load()
    finally:
        await store.close()


async def test_a_store_of_a_newer_version_is_refused(
    store: SQLiteStore, path: Path
) -> None:
    await store.close()
    _execute(path, f"PRAGMA user_version = {VERSION + 1}")

    text = await refusal(store)

    assert f"version {VERSION + 1}" in text
    assert "install the newer swarmtui" in text


async def test_a_refused_store_is_not_kept_locked(
    store: SQLiteStore, path: Path
) -> None:
    await store.close()
    _execute(path, f"PRAGMA user_version = {VERSION + 1}")
    await refusal(store)
    _execute(path, f"PRAGMA user_version = {VERSION}")

    other = SQLiteStore(path)
    await other.open()

    await other.close()


async def test_a_database_of_another_program_is_refused(path: Path) -> None:
    path.parent.mkdir()
    _execute(path, "CREATE TABLE bookmarks (url)")

    assert "of another program" in await refusal(SQLiteStore(path))


async def test_a_folder_in_place_of_the_file_is_refused(path: Path) -> None:
    path.mkdir(parents=True)

    assert "is a folder" in await refusal(SQLiteStore(path))


async def test_a_file_in_place_of_the_folder_is_refused(path: Path) -> None:
    path.parent.touch()

    assert "is not in a folder" in await refusal(SQLiteStore(path))


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """Give a folder, and make the process an ordinary user while the test runs."""
    folder = Path(tempfile.mkdtemp())
    user = os.geteuid()
    if user == 0:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    yield folder
    folder.chmod(0o700)
    os.seteuid(user)
    rmtree(folder)


async def test_a_folder_that_cannot_be_written_is_refused(unprivileged: Path) -> None:
    unprivileged.chmod(0o500)

    text = await refusal(SQLiteStore(unprivileged / "hub.db"))

    assert "cannot be opened by your user" in text
    assert "--data-dir" in text


async def test_a_file_that_cannot_be_written_is_refused(unprivileged: Path) -> None:
    path = unprivileged / "hub.db"
    store = SQLiteStore(path)
    await store.open()
    await store.close()
    path.chmod(0o400)

    assert "cannot be opened by your user" in await refusal(store)


async def test_a_store_that_turns_read_only_says_so(store: SQLiteStore) -> None:
    await _set(store, "query_only = 1")

    with pytest.raises(StoreError, match="is read-only"):
        await store.check()


async def test_a_store_locked_by_a_shell_says_so(
    store: SQLiteStore, path: Path
) -> None:
    await _set(store, "busy_timeout = 10")
    shell = sqlite3.connect(path, isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreError, match="locked by another program"):
        await report(store, 1)
    shell.close()
    await report(store, 1)

    assert len(await store.events()) == 1


async def test_a_full_disk_keeps_nothing_of_the_turn_and_passes(
    store: SQLiteStore,
) -> None:
    await report(store, 1, task("T1"))
    (pages, _) = await pragma(store, "page_count")
    await _set(store, f"max_page_count = {pages + 2}")
    large = task("T2", body={"text": "x" * 50_000})

    with pytest.raises(StoreError, match="no room left on its disk"):
        await report(store, 2, task("T1", title="changed"), large)
    assert await store.load() == (1, Tables(tasks={"T1": task("T1")}))

    await _set(store, "max_page_count = 100000")
    await report(store, 2, large)

    assert await store.load() == (2, Tables(tasks={"T1": task("T1"), "T2": large}))
    assert [cursor for cursor, _ in await store.events()] == [1, 2]


async def test_what_no_json_can_say_is_refused_and_nothing_of_it_kept(
    store: SQLiteStore,
) -> None:
    with pytest.raises(StoreError, match="cannot hold"):
        await report(store, 1, task("T1"), task("T2", body={"x": object()}))

    await report(store, 1, task("T3"))

    assert await store.load() == (1, Tables(tasks={"T3": task("T3")}))


async def test_a_turn_holds_ten_thousand_deliveries(store: SQLiteStore) -> None:
    mail = {
        (agent, 1): Delivery(
            agent=agent,
            seq=1,
            kind="broadcast",
            ref="b1",
            state="queued",
            queued=NOW,
        )
        for agent in (f"a{number:05}" for number in range(10_000))
    }

    await store.turn(lambda _: Turn((), Tables(deliveries=mail)))

    assert await store.deliveries(ref="b1", limit=20_000) == list(mail.values())


def _execute(path: Path, statement: str, *values: str) -> None:
    shell = sqlite3.connect(path, isolation_level=None)
    shell.execute(statement, values)
    shell.close()


async def _set(store: SQLiteStore, setting: str) -> None:
    """Change a setting of the writing connection, in the thread that owns it."""
    await store._in_thread(
        lambda: store._writing._connection.execute(f"PRAGMA {setting}").fetchall()
    )
