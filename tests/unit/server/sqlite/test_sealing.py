"""A sealed store: its key, what is found in its file, and another key."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agentkit.errors import Invalid
from agentkit.protocol import AgentDisconnected, AgentLost, Logged
from agentkit.rows import Row, Task
from agentkit.sealing import WrongKey
from server.core.tables import Tables, Turn
from server.store import SQLiteStore, StoreError
from server.store.rekey import rekey
from tests.contract.stores.rows import (
    checkpoint_row,
    item_row,
    plan_row,
    read_back,
    result_row,
    run_row,
    write,
)
from tests.unit.server.sqlite.steps import (
    NOW,
    execute,
    task,
)

KEY = "a master key of any text"
OTHER = "another master key, also long"
MARKER = "the-secret-word"


def secret(key: str) -> Task:
    return task(key, title=MARKER, body={"text": MARKER}, version=1)


async def write_secrets(store: SQLiteStore, cursor: int = 1) -> None:
    events = (
        Logged(cursor, AgentDisconnected(at=NOW, agent="a1", reason=MARKER)),
        Logged(cursor + 1, AgentLost(at=NOW, agent="a1")),
    )
    rows = Tables(tasks={"T1": secret("T1"), "T2": secret("T2")})
    await store.turn(lambda _: Turn(events, rows))
    await store.put_note("alerts", MARKER)


def traces(path: Path) -> list[str]:
    """Return the files of a store that hold the marker."""
    return [
        file.name
        for file in sorted(path.parent.iterdir())
        if MARKER.encode() in file.read_bytes()
    ]


async def written(path: Path, master: str) -> None:
    store = SQLiteStore(path, master=master)
    await store.open()
    await write_secrets(store)
    await store.close()


@pytest.mark.parametrize(("key", "found"), [("", ["hub.db-wal"]), (KEY, [])])
async def test_no_plain_text_is_in_any_file_of_a_sealed_store(
    path: Path, key: str, found: list[str]
) -> None:
    store = SQLiteStore(path, master=key)
    await store.open()
    await write_secrets(store)

    while_open = traces(path)
    files = len(list(path.parent.iterdir()))
    await store.close()

    assert files == 4
    assert while_open == found
    assert traces(path) == ([] if key else ["hub.db"])


async def test_a_body_copied_over_another_row_is_refused(path: Path) -> None:
    await written(path, KEY)
    execute(path, "UPDATE tasks SET body = (SELECT body FROM tasks WHERE id = 'T1')")
    store = SQLiteStore(path, master=KEY)
    await store.open()

    with pytest.raises(StoreError, match=r"is damaged at 'tasks:T2'"):
        await store.load()
    with pytest.raises(StoreError, match=r"is damaged at 'tasks:T2'"):
        await store.task("T2")
    assert await store.task("T1") == secret("T1")
    await store.close()


@pytest.mark.parametrize("key", ["", OTHER])
async def test_a_sealed_store_is_opened_with_its_key_alone(
    path: Path, key: str
) -> None:
    await written(path, KEY)
    store = SQLiteStore(path, master=key)

    with pytest.raises(WrongKey, match="set storage_master_key") as refused:
        await store.open()
    right = SQLiteStore(path, master=KEY)
    await right.open()

    assert str(path) in str(refused.value)
    assert await right.task("T1") == secret("T1")
    await right.close()


async def test_a_plain_store_that_gets_a_key_seals_what_is_new(path: Path) -> None:
    await written(path, "")
    store = SQLiteStore(path, master=KEY)
    await store.open()

    await store.turn(lambda _: Turn((), Tables(tasks={"T2": secret("T2")})))

    assert [await store.task(key) for key in ("T1", "T2")] == [
        secret("T1"),
        secret("T2"),
    ]
    assert bodies(path)["T1"].startswith("{")
    assert bodies(path)["T2"].startswith("#")
    await store.close()


async def test_all_of_a_run_is_sealed_and_sealed_anew(path: Path) -> None:
    rows: tuple[Row, ...] = (
        replace(plan_row("p1"), document={"name": MARKER}),
        run_row("r1", visit=1, started=1, output=MARKER),
        item_row("r1", 1, 0, output=MARKER),
        checkpoint_row("r1", 0, context={"text": MARKER}),
        result_row("r1", "x", value=MARKER),
    )
    store = SQLiteStore(path, master=KEY)
    await store.open()
    await write(store, rows=rows)
    await store.close()
    at_first = traces(path)

    assert rekey(path, OTHER, KEY, told=quiet) == len(rows)

    assert at_first == traces(path) == []
    again = SQLiteStore(path, master=OTHER)
    await again.open()
    assert [await read_back(again, row) for row in rows] == list(rows)
    await again.close()


async def test_the_context_of_another_checkpoint_is_refused(path: Path) -> None:
    store = SQLiteStore(path, master=KEY)
    await store.open()
    await write(store, rows=(checkpoint_row("r1", 0), checkpoint_row("r1", 1)))
    execute(
        path,
        "UPDATE checkpoints SET body = (SELECT body FROM checkpoints WHERE number = 1)",
    )

    with pytest.raises(StoreError, match="is damaged at 'checkpoints:r1"):
        await store.checkpoint("r1", 0)
    assert await store.checkpoint("r1", 1) == checkpoint_row("r1", 1)
    await store.close()


def bodies(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as shell:
        return dict(shell.execute("SELECT id, body FROM tasks"))


def quiet(_done: int, _total: int) -> None: ...


async def test_rekey_seals_what_was_plain_and_leaves_no_trace(path: Path) -> None:
    await written(path, "")
    assert traces(path) == ["hub.db"]

    assert rekey(path, KEY, told=quiet) == 5

    assert traces(path) == []
    assert rekey(path, KEY, told=quiet) == 0
    store = SQLiteStore(path, master=KEY)
    await store.open()
    assert await store.task("T1") == secret("T1")
    await store.close()


async def test_rekey_changes_the_key_and_forgets_the_old_one(path: Path) -> None:
    await written(path, KEY)

    rekey(path, OTHER, KEY, told=quiet)

    store = SQLiteStore(path, master=OTHER)
    await store.open()
    assert await store.task("T1") == secret("T1")
    assert len(await store.events()) == 2
    assert await store.note("alerts") == MARKER
    await store.close()
    with pytest.raises(WrongKey):
        rekey(path, KEY, told=quiet)


async def test_rekey_goes_on_after_it_was_killed(path: Path) -> None:
    await written(path, KEY)

    def die(_done: int, _total: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rekey(path, OTHER, KEY, told=die)
    store = SQLiteStore(path, master=OTHER, previous=KEY)
    await store.open()
    between = len(await store.events()), await store.task("T1")
    await store.close()

    assert between == (2, secret("T1"))
    assert rekey(path, OTHER, KEY, told=quiet) == 3
    with pytest.raises(WrongKey):
        rekey(path, KEY, told=quiet)


async def test_rekey_can_unseal_a_store(path: Path) -> None:
    await written(path, KEY)

    assert rekey(path, KEY, plain=True, told=quiet) == 5

    store = SQLiteStore(path)
    await store.open()
    assert await store.task("T1") == secret("T1")
    await store.close()


async def test_rekey_tells_how_far_it_is(path: Path) -> None:
    await written(path, KEY)
    heard: list[tuple[int, int]] = []

    rekey(path, OTHER, KEY, told=lambda *step: heard.append(step))

    assert heard == [(2, 5), (4, 5), (5, 5)]


async def test_rekey_wants_a_key_a_store_and_nobody_else_in_it(
    store: SQLiteStore, path: Path
) -> None:
    with pytest.raises(Invalid, match="there is no key"):
        rekey(path, "", told=quiet)
    with pytest.raises(StoreError, match="there is no store"):
        rekey(path.with_name("none.db"), KEY, told=quiet)
    with pytest.raises(StoreError, match="is in use"):
        rekey(path, KEY, told=quiet)
