"""What every store must do, whatever it is made of."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from itertools import starmap
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit.errors import Invalid
from agentkit.protocol import (
    AgentConnected,
    AgentDisconnected,
    AgentLost,
    Event,
    HubStarted,
    Logged,
    TaskDone,
)
from agentkit.rows import (
    Agent,
    Broadcast,
    Delivery,
    HelpRequest,
    Letter,
    Receipt,
    Row,
    Spool,
    Task,
    Token,
    key_of,
)
from agentkit.subjects import matches
from server.core.tables import Tables, Turn
from server.store import KEEP_SETTLED, MemoryStore, SQLiteStore, Store, StoreError
from server.store.base import KEEP_SPOOLS
from server.store.by_agent import BEHIND

NOW = datetime(2026, 11, 21, 1, 30, 0, 123456, tzinfo=UTC)

TABLE_OF: dict[type[Row], str] = {
    Agent: "agents",
    HelpRequest: "helps",
    Task: "tasks",
    Broadcast: "broadcasts",
    Delivery: "deliveries",
    Spool: "spools",
    Receipt: "receipts",
    Token: "tokens",
    Letter: "letters",
}


@pytest.fixture(params=["memory", "sqlite", "sealed"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: dict[str, Callable[[], Store]] = {
        "memory": MemoryStore,
        "sqlite": lambda: SQLiteStore(tmp_path / "hub.db"),
        "sealed": lambda: SQLiteStore(tmp_path / "hub.db", master="a key of any text"),
    }
    store = made[request.param]()
    await store.open()
    yield store
    await store.close()


async def reopen(store: Store) -> None:
    await store.close()
    await store.open()


def tables(*rows: Row) -> Tables:
    result = Tables()
    for row in rows:
        key = key_of(row)
        getattr(result, TABLE_OF[type(row)])[key if len(key) > 1 else key[0]] = row
    return result


async def write(store: Store, *events: Event, rows: tuple[Row, ...] = ()) -> Turn:
    """Commit one turn with the cursors that follow the log."""
    newest, _ = await store.load()
    logged = tuple(starmap(Logged, enumerate(events, newest + 1)))
    return await store.turn(lambda _: Turn(logged, tables(*rows)))


# --- Anything that a row or an event can hold -----------------------------------------

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


unhurried = settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


async def read_back(store: Store, row: Row) -> Row | None:
    match row:
        case Task():
            return await store.task(row.id)
        case HelpRequest():
            return await store.help(row.id)
        case Broadcast():
            return await store.broadcast(row.id)
        case Letter():
            return await store.letter(row.id)
        case Delivery():
            ledger = await store.deliveries(ref=row.ref, agent=row.agent)
            return next(mail for mail in ledger if mail.seq == row.seq)
    _, loaded = await store.load()
    key = key_of(row)
    table: dict[Any, Row] = getattr(loaded, TABLE_OF[type(row)])
    return table.get(key if len(key) > 1 else key[0])


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


# --- Turns ----------------------------------------------------------------------------


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


# --- What a start loads ---------------------------------------------------------------


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


# --- The log --------------------------------------------------------------------------

HISTORY: tuple[Event, ...] = tuple(
    event
    for number in range(BEHIND // 4 + 26)
    for event in (
        HubStarted(at=NOW, version="1"),
        AgentConnected(at=NOW, agent=f"a{number % 2}", capabilities=()),
        TaskDone(at=NOW, agent=f"a{number % 3}", task="T1"),
        AgentDisconnected(at=NOW, agent=f"a{number % 2}", reason=""),
    )
)
PATTERNS = ["**", "agent.**", "agent.lost", "*.done", "task.done", "*", "no.such"]
ENDS = st.one_of(st.integers(0, 30), st.integers(BEHIND - 30, BEHIND + 110))


async def write_history(store: Store) -> None:
    """Write so much that what is read of one agent lies in more than one place."""
    await write(store, *HISTORY[:BEHIND])
    await write(store, *HISTORY[BEHIND:])


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


# --- The ledger -----------------------------------------------------------------------


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


@pytest.mark.parametrize("after", ["7", "a1@7", "@a1", "\u0667@a1"])
async def test_what_is_no_delivery_is_refused(store: Store, after: str) -> None:
    with pytest.raises(Invalid, match="is not a delivery"):
        await store.deliveries(state="dead", after=after)


# --- What is no longer kept -----------------------------------------------------------

DAY = timedelta(days=1)
ROOM = 2**40
FOREVER = NOW - 1000 * DAY


async def trim(store: Store, before: datetime = FOREVER, size: int = ROOM) -> int:
    """Trim until nothing is left to take; return how many rows went."""
    rows = 0
    while not (went := await store.trim(before, size)).is_all:
        rows += went.rows
    return rows


def a_day_each(count: int) -> list[Event]:
    return [AgentLost(at=NOW + day * DAY, agent="a1") for day in range(count)]


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


def letter_row(key: str, **fields: Any) -> Letter:
    base: dict[str, Any] = {"state": "dead", "at": NOW, "message": {"name": "a.b"}}
    return Letter(id=key, subscription="works", **{**base, **fields})


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


async def test_a_start_loads_the_newest_letters_dead_and_not(store: Store) -> None:
    many = KEEP_SETTLED + 2
    dead = [letter_row(f"D{n}", version=n) for n in range(1, many)]
    rest = [letter_row(f"R{n}", state="requeued", version=n) for n in range(1, many)]
    await write(store, rows=(*dead, *rest))

    _, loaded = await store.load()

    kept = {row.id for row in (*dead[1:], *rest[1:])}
    assert loaded.letters.keys() == kept


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


# --- Health ---------------------------------------------------------------------------


async def test_a_store_proves_that_it_can_be_written(store: Store) -> None:
    await write(store, joined("a1"), rows=(agent_row("a1"),))
    before = await store.load()

    assert await store.check() == "writable"
    assert await store.load() == before


async def test_closing_twice_is_harmless(store: Store) -> None:
    await store.close()
    await store.close()

    await store.open()


# --- Rows -----------------------------------------------------------------------------


def joined(agent: str) -> Event:
    return AgentLost(at=NOW, agent=agent)


def agent_row(key: str, **values: Any) -> Agent:
    row = Agent(id=key, status="busy", since=NOW, heard=NOW, joined=NOW)
    return replace(row, **values)


def help_row(key: str, **values: Any) -> HelpRequest:
    row = HelpRequest(
        id=key, agent="a1", kind="help", state="open", question="?", opened=NOW
    )
    return replace(row, **values)


def task_row(key: str, **values: Any) -> Task:
    return replace(Task(id=key, agent="a1", state="queued", created=NOW), **values)


def broadcast_row(key: str, **values: Any) -> Broadcast:
    return replace(Broadcast(id=key, text="hello", where="", at=NOW), **values)


def delivery_row(agent: str, seq: int, **values: Any) -> Delivery:
    row = Delivery(
        agent=agent,
        seq=seq,
        kind="broadcast",
        ref="b1",
        state="queued",
        queued=NOW - timedelta(microseconds=1),
    )
    return replace(row, **values)


def spool_row(agent: str, spool: str, version: int) -> Spool:
    return Spool(agent=agent, spool=spool, accepted=7, version=version)


async def test_a_store_is_recognised_when_it_is_opened_again(store: Store) -> None:
    before = store.identity

    await reopen(store)

    assert before
    assert store.identity == before


async def test_another_store_is_another(store: Store, tmp_path: Path) -> None:
    other = SQLiteStore(tmp_path / "other.db")
    await other.open()
    await other.close()

    assert store.identity not in ("", other.identity, MemoryStore().identity)


async def test_a_receipt_is_read_however_many_came_after_it(store: Store) -> None:
    receipts = {
        key: Receipt(key=key, at=NOW, first=1, last=1, wish="Enqueue")
        for key in ("agent:ann:k 1", "k2")
    }
    event = Logged(1, HubStarted(at=NOW, version="1"))
    await store.turn(lambda _: Turn((event,), Tables(receipts=dict(receipts))))

    assert await store.receipt("agent:ann:k 1") == receipts["agent:ann:k 1"]
    assert await store.receipt("k3") is None
