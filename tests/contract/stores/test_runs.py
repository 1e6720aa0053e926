"""Runs: what a start loads of them, and what is read of them however old they are."""

from dataclasses import replace

import pytest

from agentkit.rows import Run
from server.core.tables import Tables
from server.store import KEEP_SETTLED, Store
from tests.contract.stores.rows import (
    checkpoint_row,
    item_row,
    plan_row,
    reopen,
    result_row,
    run_row,
    tables,
    task_row,
    write,
)


async def loaded(store: Store) -> Tables:
    await reopen(store)
    _, rows = await store.load()
    return rows


# --- What a start loads ---------------------------------------------------------------


async def test_a_run_that_goes_on_is_loaded_with_what_it_is_at(store: Store) -> None:
    plan = plan_row("p1")
    run = run_row("r1", visit=3, total=9, started=2)
    items = [item_row("r1", 3, index, state="done") for index in range(3)]
    before = item_row("r1", 2, 0, state="done")
    checkpoints = [checkpoint_row("r1", number) for number in range(3)]

    await write(
        store, rows=(plan, run, *items, before, *checkpoints, result_row("r1", "x"))
    )

    first, _, newest = checkpoints
    assert await loaded(store) == tables(plan, run, *items[:2], first, newest)


async def test_the_checkpoint_that_a_run_went_back_to_is_its_newest(
    store: Store,
) -> None:
    checkpoints = [checkpoint_row("r1", number) for number in range(4)]
    back = replace(checkpoints[1], version=20)
    await write(store, rows=(plan_row("p1"), run_row("r1"), *checkpoints))

    await write(store, rows=(back,))

    rows = await loaded(store)
    assert set(rows.checkpoints) == {("r1", 0), ("r1", 1)}
    assert await store.checkpoint("r1") == back


async def test_a_run_that_is_called_off_is_loaded_until_nothing_of_it_is_left(
    store: Store,
) -> None:
    plan = plan_row("p1")
    run = run_row("r1", state="cancelled", visit=1, total=2, started=1, active=1)
    below = run_row("r2", parent="r1", root="r1", state="cancelled", version=4)
    item = item_row("r1", 1, 0, kind="machine", ref="r2")
    await write(store, rows=(plan, run, below, item))
    first = await loaded(store)

    over = replace(item, state="cancelled"), replace(run, active=0)
    await write(store, rows=over)

    assert first == tables(plan, run, below, item)
    assert await loaded(store) == tables(plan, over[1])


@pytest.mark.parametrize("kind", ["agent", "machine"])
async def test_what_an_item_waits_for_is_loaded_however_old(
    store: Store, kind: str
) -> None:
    plan, run = plan_row("p1"), run_row("r1", visit=1, total=3, started=3)
    newer = [
        task_row(f"T{number}", state="done", version=number + 10)
        for number in range(KEEP_SETTLED)
    ]
    does = (
        task_row("x0", state="done", version=1)
        if kind == "agent"
        else run_row("x0", parent="r1", root="r1", state="failed", version=1)
    )
    heard, failed = replace(does, id="x1"), replace(does, id="x2")
    items = (
        item_row("r1", 1, 0, kind=kind, ref="x0"),
        item_row("r1", 1, 1, kind=kind, ref="x1", state="done"),
        item_row("r1", 1, 2, kind=kind, ref="x2", state="retrying"),
    )

    await write(store, rows=(plan, run, does, heard, failed, *items, *newer))

    assert await loaded(store) == tables(plan, run, does, *items, *newer)


async def test_of_settled_runs_the_newest_that_were_launched_are_loaded_alone(
    store: Store,
) -> None:
    plans = [plan_row("p1"), plan_row("p2"), plan_row("p3")]
    many = KEEP_SETTLED + 1
    runs = [
        run_row(f"r{number:04}", state="done", version=number + 1)
        for number in range(many)
    ]
    runs[0] = replace(runs[0], plan="p2")
    below = run_row("b", plan="p3", parent="r0005", root="r0005", state="done")
    await write(store, rows=(*plans, *runs, below, checkpoint_row("r0005", 0)))

    assert await loaded(store) == tables(plans[0], *runs[1:])


# --- What is read ---------------------------------------------------------------------


async def test_runs_and_plans_are_read_however_old(store: Store) -> None:
    plan, run = plan_row("p1"), run_row("r1", state="done")
    await write(store, rows=(plan, run))

    assert await store.run("r1") == run
    assert await store.plan("p1") == plan
    assert await store.run("r2") is None
    assert await store.plan("p2") is None


def family() -> dict[str, Run]:
    """Return a run with two below it, one below these, and others that it launched."""
    rows = (
        run_row("top", version=9),
        run_row("a", parent="top", root="top", version=2, state="failed"),
        run_row("b", parent="top", root="top", version=8),
        run_row("c", parent="b", root="top", version=3, state="done"),
        run_row("new", launched_by="b", version=5, state="done"),
        run_row("old", version=1, state="done"),
    )
    return {row.id: row for row in rows}


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ({}, "top new old"),
        ({"state": "done"}, "new old"),
        ({"limit": 2}, "top new"),
        ({"before": 5}, "old"),
        ({"parent": "top"}, "b a"),
        ({"parent": "top", "state": "failed"}, "a"),
        ({"root": "top"}, "top b c a"),
        ({"root": "top", "before": 8, "limit": 1}, "c"),
        ({"root": "top", "parent": "b"}, "c"),
        ({"launched_by": "b"}, "new"),
        ({"parent": "nobody"}, ""),
    ],
)
async def test_runs_are_listed_those_that_changed_last_first(
    store: Store, question: dict[str, object], found: str
) -> None:
    await write(store, rows=tuple(family().values()))

    listed = await store.runs(**question)  # type: ignore[arg-type]

    assert " ".join(run.id for run in listed) == found


async def test_a_run_is_listed_where_it_is_after_it_changed(store: Store) -> None:
    rows = family()
    await write(store, rows=tuple(rows.values()))
    again = replace(rows["old"], state="running", version=10)

    await write(store, rows=(again,))

    assert (await store.runs())[0] == again
    assert [run.id for run in await store.runs(state="done")] == ["new"]


async def test_a_tree_is_a_run_and_all_that_is_below_it(store: Store) -> None:
    rows = family()
    at = replace(rows["b"], plan="p2", visit=2, started=2)
    plans = [plan_row("p1"), plan_row("p2"), plan_row("p3")]
    items = [item_row("b", 2, index) for index in range(3)]
    others = item_row("b", 1, 0), item_row("top", 0, 0), result_row("b", "result")
    numbers = {run: [checkpoint_row(run, n) for n in range(3)] for run in ("b", "top")}
    every = numbers["b"] + numbers["top"]
    await write(store, rows=(*rows.values(), at, *plans, *items, *others, *every))

    found = await store.run_tree("b")
    whole = await store.run_tree("top")

    first, _, last = numbers["b"]
    assert found == tables(*plans[:2], at, rows["c"], *items[:2], first, last)
    assert set(whole.runs) == {"top", "a", "b", "c"}
    assert await store.run_tree("nobody") == Tables()


async def test_items_are_read_page_by_page_in_order_of_index(store: Store) -> None:
    states = ["done", "failed", "running"]
    items = [item_row("r1", 2, at, state=states[at % 3]) for at in range(20)]
    others = [item_row("r1", 1, 0), item_row("r2", 2, 0)]
    run = run_row("r1", visit=2, started=18)
    await write(store, rows=(run, *reversed(items), *others))

    assert await store.items("r1") == items[:18]
    assert await store.items("r1", visit=2) == items
    assert await store.items("r1", visit=1) == others[:1]
    assert await store.items("r1", after=4, limit=3) == items[5:8]
    assert await store.items("r1", state="failed", limit=2) == [items[1], items[4]]
    assert await store.items("r9") == []


async def test_an_item_is_found_in_the_state_that_it_is_in(store: Store) -> None:
    item = item_row("r1", 1, 0)
    await write(store, rows=(run_row("r1", visit=1, started=1), item))

    for state in ("failed", "waiting", "done"):
        item = replace(item, state=state)
        await write(store, rows=(item,))

    assert await store.items("r1", state="done") == [item]
    assert await store.items("r1", state="failed") == []
    assert await store.latest_failed_visit("r1") is None


async def test_the_last_visit_with_a_failed_item_is_told(store: Store) -> None:
    failed = {"state": "failed"}
    rows = (
        run_row("r1", visit=4),
        item_row("r1", 1, 0, **failed),
        item_row("r1", 2, 0, state="done"),
        item_row("r1", 2, 1, **failed),
        item_row("r1", 3, 0, state="cancelled"),
        item_row("r1", 5, 0, **failed),
        item_row("r2", 4, 0, **failed),
    )
    await write(store, rows=rows)

    assert await store.latest_failed_visit("r1") == 2
    assert await store.latest_failed_visit("r3") is None


async def test_checkpoints_are_listed_without_what_they_hold(store: Store) -> None:
    checkpoints = [
        checkpoint_row("r1", number, context={"text": "x" * 9000}, stage=f"s{number}")
        for number in range(12)
    ]
    checkpoints[0] = replace(checkpoints[0], input={"n": 1})
    await write(store, rows=(*checkpoints, checkpoint_row("r2", 99)))

    listed = await store.checkpoints("r1", 10)

    bare = [replace(row, context={}, input=None) for row in checkpoints]
    assert listed == bare[:1:-1]
    assert await store.checkpoint("r1") == checkpoints[11]
    assert await store.checkpoint("r1", 0) == checkpoints[0]
    assert await store.checkpoint("r1", 12) is None
    assert await store.checkpoint("r3") is None


async def test_results_are_listed_by_name_or_the_newest_first(store: Store) -> None:
    rows = [
        result_row("r1", "b/c", version=1, file="f1"),
        result_row("r1", "a", version=2),
        result_row("mine", "x", version=3, file="f2"),
        result_row("mine", "y", version=4, file="f1"),
        result_row("mine", "gone", version=5, file="f3", deleted=True),
    ]
    await write(store, rows=tuple(rows))

    assert await store.results("r1") == [rows[1], rows[0]]
    assert await store.results() == rows[3::-1]
    assert await store.results(limit=1) == [rows[3]]
    assert await store.result("mine", "gone") == rows[4]
    assert await store.result("mine", "never") is None
    assert await store.files() == {"f1", "f2"}


async def test_what_a_result_lay_in_counts_until_it_is_written_anew(
    store: Store,
) -> None:
    row = result_row("mine", "x", file="f1")
    await write(store, rows=(row,))

    await write(store, rows=(replace(row, file="f2"),))
    then = await store.files()
    await write(store, rows=(replace(row, file="f2", deleted=True),))

    assert then == {"f2"}
    assert await store.files() == set()
    assert await store.results() == []
