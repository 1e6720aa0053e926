"""Numbered without gaps, dropped when stored, there again after a crash."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.boxes import Box, NotStored
from agentkit.errors import Conflict
from agentkit.outbox import CRASHED, FileOutbox, Outbox
from agentkit.sealing import Forged, WrongKey

KEY = "correct horse battery staple"
ROOT = str(Path(__file__).parents[3])

Open = Callable[..., Box]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox" / "a.db"


@pytest.fixture
def unpack(path: Path) -> Iterator[Open]:
    """Open the file, closing it first if it is open; it is closed in the end."""
    opened: list[Box] = []

    def unpack(*keys: str) -> Box:
        while opened:
            opened.pop().close()
        opened.append(Box(path, *keys))
        return opened[0]

    yield unpack
    for box in opened:
        box.close()


@pytest.fixture(params=["memory", "file", "sealed"])
def outbox(request: pytest.FixtureRequest, unpack: Open) -> Outbox:
    if request.param == "memory":
        return Outbox()
    return FileOutbox(unpack(KEY if request.param == "sealed" else ""))


def left(box: Outbox, after: int = 0) -> list[tuple[int, str]]:
    return [(seq, report["task"]) for seq, report in box.after(after)]


async def fill(box: Outbox, *tasks: str) -> None:
    for task in tasks:
        await box.add({"report": "busy", "task": task})


def kill_after(code: str) -> str:
    """Run code that ends with the process being killed; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport os; os.kill(os.getpid(), 9)"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ROOT},
        check=False,
    )
    assert done.returncode == -9, done.stderr
    return done.stdout.strip()


async def test_reports_are_numbered_from_one(outbox: Outbox) -> None:
    await fill(outbox, "a", "b", "c")

    assert left(outbox) == [(1, "a"), (2, "b"), (3, "c")]
    assert left(outbox, after=2) == [(3, "c")]
    assert (outbox.last, outbox.stored, len(outbox)) == (3, 0, 3)


async def test_what_is_stored_is_dropped_and_its_numbers_stay_used(
    outbox: Outbox,
) -> None:
    await fill(outbox, "a", "b")
    outbox.drop(1)
    outbox.drop(1)
    await fill(outbox, "c")

    assert left(outbox) == [(2, "b"), (3, "c")]
    outbox.drop(99)
    assert (left(outbox), outbox.stored, outbox.last) == ([], 3, 3)


async def test_a_new_spool_numbers_what_is_left_from_one(outbox: Outbox) -> None:
    await fill(outbox, "a", "b", "c")
    outbox.drop(1)
    before = outbox.spool

    await outbox.renew()

    assert outbox.spool != before
    assert left(outbox) == [(1, "b"), (2, "c")]
    assert (outbox.stored, outbox.last, outbox.taken) == (0, 2, 3)


async def test_reports_that_meet_a_new_spool_keep_their_order(outbox: Outbox) -> None:
    await fill(outbox, "a", "b")
    outbox.drop(2)
    await asyncio.gather(
        fill(outbox, "c"), outbox.renew(), fill(outbox, "d"), fill(outbox, "e")
    )

    assert left(outbox) == [(1, "c"), (2, "d"), (3, "e")]


@given(st.lists(st.one_of(st.none(), st.integers(0, 12)), max_size=30))
async def test_only_what_was_stored_is_ever_missing(steps: list[int | None]) -> None:
    box = Outbox()
    stored = 0
    for step in steps:
        if step is None:
            await fill(box, "x")
        else:
            box.drop(step)
            stored = max(stored, min(step, box.last))

        assert [seq for seq, _ in box.after(0)] == list(range(stored + 1, box.last + 1))


def test_a_file_holds_what_was_added_when_the_process_is_killed(
    path: Path, unpack: Open
) -> None:
    spool = kill_after(f"""
import asyncio; from pathlib import Path
from agentkit.boxes import Box; from agentkit.outbox import FileOutbox
async def main():
    box = FileOutbox(Box(Path({str(path)!r})))
    await asyncio.gather(*(box.add({{"task": str(n)}}) for n in range(5)))
    box.drop(2); await box.add({{"task": "last"}}); print(box.spool, flush=True)
asyncio.run(main())""")

    box = FileOutbox(unpack())

    assert box.spool == spool
    assert left(box) == [(3, "2"), (4, "3"), (5, "4"), (6, "last")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_what_is_said_at_once_shares_its_commits(unpack: Open) -> None:
    box = unpack()
    outbox = FileOutbox(box)
    commits: list[str] = []
    box.at_once(lambda db: db.set_trace_callback(commits.append))

    await asyncio.gather(*(fill(outbox, str(n)) for n in range(1000)))

    assert [seq for seq, _ in outbox.after(0)] == list(range(1, 1001))
    assert sum("commit" in said.lower() for said in commits) < 100


async def test_a_disk_that_fails_is_told_and_takes_no_number(
    unpack: Open, caplog: pytest.LogCaptureFixture
) -> None:
    box = unpack()
    outbox = FileOutbox(box)
    await fill(outbox, "a")
    await box.write(lambda db: db.execute("pragma max_page_count = 1").fetchall())

    with pytest.raises(NotStored, match=r"database or disk is full.*make room"):
        await fill(outbox, "b" * 100_000)
    assert left(outbox) == [(1, "a")]
    await box.write(lambda db: db.execute("pragma max_page_count = 9999").fetchall())
    await fill(outbox, "c")

    assert left(outbox) == [(1, "a"), (2, "c")]
    assert "cannot be written" in caplog.text


async def test_one_change_that_fails_fails_alone(unpack: Open) -> None:
    box = unpack()
    outbox = FileOutbox(box)

    def spoil(_: sqlite3.Connection) -> None:
        raise ValueError("no")

    said = (fill(outbox, "a"), box.write(spoil), fill(outbox, "b"))
    ends = await asyncio.gather(*said, return_exceptions=True)

    assert [type(end) for end in ends] == [type(None), ValueError, type(None)]
    assert left(outbox) == [(1, "a"), (2, "b")]


async def test_whoever_stumbles_over_what_was_stored_stumbles_alone(
    unpack: Open,
) -> None:
    box = unpack()

    def stumble(_: object) -> None:
        raise ValueError("no")

    said = (box.write(lambda _: 1, stumble), box.write(lambda _: 2))
    async with asyncio.timeout(5):
        ends = await asyncio.gather(*said, return_exceptions=True)

    assert isinstance(ends[0], ValueError)
    assert ends[1] == 2


async def test_a_job_ends_with_what_is_said_of_it(unpack: Open) -> None:
    box = FileOutbox(unpack())
    await box.hold("T1", 7)
    await box.hold("T2", 8)
    await box.hold("T3", 9)
    await box.add({"type": "complete", "task": "T1", "fence": 7})
    await box.let_go("T2", 8)

    said = [report for _, report in FileOutbox(unpack()).after(0)]

    assert said == [
        {"type": "complete", "task": "T1", "fence": 7},
        {"type": "fail", "task": "T3", "fence": 9, "reason": CRASHED},
    ]
    assert len(FileOutbox(unpack())) == 2


def test_a_file_has_one_owner(path: Path, unpack: Open) -> None:
    unpack()

    with pytest.raises(Conflict, match="if another process is the same agent"):
        Box(path)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("this is no database, whatever its name says" * 9)

    with pytest.raises(Conflict, match="not a database"):
        Box(tmp_path / "a.db")


async def test_a_file_of_the_last_release_goes_on(path: Path, unpack: Open) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("create table spool (name text not null, last integer not null)")
        db.execute("create table reports (seq integer primary key, body text not null)")
        db.execute("insert into spool values ('old', 5)")
        db.execute("""insert into reports values (5, '{"task": "a"}')""")

    box = FileOutbox(unpack())
    await fill(box, "b")

    assert (box.spool, left(box)) == ("old", [(5, "a"), (6, "b")])


def held(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


async def test_a_sealed_file_shows_nothing_that_was_said(
    path: Path, unpack: Open
) -> None:
    await fill(FileOutbox(unpack(KEY)), "midnight")
    assert b"midnight" not in held(path)

    assert left(FileOutbox(unpack(KEY))) == [(1, "midnight")]
    assert b"midnight" not in held(path)


async def test_a_wrong_key_opens_nothing(path: Path, unpack: Open) -> None:
    await fill(FileOutbox(unpack(KEY)), "a")

    for wrong in ("another horse battery", ""):
        with pytest.raises(WrongKey, match=r"a\.db"):
            unpack(wrong)
    assert left(FileOutbox(unpack(KEY))) == [(1, "a")]


async def test_a_file_is_sealed_from_the_first_key_on(path: Path, unpack: Open) -> None:
    await fill(FileOutbox(unpack()), "midnight")
    box = FileOutbox(unpack(KEY))

    assert left(box) == [(1, "midnight")]
    assert b"midnight" not in held(path)


async def test_a_new_key_takes_the_place_of_the_old_one(unpack: Open) -> None:
    await fill(FileOutbox(unpack(KEY)), "a")
    new = "a new horse battery staple"

    assert left(FileOutbox(unpack(new, KEY))) == [(1, "a")]
    assert left(FileOutbox(unpack(new))) == [(1, "a")]
    with pytest.raises(WrongKey):
        unpack(KEY)


async def test_one_report_cannot_stand_in_for_another(unpack: Open) -> None:
    await fill(FileOutbox(unpack(KEY)), "a", "b")

    box = unpack(KEY)
    box.at_once(swap)

    with pytest.raises(Forged, match="reports:"):
        FileOutbox(box)


def swap(db: sqlite3.Connection) -> None:
    db.execute("update reports set seq = -seq")
    db.execute("update reports set seq = 3 + seq")


async def test_a_file_that_is_closed_takes_nothing_and_says_so(unpack: Open) -> None:
    box = unpack()
    outbox = FileOutbox(box)
    await fill(outbox, "a")
    box.close()

    with pytest.raises(NotStored, match="is closed: its agent has ended"):
        await fill(outbox, "b")
