"""Who gets what within a process, against a model; and what becomes of the slow."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit.subjects import matches
from agentkit.transports import (
    Event,
    Limits,
    LocalTransport,
    PublishError,
    Retry,
    TransportError,
)
from agentkit.transports.base import Courier

WORDS = st.sampled_from("ab")
PATTERNS = st.lists(WORDS | st.sampled_from(["*", "**"]), min_size=1, max_size=3)
SUBJECTS = st.lists(WORDS, min_size=1, max_size=4)
STEPS = st.lists(
    st.tuples(st.just("publish"), SUBJECTS.map(".".join))
    | st.tuples(st.just("subscribe"), PATTERNS.map(".".join))
    | st.tuples(st.just("unsubscribe"), st.integers(0, 5))
    | st.tuples(st.just("pause"), st.integers(1, 5)),
    max_size=40,
)


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0)


class Watched:
    """A subscription, and what the model says that it gets."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.id = ""
        self.due: list[int] = []
        self.got: list[int] = []

    async def handle(self, event: Event) -> None:
        self.got.append(event.data["n"])
        await asyncio.sleep(0)


class Model:
    """Plays steps on a transport, and knows who is to get what."""

    def __init__(self, transport: Courier) -> None:
        self.transport = transport
        self.live: list[Watched] = []
        self.ended: list[Watched] = []
        self.published = 0

    async def play(self, step: str, what: Any) -> None:
        await getattr(self, step)(what)

    async def publish(self, name: str) -> None:
        for watched in self.live:
            if matches(watched.pattern, name):
                watched.due.append(self.published)
        await self.transport.publish(Event(name, {"n": self.published}))
        self.published += 1

    async def subscribe(self, pattern: str) -> None:
        watched = Watched(pattern)
        watched.id = await self.transport.subscribe(pattern, watched.handle)
        self.live.append(watched)

    async def unsubscribe(self, index: int) -> None:
        if index < len(self.live):
            watched = self.live.pop(index)
            assert await self.transport.unsubscribe(watched.id)
            self.ended.append(watched)

    async def pause(self, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS)
def test_each_matching_subscription_is_called_once_in_order(
    steps: list[tuple[str, Any]],
) -> None:
    async def run() -> None:
        async with LocalTransport() as transport:
            model = Model(transport)
            for step, what in steps:
                await model.play(step, what)
            await eventually(
                lambda: all(len(each.got) >= len(each.due) for each in model.live)
            )
            await model.pause(3)

            for watched in model.live:
                assert watched.got == watched.due
            for watched in model.ended:
                assert watched.got == watched.due[: len(watched.got)]

    asyncio.run(run())


class Slow:
    """A handler that is held up until it is released."""

    def __init__(self) -> None:
        self.id = ""
        self.begun = asyncio.Event()
        self.released = asyncio.Event()
        self.got: list[int] = []

    async def __call__(self, event: Event) -> None:
        self.begun.set()
        await self.released.wait()
        self.got.append(event.data["n"])


async def publish(transport: Courier, numbers: range, name: str = "a.b") -> None:
    for number in numbers:
        await transport.publish(Event(name, {"n": number}))


async def held_up(transport: Courier, limits: Limits, **options: Any) -> Slow:
    """Return a handler that has begun with event 0."""
    slow = Slow()
    slow.id = await transport.subscribe("a.*", slow, limits=limits, **options)
    await publish(transport, range(1))
    await slow.begun.wait()
    return slow


async def test_publishing_waits_for_room_where_the_policy_is_to_block() -> None:
    async with LocalTransport() as transport:
        slow = await held_up(transport, Limits(messages=2, policy="block", timeout=20))
        await publish(transport, range(1, 3))

        late = asyncio.create_task(publish(transport, range(3, 4)))
        await asyncio.sleep(0)
        assert not late.done()
        slow.released.set()
        await late
        await eventually(lambda: len(slow.got) == 4)

        assert slow.got == [0, 1, 2, 3]
        assert transport.metrics().dropped == 0


async def test_others_have_an_event_before_publishing_waits() -> None:
    async with LocalTransport() as transport:
        slow = await held_up(transport, Limits(messages=1, policy="block", timeout=20))
        other = Slow()
        other.released.set()
        await transport.subscribe("a.*", other)

        late = asyncio.create_task(publish(transport, range(1, 4)))
        await eventually(lambda: other.got == [1, 2])

        slow.released.set()
        await late
        await eventually(lambda: slow.got == [0, 1, 2, 3])


async def test_a_subscription_that_cannot_keep_up_may_end() -> None:
    reasons: list[str] = []
    async with LocalTransport() as transport:
        limits = Limits(messages=2, policy="disconnect")
        slow = await held_up(transport, limits, name="slow", on_end=reasons.append)

        await publish(transport, range(1, 5))
        await eventually(lambda: bool(reasons))
        slow.released.set()
        await publish(transport, range(5, 6))
        await eventually(lambda: slow.got == [0])

        assert transport.metrics().subscriptions == ()
        assert transport.metrics().dropped == 3
    (reason,) = reasons
    assert reason.startswith("the subscription 'slow' was too slow: more than 2 events")


async def test_what_is_left_when_disconnecting_is_dropped_and_counted() -> None:
    transport = LocalTransport()
    await transport.connect()
    slow = await held_up(transport, Limits())
    await publish(transport, range(1, 4))

    leaving = asyncio.create_task(transport.disconnect())
    await asyncio.sleep(0)
    with pytest.raises(PublishError):
        await publish(transport, range(4, 5))
    slow.released.set()
    await leaving

    assert slow.got == [0]
    assert transport.metrics().dropped == 3


async def test_a_handler_that_does_not_end_is_cancelled_after_the_grace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agentkit.transports.dispatch.GRACE", 0.01)
    transport = LocalTransport()
    await transport.connect()
    slow = await held_up(transport, Limits())

    await transport.disconnect()

    figures = transport.metrics()
    assert (slow.got, figures.failed, figures.dead) == ([], 0, 0)
    assert figures.subscriptions[0].state == "stopped"


async def test_what_a_handler_waited_for_may_be_cancelled() -> None:
    """It is a failure like another, and no reason to stop."""
    tries = 0

    async def unlucky(event: Event) -> None:
        nonlocal tries
        tries += 1
        if event.data["n"] == 0:
            raise asyncio.CancelledError

    async with LocalTransport() as transport:
        retry = Retry(attempts=2, first=0)
        await transport.subscribe("a.*", unlucky, retry=retry)
        await publish(transport, range(2))
        await eventually(lambda: transport.metrics().delivered == 1)

        (letter,) = transport.letters()
        assert (tries, letter.event.data) == (3, {"n": 0})
        assert "cancelled" in letter.reason


async def test_a_handler_that_is_no_coroutine_is_named_as_the_reason() -> None:
    def plain(event: Event) -> None:
        """Return nothing that could be awaited."""

    async with LocalTransport() as transport:
        await transport.subscribe("a.*", plain, retry=Retry(attempts=1))  # type: ignore[arg-type]
        await publish(transport, range(1))
        await eventually(lambda: bool(transport.letters()))

        (letter,) = transport.letters()
        assert "async def" in letter.reason


async def test_a_letter_is_not_requeued_to_a_subscription_for_something_else() -> None:
    async def failing(event: Event) -> None:
        raise ValueError

    async with LocalTransport() as transport:
        retry = Retry(attempts=1)
        first = await transport.subscribe("a.*", failing, name="x", retry=retry)
        await publish(transport, range(1))
        await eventually(lambda: bool(transport.letters()))
        (letter,) = transport.letters()
        await transport.unsubscribe(first)

        with pytest.raises(TransportError, match=r"'x'.* subscribe to 'a\.\*' again"):
            await transport.requeue(letter.id)
        await transport.subscribe("b.*", failing, name="x")
        with pytest.raises(TransportError, match="not there"):
            await transport.requeue(letter.id)

        assert transport.letters() == [letter]


async def test_a_handler_that_was_unsubscribed_may_finish() -> None:
    async with LocalTransport() as transport:
        slow = await held_up(transport, Limits())
        await publish(transport, range(1, 3))

        await transport.unsubscribe(slow.id)
        slow.released.set()
        await transport.disconnect()

        assert slow.got == [0]


async def test_unsubscribing_ends_the_retries() -> None:
    tries = 0

    async def failing(event: Event) -> None:
        nonlocal tries
        tries += 1
        raise ValueError

    async with LocalTransport() as transport:
        retry = Retry(attempts=1000, first=60, most=60)
        subscription = await transport.subscribe("a.*", failing, retry=retry)
        await publish(transport, range(1))
        await eventually(lambda: transport.metrics().retried == 1)

        assert transport.metrics().subscriptions[0].state == "retrying"
        await transport.unsubscribe(subscription)

        assert transport.metrics().subscriptions == ()
    assert tries == 1
    assert transport.letters() == []


async def test_handlers_get_what_any_transport_would_give_them() -> None:
    got: list[Any] = []

    async def handle(event: Event) -> None:
        got.append(event.data)

    async with LocalTransport() as transport:
        await transport.subscribe("a", handle)
        data = {"tuple": (1, 2), "list": [1]}
        await transport.publish(Event("a", data))
        data["list"].append(2)  # type: ignore[attr-defined]
        await eventually(lambda: bool(got))

    assert got == [{"tuple": [1, 2], "list": [1]}]


async def test_subscriptions_have_the_names_of_their_handlers() -> None:
    async def handle(event: Event) -> None: ...

    transport = LocalTransport()
    for handler in (handle, handle, Slow()):
        await transport.subscribe("a", handler)

    here = f"{__name__}:test_subscriptions_have_the_names_of_their_handlers.<locals>"
    assert [each.name for each in transport.metrics().subscriptions] == [
        f"{here}.handle",
        f"{here}.handle#2",
        f"{__name__}:Slow",
    ]


async def test_nothing_is_left_when_it_is_over() -> None:
    async with LocalTransport() as transport:
        for number in range(50):
            await transport.subscribe(f"a.{number}", Slow())
        await publish(transport, range(10), "a.1")
    del transport
    gc.collect()

    assert asyncio.all_tasks() == {asyncio.current_task()}
