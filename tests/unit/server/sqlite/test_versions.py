"""Stores of earlier versions, opened by this one."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from agentkit.protocol import Claim
from server.hub import Hub
from server.store import SQLiteStore
from server.store.schema import VERSION
from tests.contract.stores.rows import (
    checkpoint_row,
    item_row,
    plan_row,
    result_row,
    run_row,
    write,
)
from tests.unit.server.sqlite.steps import (
    NOW,
    pragma,
    report,
    trim_all,
)


def write_version(number: int, path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as shell:
        script = Path(__file__).with_name(f"version_{number}.sql")
        shell.executescript(script.read_text())


def write_version_1(path: Path) -> None:
    write_version(1, path)


@pytest.mark.parametrize("number", range(1, VERSION))
async def test_a_store_of_an_earlier_version_is_laid_out_like_a_new_one(
    path: Path, number: int
) -> None:
    write_version(number, path)
    store, new = SQLiteStore(path), SQLiteStore(path.with_name("new.db"))
    for each in (store, new):
        await each.open()
        await each.close()

    assert layout(path) == layout(path.with_name("new.db"))


def layout(path: Path) -> dict[str, object]:
    """Return the columns of each table, and what else there is."""
    with closing(sqlite3.connect(path)) as shell:
        found = shell.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()
        columns = {
            name: {
                row[1]: row[2:4] for row in shell.execute(f"PRAGMA table_info({name})")
            }
            for kind, name, _ in found
            if kind == "table"
        }
    others = {name: (sql or "").split() for kind, name, sql in found if kind != "table"}
    return {**columns, **others}


async def test_a_store_of_version_3_opens_with_all_it_had(path: Path) -> None:
    write_version(3, path)
    store = SQLiteStore(path)
    await store.open()

    cursor, rows = await store.load()
    await report(store, 14)

    assert cursor == 13
    assert [logged.cursor for logged in await store.events()] == list(range(1, 15))
    assert sorted(rows.agents) == ["a1", "a2"]
    assert {(row.spent, row.tokens_in) for row in rows.agents.values()} == {(0, 0)}
    assert {row.hops for row in rows.tasks.values()} == {0}
    assert sorted(rows.tasks) == ["task-1", "task-2", "task-3"]
    assert rows.tasks["task-1"].body["n"] == 2**70
    assert (rows.tasks["task-1"].run, rows.tasks["task-1"].item) == ("", 0)
    assert sorted(rows.deliveries) == [("a1", 8), ("a2", 8), ("a2", 9)]
    assert rows.letters["letter-1"].state == "dead"
    assert rows.helps["ask-1"].is_open
    assert not rows.runs
    assert (await store.examine()).ok
    await store.close()


async def test_a_store_of_version_3_keeps_and_trims_runs_like_a_new_one(
    path: Path,
) -> None:
    write_version(3, path)
    store = SQLiteStore(path)
    await store.open()
    run = run_row("r1", state="done", version=14)
    others = plan_row("p1"), item_row("r1", 1, 0), checkpoint_row("r1", 0)
    results = result_row("r1", "result"), result_row("mine", "x", version=13)

    await report(store, 14)
    await write(store, rows=(*others, run, *results))
    kept = await store.run_tree("r1")
    await report(store, 15)
    await trim_all(store, NOW + timedelta(days=1))

    assert kept.runs == {"r1": run}
    assert await store.results() == []
    assert await store.run("r1") is None
    assert await store.plan("p1") is None
    await store.close()


async def test_a_store_of_version_2_opens_with_all_it_had(path: Path) -> None:
    write_version(2, path)
    store = SQLiteStore(path)
    await store.open()

    cursor, rows = await store.load()

    assert cursor == 25
    assert [logged.cursor for logged in await store.events()] == list(range(1, 26))
    assert [cursor for cursor, _ in await store.events(agent="a2")] == [
        *range(8, 14),
        23,
    ]
    assert {spool.accepted for spool in rows.spools.values()} == {2}
    assert len(rows.spools) == 6
    assert [row.agent for row in await store.deliveries(ref="b1")] == ["a1", "a2"]
    assert (await store.examine()).ok
    await store.close()


async def test_a_store_of_version_2_is_trimmed_like_a_new_one(path: Path) -> None:
    write_version(2, path)
    store = SQLiteStore(path)
    await store.open()
    away = timedelta(days=1)

    await trim_all(store, NOW + away)
    _, still = await store.load()
    ledgers = [len(await store.deliveries(ref=ref)) for ref in ("b1", "b2")]
    await report(store, 26)
    await trim_all(store, NOW + 99 * away)
    _, rows = await store.load()

    assert len(still.spools) == 6
    assert ledgers == [2, 0]
    assert sorted(rows.spools) == [("a1", "s3"), ("a2", "s3")]
    await store.close()


async def test_a_store_of_version_1_opens_with_all_it_had(path: Path) -> None:
    write_version_1(path)
    store = SQLiteStore(path)
    await store.open()

    cursor, rows = await store.load()
    events = await store.events()

    assert cursor == 12
    assert [logged.cursor for logged in events] == list(range(1, 13))
    assert sorted(rows.agents) == ["a1", "a2"]
    assert sorted(rows.deliveries) == [("a1", 4), ("a1", 6), ("a2", 6)]
    assert sorted(rows.receipts) == ["k2", "k3", "k4", "k5", "k6"]
    assert rows.helps["h1"].is_open
    assert rows.broadcasts["b1"].recipients == 2
    assert rows.spools["a2", "s1"].accepted == 1
    await store.close()


async def test_a_task_of_version_1_stays_the_one_of_its_agent(path: Path) -> None:
    write_version_1(path)
    store = SQLiteStore(path)
    await store.open()

    found = await store.task("T1")

    assert found is not None
    assert (found.agent, found.target, found.place) == ("a1", "a1", 4)
    assert found.body["n"] == 2**70
    await store.close()


async def test_a_store_of_version_1_is_trimmed_like_a_new_one(path: Path) -> None:
    write_version_1(path)
    store = SQLiteStore(path)
    await store.open()
    assert await pragma(store, "auto_vacuum") == [2, 2]

    await trim_all(store, NOW)

    _, rows = await store.load()
    assert [cursor for cursor, _ in await store.events()] == [12]
    assert await store.task("T2") is None
    assert [row.seq for row in await store.deliveries(agent="a2")] == [6]
    assert rows.receipts == {}
    await store.close()


async def test_a_store_of_version_1_works_in_a_hub(path: Path) -> None:
    write_version_1(path)
    hub = Hub(SQLiteStore(path))
    await hub.start()

    outcome = await hub.submit(Claim(agent="a1", tasks=1), read=lambda *_: None)

    assert [event.subject for _, event in outcome.events][-1] == "task.leased"
    assert outcome.events[0].cursor > 12
    await hub.stop()
