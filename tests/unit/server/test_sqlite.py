"""What only the store on disk must do: its file, its lock, and what can go wrong."""

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from agentkit.errors import Invalid
from agentkit.protocol import AgentDisconnected, AgentLost, Claim, Logged
from agentkit.rows import Delivery, Task
from agentkit.sealing import WrongKey
from server.core.tables import Tables, Turn
from server.hub import Hub
from server.store import SQLiteStore, StoreError
from server.store.rekey import rekey
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

    assert len(set(asked)) == 22
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
    assert len(deletes) == 11
    assert slow_steps(path, deletes) == []


def slow_steps(path: Path, queries: list[str]) -> list[tuple[str, str]]:
    """Return where queries go through a whole table, or sort what they find."""
    with closing(sqlite3.connect(path)) as shell:
        return [
            (query, step)
            for query in queries
            for *_, step in shell.execute(f"EXPLAIN QUERY PLAN {query}")
            if "TEMP B-TREE" in step
            or (step.startswith("SCAN") and "USING INDEX" not in step)
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


# --- Files of earlier versions --------------------------------------------------------


def write_version(number: int, path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as shell:
        script = Path(__file__).with_name(f"version_{number}.sql")
        shell.executescript(script.read_text())


def write_version_1(path: Path) -> None:
    write_version(1, path)


@pytest.mark.parametrize("number", [1, 2])
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


async def trim_all(store: SQLiteStore, before: datetime) -> None:
    while not (await store.trim(before, 2**40)).is_all:
        pass


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


# --- A sealed store -------------------------------------------------------------------

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
    _execute(path, "UPDATE tasks SET body = (SELECT body FROM tasks WHERE id = 'T1')")
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


def bodies(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as shell:
        return dict(shell.execute("SELECT id, body FROM tasks"))


def quiet(_done: int, _total: int) -> None: ...


async def test_rekey_seals_what_was_plain_and_leaves_no_trace(path: Path) -> None:
    await written(path, "")
    assert traces(path) == ["hub.db"]

    assert rekey(path, KEY, told=quiet) == 4

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
    assert rekey(path, OTHER, KEY, told=quiet) == 2
    with pytest.raises(WrongKey):
        rekey(path, KEY, told=quiet)


async def test_rekey_can_unseal_a_store(path: Path) -> None:
    await written(path, KEY)

    assert rekey(path, KEY, plain=True, told=quiet) == 4

    store = SQLiteStore(path)
    await store.open()
    assert await store.task("T1") == secret("T1")
    await store.close()


async def test_rekey_tells_how_far_it_is(path: Path) -> None:
    await written(path, KEY)
    heard: list[tuple[int, int]] = []

    rekey(path, OTHER, KEY, told=lambda *step: heard.append(step))

    assert heard == [(2, 4), (4, 4)]


async def test_rekey_wants_a_key_a_store_and_nobody_else_in_it(
    store: SQLiteStore, path: Path
) -> None:
    with pytest.raises(Invalid, match="there is no key"):
        rekey(path, "", told=quiet)
    with pytest.raises(StoreError, match="there is no store"):
        rekey(path.with_name("none.db"), KEY, told=quiet)
    with pytest.raises(StoreError, match="is in use"):
        rekey(path, KEY, told=quiet)


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
