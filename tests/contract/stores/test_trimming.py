"""What is no longer kept."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import starmap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.protocol import (
    AgentDisconnected,
    AgentLost,
    Logged,
)
from agentkit.rows import (
    Delivery,
    Receipt,
    Row,
    Token,
    key_of,
)
from server.core.tables import Tables, Turn
from server.store import Store
from server.store.base import KEEP_SPOOLS
from server.store.by_agent import BEHIND
from tests.contract.stores.rows import (
    DAY,
    HISTORY,
    NOW,
    a_day_each,
    agent_row,
    broadcast_row,
    delivery_row,
    help_row,
    joined,
    letter_row,
    read_back,
    reopen,
    spool_row,
    tables,
    task_row,
    trim,
    unhurried,
    write,
    write_history,
)


async def test_a_young_store_keeps_everything(store: Store) -> None:
    await write(store, *a_day_each(5))

    assert await store.oldest() == 1
    assert await trim(store, NOW) == 0
    assert len(await store.events()) == 5


async def test_events_from_before_a_time_go(store: Store) -> None:
    await write(store, *a_day_each(9))

    assert await trim(store, NOW + 3 * DAY) == 3

    assert [cursor for cursor, _ in await store.events()] == [4, 5, 6, 7, 8, 9]
    assert await store.oldest() == 4
    assert await trim(store, NOW + 3 * DAY) == 0


async def test_the_log_goes_on_where_it_was_when_all_of_it_is_old(
    store: Store,
) -> None:
    await write(store, *a_day_each(9))
    await trim(store, NOW + 99 * DAY)
    await reopen(store)

    cursor, _ = await store.load()
    turn = await write(store, joined("a2"))

    assert cursor == 9
    assert turn.events == (Logged(10, joined("a2")),)
    assert [cursor for cursor, _ in await store.events()] == [9, 10]


async def test_a_new_log_has_no_oldest_event(store: Store) -> None:
    assert await store.oldest() == 0
    assert await trim(store, NOW + 99 * DAY) == 0


@unhurried
@given(
    span=st.tuples(st.integers(0, 30), st.none() | st.integers(0, 30)),
    limit=st.integers(0, 30),
    newest_first=st.booleans(),
)
async def test_what_is_left_of_the_log_is_read_as_before(
    store: Store, span: tuple[int, int | None], **question: Any
) -> None:
    if not await store.events(limit=1):
        await write(store, *a_day_each(24))
        await trim(store, NOW + 10 * DAY)
    after, before = span
    kept = list(starmap(Logged, enumerate(a_day_each(24), 1)))[10:]
    expected = [
        logged
        for logged in kept[:: -1 if question["newest_first"] else 1]
        if after < logged.cursor < (31 if before is None else before)
    ]

    found = await store.events(after=after, before=before, **question)

    assert found == expected[: question["limit"]]


OVER: list[Callable[[int], Row]] = [
    lambda version: help_row("x", state="answered", version=version),
    lambda version: task_row("x", state="done", version=version),
    lambda version: task_row("x", state="dead", version=version),
    lambda version: task_row("x", state="cancelled", version=version),
    lambda version: broadcast_row("x", recipients=2, done=1, dead=1, version=version),
    lambda version: delivery_row("a1", 1, kind="task", state="done", version=version),
    lambda version: delivery_row("a1", 1, kind="task", state="dead", version=version),
    lambda version: Receipt(key="x", at=NOW, first=version, last=version),
    lambda version: letter_row("x", version=version),
    lambda version: letter_row("x", state="discarded", version=version),
]
WAITING: list[Callable[[int], Row]] = [
    lambda version: help_row("x", state="snoozed", version=version),
    lambda version: task_row("x", state="scheduled", version=version),
    lambda version: task_row("x", state="leased", version=version),
    lambda version: broadcast_row("x", recipients=2, done=1, version=version),
    lambda version: delivery_row("a1", 1, state="acked", version=version),
    lambda version: agent_row("x", version=version),
    lambda version: spool_row("a1", "s1", version),
    lambda version: Token(id="x", role="viewer", created=NOW, version=version),
]


@pytest.mark.parametrize("row_of", OVER)
async def test_what_is_over_goes_after_the_event_that_ended_it(
    store: Store, row_of: Callable[[int], Row]
) -> None:
    row = row_of(4)
    await write(store, *a_day_each(9), rows=(row,))

    await trim(store, NOW + 3 * DAY)
    kept = await read_back(store, row)
    await trim(store, NOW + 4 * DAY)
    await reopen(store)

    assert kept == row
    assert await _rows_like(store, row) == []


async def _rows_like(store: Store, row: Row) -> list[Row]:
    if isinstance(row, Delivery):
        return list(await store.deliveries(agent=row.agent))
    found = await read_back(store, row)
    return [] if found is None else [found]


@pytest.mark.parametrize("row_of", WAITING)
async def test_what_waits_or_is_of_lasting_use_stays_however_old(
    store: Store, row_of: Callable[[int], Row]
) -> None:
    row = row_of(1)
    await write(store, *a_day_each(9), rows=(row,))

    assert await trim(store, NOW + 99 * DAY, size=0) == 8

    assert await read_back(store, row) == row


async def test_what_waiting_mail_carries_stays_however_old(store: Store) -> None:
    done = task_row("T1", state="done", version=1)
    mail = delivery_row("a1", 2, kind="task", ref="T1", version=2)
    await write(store, *a_day_each(9), rows=(done, mail))

    await trim(store, NOW + 99 * DAY)
    kept = await store.task("T1")
    await write(store, rows=(replace(mail, state="done"),))
    await trim(store, NOW + 99 * DAY)

    assert kept == done
    assert await store.task("T1") is None


async def test_the_log_of_an_agent_is_trimmed_with_the_log(store: Store) -> None:
    await write_history(store)

    await trim(store, size=0)
    turn = await write(store, *HISTORY[:BEHIND])

    last = turn.events[-1].cursor
    mine = await store.events(agent="a1", limit=9999)
    assert [cursor for cursor, _ in mine] == [
        cursor
        for cursor, event in (Logged(last - BEHIND, HISTORY[-1]), *turn.events)
        if getattr(event, "agent", "") == "a1"
    ]


@pytest.mark.parametrize("kind", ["broadcast", "message"])
@pytest.mark.parametrize("end", ["done", "dead"])
async def test_the_ledger_of_a_broadcast_is_whole_until_the_broadcast_goes(
    store: Store, end: str, kind: str
) -> None:
    mail = [
        delivery_row("a1", 1, kind=kind, state=end, version=2),
        delivery_row("a2", 1, kind=kind, state="acked", version=1),
    ]
    cast = broadcast_row("b1", recipients=2, **{end: 1}, version=2)
    await write(store, *a_day_each(9), rows=(cast, *mail))
    await trim(store, NOW + 8 * DAY)
    live = await store.deliveries(ref="b1")

    over = replace(mail[1], state="done", version=10)
    settled = replace(cast, done=cast.done + 1, version=10)
    await write(store, AgentLost(at=NOW + 9 * DAY, agent="a1"), rows=(settled, over))
    await trim(store, NOW + 9 * DAY)
    kept = await store.deliveries(ref="b1")
    await write(store, AgentLost(at=NOW + 10 * DAY, agent="a1"))
    await trim(store, NOW + 10 * DAY)

    assert live == mail
    assert kept == [mail[0], over]
    assert await store.deliveries(ref="b1") == []
    assert await store.broadcast("b1") is None


async def test_spools_of_an_agent_go_but_for_the_one_it_used_last(
    store: Store,
) -> None:
    old, last, young = (spool_row("a1", f"s{at}", at) for at in (2, 4, 9))
    other = spool_row("a2", "s0", 1)
    await write(store, *a_day_each(9), rows=(old, last, other))

    await trim(store, NOW + 2 * DAY)
    _, soon = await store.load()
    await write(store, rows=(young,))
    await trim(store, NOW + 3 * DAY)
    _, later = await store.load()
    await trim(store, NOW + 99 * DAY)
    _, late = await store.load()

    assert soon == tables(last, other)
    assert later == tables(last, young, other)
    assert late == tables(young, other)


async def test_the_spool_that_an_agent_goes_on_with_stays_beside_its_newest(
    store: Store,
) -> None:
    mine, other = spool_row("a1", "mine", 1), spool_row("a1", "other", 2)
    await write(store, *a_day_each(9), rows=(mine,))
    await write(store, rows=(other,))
    again = replace(mine, accepted=8, version=5)
    await write(store, rows=(again,))

    await trim(store, NOW + 99 * DAY)

    _, rows = await store.load()
    assert rows == tables(again, other)


async def test_of_many_spools_of_an_agent_those_used_last_are_loaded(
    store: Store,
) -> None:
    spools = [spool_row("a1", f"s{at}", at) for at in range(KEEP_SPOOLS + 3)]
    other = spool_row("a2", "s0", 0)
    for spool in spools:
        await write(store, rows=(spool,))
    await write(store, rows=(other, again := replace(spools[0], version=20)))

    await reopen(store)

    _, rows = await store.load()
    assert rows == tables(again, *spools[4:], other)
    assert list(rows.spools) == [("a1", "s0"), *map(key_of, spools[4:]), ("a2", "s0")]
    assert await store.spool("a1", "s1") == spools[1]
    assert await store.spool("a2", "s1") is None


async def test_a_store_that_is_too_large_loses_the_oldest_events_first(
    store: Store,
) -> None:
    wordy = [
        AgentDisconnected(at=NOW, agent="a1", reason="word " * 200)
        for _ in range(20_000)
    ]
    for start in range(0, len(wordy), 1000):
        await write(store, *wordy[start : start + 1000])
    size = 8 * 2**20

    gone = await trim(store, size=size)
    cursors = [cursor for cursor, _ in await store.events(limit=30_000)]

    assert 5_000 < gone < 19_000
    assert cursors == list(range(gone + 1, 20_001))
    assert await trim(store, size=size) == 0


async def test_turns_and_trimming_take_turns(store: Store) -> None:
    await write(store, *(AgentLost(at=NOW, agent="a1") for _ in range(9000)))
    late = NOW + DAY

    async def work() -> None:
        for cursor in range(9001, 9101):
            event = Logged(cursor, AgentLost(at=late, agent="a1"))
            await store.turn(lambda _, event=event: Turn((event,), Tables()))  # type: ignore[misc]

    gone, _ = await asyncio.gather(trim(store, late), work())
    gone += await trim(store, late)

    assert gone == 9000
    assert [cursor for cursor, _ in await store.events()] == [*range(9001, 9101)]
