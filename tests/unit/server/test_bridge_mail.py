"""When mail goes to the broker, and when it goes there again."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from agentkit.protocol import Ack, Assign, Done, Notify, SendBroadcast
from agentkit.transports import PublishError
from server import bridge_mail
from server.bridge_mail import Carrier
from server.hub import Hub
from server.mailroom import Mailroom
from server.store import MemoryStore


class Broker:
    """What was published, and whether the next thing is."""

    def __init__(self) -> None:
        self.mail: list[tuple[str, int, int]] = []
        """Agent, number and attempt."""
        self.times: list[float] = []
        """When, by the loop."""
        self.is_away = False
        self._came = asyncio.Condition()

    async def publish(self, agent: str, data: Mapping[str, Any]) -> None:
        if self.is_away:
            raise PublishError("it is away")
        async with self._came:
            self.mail.append((agent, data["seq"], data["attempt"]))
            self.times.append(asyncio.get_running_loop().time())
            self._came.notify_all()

    async def count(self, count: int) -> list[tuple[str, int, int]]:
        async with asyncio.timeout(10), self._came:
            await self._came.wait_for(lambda: len(self.mail) >= count)
        return self.mail


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub(MemoryStore())
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
async def carrier(hub: Hub, broker: Broker) -> AsyncIterator[Carrier]:
    mailroom = Mailroom(hub)
    await mailroom.open()
    carrier = Carrier("redis", mailroom, broker.publish)
    await carrier.open()
    yield carrier
    await carrier.close()
    await mailroom.close()


async def report(hub: Hub, agent: str, via: str = "redis") -> None:
    await hub.submit(Notify(agent=agent, report="idle", via=via))


async def cast(hub: Hub, count: int = 1) -> None:
    for _ in range(count):
        await hub.submit(SendBroadcast(id="", text="hear", by="me"))


async def sent(hub: Hub, agent: str, seq: int, state: str) -> None:
    """Wait until the ledger has a delivery in a state."""
    async with asyncio.timeout(10):
        while (await hub.ask(lambda swarm: swarm.mail[agent][seq])).state != state:
            await asyncio.sleep(0.001)


async def test_only_agents_of_the_bridge_are_served(
    hub: Hub, carrier: Carrier, broker: Broker
) -> None:
    await report(hub, "theirs", "http")
    await report(hub, "ours")

    await cast(hub)

    ((agent, seq, attempt),) = await broker.count(1)
    await sent(hub, "ours", seq, "sent")
    assert (agent, attempt) == ("ours", 1)
    assert len(broker.mail) == 1


async def test_an_agent_that_reports_elsewhere_is_served_no_longer(
    hub: Hub, carrier: Carrier, broker: Broker
) -> None:
    await report(hub, "a")
    await report(hub, "b")
    await report(hub, "a", "ws")

    await cast(hub, 2)

    assert [agent for agent, _, _ in await broker.count(2)] == ["b", "b"]


async def test_mail_goes_down_in_order_and_once(
    hub: Hub, carrier: Carrier, broker: Broker
) -> None:
    await report(hub, "a")

    await cast(hub, 300)

    numbers = [seq for _, seq, _ in await broker.count(300)]
    assert numbers == sorted(set(numbers))


async def test_what_there_was_before_the_hub_started_goes_down(
    hub: Hub, broker: Broker
) -> None:
    await report(hub, "a")
    await cast(hub)
    carrier = Carrier("redis", Mailroom(hub), broker.publish)

    await carrier.open()

    assert len(await broker.count(1)) == 1
    await carrier.close()


async def test_what_is_not_acknowledged_goes_down_again_when_the_agent_reports(
    hub: Hub, carrier: Carrier, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await report(hub, "a")
    await cast(hub, 2)
    (_, first, _), (_, second, _) = await broker.count(2)
    await sent(hub, "a", second, "sent")
    await hub.submit(Ack(agent="a", upto=first))
    await report(hub, "a")
    await hub.ask(lambda _: None)

    monkeypatch.setattr(bridge_mail, "SOON", 0.0)
    await report(hub, "a")

    assert (await broker.count(3))[2:] == [("a", second, 2)]


async def test_what_is_not_acknowledged_goes_down_again_after_a_while(
    hub: Hub, carrier: Carrier, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await report(hub, "a")
    await cast(hub, 2)
    (_, first, _), (_, second, _) = await broker.count(2)
    await sent(hub, "a", second, "sent")
    await hub.submit(Done(agent="a", seq=first))
    carrier.remind()
    await hub.ask(lambda _: None)

    monkeypatch.setattr(bridge_mail, "LATER", 0.0)
    carrier.remind()

    assert (await broker.count(3))[2:] == [("a", second, 2)]


async def test_patience_grows_with_each_attempt(
    hub: Hub, carrier: Carrier, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge_mail, "LATER", 0.2)
    await report(hub, "a")
    await cast(hub)
    while len(broker.mail) < 3:
        carrier.remind()
        await asyncio.sleep(0.01)

    first, second, third = broker.times[:3]
    assert second - first >= 0.2
    assert third - second >= 0.4


async def test_what_is_not_done_goes_down_again_when_it_is_fetched(
    hub: Hub, carrier: Carrier, broker: Broker
) -> None:
    await report(hub, "a")
    await cast(hub, 3)
    first, second, third = (seq for _, seq, _ in await broker.count(3))
    await sent(hub, "a", third, "sent")
    await hub.submit(Ack(agent="a", upto=third))
    await hub.submit(Done(agent="a", seq=second))

    assert carrier.fetch("a", 0)
    assert not carrier.fetch("nobody", 0)

    assert [seq for _, seq, _ in (await broker.count(5))[3:]] == [first, third]


async def test_while_the_broker_is_away_nothing_is_marked_and_later_all_goes_down(
    hub: Hub, carrier: Carrier, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge_mail, "PAUSE", 0.01)
    broker.is_away = True
    await report(hub, "a")
    await hub.submit(Assign(agent="a", id="T1"))
    await cast(hub)
    for _ in range(5):
        await asyncio.sleep(0.01)
    states = await hub.ask(lambda s: [row.state for row in s.mail["a"].values()])

    broker.is_away = False

    assert states == ["queued", "queued"]
    assert [attempt for _, _, attempt in await broker.count(2)] == [1, 1]
