"""The work queue in words, signs and times, and its filter."""

from datetime import timedelta
from typing import get_args

import pytest

from agentkit.errors import BadFilter
from agentkit.rows import Delivery, Task, TaskState
from swarmtui.work import (
    GROUPS,
    SIGNS,
    Letter,
    compile_work,
    group_counts,
    group_of,
    lease_bar,
    progress_bar,
    tries,
    wanted,
    when,
    word,
)
from tests.unit.swarmtui.conftest import NOW, task


def letter(**fields: object) -> Delivery:
    given = {"agent": "a1", "seq": 7, "kind": "broadcast", "ref": "b1"}
    given |= {"state": "dead", "queued": NOW, "reason": "KeyError"}
    return Delivery(**(given | fields))  # type: ignore[arg-type]


def test_every_state_of_a_task_has_a_sign_and_a_group() -> None:
    assert set(SIGNS) == set(get_args(TaskState))
    assert {sign.group for sign in SIGNS.values()} == set(GROUPS)


def test_a_dead_delivery_is_listed_with_the_dead_tasks() -> None:
    assert group_of(letter()) == group_of(task("T1", "a", state="dead")) == "dead"


def test_counts_add_up_by_group() -> None:
    counts = {"queued": 3, "scheduled": 1, "leased": 2, "done": 5, "dead": 1}

    assert group_counts(counts, 4) == {"ready": 4, "leased": 2, "done": 5, "dead": 5}


def test_waiting_after_a_failure_is_called_backoff() -> None:
    assert word(task("T1", "", state="scheduled", attempts=1)) == "backoff"
    assert word(task("T1", "", state="scheduled")) == "scheduled"


@pytest.mark.parametrize(
    ("left", "drawn"),
    [(60, "━━━━━   1m"), (24, "━━┄┄┄  24s"), (0, "┄┄┄┄┄   0s"), (-9, "┄┄┄┄┄   0s")],
)
def test_a_lease_runs_down_as_a_bar(left: int, drawn: str) -> None:
    until = NOW + timedelta(seconds=left)
    row = task("T1", "a", state="leased", lease=60.0, lease_until=until)

    assert lease_bar(row, NOW) == drawn


@pytest.mark.parametrize(
    ("progress", "drawn"),
    [(None, ""), (0.0, "▱▱▱▱▱   0%"), (0.99, "▰▰▰▰▱  99%"), (1.0, "▰▰▰▰▰ 100%")],
)
def test_progress_fills_a_bar(progress: float | None, drawn: str) -> None:
    assert progress_bar(task("T1", "a", state="leased", progress=progress)) == drawn


def test_the_time_that_matters_depends_on_the_state() -> None:
    later = task("T1", "", state="scheduled", not_before=NOW + timedelta(minutes=2))
    waits = task("T2", "", changed=NOW - timedelta(seconds=40))

    assert when(later, NOW) == "in 2m"
    assert when(waits, NOW) == "40s"


def test_for_whom_a_task_is() -> None:
    assert wanted(task("T1", "", target="a1")) == "→ a1"
    assert wanted(task("T1", "", needs=("sql", "rust"))) == "sql rust"
    assert wanted(task("T1", "")) == "anybody"


def test_attempts_are_told_once_there_are_any() -> None:
    assert tries(task("T1", "")) == ""
    assert tries(task("T1", "", attempts=2)) == "2/3"


ROWS: tuple[Letter, ...] = (
    task("T1", "", title="Parse it", needs=("python",), priority=5),
    task("T2", "a1", state="leased", attempts=2, created=NOW - timedelta(hours=1)),
    task("T3", "", state="scheduled", attempts=1, reason="disk full"),
    letter(),
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "T1 T2 T3 b1"),
        ("parse", "T1"),
        ("need:py*", "T1"),
        ("cap:python", "T1"),
        ("state:leased", "T2"),
        ("state:backoff", "T3"),
        ("state:leased,backoff", "T2 T3"),
        ("state:lea*", "T2"),
        ("state:broadcast", "b1"),
        ("agent:a1", "T2 b1"),
        ("!agent:a1", "T1 T3"),
        ("prio>2", "T1"),
        ("tries>=2", "T2"),
        ("age>10m", "T2"),
        ("task:T?", "T1 T2 T3"),
        ("id:7@a1", "b1"),
        ('reason:"disk full"', "T3"),
        ("disk", "T3"),
        ("keyerror", "b1"),
        ("broadcast", "b1"),
    ],
)
def test_a_filter_chooses(text: str, names: str) -> None:
    chosen = compile_work(text)
    found = [row for row in ROWS if chosen is None or chosen(row, NOW)]

    assert [row.id if isinstance(row, Task) else row.ref for row in found] == (
        names.split()
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("proi>2", "did you mean prio?"),
        ("prio:2", "prio is compared"),
        ("prio>high", "'high' is not a number"),
        ("age>soon", "write age>10m"),
        ("state>2", "takes a colon"),
        ("state:qeued", "did you mean queued?"),
        ("state:xyz", "use scheduled, queued"),
        ("state:", "there is nothing after state:"),
    ],
)
def test_a_filter_that_cannot_be_read_says_why(text: str, said: str) -> None:
    with pytest.raises(BadFilter, match="cannot be read") as caught:
        compile_work(text)

    assert said in str(caught.value)
