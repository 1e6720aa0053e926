"""Numbered without gaps, dropped when stored, there again after a crash."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import Conflict
from agentkit.outbox import FileOutbox, Outbox

Open = Callable[[], Outbox]


@pytest.fixture(params=["memory", "file"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox() if request.param == "memory" else FileOutbox(tmp_path / "a.db")
    yield box
    box.close()


def left(box: Outbox, after: int = 0) -> list[tuple[int, str]]:
    return [(seq, report["task"]) for seq, report in box.after(after)]


def fill(box: Outbox, *tasks: str) -> None:
    for task in tasks:
        box.add({"report": "busy", "task": task})


def test_reports_are_numbered_from_one(outbox: Outbox) -> None:
    fill(outbox, "a", "b", "c")

    assert left(outbox) == [(1, "a"), (2, "b"), (3, "c")]
    assert left(outbox, after=2) == [(3, "c")]
    assert (outbox.last, outbox.stored, len(outbox)) == (3, 0, 3)


def test_what_is_stored_is_dropped_and_its_numbers_stay_used(outbox: Outbox) -> None:
    fill(outbox, "a", "b")
    outbox.drop(1)
    outbox.drop(1)
    fill(outbox, "c")

    assert left(outbox) == [(2, "b"), (3, "c")]
    outbox.drop(99)
    assert (left(outbox), outbox.stored, outbox.last) == ([], 3, 3)


def test_a_new_spool_numbers_what_is_left_from_one(outbox: Outbox) -> None:
    fill(outbox, "a", "b", "c")
    outbox.drop(1)
    before = outbox.spool

    outbox.renew()

    assert outbox.spool != before
    assert left(outbox) == [(1, "b"), (2, "c")]
    assert (outbox.stored, outbox.last, outbox.taken) == (0, 2, 3)


@given(st.lists(st.one_of(st.none(), st.integers(0, 12)), max_size=30))
def test_only_what_was_stored_is_ever_missing(steps: list[int | None]) -> None:
    box = Outbox()
    stored = 0
    for step in steps:
        if step is None:
            fill(box, "x")
        else:
            box.drop(step)
            stored = max(stored, min(step, box.last))

        assert [seq for seq, _ in box.after(0)] == list(range(stored + 1, box.last + 1))


def test_a_file_holds_what_was_added_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "outbox" / "a.db"
    code = (
        "import os, sys; from pathlib import Path; from agentkit.outbox import *\n"
        f"box = FileOutbox(Path({str(path)!r}))\n"
        "for n in range(5): box.add({'task': str(n)})\n"
        "box.drop(2); box.add({'task': 'last'}); print(box.spool, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    root = str(Path(__file__).parents[3])
    environ = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environ,
        check=False,
    )

    box = FileOutbox(path)
    assert box.spool == done.stdout.strip()
    assert left(box) == [(3, "2"), (4, "3"), (5, "4"), (6, "last")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    box.close()


def test_a_file_that_was_closed_forgets_what_was_stored(tmp_path: Path) -> None:
    box = FileOutbox(tmp_path / "a.db")
    fill(box, "a", "b")
    box.drop(1)
    box.close()

    again = FileOutbox(tmp_path / "a.db")
    assert (left(again), again.taken) == ([(2, "b")], 1)
    again.close()


def test_a_file_has_one_owner(tmp_path: Path) -> None:
    box = FileOutbox(tmp_path / "a.db")
    with pytest.raises(Conflict, match="if another process is the same agent"):
        FileOutbox(tmp_path / "a.db")
    box.close()


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("this is no database, whatever its name says" * 9)

    with pytest.raises(Conflict, match="not a database"):
        FileOutbox(tmp_path / "a.db")
