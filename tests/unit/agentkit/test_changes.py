"""What waits for a reader of changes, and what happens when too much does."""

import asyncio
from datetime import UTC, datetime

import pytest

from agentkit.changes import BACKLOG, Change, Changes, Heard
from agentkit.codec import encode
from agentkit.errors import HubRefused
from agentkit.protocol import HubStarted

STARTED = HubStarted(at=datetime(2026, 1, 1, tzinfo=UTC), version="1")


def turn(first: int, count: int) -> Change:
    events = tuple(Heard(first + n, STARTED) for n in range(count))
    return Change(kind="turn", cursor=first + count - 1, events=events)


def reader(ended: Exception | None = None) -> Changes:
    def check() -> None:
        if ended is not None:
            raise ended

    return Changes(lambda n: Change(kind="snapshot", missed=n), check)


async def test_changes_come_in_order() -> None:
    changes = reader()
    changes.push(turn(1, 2))
    changes.push(turn(3, 1))

    assert [(await anext(changes)).cursor for _ in range(2)] == [2, 3]


async def test_a_reader_waits_for_the_next_change() -> None:
    changes = reader()
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)
    assert not waiting.done()

    changes.push(turn(1, 1))

    assert (await waiting).cursor == 1


async def test_what_piles_up_becomes_one_snapshot_that_says_what_was_missed() -> None:
    changes = reader()
    for number in range(3):
        changes.push(turn(number * BACKLOG, BACKLOG // 2))

    change = await anext(changes)
    changes.push(turn(4 * BACKLOG, 1))

    assert (change.kind, change.missed) == ("snapshot", 3 * (BACKLOG // 2))
    assert (await anext(changes)).kind == "turn"


async def test_a_reader_that_keeps_up_never_gets_a_snapshot() -> None:
    changes = reader()
    for number in range(5):
        changes.push(turn(number * BACKLOG, BACKLOG // 2))
        assert (await anext(changes)).kind == "turn"


async def test_waiting_ends_with_what_ended_the_connection() -> None:
    changes = reader(HubRefused("no"))
    changes.push(turn(1, 1))

    assert (await anext(changes)).kind == "turn"
    with pytest.raises(HubRefused, match="no"):
        await anext(changes)


def test_an_event_is_decoded_when_somebody_looks() -> None:
    heard = Heard(7, subject="hub.started", data=encode(STARTED))

    assert heard.event == STARTED
    assert heard.event is heard.event
    assert (heard.cursor, heard.subject) == (7, Heard(7, STARTED).subject)
