"""What can be wrong with the store on disk, and the sentence that tells it."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from agentkit.rows import Delivery
from server.core.tables import Tables, Turn
from server.store import SQLiteStore, StoreError
from server.store.schema import VERSION
from tests.unit.server.sqlite.steps import (
    NOW,
    execute,
    pragma,
    refusal,
    report,
    task,
)


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
    execute(path, "UPDATE tasks SET body = ?", body)

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
    execute(path, f"PRAGMA user_version = {VERSION + 1}")

    text = await refusal(store)

    assert f"version {VERSION + 1}" in text
    assert "install the newer swarmtui" in text


async def test_a_refused_store_is_not_kept_locked(
    store: SQLiteStore, path: Path
) -> None:
    await store.close()
    execute(path, f"PRAGMA user_version = {VERSION + 1}")
    await refusal(store)
    execute(path, f"PRAGMA user_version = {VERSION}")

    other = SQLiteStore(path)
    await other.open()

    await other.close()


async def test_a_database_of_another_program_is_refused(path: Path) -> None:
    path.parent.mkdir()
    execute(path, "CREATE TABLE bookmarks (url)")

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


async def _set(store: SQLiteStore, setting: str) -> None:
    """Change a setting of the writing connection, in the thread that owns it."""
    await store._in_thread(
        lambda: store._writing._connection.execute(f"PRAGMA {setting}").fetchall()
    )
