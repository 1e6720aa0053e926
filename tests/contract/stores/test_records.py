"""Whatever a row or an event can hold, a store gives back."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.protocol import (
    Event,
    Logged,
)
from agentkit.rows import (
    Row,
    Task,
)
from server.store import Store
from tests.contract.stores.rows import (
    NOW,
    read_back,
    reopen,
    unhurried,
    write,
)

TEXT = st.text(max_size=20)
NAME = st.text(min_size=1, max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(TEXT, below, max_size=3)
    ),
    max_leaves=5,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(0, 2**53),
    float: st.floats(0, allow_infinity=False, allow_nan=False),
    bool: st.booleans(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    type(None): st.none(),
    Any: JSON,
    Mapping[str, Any]: st.dictionaries(TEXT, JSON, max_size=3),
}


def anything(hint: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of a type hint."""
    if hint in PLAIN:
        return PLAIN[hint]
    args = get_args(hint)
    if get_origin(hint) is Literal:
        return st.sampled_from(args)
    if get_origin(hint) is not tuple:
        return st.one_of([anything(arg) for arg in args])
    if args[-1] is not Ellipsis:
        return st.tuples(*map(anything, args))
    return st.lists(anything(args[0]), max_size=3).map(tuple)


def records(kind: type) -> st.SearchStrategy[Any]:
    """Return a strategy for records of a class, every field drawn."""
    hints = get_type_hints(kind)
    drawn = {field.name: anything(hints[field.name]) for field in fields(kind)}
    drawn |= {name: NAME for name in ("agent", "ref") if name in drawn}
    return st.fixed_dictionaries(drawn).map(lambda values: kind(**values))


@pytest.mark.parametrize("kind", get_args(Row))
@unhurried
@given(data=st.data())
async def test_a_row_comes_back_as_it_was(
    store: Store, kind: type[Row], data: st.DataObject
) -> None:
    row = data.draw(records(kind))

    await write(store, rows=(row,))
    await reopen(store)

    assert await read_back(store, row) == row


@pytest.mark.parametrize("kind", get_args(Event))
@unhurried
@given(data=st.data())
async def test_an_event_comes_back_as_it_was(
    store: Store, kind: type[Event], data: st.DataObject
) -> None:
    event = data.draw(records(kind))

    turn = await write(store, event)
    await reopen(store)

    newest, _ = await store.load()
    assert turn.events == (Logged(newest, event),)
    assert await store.events(after=newest - 1) == [*turn.events]


@pytest.mark.parametrize("value", [10**30, -(2**64), "\ud83d", [{"n": 2**80}]])
async def test_a_task_holds_whatever_json_can_say(store: Store, value: object) -> None:
    task = Task(id="T1", agent="a1", state="queued", created=NOW, body={"x": value})

    await write(store, rows=(task,))
    await reopen(store)

    assert await store.task("T1") == task
