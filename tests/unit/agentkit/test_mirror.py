"""The mirror keeps the tasks that tell most, and the counts of all."""

from datetime import UTC, datetime
from typing import Any

from agentkit.codec import encode
from agentkit.mirror import RECENT, RUNS, SLACK, TASKS, Mirror, telling
from agentkit.rows import Run, RunState, Task, TaskState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOTHING: dict[str, Any] = {"agents": [], "helps": [], "tasks": [], "broadcasts": []}


def task(number: int, state: TaskState = "queued", **fields: Any) -> Task:
    given = {"version": number, "place": number, **fields}
    return Task(id=f"T{number}", state=state, created=NOON, **given)


def run(number: int, state: RunState) -> Run:
    given: dict[str, Any] = {
        "plan": "p",
        "machine": "main",
        "stage": "work",
        "version": number,
    }
    return Run(id=f"R{number}", state=state, created=NOON, **given)


def snapshot(mirror: Mirror, *tasks: Task, **counts: int) -> None:
    rows = {**NOTHING, "tasks": [encode(row) for row in tasks]}
    mirror.copy({"cursor": 1, "more": True, **rows})
    mirror.copy({"cursor": 1, "more": False, **NOTHING, "counts": counts})


def turn(mirror: Mirror, *tasks: Task, **counts: int) -> tuple[str, ...]:
    rows = {"tasks": [encode(row) for row in tasks]}
    frame = {"cursor": 2, "events": [], **rows, "counts": counts}
    return mirror.turn(frame).gone


def test_counts_are_those_of_the_last_frame_that_had_some() -> None:
    mirror = Mirror()
    counts = mirror.task_counts

    snapshot(mirror, queued=3, done=9)
    turn(mirror, task(1), queued=4)
    mirror.turn({"cursor": 3, "events": []})

    assert counts == {"queued": 4}
    assert mirror.task_counts is counts


def test_rows_are_worth_keeping_in_this_order() -> None:
    rows = [
        task(1, "done"),
        task(2, "scheduled"),
        task(3, "queued"),
        task(4, "queued", priority=5),
        task(5, "dead"),
        task(6, "leased"),
        task(7, "working"),
        task(8, "cancelled"),
    ]

    order = [row.id for row in telling(rows)]

    assert order == ["T7", "T6", "T5", "T8", "T1", "T4", "T3", "T2"]


def test_older_settled_rows_are_worth_less_than_what_waits() -> None:
    rows = [task(number, "done") for number in range(RECENT + 1)]

    order = telling([*rows, task(9999)])

    assert [row.id for row in order[-2:]] == ["T9999", "T0"]


def test_a_mirror_does_not_grow_with_what_is_done() -> None:
    mirror = Mirror()
    snapshot(mirror, task(0, "leased"))

    for start in range(1, 5 * TASKS, 500):
        turn(mirror, *(task(start + number, "done") for number in range(500)))

    assert len(mirror.tasks) <= TASKS + SLACK
    assert "T0" in mirror.tasks


def test_a_mirror_does_not_grow_with_runs_that_have_ended() -> None:
    mirror = Mirror()
    snapshot(mirror)

    for number in range(RUNS + 2 * SLACK):
        rows = [run(number, "running"), run(number, "done" if number else "running")]
        frame = {"cursor": 2, "events": [], "runs": [encode(row) for row in rows]}
        mirror.turn(frame)

    assert len(mirror.runs) <= RUNS + SLACK
    assert {"R0", f"R{number}"} <= mirror.runs.keys()


def test_what_leaves_is_told() -> None:
    mirror = Mirror()
    snapshot(mirror)

    gone = turn(mirror, *(task(number) for number in range(TASKS + SLACK + 1)))

    assert gone == tuple(f"T{number}" for number in range(TASKS, TASKS + SLACK + 1))
    assert len(mirror.tasks) == TASKS
    assert gone[0] not in mirror.tasks


def test_a_mirror_is_short_when_the_hub_has_more_that_waits() -> None:
    mirror = Mirror()
    rows = [task(number) for number in range(1000)]
    snapshot(mirror, *rows, queued=100_000)
    before = mirror.is_short

    turn(mirror, *(task(n, "done") for n in range(600)), queued=99_400, done=600)

    assert not before
    assert mirror.is_short


def test_a_mirror_that_has_all_that_waits_is_not_short() -> None:
    mirror = Mirror()
    snapshot(mirror, *(task(number) for number in range(1000)), queued=1000)

    turn(mirror, *(task(n, "done") for n in range(999)), queued=1, done=999)

    assert not mirror.is_short
