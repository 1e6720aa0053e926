"""When what a persistent transport brought is acknowledged."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial

import pytest

from agentkit.errors import Invalid
from agentkit.transports import Event, LocalTransport, PublishError, Retry
from agentkit.transports.base import Courier
from agentkit.transports.worker import Delivery, Subscription

ONCE = Retry(attempts=1)


class Shelf(LocalTransport):
    """Keeps events in a list until they are acknowledged."""

    def __init__(self) -> None:
        Courier.__init__(self, persistent=True)
        self.kept: list[Event] = []
        self.acked: list[str] = []
        self.broken: list[Exception] = []
        self.changed = asyncio.Event()

    def put(self, *events: Event) -> None:
        self.kept += events
        self.changed.set()

    async def _send(self, event: Event, payload: bytes) -> None:
        if self.broken:
            raise self.broken.pop()
        self.put(event)

    async def _consume(
        self, subscription: Subscription
    ) -> AsyncGenerator[Delivery, None]:
        given: list[Event] = []
        while True:
            for event in tuple(self.kept):
                if event not in given and event.name != "_dead":
                    given.append(event)
                    yield Delivery(event, 1, partial(self.ack, event))
            self.changed.clear()
            await self.changed.wait()

    async def ack(self, event: Event) -> None:
        self.kept.remove(event)
        self.acked.append(event.name)


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    async with Shelf() as shelf:
        yield shelf


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0)


class Hand:
    """A handler that fails as often as it is told to."""

    def __init__(self, *, fails: int = 0) -> None:
        self.fails = fails
        self.got: list[str] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, event: Event) -> None:
        self.got.append(event.name)
        await self.go_on.wait()
        if self.fails:
            self.fails -= 1
            raise ValueError("unwell")


async def test_an_event_is_acknowledged_when_its_handler_has_returned(
    shelf: Shelf,
) -> None:
    hand = Hand()
    hand.go_on.clear()
    await shelf.subscribe("a.*", hand, name="x")

    await shelf.publish(Event("a.b"))
    await eventually(lambda: bool(hand.got))
    assert shelf.acked == []
    hand.go_on.set()

    await eventually(lambda: shelf.acked == ["a.b"])


async def test_an_event_is_acknowledged_when_its_letter_is_stored(
    shelf: Shelf,
) -> None:
    await shelf.subscribe("a.*", Hand(fails=1), name="x", retry=ONCE)

    await shelf.publish(Event("a.b"))

    await eventually(lambda: shelf.acked == ["a.b"])
    assert [event.name for event in shelf.kept] == ["_dead"]
    assert len(shelf.letters()) == 1


@pytest.mark.parametrize("error", [PublishError("full"), RuntimeError("a defect")])
async def test_an_event_whose_letter_cannot_be_stored_comes_again(
    shelf: Shelf, error: Exception
) -> None:
    hand = Hand(fails=1)
    await shelf.subscribe("a.*", hand, name="x", retry=ONCE)
    shelf.put(Event("a.b"))
    shelf.broken.append(error)

    await eventually(lambda: shelf.acked == ["a.b"])

    assert hand.got == ["a.b", "a.b"]
    assert shelf.letters() == []


async def test_what_is_too_large_for_a_letter_stops_nobody(shelf: Shelf) -> None:
    shelf._largest = 100
    await shelf.subscribe("a.*", Hand(fails=1), name="x", retry=ONCE)

    shelf.put(Event("a.large", {"text": "x" * 100}), Event("a.next"))

    await eventually(lambda: shelf.acked == ["a.large", "a.next"])
    assert [letter.event.name for letter in shelf.letters()] == ["a.large"]
    assert shelf.kept == []


async def test_a_copy_and_what_is_for_another_are_acknowledged_unhandled(
    shelf: Shelf,
) -> None:
    hand, event = Hand(), Event("a.b")
    await shelf.subscribe("a.*", hand, name="x")

    shelf.put(event, Event("a.c", only="y"), Event("a.d", only="x"))
    await eventually(lambda: len(shelf.acked) == 3)
    shelf.put(Event("a.copy", id=event.id), Event("a.e"))
    await eventually(lambda: len(shelf.acked) == 5)

    assert hand.got == ["a.b", "a.d", "a.e"]


async def test_leaving_waits_for_the_acknowledgement(shelf: Shelf) -> None:
    hand = Hand()
    hand.go_on.clear()
    await shelf.subscribe("a.*", hand, name="x")
    shelf.put(Event("a.b"), Event("a.c"))
    await eventually(lambda: bool(hand.got))

    leaving = asyncio.create_task(shelf.disconnect())
    await asyncio.sleep(0)
    hand.go_on.set()
    await leaving

    assert (hand.got, shelf.acked) == (["a.b"], ["a.b"])


@pytest.mark.parametrize(
    "figures", [{"attempts": 0}, {"first": -1}, {"first": 2, "most": 1}]
)
def test_a_retry_that_cannot_be_is_refused(figures: dict[str, int]) -> None:
    with pytest.raises(Invalid, match="use at least 1"):
        Retry(**figures)
