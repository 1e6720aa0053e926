"""What a watcher sees beside the turns: messages that go by, and the hub's links."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from agentkit import Coordinator
from agentkit.changes import Change
from agentkit.settings import Endpoint
from agentkit.transports import Event, PublishError
from agentkit.transports.hub import HubTransport
from server.taps import SHOWN, WAITING
from tests.integration.conftest import Line, RunningHub, Start


@asynccontextmanager
async def transport(hub: RunningHub, name: str) -> AsyncIterator[HubTransport]:
    async with HubTransport(Endpoint(hub.url, hub.token), name=name) as made:
        yield made


async def ignore(_event: Event) -> None: ...


async def hear(line: Line, kind: str) -> dict[str, Any]:
    """Return the next frame of a kind, whatever comes before it."""
    while True:
        frame: dict[str, Any] = json.loads(await line.socket.recv())
        if frame["type"] == kind:
            return frame


async def request(line: Line, do: str, **args: Any) -> dict[str, Any]:
    await line.say("request", id=do, do=do, args=args)
    return await hear(line, "reply")


async def messages(line: Line, many: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < many:
        found += (await hear(line, "traffic"))["messages"]
    return found


async def link(line: Line, name: str) -> dict[str, Any]:
    """Return the figures of a link from the next frame that has it."""
    while True:
        for found in (await hear(line, "links"))["links"]:
            if found["name"] == name:
                return dict(found)


# --- messages that go by -------------------------------------------------------------


async def test_a_tap_shows_what_its_pattern_matches(hub: RunningHub) -> None:
    async with (
        hub.watch() as line,
        transport(hub, "says") as says,
        transport(hub, "hears") as hears,
    ):
        await hears.subscribe("job.made", ignore)
        reply = await request(line, "tap", pattern="job.**")
        await says.publish(Event("other.made"))
        await says.publish(Event("job.made", {"n": 1}, id="7"))
        await says.publish(Event("job.made.late"))
        first, second = await messages(line, 2)

    assert reply["ok"]
    assert reply["result"] == []
    assert (first["link"], first["direction"]) == ("bus", "in")
    assert (first["subject"], first["id"], first["data"]) == ("job.made", "7", {"n": 1})
    assert (first["source"], first["to"]) == ("says", "hears")
    assert first["size"] > 0
    assert first["ms"] > 0
    assert (second["subject"], second["to"]) == ("job.made.late", "0 connections")


async def test_a_tap_ends(hub: RunningHub) -> None:
    async with hub.watch() as line, transport(hub, "says") as says:
        await request(line, "tap", pattern="a.*")
        await request(line, "tap", pattern="b.*")
        await says.publish(Event("a.made"))
        await says.publish(Event("b.made"))
        (shown,) = await messages(line, 1)
        await request(line, "tap", pattern="")
        await says.publish(Event("b.again"))
        await request(line, "tap", pattern="c.*")
        await says.publish(Event("c.made"))
        (last,) = await messages(line, 1)

    assert shown["subject"] == "b.made"
    assert last["subject"] == "c.made"


async def test_a_tap_shows_how_long_data_begins(hub: RunningHub) -> None:
    async with hub.watch() as line, transport(hub, "says") as says:
        await request(line, "tap", pattern="**")
        await says.publish(Event("long.one", {"text": "x" * 2 * SHOWN}))
        (shown,) = await messages(line, 1)

    assert shown["data"].startswith('{"text":"xxx')
    assert len(shown["data"]) == SHOWN
    assert shown["size"] > 2 * SHOWN


async def test_a_malformed_pattern_is_refused(hub: RunningHub) -> None:
    async with hub.watch() as line:
        reply = await request(line, "tap", pattern="a..b")

    assert (reply["ok"], reply["code"]) == (False, "invalid")


async def test_a_tap_that_is_not_read_loses_the_oldest_and_counts_them(
    hub: RunningHub,
) -> None:
    many = 6 * WAITING
    async with hub.watch() as line, transport(hub, "says") as says:
        await request(line, "tap", pattern="flood.*")
        line.socket.transport.pause_reading()
        for _ in range(many // 100):
            await asyncio.gather(
                *(says.publish(Event("flood.n", {"x": "x" * 2000})) for _ in range(100))
            )
        await says.publish(Event("flood.last"))
        line.socket.transport.resume_reading()
        seen, dropped = 0, 0
        while True:
            frame = await hear(line, "traffic")
            seen += len(frame["messages"])
            dropped += frame["dropped"]
            if frame["messages"][-1]["subject"] == "flood.last":
                break

    assert dropped > 0
    assert seen + dropped == many + 1


# --- links ---------------------------------------------------------------------------


async def test_the_hubs_links_are_told_at_once_and_as_they_change(
    hub: RunningHub,
) -> None:
    async with hub.watch() as line, transport(hub, "says") as says:
        reply = await request(line, "links")
        bus = next(each for each in reply["result"] if each["name"] == "bus")
        await says.publish(Event("a.b"))
        while (after := await link(line, "bus"))["received"] == bus["received"]:
            pass

    names = {each["name"] for each in reply["result"]}
    assert names >= {"agents", "watchers", "bus", "http"}
    assert after["bytes_in"] > bus["bytes_in"]
    assert sum(after["latency"]["buckets"]) == sum(bus["latency"]["buckets"]) + 1
    assert "says" in {each["name"] for each in after["subscriptions"]}


async def test_agents_are_a_link(hub: RunningHub) -> None:
    async with hub.watch() as line:
        for seq in (1, 2):
            async with hub.agent("linked") as agent:
                await agent.say("notify", seq=seq, report="idle")
                await agent.hear("ack")
        await request(line, "links")
        found = await link(line, "agents")

    assert found["received"] >= 4
    assert found["published"] >= 4
    assert found["reconnects"] == 1


async def test_a_transport_is_a_link_while_it_lasts(hub: RunningHub) -> None:
    async with hub.watch() as line:
        await request(line, "links")
        async with transport(hub, "lasts") as lasts:
            await lasts.subscribe("a.*", ignore, name="ignores")
            await lasts.publish(Event("a.b"))
            while not (found := await link(line, "lasts"))["subscriptions"]:
                await lasts._tell_figures()
        while (closed := await link(line, "lasts"))["state"] != "closed":
            pass

    assert (found["kind"], found["state"]) == ("hub", "connected")
    assert found["subscriptions"][0]["pattern"] == "a.*"
    assert closed["published"] == 1


@pytest.mark.parametrize(
    "said",
    [
        {"published": "many"},
        {"published": 10**30},
        {"latency": {"p50": 0, "p99": 0, "buckets": [1, 2]}},
    ],
    ids=["text", "a number of 100 bits", "too few buckets"],
)
async def test_figures_that_cannot_be_are_left_out(
    hub: RunningHub, said: dict[str, Any]
) -> None:
    async with hub.watch() as line, transport(hub, "lies") as lies:
        figures = {**lies.metrics().as_data(), "name": "made up", **said}
        with suppress(PublishError):
            await lies.tell(Event("_link", figures))
        reply = await request(line, "links", follow=False)

    assert not [each for each in reply["result"] if "made up" in each["name"]]


async def test_who_tells_of_a_link_under_another_name_is_named(hub: RunningHub) -> None:
    async with hub.watch() as line, transport(hub, "lies") as lies:
        figures = {**lies.metrics().as_data(), "kind": "bus", "name": "bus"}
        await lies.tell(Event("_link", figures))
        reply = await request(line, "links", follow=False)

    names = [each["name"] for each in reply["result"]]
    assert names.count("bus") == 1
    assert "lies: bus" in names


# --- as the coordinator's client has it ----------------------------------------------


async def next_of(changes: AsyncIterator[Change], kind: str) -> Change:
    async for change in changes:
        if change.kind == kind:
            return change
    raise AssertionError(f"no {kind} came")


async def until(changes: AsyncIterator[Change], true: Callable[[], bool]) -> None:
    while not true():
        await anext(changes)


async def test_a_coordinator_taps_and_follows_the_links(hub: RunningHub) -> None:
    async with (
        Coordinator(Endpoint(hub.url, hub.token)) as swarm,
        transport(hub, "says") as says,
    ):
        changes = swarm.changes()
        before = await swarm.links(follow=True)
        await swarm.tap("kit.*")
        await says.publish(Event("kit.made", {"n": 1}, id="9"))
        seen = await next_of(changes, "traffic")
        links = await next_of(changes, "links")

    (message,) = seen.traffic
    assert (message.subject, message.id, message.data) == ("kit.made", "9", {"n": 1})
    assert {"bus", "agents"} <= {each.name for each in before}
    assert {"bus", "agents"} <= {each.name for each in links.links}


async def test_a_tap_goes_on_when_the_hub_is_back(start: Start) -> None:
    hub = start("--store", "memory")
    port = str(hub.port)
    async with Coordinator(Endpoint(hub.url, hub.token)) as swarm:
        changes = swarm.changes()
        await swarm.tap("again.*")
        hub.process.kill()
        hub.process.wait()
        await until(changes, lambda: swarm.link.state != "live")
        again = start("--store", "memory", "--port", port)
        await until(changes, lambda: swarm.link.state == "live")
        # Answered after what was asked when the session began.
        await swarm.ping()
        async with transport(again, "says") as says:
            await says.publish(Event("again.made"))
            seen = await next_of(changes, "traffic")

    assert [message.subject for message in seen.traffic] == ["again.made"]
