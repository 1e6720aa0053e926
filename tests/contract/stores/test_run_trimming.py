"""How runs, and what belongs to them, are no longer kept."""

from dataclasses import replace

import pytest

from agentkit.rows import Row
from server.core.tables import Tables
from server.store import Store
from tests.contract.stores.rows import (
    DAY,
    NOW,
    ROOM,
    a_day_each,
    checkpoint_row,
    item_row,
    plan_row,
    read_back,
    result_row,
    run_row,
    trim,
    write,
)


def tree(version: int) -> list[Row]:
    """Return a run that settled, one below it, and all that belongs to the two."""
    return [
        run_row("r1", state="failed", version=version),
        run_row("r1.1", parent="r1", root="r1", state="done", version=1),
        *(
            row
            for run in ("r1", "r1.1")
            for row in (
                item_row(run, 1, 0, state="failed", version=1),
                checkpoint_row(run, 0),
                result_row(run, "result", version=1, file=f"of {run}"),
            )
        ),
        plan_row("p1"),
    ]


async def left(store: Store, rows: list[Row]) -> list[Row]:
    return [row for row in rows if await read_back(store, row) is not None]


async def test_a_run_goes_with_all_below_it_after_the_event_that_settled_it(
    store: Store,
) -> None:
    rows = tree(4)
    await write(store, *a_day_each(9), rows=tuple(rows))

    await trim(store, NOW + 3 * DAY)
    kept = await left(store, rows)
    await trim(store, NOW + 4 * DAY)

    assert kept == rows
    assert await left(store, rows) == []
    assert await store.files() == set()


@pytest.mark.parametrize("state", ["running", "cancelled"])
async def test_a_run_of_which_something_waits_stays_however_old(
    store: Store, state: str
) -> None:
    rows = tree(1)
    rows[1] = run_row("r1.1", parent="r1", root="r1", state=state, active=1, version=1)
    await write(store, *a_day_each(9), rows=tuple(rows))

    await trim(store, NOW + 99 * DAY, size=0)

    assert await left(store, rows) == rows


async def test_a_run_that_goes_on_stays_with_those_below_that_are_over(
    store: Store,
) -> None:
    rows = tree(1)
    rows[0] = run_row("r1", version=1)
    await write(store, *a_day_each(9), rows=tuple(rows))

    await trim(store, NOW + 99 * DAY, size=0)

    assert await left(store, rows) == rows


async def test_what_a_run_launched_goes_and_stays_by_itself(store: Store) -> None:
    rows: list[Row] = [
        run_row("r1", state="done", version=2),
        run_row("r2", launched_by="r1", state="done", version=6),
        run_row("r3", launched_by="r2", version=1),
    ]
    await write(store, *a_day_each(9), rows=tuple(rows))

    await trim(store, NOW + 4 * DAY)
    soon = await left(store, rows)
    await trim(store, NOW + 99 * DAY)

    assert soon == rows[1:]
    assert await left(store, rows) == rows[2:]


async def test_a_plan_goes_with_the_last_of_its_runs(store: Store) -> None:
    plans = [plan_row("p1"), plan_row("p2")]
    runs = [
        run_row("r1", state="done", version=2),
        run_row("r2", state="done", version=4),
        run_row("r3", plan="p2", version=1),
    ]
    await write(store, *a_day_each(9), rows=(*plans, *runs))

    await trim(store, NOW + 3 * DAY)
    soon = await store.plan("p1")
    await trim(store, NOW + 99 * DAY)

    assert soon == plans[0]
    assert await store.plan("p1") is None
    assert await store.plan("p2") == plans[1]


async def test_a_result_under_the_name_of_no_run_goes_with_its_own_event(
    store: Store,
) -> None:
    young, old = result_row("mine", "x", version=4), result_row("mine", "y", version=2)
    again = replace(old, version=9)
    await write(store, *a_day_each(9), rows=(young, old))
    await write(store, rows=(again,))

    await trim(store, NOW + 3 * DAY)
    soon = await store.results()
    await trim(store, NOW + 4 * DAY)

    assert soon == [again, young]
    assert await store.results() == [again]


async def test_a_result_that_was_deleted_goes_before_its_run(store: Store) -> None:
    run = run_row("r1", version=1)
    kept = result_row("r1", "kept", version=1)
    deleted = result_row("r1", "deleted", version=1, deleted=True)
    await write(store, *a_day_each(9), rows=(run, kept, deleted))

    await trim(store, NOW + 2 * DAY)

    assert await left(store, [run, kept, deleted]) == [run, kept]


async def test_a_result_is_of_its_run_whichever_was_there_first(store: Store) -> None:
    before, after = result_row("r1", "a", version=1), result_row("r1", "b", version=1)
    run = run_row("r1", version=1)
    await write(store, *a_day_each(9), rows=(before,))
    await write(store, rows=(run,))
    await write(store, rows=(after, replace(before, value={"ok": 2})))

    await trim(store, NOW + 99 * DAY)
    kept = await store.results("r1")
    await write(store, rows=(replace(run, state="done"),))
    await trim(store, NOW + 99 * DAY)

    assert [row.name for row in kept] == ["a", "b"]
    assert await store.results("r1") == []


async def test_a_run_that_is_let_go_on_is_kept(store: Store) -> None:
    rows = tree(2)
    await write(store, *a_day_each(9), rows=tuple(rows))
    again = run_row("r1", version=2)

    await write(store, rows=(again,))
    await trim(store, NOW + 99 * DAY)

    assert await left(store, rows) == rows
    assert await store.run("r1") == again


async def test_a_tree_that_is_being_trimmed_is_not_brought_back(store: Store) -> None:
    rows = tree(2)
    await write(store, *a_day_each(9), rows=tuple(rows))
    whole = await store.run_tree("r1.1")

    first = await store.trim(NOW + 5 * DAY, ROOM)

    assert set(whole.runs) == {"r1.1"}
    assert first.rows
    assert await store.run("r1") == rows[0]
    assert await store.run_tree("r1") == Tables()
    assert await store.run_tree("r1.1") == Tables()


async def test_a_tree_larger_than_a_batch_goes_all_the_same(store: Store) -> None:
    below = [
        run_row(f"b.{n}", parent="r1", root="r1", state="done") for n in range(1500)
    ]
    items = [item_row(run.id, 1, n) for run in below for n in range(2)]
    other = run_row("r2", state="done", version=8), item_row("r2", 1, 0)
    rows = (*tree(2), *below, *items, *other)
    await write(store, *a_day_each(9), rows=rows)

    gone = await trim(store, NOW + 4 * DAY)

    assert gone == 4 + 8 + 1500 * 3
    assert await store.runs(root="r1") == []
    assert await left(store, list(other)) == list(other)
