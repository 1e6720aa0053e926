"""What only the store on disk must do: its file and its lock."""

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from server.store import SQLiteStore, StoreError
from server.store.run_tables import TREE
from server.store.schema import TABLES
from tests.unit.server.sqlite.steps import (
    NOW,
    pragma,
    refusal,
    report,
    task,
    trim_all,
)

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
    # of spools few are kept: a start goes through all of them
    asked: list[str] = [
        query
        for name, table in TABLES.items()
        for query in table.loads
        if "WHERE" in query and name != "spools"
    ]
    assert store._reader is not None
    await store._reader.set_trace_callback(asked.append)
    await store.events(after=1)
    await store.events(agent="a1", before=9, newest_first=True)
    await store.deliveries(ref="b1", after="a1")
    await store.deliveries(agent="a1")
    await store.deliveries(state="dead", after="7@a1")
    await store.deliveries(state="dead", agent="a1")
    await store.task("T1")
    await store.letters(before=9)
    await store.letters(state="dead", before=9)
    await store.spool("a1", "s1")
    await store.runs(before=9)
    await store.runs(state="failed", before=9)
    await store.runs(parent="r1")
    await store.runs(root="r1")
    await store.runs(launched_by="r1", state="done")
    await store.items("r1", state="failed")
    await store.items("r1", visit=2, after=7)
    await store.latest_failed_visit("r1")
    await store.checkpoint("r1")
    await store.checkpoints("r1")
    await store.results()
    await store.results("r1")
    await store.files()
    asked += [query.replace("?1", "'r1'") for each in TREE.values() for query in each]

    assert len(set(asked)) == 47
    assert slow_steps(path, asked) == []


async def test_nothing_is_trimmed_by_searching_a_whole_table(
    store: SQLiteStore, path: Path
) -> None:
    asked: list[str] = []
    await store._in_thread(
        lambda: store._writing._connection.set_trace_callback(asked.append)
    )
    for cursor in range(1, 4):
        await report(store, cursor)

    await store.trim(NOW + timedelta(days=1), 2**40)

    deletes = [query for query in asked if query.startswith("DELETE")]
    assert len(deletes) == 21
    assert slow_steps(path, deletes) == []


FOUND = r"USING INDEX|INDEX results_file|SCAN (gone|below)$"
"""In the order that is asked for, all of it, or what was found a step before."""


def slow_steps(path: Path, queries: list[str]) -> list[tuple[str, str]]:
    """Return where queries go through a whole table, or sort what they find."""
    with closing(sqlite3.connect(path)) as shell:
        return [
            (query, step)
            for query in queries
            for *_, step in shell.execute(f"EXPLAIN QUERY PLAN {query}")
            if "TEMP B-TREE" in step
            or (step.startswith("SCAN") and not re.search(FOUND, step))
        ]


async def test_trimming_gives_room_back_to_the_disk(
    store: SQLiteStore, path: Path
) -> None:
    await report(store, 1, *(task(f"T{n}", state="done") for n in range(5000)))
    await report(store, 2)
    await report(store, 3)
    await store.close()
    before = path.stat().st_size

    await store.open()
    await trim_all(store, NOW + timedelta(days=1))
    await store.close()

    assert path.stat().st_size < before / 4
