"""What every transport must do, whatever carries its events."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from agentkit.errors import Invalid
from agentkit.transports import (
    ConnectionError,  # noqa: A004
    Event,
    Letter,
    Limits,
    Metrics,
    PublishError,
    Retry,
    TransportError,
)
from agentkit.transports.base import Courier
from tests.contract.brokers import BROKERS, LASTING, SHARED, Broker

QUICK = Retry(attempts=3, first=0.001, most=0.002)

across = pytest.mark.parametrize("broker", SHARED, indirect=True)
"""For what takes two transports that reach each other."""

lasting = pytest.mark.parametrize("broker", LASTING, indirect=True)
"""For what only persistent transports do."""


class Box:
    """A handler that keeps what it is given."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._came = asyncio.Condition()

    async def __call__(self, event: Event) -> None:
        async with self._came:
            self.events.append(event)
            self._came.notify_all()

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]

    @property
    def numbers(self) -> list[Any]:
        return [event.data.get("n") for event in self.events]

    async def until(self, ready: Callable[[list[Event]], bool]) -> list[Event]:
        async with asyncio.timeout(20), self._came:
            await self._came.wait_for(lambda: ready(self.events))
        return self.events

    async def count(self, count: int) -> list[Event]:
        return await self.until(lambda events: len(events) >= count)

    async def last(self, name: str) -> list[Event]:
        return await self.until(lambda events: bool(events) and events[-1].name == name)


@pytest.fixture(params=BROKERS)
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    async with BROKERS[request.param](request) as opened:
        yield opened


@pytest.fixture
async def clients(broker: Broker) -> AsyncIterator[Callable[[], Courier]]:
    """Transports that are disconnected when the test is over."""
    async with AsyncExitStack() as stack:

        def client() -> Courier:
            made = broker.client()
            stack.push_async_callback(made.disconnect)
            return made

        yield client


@pytest.fixture
async def transport(clients: Callable[[], Courier]) -> Courier:
    made = clients()
    await made.connect()
    return made


async def publish(transport: Courier, *names: str) -> None:
    for name in names:
        await transport.publish(Event(name))


async def numbered(transport: Courier, name: str, numbers: range) -> None:
    for number in numbers:
        await transport.publish(Event(name, {"n": number}))


async def eventually(true: Callable[[], bool]) -> None:
    """Wait for what no event tells of."""
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


# --- Who gets what --------------------------------------------------------------------


async def test_a_handler_gets_what_was_published(transport: Courier) -> None:
    box = Box()
    await transport.subscribe("task.*", box, name="box")
    event = Event("task.made", {"id": "1", "of": ["a", {"b": None}], "text": "é 🐝"})

    await transport.publish(event)

    (got,) = await box.count(1)
    assert (got.name, got.data, got.id, got.at) == (
        event.name,
        event.data,
        event.id,
        event.at,
    )
    assert got.source == transport.name


SUBJECTS = ("task", "task.a", "task.a.b", "task.a.b.c", "task.b", "taskx.a", "Task.a")


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("task.a", ["task.a"]),
        ("task.*", ["task.a", "task.b"]),
        ("task.**", ["task.a", "task.a.b", "task.a.b.c", "task.b"]),
        ("task.**.c", ["task.a.b.c"]),
        ("*.a", ["task.a", "taskx.a", "Task.a"]),
        ("**.b", ["task.a.b", "task.b"]),
        ("*", ["task"]),
        ("**", list(SUBJECTS)),
    ],
)
async def test_a_pattern_matches_whole_segments(
    transport: Courier, pattern: str, wanted: list[str]
) -> None:
    box, end = Box(), Box()
    await transport.subscribe(pattern, box, name="box")
    await transport.subscribe("end.of.it", end, name="end")

    await publish(transport, *SUBJECTS, *wanted[:1], "end.of.it")

    await end.count(1)
    expected = [*wanted, wanted[0]]
    got = await box.count(len(expected))
    assert [event.name for event in got if event.name != "end.of.it"] == expected


async def test_what_a_broker_takes_for_a_glob_is_a_letter_like_others(
    transport: Courier,
) -> None:
    box = Box()
    await transport.subscribe("a?[b-d]\\^.{x}.*", box, name="box")

    await publish(transport, "aa[b-d]\\^.{x}.n", "a?c\\^.{x}.n", "a?[b-d]\\^.{x}.n")

    assert [event.name for event in await box.count(1)] == ["a?[b-d]\\^.{x}.n"]


async def test_each_subscription_is_called_once_however_patterns_overlap(
    transport: Courier,
) -> None:
    patterns = ("task.*", "task.*", "task.**", "task.a", "**", "*.a", "other.**")
    boxes = [Box() for _ in patterns]
    for index, (pattern, box) in enumerate(zip(patterns, boxes, strict=True)):
        await transport.subscribe(pattern, box, name=f"box {index}")

    await publish(transport, "task.a", "other.end")

    await boxes[4].last("other.end")
    await boxes[6].count(1)
    for box in boxes[:6]:
        await box.count(1)
    assert [box.names.count("task.a") for box in boxes] == [1, 1, 1, 1, 1, 1, 0]


async def test_a_subscription_has_its_events_in_the_order_of_publishing(
    transport: Courier,
) -> None:
    box = Box()
    await transport.subscribe("**", box, name="box")

    for number in range(200):
        await transport.publish(Event(f"s{number % 3}.x", {"n": number}))

    await box.count(200)
    assert box.numbers == list(range(200))


async def test_a_large_event_arrives(transport: Courier) -> None:
    box = Box()
    await transport.subscribe("large.one", box, name="box")

    await transport.publish(Event("large.one", {"text": "x" * 500_000}))

    (got,) = await box.count(1)
    assert len(got.data["text"]) == 500_000


async def test_what_is_too_large_is_refused_and_all_else_may_become_a_letter(
    transport: Courier,
) -> None:
    await transport.subscribe("large.*", refuse, name="refuses", retry=QUICK)
    most = 2**20 - 10_000

    if transport._largest:
        with pytest.raises(PublishError, match=r"large\.one.* 1,048,7"):
            await transport.publish(Event("large.one", {"text": "x" * (2**20)}))
    await transport.publish(Event("large.one", {"text": "x" * most}))

    await eventually(lambda: bool(transport.letters()))
    assert len(transport.letters()[0].event.data["text"]) == most
    assert transport.metrics().reconnects == 0


# --- In any order ---------------------------------------------------------------------


async def test_a_subscription_made_before_connecting_holds(
    clients: Callable[[], Courier],
) -> None:
    transport, box = clients(), Box()
    await transport.subscribe("a.*", box, name="box")

    await transport.connect()
    await publish(transport, "a.b")

    assert [event.name for event in await box.count(1)] == ["a.b"]


async def test_nothing_is_published_without_a_connection(
    clients: Callable[[], Courier],
) -> None:
    transport = clients()

    with pytest.raises(PublishError, match=r"connect\(\)"):
        await publish(transport, "a.b")


async def test_connecting_twice_and_disconnecting_twice_is_once(
    transport: Courier,
) -> None:
    box = Box()
    await transport.subscribe("a.*", box, name="box")

    await transport.connect()
    await publish(transport, "a.b", "a.end")
    await box.last("a.end")
    await transport.disconnect()
    await transport.disconnect()

    assert box.names == ["a.b", "a.end"]


async def test_subscriptions_outlive_a_disconnection(transport: Courier) -> None:
    box = Box()
    await transport.subscribe("a.*", box, name="box")
    await publish(transport, "a.first")
    await box.count(1)

    await transport.disconnect()
    with pytest.raises(PublishError):
        await publish(transport, "a.lost")
    await transport.connect()
    await publish(transport, "a.second")

    await box.count(2)
    assert box.names == ["a.first", "a.second"]


async def test_one_of_two_equal_subscriptions_ends_alone(transport: Courier) -> None:
    first, second = Box(), Box()
    ended = await transport.subscribe("a.*", first, name="first")
    await transport.subscribe("a.*", second, name="second")

    assert await transport.unsubscribe(ended)
    assert not await transport.unsubscribe(ended)
    await publish(transport, "a.b")

    await second.count(1)
    assert first.events == []


async def test_what_is_listened_to_changes_without_loss_or_copy(
    transport: Courier,
) -> None:
    box = Box()
    await transport.subscribe("a.b", box, name="box")
    publishing = asyncio.create_task(numbered(transport, "a.b", range(300)))

    for turn in range(10):
        ids = [
            await transport.subscribe(pattern, Box(), name=f"{pattern} {turn}")
            for pattern in ("a.**", "**", "a.*", "x.y")
        ]
        for wide in ids:
            await transport.unsubscribe(wide)
    await publishing

    await box.count(300)
    assert box.numbers == list(range(300))


async def test_a_handler_may_subscribe_unsubscribe_and_publish(
    transport: Courier,
) -> None:
    box = Box()
    ids: list[str] = []

    async def first(event: Event) -> None:
        await transport.unsubscribe(ids[0])
        await transport.subscribe("a.two", box, name="second")
        await publish(transport, "a.two")

    ids.append(await transport.subscribe("a.*", first, name="first", retry=QUICK))
    await publish(transport, "a.one")

    await box.last("a.two")
    assert box.names == ["a.two"]


async def test_a_handler_may_disconnect(transport: Courier) -> None:
    done = asyncio.Event()

    async def last(event: Event) -> None:
        await transport.disconnect()
        done.set()

    await transport.subscribe("a.*", last, name="last")
    await publish(transport, "a.b")

    await asyncio.wait_for(done.wait(), 20)
    assert transport.metrics().state == "closed"


# --- Handlers that are slow, or fail --------------------------------------------------


async def test_a_handler_that_hangs_delays_nobody(transport: Courier) -> None:
    box, release = Box(), asyncio.Event()

    async def hang(event: Event) -> None:
        await release.wait()

    await transport.subscribe("a.*", hang, name="hangs")
    await transport.subscribe("a.*", box, name="box")

    await numbered(transport, "a.b", range(50))

    await box.count(50)
    assert box.numbers == list(range(50))
    release.set()


async def test_a_handler_that_raises_is_tried_again_in_order(
    transport: Courier,
) -> None:
    box, tries = Box(), []

    async def flaky(event: Event) -> None:
        tries.append(event.name)
        if tries.count("a.one") < 3:
            raise OSError("not yet")
        await box(event)

    await transport.subscribe("a.*", flaky, name="flaky", retry=QUICK)
    await publish(transport, "a.one", "a.two")

    await box.count(2)
    assert tries == ["a.one", "a.one", "a.one", "a.two"]
    assert transport.letters() == []
    assert transport.metrics().retried == 2


async def refuse(event: Event) -> None:
    raise ValueError("no such\n order")


async def test_what_fails_for_good_becomes_a_letter(transport: Courier) -> None:
    box = Box()
    await transport.subscribe("a.*", refuse, name="refuses", retry=QUICK)
    await transport.subscribe("a.*", box, name="box")
    event = Event("a.b", {"n": 1})

    await transport.publish(event)

    await eventually(lambda: bool(transport.letters()))
    (letter,) = transport.letters()
    assert (letter.event.id, letter.event.data) == (event.id, {"n": 1})
    assert (letter.pattern, letter.subscription) == ("a.*", "refuses")
    assert (letter.reason, letter.attempts) == ("ValueError: no such order", 3)
    assert letter.transport == transport.name
    assert Letter.read(letter.as_data()) == letter
    await box.count(1)
    assert transport.metrics().dead == 1


async def test_a_letter_is_requeued_for_its_subscription_alone(
    transport: Courier,
) -> None:
    box, other, well = Box(), Box(), asyncio.Event()

    async def picky(event: Event) -> None:
        if not well.is_set():
            raise ValueError("unwell")
        await box(event)

    await transport.subscribe("a.*", picky, name="picky", retry=QUICK)
    await transport.subscribe("a.*", other, name="other")
    event = Event("a.b", {"n": 1})
    await transport.publish(event)
    await eventually(lambda: bool(transport.letters()))

    well.set()
    await transport.requeue(transport.letters()[0].id)
    await box.count(1)
    await publish(transport, "a.end")
    await other.last("a.end")

    assert box.events[0].id == event.id
    assert other.names == ["a.b", "a.end"]
    assert transport.letters() == []


async def test_a_letter_that_is_not_there_is_neither_requeued_nor_discarded(
    transport: Courier,
) -> None:
    await transport.subscribe("a.*", refuse, name="refuses", retry=QUICK)
    await publish(transport, "a.b")
    await eventually(lambda: bool(transport.letters()))
    letter = transport.letters()[0].id

    await transport.discard(letter)

    assert transport.letters() == []
    for wish in (transport.discard, transport.requeue):
        with pytest.raises(TransportError, match=letter):
            await wish(letter)


async def test_a_subscription_that_cannot_keep_up_loses_the_oldest(
    transport: Courier,
) -> None:
    if transport.persistent:
        return
    box, release, begun = Box(), asyncio.Event(), asyncio.Event()

    async def slow(event: Event) -> None:
        begun.set()
        await release.wait()
        await box(event)

    await transport.subscribe("a.*", slow, name="slow", limits=Limits(messages=3))
    other = Box()
    await transport.subscribe("a.*", other, name="other")
    await numbered(transport, "a.b", range(1))
    await begun.wait()
    await numbered(transport, "a.b", range(1, 10))
    await other.count(10)

    release.set()

    await box.count(4)
    assert box.numbers == [0, 7, 8, 9]
    assert transport.metrics().dropped == 6


# --- What is shown --------------------------------------------------------------------


@pytest.mark.parametrize("subject", ["_dead", "_requeue", "_link.x"])
async def test_reserved_subjects_are_not_for_users(
    transport: Courier, subject: str
) -> None:
    with pytest.raises(PublishError, match=subject):
        await publish(transport, subject)
    with pytest.raises(Invalid, match=subject):
        await transport.subscribe(subject, refuse, name="x")


async def test_a_pattern_for_everything_sees_nothing_reserved(
    transport: Courier,
) -> None:
    box = Box()
    seen: list[tuple[str, str]] = []
    transport.observe(lambda way, event, size: seen.append((way, event.name)))
    await transport.subscribe("**", box, name="box")
    await transport.subscribe("a.*", refuse, name="refuses", retry=QUICK)

    await publish(transport, "a.b")
    await eventually(lambda: bool(transport.letters()))
    await publish(transport, "x.end")

    await box.last("x.end")
    assert box.names == ["a.b", "x.end"]
    assert {name for _, name in seen} == {"a.b", "x.end"}


async def test_an_observer_sees_what_goes_out_and_comes_in(transport: Courier) -> None:
    box = Box()
    seen: list[tuple[str, str, bool]] = []

    def observer(way: str, event: Event, size: int) -> None:
        seen.append((way, event.name, size > 50))
        raise RuntimeError("which stops nothing")

    stop = transport.observe(observer)
    await transport.subscribe("a.*", box, name="box")
    await publish(transport, "a.b")
    await box.count(1)
    await eventually(lambda: len(seen) == 2)
    stop()
    await publish(transport, "a.c")
    await box.count(2)

    assert sorted(seen) == [("in", "a.b", True), ("out", "a.b", True)]


async def test_metrics_count_what_happened(transport: Courier) -> None:
    box = Box()
    await transport.subscribe("a.*", box, name="box")
    await transport.subscribe("a.**", refuse, name="refuses", retry=QUICK)

    await publish(transport, "a.b", "a.c")
    await box.count(2)
    await eventually(lambda: transport.metrics().dead == 2)

    figures = transport.metrics()
    assert (figures.state, figures.published, figures.delivered) == ("connected", 2, 2)
    assert (figures.failed, figures.retried, figures.dead) == (6, 4, 2)
    assert (figures.dropped, figures.garbage, figures.queued) == (0, 0, 0)
    assert figures.bytes_out > 0
    assert figures.bytes_in > 0
    assert sum(figures.latency.buckets) == 2
    assert 0 < figures.latency.p50 <= figures.latency.p99
    assert [(each.name, each.delivered) for each in figures.subscriptions] == [
        ("box", 2),
        ("refuses", 0),
    ]
    assert Metrics.read(figures.as_data()) == figures


async def test_a_name_is_taken_once(transport: Courier) -> None:
    await transport.subscribe("a.*", Box(), name="box")

    with pytest.raises(TransportError, match="box"):
        await transport.subscribe("b.*", Box(), name="box")


async def test_garbage_is_counted_and_stops_nothing(transport: Courier) -> None:
    if transport.kind == "hub":
        return
    box = Box()
    await transport.subscribe("a.*", box, name="box")

    for payload in (b"", b"\xff\x00", b"[]", b'{"name":"a.*"}', b"[" * 100_000):
        await transport._send(Event("a.b"), payload)
    await publish(transport, "a.c")

    await box.count(1)
    assert box.names == ["a.c"]
    assert transport.metrics().garbage == 5


# --- From one to another --------------------------------------------------------------


@across
async def test_an_event_reaches_each_transport_once(
    clients: Callable[[], Courier],
) -> None:
    here, there, boxes = clients(), clients(), [Box(), Box()]
    for transport, box in zip((here, there), boxes, strict=True):
        await transport.connect()
        await transport.subscribe("a.*", box, name=f"box of {transport.name}")

    await publish(here, "a.b")
    await publish(here, "a.end")

    for box in boxes:
        await box.last("a.end")
        assert box.names == ["a.b", "a.end"]
        assert {event.source for event in box.events} == {here.name}


@across
async def test_letters_and_metrics_are_told_to_who_overhears(
    clients: Callable[[], Courier],
) -> None:
    here, there = clients(), clients()
    heard: list[Event] = []
    await there.connect()
    await there.overhear(heard.append)
    await here.connect()
    await here.subscribe("a.*", refuse, name="refuses", retry=QUICK)

    await publish(here, "a.b")
    await eventually(lambda: any(event.name == "_dead" for event in heard))
    await here.disconnect()
    await eventually(lambda: any(told.state == "closed" for told in _links(heard)))

    letter = next(Letter.read(event.data) for event in heard if event.name == "_dead")
    assert letter in here.letters()
    assert [told.name for told in _links(heard) if told.state == "closed"] == [
        here.name
    ]


def _links(heard: list[Event]) -> list[Metrics]:
    return [Metrics.read(event.data) for event in heard if event.name == "_link"]


@across
async def test_a_letter_is_requeued_from_elsewhere(
    clients: Callable[[], Courier],
) -> None:
    here, there, box, well = clients(), clients(), Box(), asyncio.Event()

    async def picky(event: Event) -> None:
        if not well.is_set():
            raise ValueError("unwell")
        await box(event)

    await here.connect()
    await here.subscribe("a.*", picky, name="picky", retry=QUICK)
    await there.connect()
    await publish(here, "a.b")
    await eventually(lambda: bool(here.letters()))
    well.set()

    (letter,) = here.letters()
    await there.tell(Event("_requeue", {"letter": letter.as_data()}))

    await box.count(1)
    await eventually(lambda: here.letters() == [])
    assert box.events[0].id == letter.event.id


@across
async def test_what_was_missed_before_subscribing_is_kept_only_if_persistent(
    clients: Callable[[], Courier],
) -> None:
    here, there, box = clients(), clients(), Box()
    await here.connect()
    await publish(here, "a.early")

    await there.connect()
    await there.subscribe("a.*", box, name="box")
    await publish(here, "a.late")

    await box.last("a.late")
    assert box.names == (["a.early"] if here.persistent else []) + ["a.late"]


# --- A broker that goes away ----------------------------------------------------------


@across
async def test_a_broker_that_is_not_there_is_told_at_once(
    broker: Broker, clients: Callable[[], Courier]
) -> None:
    assert broker.stop
    await broker.stop()
    transport = clients()

    with pytest.raises(ConnectionError):
        await transport.connect()

    assert transport.metrics().state == "closed"


@across
async def test_a_broker_that_restarts_finds_the_subscriptions_again(
    broker: Broker, clients: Callable[[], Courier]
) -> None:
    assert broker.stop
    assert broker.start
    here, there, box = clients(), clients(), Box()
    for transport in (here, there):
        await transport.connect()
    await there.subscribe("a.*", box, name="box")
    await publish(here, "a.before")
    await box.count(1)

    await broker.stop()
    async with asyncio.timeout(2.5):
        with pytest.raises(PublishError):
            await publish(here, "a.lost")
    await eventually(lambda: there.metrics().state == "reconnecting")
    await there.subscribe("b.*", box, name="meanwhile")
    await broker.start()
    await eventually(lambda: _connected(here, there))
    await publish(here, "a.after", "b.after")

    await box.until(lambda events: {"a.after", "b.after"} <= {e.name for e in events})
    assert box.names[0] == "a.before"
    assert sorted(box.names[1:]) == ["a.after", "b.after"]
    assert there.metrics().reconnects == 1


@across
async def test_disconnecting_ends_the_attempts_to_reconnect(
    broker: Broker, clients: Callable[[], Courier]
) -> None:
    assert broker.stop
    transport = clients()
    await transport.connect()
    await broker.stop()
    await eventually(lambda: transport.metrics().state == "reconnecting")

    await transport.disconnect()

    assert transport.metrics().state == "closed"
    with pytest.raises(PublishError, match=r"connect\(\)"):
        await publish(transport, "a.b")


def _connected(*transports: Courier) -> bool:
    return all(each.metrics().state == "connected" for each in transports)


# --- Persistent transports ------------------------------------------------------------


@lasting
async def test_a_persistent_subscription_needs_a_name(transport: Courier) -> None:
    with pytest.raises(TransportError, match="name"):
        await transport.subscribe("a.*", Box())


@lasting
async def test_what_was_published_while_a_consumer_was_away_comes_later(
    clients: Callable[[], Courier],
) -> None:
    here, there, later, box = clients(), clients(), clients(), Box()
    await here.connect()
    await there.connect()
    await there.subscribe("a.*", box, name="worker")
    await numbered(here, "a.b", range(3))
    await box.count(3)
    await there.disconnect()

    await numbered(here, "a.b", range(3, 6))
    again = Box()
    await later.subscribe("a.*", again, name="worker")
    await later.connect()

    await again.count(3)
    await numbered(here, "a.b", range(6, 7))
    await again.count(4)
    assert (box.numbers, again.numbers) == ([0, 1, 2], [3, 4, 5, 6])


@lasting
async def test_consumers_of_one_name_share_the_work(
    clients: Callable[[], Courier],
) -> None:
    here, boxes = clients(), [Box(), Box()]
    await here.connect()
    for box in boxes:
        there = clients()
        await there.connect()
        limits = Limits(messages=1)
        await there.subscribe("a.*", box, name="worker", limits=limits)
    other = Box()
    await here.subscribe("a.*", other, name="other")

    await numbered(here, "a.b", range(100))

    await other.count(100)
    await eventually(lambda: sum(len(box.events) for box in boxes) >= 100)
    assert sorted(boxes[0].numbers + boxes[1].numbers) == list(range(100))


@lasting
async def test_what_is_not_done_with_is_given_back(
    clients: Callable[[], Courier], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there, begun, box = clients(), clients(), asyncio.Event(), Box()

    async def hang(event: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    await here.connect()
    await here.subscribe("a.*", hang, name="worker")
    await numbered(here, "a.b", range(3))
    await begun.wait()
    monkeypatch.setattr("agentkit.transports.dispatch.GRACE", 0.01)
    await here.disconnect()

    await there.connect()
    await there.subscribe("a.*", box, name="worker")

    await box.count(3)
    assert box.numbers == [0, 1, 2]


@lasting
async def test_an_event_that_is_published_twice_is_handled_once(
    transport: Courier,
) -> None:
    box, event = Box(), Event("a.b")
    await transport.subscribe("a.*", box, name="box")

    await transport.publish(event)
    await transport.publish(event)
    await publish(transport, "a.end")

    await box.last("a.end")
    assert box.names == ["a.b", "a.end"]


@lasting
async def test_an_event_in_retry_waits_with_those_behind_it(
    broker: Broker, clients: Callable[[], Courier]
) -> None:
    assert broker.stop
    assert broker.start
    transport, box, well = clients(), Box(), asyncio.Event()

    async def picky(event: Event) -> None:
        if not well.is_set():
            raise ValueError("unwell")
        await box(event)

    await transport.connect()
    patient = Retry(attempts=10_000, first=0.001, most=0.01)
    await transport.subscribe("a.*", picky, name="picky", retry=patient)
    await numbered(transport, "a.b", range(3))
    await eventually(lambda: transport.metrics().retried > 2)
    await broker.stop()
    await broker.start()
    await eventually(lambda: _connected(transport))

    well.set()

    await box.until(lambda events: {e.data["n"] for e in events} == {0, 1, 2})
    assert box.numbers == [0, 1, 2]
