"""Reports on disk: whole, in order, private, and each once."""

import os
import stat
from pathlib import Path

from agentkit.spool import Letter, Spool


def letter(task: str) -> Letter:
    return Letter("a1", f"key-{task}", {"report": "busy", "task": task})


def tasks(spool: Spool) -> list[str]:
    return [waiting.body["task"] for waiting in spool.waiting()]


def test_an_empty_spool_needs_no_folder(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "absent")

    assert len(spool) == 0
    assert spool.waiting() == []


def test_reports_wait_in_order_until_they_are_dropped(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "reports")
    for task in "abc":
        spool.put(letter(task))
    first, *_ = spool.waiting()

    assert (first.agent, first.key, first.body["task"]) == ("a1", "key-a", "a")
    assert tasks(spool) == ["a", "b", "c"]
    spool.drop(first)
    spool.drop(first)
    assert tasks(spool) == ["b", "c"]


def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "reports")
    before = os.umask(0)
    try:
        spool.put(letter("a"))
    finally:
        os.umask(before)

    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
    (file,) = spool.folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_report_that_was_not_finished_does_not_count(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    (tmp_path / ".00000000000000000001-k.json").write_text('{"agent":')

    assert len(spool) == 0


def test_a_broken_report_is_set_aside_and_stops_nobody(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    (tmp_path / "00000000000000000001-k.json").write_text('{"agent":')
    spool.put(letter("a"))

    assert tasks(spool) == ["a"]
    assert len(spool) == 1
    assert (tmp_path / ".broken-00000000000000000001-k.json").exists()
