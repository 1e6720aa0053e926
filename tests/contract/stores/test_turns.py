"""What is written in one turn, and what a start loads."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agentkit.protocol import (
    Logged,
)
from agentkit.rows import (
    Receipt,
    Row,
    key_of,
)
from server.core.tables import Tables, Turn
from server.store import KEEP_SETTLED, Store, StoreError
from tests.contract.stores.rows import (
    NOW,
    agent_row,
    broadcast_row,
    delivery_row,
    help_row,
    joined,
    letter_row,
    read_back,
    reopen,
    tables,
    task_row,
    write,
)


async def test_a_new_store_is_empty(store: Store) -> None:
    assert await store.load() == (0, Tables())
    assert await store.events() == []
    assert await store.task("T1") is None


async def test_a_turn_is_returned_and_kept_whole(store: Store) -> None:
    agent = agent_row("a1", version=1)

    turn = await write(store, joined("a1"), rows=(agent,))
    await reopen(store)

    assert turn == Turn((Logged(1, joined("a1")),), tables(agent))
    assert await store.load() == (1, tables(agent))


async def test_a_later_row_replaces_the_one_with_its_key(store: Store) -> None:
    await write(store, rows=(agent_row("a1", message="first"), agent_row("a2")))

    await write(store, rows=(agent_row("a1", message="second"),))
    await reopen(store)

    _, loaded = await store.load()
    assert loaded == tables(agent_row("a1", message="second"), agent_row("a2"))


async def test_an_empty_turn_changes_nothing(store: Store) -> None:
    await write(store, joined("a1"), rows=(agent_row("a1"),))
    before = await store.load()

    await store.turn(lambda _: Turn((), Tables()))
    await reopen(store)

    assert await store.load() == before


async def test_nobody_else_has_written(store: Store) -> None:
    seen: list[Logged] = []
    await write(store, joined("a1"))

    def observe(others: Any) -> Turn:
        seen.extend(others)
        return Turn((), Tables())

    await store.turn(observe)

    assert seen == []


async def test_nothing_is_kept_of_a_turn_whose_write_fails(store: Store) -> None:
    await write(store, joined("a1"), rows=(agent_row("a1"),))

    def fail(_: object) -> Turn:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.turn(fail)
    await reopen(store)

    assert await store.load() == (1, tables(agent_row("a1")))


@pytest.mark.parametrize("cursors", [(1,), (3,), (0,), (2, 4), (2, 2)])
async def test_nothing_is_kept_of_a_turn_that_does_not_follow_the_log(
    store: Store, cursors: tuple[int, ...]
) -> None:
    await write(store, joined("a1"), rows=(agent_row("a1"),))
    events = tuple(Logged(cursor, joined("a2")) for cursor in cursors)

    with pytest.raises(StoreError, match="the log ends with"):
        await store.turn(lambda _: Turn(events, tables(agent_row("a2"))))
    await reopen(store)

    assert await store.load() == (1, tables(agent_row("a1")))


async def test_a_refused_turn_does_not_spoil_the_next(store: Store) -> None:
    with pytest.raises(StoreError):
        await store.turn(lambda _: Turn((Logged(7, joined("a1")),), Tables()))

    await write(store, joined("a1"))

    assert await store.events() == [Logged(1, joined("a1"))]


async def test_what_was_loaded_does_not_change_with_the_store(store: Store) -> None:
    await write(store, rows=(agent_row("a1"),))
    _, loaded = await store.load()

    await write(store, rows=(agent_row("a2"),))

    assert loaded == tables(agent_row("a1"))


async def test_open_things_are_loaded_however_many_there_are(store: Store) -> None:
    count = KEEP_SETTLED + 20
    rows = [
        row
        for number in range(count)
        for row in (
            help_row(f"h{number}", state="snoozed"),
            task_row(f"T{number}", state="working"),
            broadcast_row(f"b{number}", recipients=2, done=1),
            delivery_row("a1", number + 1, state="acked"),
        )
    ]

    await write(store, rows=tuple(rows))
    await reopen(store)

    assert await store.load() == (0, tables(*rows))


async def test_receipts_are_loaded_oldest_first(store: Store) -> None:
    receipts = [
        Receipt(key=key, at=NOW, first=number, last=number)
        for number, key in enumerate(("z", "a", "m"))
    ]
    for receipt in receipts:
        await write(store, rows=(receipt,))
    await write(store, rows=(receipts[0],))

    await reopen(store)

    _, loaded = await store.load()
    assert list(loaded.receipts.values()) == receipts


SETTLED: list[Callable[[int], Row]] = [
    lambda number: help_row(f"h{number:04}", state="answered", version=number),
    lambda number: help_row(f"h{number:04}", state="resolved", version=number),
    lambda number: task_row(f"T{number:04}", state="done", version=number),
    lambda number: broadcast_row(f"b{number:04}", recipients=2, done=2, version=number),
    lambda number: broadcast_row(f"b{number:04}", recipients=0, version=number),
]


@pytest.mark.parametrize("settled", SETTLED)
async def test_of_settled_things_the_newest_are_loaded(
    store: Store, settled: Callable[[int], Row]
) -> None:
    rows = [settled(number) for number in range(KEEP_SETTLED + 3)]

    await write(store, rows=tuple(reversed(rows)))
    await reopen(store)

    assert await store.load() == (0, tables(*rows[3:]))
    assert await read_back(store, rows[0]) == rows[0]


async def test_calls_that_may_be_answered_yet_are_loaded_however_many_came_after(
    store: Store,
) -> None:
    call = broadcast_row("c1", call="c1", called=("a1",), recipients=1, done=1)
    answered = replace(call, id="c2", call="c2", answered=("a1",))
    rows = [
        broadcast_row(f"b{number:04}", recipients=1, done=1, version=number + 1)
        for number in range(KEEP_SETTLED)
    ]

    await write(store, rows=(call, answered, *rows))
    await reopen(store)

    assert await store.load() == (0, tables(call, *rows))


@pytest.mark.parametrize("settled", SETTLED)
async def test_what_a_waiting_delivery_carries_is_loaded_however_old(
    store: Store, settled: Callable[[int], Row]
) -> None:
    rows = [settled(number) for number in range(KEEP_SETTLED + 3)]
    waiting = delivery_row("a1", 1, ref=str(key_of(rows[0])[0]))

    await write(store, rows=(*rows, waiting))
    await reopen(store)

    assert await store.load() == (0, tables(rows[0], *rows[3:], waiting))


async def test_finished_deliveries_are_not_loaded(store: Store) -> None:
    waiting = delivery_row("a1", 1)
    await write(store, rows=(waiting, delivery_row("a1", 2)))

    await write(store, rows=(delivery_row("a1", 2, state="done"),))
    await reopen(store)

    assert await store.load() == (0, tables(waiting))


async def test_dead_tasks_are_loaded_until_they_are_too_old(store: Store) -> None:
    dead = task_row("T", state="dead", version=1)
    newer = tuple(
        task_row(f"x{number}", state="done", version=number + 2)
        for number in range(KEEP_SETTLED)
    )
    await write(store, rows=(dead, *newer))
    await reopen(store)

    assert await store.load() == (0, tables(dead, *newer))


async def test_a_thing_that_settles_and_opens_again_is_live(store: Store) -> None:
    for state in ("open", "resolved", "open"):
        await write(store, rows=(help_row("h1", state=state),))

    newer = tuple(
        help_row(f"x{number}", state="resolved", version=number + 1)
        for number in range(KEEP_SETTLED)
    )
    await write(store, rows=newer)

    assert await store.load() == (0, tables(help_row("h1"), *newer))


async def test_a_start_loads_the_newest_letters_dead_and_not(store: Store) -> None:
    many = KEEP_SETTLED + 2
    dead = [letter_row(f"D{n}", version=n) for n in range(1, many)]
    rest = [letter_row(f"R{n}", state="requeued", version=n) for n in range(1, many)]
    await write(store, rows=(*dead, *rest))

    _, loaded = await store.load()

    kept = {row.id for row in (*dead[1:], *rest[1:])}
    assert loaded.letters.keys() == kept
