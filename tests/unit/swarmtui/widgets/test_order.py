from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmtui.widgets.order import Column, Order, Sort, widths

SIZE: Column[Any] = Column(
    key="size",
    title="SIZE",
    width=4,
    text=lambda row, _: str(row.size),
    sort=lambda row: row.size,
)


def rows_of(row: Any, **sizes: int) -> dict[str, Any]:
    return {name: row(name, size) for name, size in sizes.items()}


@pytest.fixture
def order() -> Order[Any]:
    return Order([SIZE])


def test_without_a_sort_rows_keep_the_order_they_came_in(
    order: Order[Any], row: Any, now: datetime
) -> None:
    changed = order.rebuild(rows_of(row, c=1, a=3, b=2), now)

    assert changed
    assert order.ids == ["c", "a", "b"]


def test_a_sort_orders_rows_in_either_direction(
    order: Order[Any], row: Any, now: datetime
) -> None:
    rows = rows_of(row, c=1, a=3, b=2)

    order.sort = Sort("size")
    order.rebuild(rows, now)
    rising = order.ids
    order.sort = Sort("size", falling=True)
    order.rebuild(rows, now)

    assert rising == ["c", "b", "a"]
    assert order.ids == ["a", "b", "c"]


def test_a_predicate_leaves_rows_out(
    order: Order[Any], row: Any, now: datetime
) -> None:
    order.predicate = lambda one, _: one.size > 1
    order.rebuild(rows_of(row, c=1, a=3, b=2), now)

    assert order.ids == ["a", "b"]


def test_rebuilding_what_has_not_changed_changes_nothing(
    order: Order[Any], row: Any, now: datetime
) -> None:
    rows = rows_of(row, a=1, b=2)
    order.rebuild(rows, now)

    assert not order.rebuild(rows, now)


def test_while_frozen_no_row_moves_but_rows_come_and_go(
    order: Order[Any], row: Any, now: datetime
) -> None:
    order.sort = Sort("size")
    order.rebuild(rows_of(row, a=1, b=2, c=3), now)
    order.frozen = True

    order.rebuild(rows_of(row, c=0, a=9, d=5), now)

    assert order.ids == ["a", "c", "d"]


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 3)), min_size=1, max_size=8),
    st.integers(0, 200),
)
def test_columns_never_get_less_than_they_need_and_use_what_is_left(
    shape: list[tuple[int, int]], cells: int
) -> None:
    columns: list[Column[Any]] = [
        Column(key=str(n), title="", width=width, flex=flex, text=lambda *_: "")
        for n, (width, flex) in enumerate(shape)
    ]

    found = widths(columns, cells)
    taken = sum(found) + len(found)

    assert all(
        room >= column.width for room, column in zip(found, columns, strict=True)
    )
    if any(column.flex for column in columns) and taken > cells:
        assert found == [column.width for column in columns]
    elif any(column.flex for column in columns):
        assert taken == cells
