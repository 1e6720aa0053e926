"""Items of a stage: how many at once, tried again, called off, begun anew."""

from typing import Any

import pytest

from agentkit.errors import Conflict, NotFound
from agentkit.protocol import (
    Assign,
    Cancel,
    Claim,
    Complete,
    Enqueue,
    ItemDone,
    ItemStarted,
    Nack,
    Requeue,
    TaskLeased,
    Tick,
)
from server.core import Rules, Swarm, Tables
from server.core.turns import SPARE
from tests.unit.server.core.runs.conftest import Runs, plan
from tests.unit.server.core.runs.test_stages import GIVEN, ONE, fail_on

RETRY = {"type": "retry", "backoffs": [2, 8], "jitter": 0.5}


def started(runs: Runs) -> list[int]:
    return [event.index for event in runs.log if isinstance(event, ItemStarted)]


def test_so_many_at_once_and_no_more(runs: Runs) -> None:
    key = runs.launch(plan({**GIVEN, "concurrency": 2}))
    assert (runs.run(key).active, started(runs)) == (2, [0, 1])

    runs.settle(runs.claim(), str.upper)  # type: ignore[arg-type]
    assert (runs.run(key).active, started(runs)) == (2, [0, 1, 2])

    runs.work()
    assert runs.run(key).state == "done"


def test_a_turn_begins_only_so_many_and_the_next_goes_on(runs: Runs) -> None:
    many = list(range(3 * SPARE))
    key = runs.launch(plan(GIVEN), {"tasks": many})
    assert 0 < runs.run(key).started <= SPARE
    assert runs.swarm.deadline is not None
    assert runs.swarm.deadline < runs.now

    for _ in range(3):
        runs.do(Tick())

    assert runs.run(key).started == runs.run(key).active == 3 * SPARE
    assert started(runs) == many
    runs.do(Tick())
    assert runs.swarm.deadline is None


def test_a_failed_item_is_tried_again_after_a_while(runs: Runs) -> None:
    key = runs.launch(plan({"agent": "worker", "input": "x", "execution": RETRY}))
    runs.work(fail_on("x"))
    item = runs.items(key)[0]
    assert (item.state, item.attempt) == ("retrying", 1)
    assert item.not_before is not None
    assert 1 <= (item.not_before - runs.now).total_seconds() <= 3
    assert runs.swarm.deadline == item.not_before

    runs.later(seconds=3)
    runs.work()

    assert runs.run(key).output == {"got": {"r": "x"}}
    assert runs.handled == ["x", "x"]


def test_an_item_is_tried_as_often_as_there_are_backoffs(runs: Runs) -> None:
    key = runs.launch(plan({"agent": "worker", "input": "x", "execution": RETRY}))
    for _ in range(4):
        runs.work(fail_on("x"))
        runs.later(seconds=12)

    assert runs.run(key).state == "failed"
    assert runs.handled == ["x"] * 3


def test_an_item_that_waits_to_be_tried_again_keeps_its_room(runs: Runs) -> None:
    stage = {**GIVEN, "concurrency": 1, "execution": RETRY}
    key = runs.launch(plan(stage))
    runs.work(fail_on("a"))

    assert runs.run(key).active == 1
    assert started(runs) == [0]


def test_a_machine_is_tried_again_as_a_whole(runs: Runs) -> None:
    stage = {"machine": "one", "input": {"task": "x"}, "execution": RETRY}
    key = runs.launch(plan(stage, one=ONE))
    runs.work(fail_on("x"))
    runs.later(seconds=3)
    runs.work()

    assert runs.run(key).output == {"got": {"made": "x"}}
    assert list(runs.swarm.runs.rows) == [key]


def test_a_task_that_was_called_off_is_a_failed_item(runs: Runs) -> None:
    key = runs.launch(plan({**GIVEN, "execution": RETRY}), {"tasks": ["a"]})
    runs.do(Cancel(id=runs.items(key)[0].ref, reason="no need"))

    assert runs.run(key).output["got"] == [
        {"_error": "no need", "_error_type": "Cancelled"}
    ]


def test_a_task_that_is_requeued_later_changes_nothing(runs: Runs) -> None:
    key = runs.launch(plan(GIVEN), {"tasks": ["a"]})
    ref = runs.items(key)[0].ref
    runs.work()
    old = runs.run(key)

    runs.do(Requeue(id=ref))
    runs.work()

    assert runs.run(key) == old


def test_a_task_that_is_handed_to_somebody_is_still_the_item(runs: Runs) -> None:
    key = runs.launch(plan(GIVEN), {"tasks": ["a"]})
    task = runs.swarm.tasks[runs.items(key)[0].ref]
    runs.do(Assign(agent="w", id=task.id, body=task.body))
    runs.work()

    assert runs.run(key).output == {"got": [{"r": "a"}]}


def test_a_task_that_is_given_back_is_the_same_attempt(runs: Runs) -> None:
    key = runs.launch(plan(GIVEN), {"tasks": ["a"]})
    task = runs.claim()
    assert task is not None
    runs.do(Nack(agent="w", task=task.id, fence=task.fence))
    runs.work()

    assert runs.run(key).state == "done"
    assert started(runs) == [0]


def test_a_run_that_is_called_off_takes_everything_below_with_it(runs: Runs) -> None:
    stage = {"foreach": "input.tasks", "as": "task", "machine": "one"}
    key = runs.launch(plan(stage, one=ONE))
    held = runs.claim()
    runs.cancel(key)

    assert runs.run(key).state == "cancelled"
    assert runs.run(key).reason == "enough"
    assert runs.swarm.task_counts["cancelled"] == 4
    assert list(runs.swarm.runs.rows) == [key]
    assert runs.swarm.runs.items == {}
    assert runs.claim() is None
    assert held is not None
    with pytest.raises(Conflict):
        runs.do(Complete(agent="w", task=held.id, fence=held.fence))
    with pytest.raises(Conflict, match="nothing to cancel"):
        runs.cancel(key)


def test_what_a_run_launched_goes_on_without_it(runs: Runs) -> None:
    stage = {"launch": ["one"], "launch_input": {"task": "z"}, "agent": "other"}
    key = runs.launch(plan(stage, one=ONE))
    (other,) = runs.run(key).launched
    runs.cancel(key)
    runs.work()

    assert runs.run(other).state == "done"


def test_calling_off_many_takes_several_turns(runs: Runs) -> None:
    key = runs.launch(plan(GIVEN), {"tasks": list(range(2 * SPARE))})
    runs.do(Tick())
    runs.cancel(key)
    assert SPARE < 2 * runs.run(key).active <= 2 * SPARE
    with pytest.raises(Conflict, match="still being called off"):
        runs.resume(key)

    runs.do(Tick())

    assert runs.run(key).active == 0
    assert runs.swarm.task_counts["queued"] == 0


def test_what_is_done_while_a_run_is_called_off_is_not_done_again(runs: Runs) -> None:
    many = 2 * SPARE
    key = runs.launch(plan(GIVEN), {"tasks": list(range(many))})
    while runs.run(key).started < many:
        runs.do(Tick())
    last = runs.items(key)[many - 1].ref
    runs.do(Claim(agent="w", task=last))
    runs.cancel(key)
    runs.settle(runs.swarm.tasks[last], lambda value: value)
    while runs.run(key).active:
        runs.do(Tick())

    assert (runs.run(key).done, runs.run(key).failed) == (1, many - 1)
    assert runs.items(key) == {}  # they went with the run; the log has them
    done = [event for event in runs.log if isinstance(event, ItemDone)]
    assert [(event.index, event.output) for event in done] == [
        (many - 1, {"r": many - 1})
    ]


def test_a_run_below_another_may_be_called_off_alone(runs: Runs) -> None:
    stage = {"foreach": "input.tasks", "as": "task", "machine": "one"}
    key = runs.launch(plan(stage, one=ONE))
    runs.cancel(runs.items(key)[1].ref)
    runs.work()

    assert [item.get("_error_type") for item in runs.run(key).output["got"]] == [
        None,
        "Cancelled",
        None,
        None,
    ]


# --- going on -------------------------------------------------------------------------


class Kept(Runs):
    """Runs of which a store has every row."""

    def do(self, command: Any) -> list[Any]:
        events = super().do(command)
        if hasattr(self, "stored"):
            for name, rows in self.swarm.take():
                getattr(self.stored, name).update(rows)
        return events


@pytest.fixture
def kept() -> Kept:
    runs = Kept()
    runs.keep()
    return runs


def test_a_run_that_failed_goes_on_with_what_it_had_not_done(kept: Kept) -> None:
    stage = {"foreach": "input.tasks", "as": "task", "machine": "one"}
    key = kept.launch(plan({**stage, "timeout": 60}, one=ONE))
    kept.work(most=2)
    kept.later(seconds=60)
    assert kept.run(key).state == "failed"
    kept.handled.clear()

    kept.swarm.recall(kept.stored)
    kept.resume(key)
    kept.work()

    assert kept.run(key).state == "done"
    assert kept.handled == ["c", "d"]


def test_a_run_that_was_called_off_goes_on_with_what_it_had_not_done(
    kept: Kept,
) -> None:
    key = kept.launch(plan({**GIVEN, "concurrency": 2}))
    kept.work(most=1)
    kept.cancel(key)

    kept.swarm.recall(kept.stored)
    kept.resume(key)
    assert kept.run(key).active == 2
    kept.work()

    assert kept.run(key).output == {"got": [{"r": sign} for sign in "abcd"]}
    assert kept.handled == ["a", "b", "c", "d"]


def test_a_run_that_is_done_has_nothing_to_go_on_with(runs: Runs) -> None:
    key = runs.launch(plan(GIVEN))
    assert runs.resume(key) == []
    runs.work()

    assert runs.resume(key) == []
    with pytest.raises(NotFound):
        runs.resume("nobody")


def test_a_part_of_a_run_does_not_go_on_alone(runs: Runs) -> None:
    stage = {"foreach": "input.tasks", "as": "task", "machine": "one"}
    key = runs.launch(plan(stage, one=ONE))
    runs.claim()
    part = runs.items(key)[0].ref
    runs.cancel(part)

    with pytest.raises((Conflict, NotFound)):
        runs.resume(part)


def test_failed_items_are_done_again_and_nothing_else(kept: Kept) -> None:
    key = kept.launch(plan(GIVEN))
    kept.work(fail_on("b", "d"))
    assert kept.run(key).state == "done"
    kept.handled.clear()

    tables = kept.stored
    then = type(tables)(
        runs={key: tables.runs[key]},
        plans=tables.plans,
        items={place: row for place, row in tables.items.items() if place[1] == 1},
        checkpoints={(key, 0): tables.checkpoints[key, 0]},
    )
    kept.swarm.recall(then)
    kept.retry(key, visit=1)
    assert kept.run(key).state == "running"
    kept.work()

    assert kept.handled == ["b", "d"]
    assert kept.run(key).output == {"got": [{"r": sign} for sign in "abcd"]}


def test_a_run_without_failed_items_has_nothing_to_retry(runs: Runs) -> None:
    key = runs.launch(plan(GIVEN))
    with pytest.raises(Conflict, match="is running"):
        runs.retry(key, visit=1)
    runs.work()

    with pytest.raises(Conflict):
        runs.retry(key, visit=1)


def test_a_swarm_that_is_loaded_goes_on_where_it_was(kept: Kept) -> None:
    stage = {"foreach": "input.tasks", "as": "task", "machine": "one", "concurrency": 3}
    key = kept.launch(plan(stage, one=ONE))
    kept.work(most=1)
    kept.claim()

    kept.swarm = Swarm.load(kept.swarm.cursor, kept.stored, Rules())
    kept.do(Tick())
    held = kept.do(Claim(agent="w"))
    for event in held:
        if isinstance(event, TaskLeased):
            kept.settle(kept.swarm.tasks[event.task], lambda value: value)
    kept.work()
    kept.later(seconds=400)
    kept.later(seconds=5)
    kept.work()

    assert kept.run(key).output["got"] == [{"made": sign} for sign in "abcd"]
    assert sorted(kept.handled) == ["a", "b", "c", "d"]


def test_a_run_that_does_not_go_on_after_all_is_let_go_again(kept: Kept) -> None:
    key = kept.launch(plan(GIVEN))
    kept.work(fail_on("b"))
    kept.swarm.recall(kept.stored)
    with pytest.raises(Conflict, match="gone on meanwhile"):
        kept.retry(key, visit=2)
    other = kept.launch(plan(GIVEN))
    kept.cancel(other)

    kept.swarm.recall(Tables(runs={other: kept.stored.runs[other]}))

    assert list(kept.swarm.runs.items) == []
    assert list(kept.swarm.runs.contexts) == []


def test_tasks_that_die_all_at_once_are_all_heard_of() -> None:
    runs = Runs(Rules(keep_settled=2, max_attempts=1))
    key = runs.launch(plan(GIVEN), {"tasks": list(range(8))})
    for _ in range(8):
        runs.claim()

    runs.later(hours=1)

    assert (runs.run(key).state, runs.run(key).active) == ("done", 0)


def test_no_plan_stays_that_no_run_goes_on_with() -> None:
    runs = Runs(Rules(keep_settled=2))
    for name in "abc":
        runs.launch({**plan({"agent": "worker", "input": "x"}), "name": name})

    runs.work(fail_on("x"))
    runs.keep()
    assert not runs.swarm.runs.plans
    assert not runs.swarm.runs.in_use

    old = next(iter(runs.swarm.runs.rows.values()))
    runs.swarm.recall(runs.stored)
    assert runs.swarm.runs.plans
    runs.swarm.recall(Tables(runs={old.id: old}))
    assert not runs.swarm.runs.plans


def test_only_items_whose_time_has_come_are_tried_again(runs: Runs) -> None:
    tasks = {"tasks": ["a", "b"]}
    key = runs.launch(plan({**GIVEN, "execution": RETRY}), tasks)
    runs.work(fail_on("a"), most=1)
    runs.later(seconds=0.5)
    runs.work(fail_on("b"), most=1)
    first, second = runs.items(key).values()
    assert first.not_before is not None
    assert second.not_before is not None
    earlier = min(first, second, key=lambda item: str(item.not_before))
    assert earlier.not_before is not None

    runs.now = earlier.not_before
    runs.do(Tick())

    tried = [item.index for item in runs.items(key).values() if item.attempt == 2]
    assert tried == [earlier.index]
    assert not any(runs.swarm.runs.ripe.values())


def test_an_item_takes_no_task_of_a_person_that_has_its_id(runs: Runs) -> None:
    runs.do(Enqueue(id="R.1", title="mine", needs=("worker",)))
    key = runs.launch(plan(GIVEN), {"tasks": ["a", "b"]}, id="R")

    assert runs.swarm.tasks["R.1"].title == "mine"
    assert {item["_error_type"] for item in runs.run(key).output["got"]} == {"Conflict"}
