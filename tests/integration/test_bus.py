"""The hub's bus over real sockets: who gets what, who may, and who is too slow."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

from server.bus import PATTERNS
from server.bus_member import WAITING
from tests.integration.conftest import Line, RunningHub, Start

numbers = count(1)


@asynccontextmanager
async def aboard(
    hub: RunningHub, name: str, *patterns: str, token: str | None = None
) -> AsyncIterator[Line]:
    """Be on the bus, subscribed."""
    async with hub.open("/v1/bus", token) as line:
        await line.say("hello", name=name)
        line.welcome = await hear(line)
        for pattern in patterns:
            await line.say("subscribe", pattern=pattern)
            assert await hear(line) == {"type": "subscribed", "pattern": pattern}
        yield line


async def hear(line: Line) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(await line.socket.recv())
    return frame


async def publish(line: Line, subject: str, **fields: Any) -> dict[str, Any]:
    """Publish, and return the answer."""
    number = next(numbers)
    event = {"id": f"{number:032x}", "name": subject, **fields}
    await line.say("publish", id=number, event=event)
    return await hear(line)


async def events(line: Line, many: int) -> list[dict[str, Any]]:
    found = [await hear(line) for _ in range(many)]
    assert {frame["type"] for frame in found} <= {"event"}
    return [frame["event"] for frame in found]


@pytest.fixture
def viewer(hub: RunningHub) -> str:
    token: str = hub.post("/v1/tokens/viewer/derive").json()["token"]
    return token


@pytest.fixture
def agent_token(hub: RunningHub) -> str:
    token: str = hub.post("/v1/tokens/agent:a1/derive").json()["token"]
    return token


async def test_a_message_reaches_who_subscribes(hub: RunningHub) -> None:
    async with (
        aboard(hub, "one", "job.*") as one,
        aboard(hub, "two", "job.**") as two,
        aboard(hub, "other", "jobs.*"),
        aboard(hub, "says") as says,
    ):
        short = await publish(says, "job.made", data={"n": 1})
        long = await publish(says, "job.made.late", data={"n": 2})
        (mine,) = await events(one, 1)
        both = await events(two, 2)

    assert short["reached"] == 2
    assert long["reached"] == 1
    assert (mine["name"], mine["data"], mine["source"]) == (
        "job.made",
        {"n": 1},
        "says",
    )
    assert [event["data"]["n"] for event in both] == [1, 2]


async def test_overlapping_patterns_bring_a_message_once(hub: RunningHub) -> None:
    patterns = ("once.*", "once.**", "once.a", "once.a")
    async with aboard(hub, "hears", *patterns) as hears, aboard(hub, "says") as says:
        answer = await publish(says, "once.a")
        await publish(says, "once.b")
        heard = await events(hears, 2)

    assert answer["reached"] == 1
    assert [event["name"] for event in heard] == ["once.a", "once.b"]


async def test_whoever_unsubscribes_gets_no_more(hub: RunningHub) -> None:
    async with aboard(hub, "goes", "un.*") as goes, aboard(hub, "says") as says:
        await publish(says, "un.first")
        (first,) = await events(goes, 1)
        await goes.say("unsubscribe", pattern="un.*")
        gone = await hear(goes)
        answer = await publish(says, "un.second")

    assert first["name"] == "un.first"
    assert gone == {"type": "unsubscribed", "pattern": "un.*"}
    assert answer["reached"] == 0


async def test_who_is_gone_is_not_counted(hub: RunningHub) -> None:
    async with aboard(hub, "says") as says:
        async with aboard(hub, "leaves", "gone.*") as leaves:
            there = await publish(says, "gone.a")
            await events(leaves, 1)
        while (answer := await publish(says, "gone.b"))["reached"]:
            await asyncio.sleep(0)

    assert there["reached"] == 1
    assert answer["reached"] == 0


async def test_order_is_that_of_publishing(hub: RunningHub) -> None:
    async with aboard(hub, "hears", "order.*") as hears, aboard(hub, "says") as says:
        for number in range(2000):
            event = {"id": f"{number}", "name": "order.n", "data": {"n": number}}
            await says.say("publish", id=number, event=event)
        heard = await events(hears, 2000)

    assert [event["data"]["n"] for event in heard] == list(range(2000))


# --- who may -------------------------------------------------------------------------


async def test_an_agent_speaks_as_nobody_else(
    hub: RunningHub, agent_token: str
) -> None:
    async with (
        aboard(hub, "hears", "who.*") as hears,
        aboard(hub, "somebody else", token=agent_token) as agent,
    ):
        await publish(agent, "who.says", source="operator")
        (event,) = await events(hears, 1)

    assert agent.welcome["name"] == "a1"
    assert event["source"] == "a1"


async def test_a_viewer_listens_and_does_not_speak(
    hub: RunningHub, viewer: str
) -> None:
    async with (
        aboard(hub, "views", "seen.*", token=viewer) as views,
        aboard(hub, "says") as says,
    ):
        refused = await publish(views, "seen.a")
        await publish(says, "seen.b")
        (event,) = await events(views, 1)

    assert (refused["type"], refused["code"]) == ("error", "not_allowed")
    assert event["name"] == "seen.b"


async def test_an_agent_requeues_nothing(hub: RunningHub, agent_token: str) -> None:
    async with aboard(hub, "a1", token=agent_token) as agent:
        refused = await publish(agent, "_requeue", data={"letter": {}})
        unknown = await publish(agent, "_mine")

    assert "this takes operator" in refused["detail"]
    assert "begins with an underscore" in unknown["detail"]


async def test_nobodys_pattern_sees_the_buss_own_subjects(hub: RunningHub) -> None:
    async with aboard(hub, "hears", "**", "*") as hears, aboard(hub, "says") as says:
        own = await publish(says, "_link", data={})
        await publish(says, "seen")
        (event,) = await events(hears, 1)

    assert own["reached"] == 0
    assert event["name"] == "seen"


# --- what cannot be ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "why"),
    [
        ("a..b", "empty segment"),
        ("a.*", "only patterns have"),
        ("a.>", "'>'"),
        ("", "empty segment"),
    ],
)
async def test_a_subject_that_cannot_be_is_refused(
    hub: RunningHub, subject: str, why: str
) -> None:
    async with aboard(hub, "says") as says:
        answer = await publish(says, subject)
        after = await publish(says, "still.here")

    assert (answer["type"], answer["code"]) == ("error", "invalid")
    assert why in answer["detail"]
    assert after["type"] == "published"


async def test_data_that_cannot_be_told_on_is_refused(hub: RunningHub) -> None:
    async with aboard(hub, "says") as says:
        answer = await publish(says, "big.number", data={"n": 2**70})
        after = await publish(says, "still.here")

    assert (answer["type"], answer["code"]) == ("error", "invalid")
    assert "beyond 64 bits" in answer["detail"]
    assert after["type"] == "published"


async def test_a_pattern_that_cannot_be_is_refused(hub: RunningHub) -> None:
    async with aboard(hub, "hears") as hears:
        await hears.say("subscribe", pattern="a*.b")
        refused = await hear(hears)
        await hears.say("subscribe", pattern="_other.*")
        reserved = await hear(hears)

    assert (refused["pattern"], refused["code"]) == ("a*.b", "invalid")
    assert reserved["code"] == "invalid"


async def test_patterns_have_an_end(hub: RunningHub) -> None:
    async with aboard(hub, "greedy") as greedy:
        for number in range(PATTERNS + 1):
            await greedy.say("subscribe", pattern=f"p.{number}")
        answers = [await hear(greedy) for _ in range(PATTERNS + 1)]

    assert {answer["type"] for answer in answers[:-1]} == {"subscribed"}
    assert (answers[-1]["type"], answers[-1]["code"]) == ("error", "conflict")
    assert "unsubscribe some" in answers[-1]["detail"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"type":"fly"}', '{"type":"publish","id":1}', "{", '{"type":"hello"}'],
)
async def test_a_frame_that_cannot_be_read_ends_the_connection(
    hub: RunningHub, text: str
) -> None:
    async with aboard(hub, "says") as says:
        await says.socket.send(text)
        code, reason = await says.closed()

    assert code == 4400
    assert reason


async def test_a_hello_comes_first(hub: RunningHub) -> None:
    async with hub.open("/v1/bus") as line:
        await line.say("subscribe", pattern="**")
        code, _ = await line.closed()

    assert code == 4400


async def test_a_frame_has_a_size(start: Start) -> None:
    hub = start("--store", "memory", "--max-frame", "2048")
    async with aboard(hub, "says") as says:
        event = {"id": "1", "name": "big", "data": {"text": "x" * 3000}}
        await says.say("publish", id=1, event=event)
        code, _ = await says.closed()

    assert code == 1009


async def test_whoever_publishes_too_fast_is_read_more_slowly(start: Start) -> None:
    hub = start("--store", "memory", "--bus-rate", "50", "--bus-burst", "5")
    async with aboard(hub, "says") as says:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number in range(25):
            event = {"id": f"{number}", "name": "fast"}
            await says.say("publish", id=number, event=event)
        answers = [await hear(says) for _ in range(25)]
        took = loop.time() - begun

    assert [answer["id"] for answer in answers] == list(range(25))
    # What a rate promises cannot be had sooner, however fast the machine is.
    assert took > 20 / 50 - 0.05


# --- who is too slow -----------------------------------------------------------------


async def test_the_slow_lose_the_oldest_and_delay_nobody(hub: RunningHub) -> None:
    text = "x" * 20_000
    many = 3 * WAITING
    async with (
        aboard(hub, "slow", "flood.*") as slow,
        aboard(hub, "quick", "flood.*") as quick,
        aboard(hub, "says") as says,
    ):
        slow.socket.transport.pause_reading()
        hearing = asyncio.create_task(events(quick, many))
        for number in range(many):
            await publish(says, "flood.n", data={"n": number, "text": text})
        heard = [event["data"]["n"] for event in await hearing]
        slow.socket.transport.resume_reading()
        got, dropped = await until(slow, many - 1)

    assert heard == list(range(many))
    assert dropped > 0
    assert len(got) + dropped == many
    assert got == sorted(got)


async def until(line: Line, last: int) -> tuple[list[int], int]:
    """Return the numbers that came, and how many others are said to be lost."""
    got: list[int] = []
    dropped = 0
    while not got or got[-1] != last:
        frame = await hear(line)
        if frame["type"] == "dropped":
            dropped += frame["count"]
        else:
            got.append(frame["event"]["data"]["n"])
    return got, dropped


async def test_whoever_never_reads_is_let_go(start: Start) -> None:
    hub = start("--store", "memory", "--ping-interval", "0.3")
    async with (
        aboard(hub, "stuck", "flood.*") as stuck,
        aboard(hub, "says") as says,
    ):
        stuck.socket.transport.pause_reading()
        for _ in range(400):
            await publish(says, "flood.n", data={"text": "x" * 20_000})
        while (await publish(says, "flood.n"))["reached"]:
            await asyncio.sleep(0.05)
        stuck.socket.transport.resume_reading()
        code, _ = await stuck.closed()

    assert code in (4408, 1006)


async def test_the_end_of_a_token_ends_its_connection(hub: RunningHub) -> None:
    made = hub.post("/v1/tokens", {"role": "agent", "agent": "brief"}).json()
    async with aboard(hub, "brief", token=made["token"]) as line:
        hub.post(f"/v1/tokens/{made['row']['id']}/revoke", {}).raise_for_status()
        code, _ = await line.closed()

    assert code == 4401
