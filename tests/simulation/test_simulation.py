"""Histories in which everything breaks: whatever is lost, no law is (see `laws`).

`SWARMTUI_HISTORIES` sets how many are told; the seed of a bad one is printed with the
command that tells it again.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.simulation.histories import History
from tests.simulation.storage import SQLiteDisk

HISTORIES: Final = int(os.environ.get("SWARMTUI_HISTORIES", "1000"))
CHUNK: Final = max(50, HISTORIES // 100)
SEEDS: Final = range(HISTORIES)
ON_SQLITE: Final = 20
ROOT: Final = Path(__file__).parents[2]


SUBJECTS: Final = (
    "task.assigned",
    "task.enqueued",
    "task.ready",
    "task.leased",
    "task.extended",
    "task.started",
    "task.done",
    "task.released",
    "task.dead",
    "task.cancelled",
    "task.requeued",
    "report.refused",
    "broadcast.sent",
    "delivery.sent",
    "delivery.acked",
    "delivery.done",
    "delivery.dead",
    "task.progressed",
    "task.watched",
    "agent.spent",
    "agent.overspent",
    "agent.solvent",
    "message.sent",
    "help.answered",
    "help.escalated",
    "run.launched",
    "run.entered",
    "run.moved",
    "run.finished",
    "run.failed",
    "run.cancelled",
    "run.resumed",
    "run.retried",
    "item.started",
    "item.retrying",
    "item.done",
    "item.failed",
    "item.cancelled",
)
FATES: Final = ("dies before", "dies inside", "dies after", "is killed", "disk is full")


@pytest.mark.parametrize("first", SEEDS[::CHUNK])
@pytest.mark.timeout(CHUNK * 2 + 60)
def test_no_law_is_broken(first: int) -> None:
    for seed in range(first, min(first + CHUNK, HISTORIES)):
        told = History(seed).tell()

        assert not told.violations, told.report()


def test_no_law_is_broken_on_the_real_store(tmp_path: Path) -> None:
    for seed in range(ON_SQLITE):
        told = History(seed, SQLiteDisk(tmp_path / f"{seed}.db")).tell()

        assert not told.violations, told.report()


def test_memory_and_the_real_store_tell_the_same_history(tmp_path: Path) -> None:
    on_disk = History(7, SQLiteDisk(tmp_path / "hub.db")).tell()

    assert on_disk.digest == History(7).tell().digest


def test_a_seed_tells_the_same_history_everywhere() -> None:
    here = History(3).tell()

    for hashes in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-m", "tests.simulation.histories", "3"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.split()[-1] == here.digest


def test_other_seeds_tell_other_histories() -> None:
    assert len({History(seed).tell().digest for seed in range(5)}) == 5


def test_the_storm_meets_whatever_can_happen() -> None:
    subjects: Counter[str] = Counter()
    lines = []
    for seed in range(60):
        history = History(seed)
        lines += history.tell().lines
        subjects.update(event.subject for _, event in history.disk.log())

    everything = "\n".join(lines)
    assert [subject for subject in SUBJECTS if not subjects[subject]] == []
    assert [fate for fate in FATES if fate not in everything] == []
