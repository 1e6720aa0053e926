"""The bus: subscribe in a line, publish by name, look back."""

import asyncio
from collections.abc import Callable

import pytest

from agentkit.errors import Invalid
from agentkit.transports import (
    Event,
    EventBus,
    LocalTransport,
    PublishError,
    TransportError,
)
from agentkit.transports.base import Courier
from agentkit.transports.bus import REMEMBERED


class Box:
    def __init__(self) -> None:
        self.names: list[str] = []

    async def __call__(self, event: Event) -> None:
        self.names.append(event.name)


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0)


def test_a_handler_may_be_subscribed_before_there_is_a_loop() -> None:
    box = Box()
    bus = EventBus()
    bus.subscribe("task.*", box)

    async def run() -> None:
        async with bus:
            await bus.publish("task.created", {"id": "1"})
            await eventually(lambda: bool(box.names))

    asyncio.run(run())
    assert box.names == ["task.created"]


async def test_a_bus_of_its_own_needs_no_connecting() -> None:
    bus, box = EventBus(), Box()
    bus.subscribe("task.*", box)

    await bus.publish(Event("task.created"))

    await eventually(lambda: bool(box.names))
    await bus.disconnect()
    with pytest.raises(PublishError):
        await bus.publish("task.late")


async def test_a_transport_may_be_connected_before_and_used_besides() -> None:
    async with LocalTransport() as transport:
        bus, box, other = EventBus(transport=transport), Box(), Box()
        bus.subscribe("task.*", box)
        await transport.subscribe("task.*", other)

        await bus.publish("task.one")
        await transport.publish(Event("task.two"))

        await eventually(lambda: len(box.names + other.names) == 4)
        assert box.names == other.names == ["task.one", "task.two"]


async def test_what_is_subscribed_while_connected_needs_no_publishing() -> None:
    async with LocalTransport() as transport:
        bus, box = EventBus(transport), Box()
        bus.subscribe("task.*", box)
        await eventually(lambda: bool(transport.metrics().subscriptions))

        await transport.publish(Event("task.one"))

        await eventually(lambda: box.names == ["task.one"])


async def test_each_handler_is_called_once_however_patterns_overlap() -> None:
    async with EventBus() as bus:
        boxes = [Box(), Box(), Box()]
        for pattern, box in zip(("a.*", "a.**", "**"), boxes, strict=True):
            bus.subscribe(pattern, box)

        await bus.publish("a.b")
        await bus.publish("a.end")

        await eventually(lambda: all(box.names[-1:] == ["a.end"] for box in boxes))
        assert [box.names for box in boxes] == [["a.b", "a.end"]] * 3


async def test_unsubscribing_ends_one_subscription() -> None:
    async with EventBus() as bus:
        first, second = Box(), Box()
        ended = bus.subscribe("a.*", first)
        bus.subscribe("a.*", second)

        assert await bus.unsubscribe(ended)
        assert not await bus.unsubscribe(ended)
        await bus.publish("a.b")

        await eventually(lambda: second.names == ["a.b"])
        assert first.names == []


async def test_nothing_is_published_over_a_transport_that_is_not_connected() -> None:
    bus = EventBus(LocalTransport())

    with pytest.raises(PublishError, match=r"connect\(\)"):
        await bus.publish("a.b")

    assert bus.history() == []


async def test_history_has_what_was_published_and_received_once() -> None:
    async with LocalTransport(name="t") as transport:
        bus, box = EventBus(transport), Box()
        bus.subscribe("a.*", box)
        bus.subscribe("**", box)

        mine = await bus.publish("a.mine", {"n": 1})
        await transport.publish(Event("a.other"))
        await eventually(lambda: len(box.names) == 4)
        await bus.publish("b.mine")
        await eventually(lambda: len(box.names) == 5)

        names = [event.name for event in bus.history()]
        assert names == ["a.mine", "a.other", "b.mine"]
        assert bus.history("a.mine")[0].id == mine.id
        assert bus.history("a.mine")[0].source == "t"
        assert [event.name for event in bus.history(limit=2)] == names[1:]
        assert bus.history(limit=0) == []


async def test_history_is_bounded() -> None:
    async with EventBus() as bus:
        for number in range(REMEMBERED + 5):
            await bus.publish("a.b", {"n": number})

        numbers = [event.data["n"] for event in bus.history(limit=2000)]
        assert numbers == list(range(5, REMEMBERED + 5))


@pytest.mark.parametrize("pattern", ["", "a..b", "a.b*", "_dead"])
def test_a_pattern_that_cannot_be_is_refused_at_once(pattern: str) -> None:
    with pytest.raises(Invalid):
        EventBus().subscribe(pattern, Box())


class Lasting(LocalTransport):
    def __init__(self) -> None:
        super().__init__()
        self.persistent = True


def test_a_persistent_transport_needs_a_name_at_once() -> None:
    with pytest.raises(TransportError, match="name"):
        EventBus(Lasting()).subscribe("a.*", Box())


async def test_a_name_that_is_taken_is_told_when_it_is_needed() -> None:
    async with LocalTransport() as transport:
        bus: EventBus = EventBus(transport)
        held: Courier = transport
        await held.subscribe("a.*", Box(), name="box")
        bus.subscribe("a.*", Box(), name="box")

        with pytest.raises(TransportError, match="box"):
            await bus.publish("a.b")
        await bus.publish("a.c")
