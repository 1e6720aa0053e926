"""The log and the ledger, read page by page."""

from dataclasses import replace
from itertools import starmap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import Invalid
from agentkit.protocol import (
    Logged,
)
from agentkit.rows import (
    Delivery,
)
from agentkit.subjects import matches
from server.store import Store
from server.store.by_agent import BEHIND
from tests.contract.stores.rows import (
    HISTORY,
    NOW,
    delivery_row,
    letter_row,
    unhurried,
    write,
    write_history,
)

PATTERNS = ["**", "agent.**", "agent.lost", "*.done", "task.done", "*", "no.such"]
ENDS = st.one_of(st.integers(0, 30), st.integers(BEHIND - 30, BEHIND + 110))


@unhurried
@given(
    span=st.tuples(ENDS, st.none() | ENDS),
    limit=st.sampled_from([0, 1, 5, 30, 400, 5000]),
    subject=st.sampled_from(PATTERNS),
    agent=st.sampled_from(["", "a0", "a1", "a2", "nobody"]),
    newest_first=st.booleans(),
)
async def test_the_log_is_read_by_cursor_subject_and_agent(
    store: Store, span: tuple[int, int | None], **question: Any
) -> None:
    if not await store.events(limit=1):
        await write_history(store)
    after, before = span
    expected = [
        logged
        for logged in starmap(Logged, enumerate(HISTORY, 1))
        if after < logged.cursor < (len(HISTORY) + 1 if before is None else before)
        and matches(question["subject"], logged.event.subject)
        and question["agent"] in ("", getattr(logged.event, "agent", ""))
    ][:: -1 if question["newest_first"] else 1]

    found = await store.events(after=after, before=before, **question)

    assert found == expected[: question["limit"]]


async def test_the_log_can_be_followed_page_by_page(store: Store) -> None:
    for event in HISTORY[:24]:
        await write(store, event)

    pages, after = [], 0
    while page := await store.events(after=after, limit=5):
        pages.append(page)
        after = page[-1].cursor

    assert [logged for page in pages for logged in page] == list(
        starmap(Logged, enumerate(HISTORY[:24], 1))
    )


async def test_history_can_be_read_backwards_page_by_page(store: Store) -> None:
    await write_history(store)

    cursors: list[int] = []
    before = None
    while page := await store.events(
        agent="a1", before=before, limit=300, newest_first=True
    ):
        cursors += [logged.cursor for logged in page]
        before = cursors[-1]

    mine = [at for at, event in enumerate(HISTORY, 1) if "agent='a1'" in repr(event)]
    assert cursors == mine[::-1]


async def test_beyond_every_cursor_there_is_nothing(store: Store) -> None:
    await write(store, *HISTORY)

    assert await store.events(after=2**80) == []
    assert await store.events(after=2**80, agent="a1") == []
    assert len(await store.events(before=2**80, limit=9999)) == len(HISTORY)


async def test_a_malformed_pattern_is_refused(store: Store) -> None:
    with pytest.raises(Invalid, match="whole"):
        await store.events(subject="agent.b*")


async def test_a_ledger_is_read_page_by_page_in_order_of_agent(store: Store) -> None:
    ledger = [delivery_row(f"a{number:02}", 7, ref="b1") for number in range(25)]
    others = [delivery_row(f"a{number:02}", 8, ref="b2") for number in range(25)]
    await write(store, rows=(*reversed(ledger), *others))

    found: list[Delivery] = []
    while page := await store.deliveries(
        ref="b1", limit=10, after=found[-1].agent if found else ""
    ):
        found += page

    assert found == ledger


async def test_a_mailbox_is_read_newest_first(store: Store) -> None:
    mailbox = [delivery_row("a1", seq, ref=f"b{seq}") for seq in range(1, 12)]
    await write(store, rows=(*mailbox, delivery_row("a2", 99)))

    found = await store.deliveries(agent="a1", limit=4)

    assert found == mailbox[:-5:-1]


async def test_a_ledger_shows_the_state_of_now(store: Store) -> None:
    await write(store, rows=(delivery_row("a1", 1, ref="b1"),))
    done = delivery_row("a1", 1, ref="b1", state="done", attempts=2, done=NOW)

    await write(store, rows=(done,))

    assert await store.deliveries(ref="b1") == [done]
    assert await store.deliveries(agent="a1") == [done]


async def test_dead_mail_is_read_newest_first_page_by_page(store: Store) -> None:
    dead = [
        delivery_row(f"a{number % 3}", number // 2 + 1, state="dead", ref=f"b{number}")
        for number in range(12)
    ]
    await write(store, rows=(*dead, delivery_row("a0", 90), delivery_row("a1", 91)))
    await write(store, rows=(delivery_row("a0", 90, state="done"),))

    found: list[Delivery] = []
    while page := await store.deliveries(
        state="dead", limit=5, after=found[-1].id if found else ""
    ):
        found += page

    assert found == sorted(dead, key=lambda row: (row.seq, row.agent), reverse=True)
    assert await store.deliveries(state="dead", agent="a1") == [
        row for row in found if row.agent == "a1"
    ]


async def test_what_nobody_waits_for_is_in_its_ledger_alone(store: Store) -> None:
    lapsed = delivery_row("a1", 1, state="dead", ref="m1", lapsed=True)

    await write(store, rows=(lapsed,))

    assert await store.deliveries(ref="m1") == [lapsed]
    assert not await store.deliveries(state="dead")
    _, rows = await store.load()
    assert not rows.deliveries


@pytest.mark.parametrize("after", ["7", "a1@7", "@a1", "\u0667@a1"])
async def test_what_is_no_delivery_is_refused(store: Store, after: str) -> None:
    with pytest.raises(Invalid, match="is not a delivery"):
        await store.deliveries(state="dead", after=after)


async def test_letters_are_listed_in_pages_the_last_changed_first(
    store: Store,
) -> None:
    rows = [letter_row(f"L{n}", version=n) for n in range(1, 7)]
    rows[3] = replace(rows[3], state="requeued")
    await write(store, rows=tuple(rows))

    newest = await store.letters(limit=2)
    rest = await store.letters(before=newest[-1].version)
    dead = await store.letters(state="dead", limit=3)

    assert [row.id for row in newest] == ["L6", "L5"]
    assert [row.id for row in rest] == ["L4", "L3", "L2", "L1"]
    assert [row.id for row in dead] == ["L6", "L5", "L3"]
