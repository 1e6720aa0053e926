"""What the clients make of a hub's frames, over real sockets and from a script."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from agentkit import Agent, Coordinator, coordinator, mirror
from agentkit.boxes import Box
from agentkit.errors import ConnectionLost, HubRefused, HubUnavailable
from agentkit.settings import Endpoint

Script = Callable[["Line"], Awaitable[None]]


class Line:
    """The hub's end of one connection."""

    def __init__(self, socket: ServerConnection, number: int) -> None:
        self.socket = socket
        self.number = number
        """Which connection this is, from 1."""

    async def say(self, word: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": word, **fields}))

    async def hear(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self.socket.recv())
        return frame

    async def snapshot(self, cursor: int) -> None:
        rows: dict[str, Any] = dict.fromkeys(mirror.TABLES, ())
        await self.say("snapshot", cursor=cursor, more=False, **rows)

    async def welcome(self, cursor: int) -> None:
        assert (await self.hear())["type"] == "hello"
        await self.say("welcome", cursor=cursor, role="operator", hub={})
        await self.snapshot(cursor)

    async def begin(self) -> None:
        """Wait for the test's ping: it listens from now on."""
        request = await self.hear()
        await self.say("reply", id=request["id"], ok=True, result=[])

    async def turn(self, cursor: int) -> None:
        await self.say("turn", cursor=cursor, events=[event(cursor)])

    async def answer(self, request: dict[str, Any], first: int, last: int) -> None:
        page = [event(cursor) for cursor in range(first, last + 1)]
        await self.say("reply", id=request["id"], ok=True, result=page)

    async def stay(self) -> None:
        await self.socket.wait_closed()


def event(cursor: int) -> dict[str, Any]:
    data = {"at": "2026-01-01T00:00:00+00:00", "version": "1"}
    return {"cursor": cursor, "subject": "hub.started", "data": data}


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[Endpoint]:
    """A hub that follows a script on each connection, then closes it."""
    connections = 0

    async def handle(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await script(Line(socket, connections))

    async with serve(handle, "127.0.0.1", 0, subprotocols=["swarm.v1"]) as server:  # type: ignore[list-item]
        port = next(iter(server.sockets)).getsockname()[1]
        yield Endpoint(f"http://127.0.0.1:{port}")


async def cursors(swarm: Coordinator, last: int) -> list[int]:
    """Return the cursors of the events heard up to one."""
    found: list[int] = []
    async with asyncio.timeout(5):
        changes = swarm.changes()
        await swarm.ping()
        async for change in changes:
            found += [heard.cursor for heard in change.events]
            if found and found[-1] >= last:
                return found
    raise AssertionError("the changes ended")


# --- coordinators --------------------------------------------------------------------


async def test_a_watcher_that_was_too_slow_asks_for_what_it_missed() -> None:
    async def script(line: Line) -> None:
        await line.welcome(10)
        await line.begin()
        await line.turn(11)
        await line.say("resync", reason="too slow")
        assert (await line.hear())["type"] == "snapshot"
        await line.snapshot(14)
        request = await line.hear()
        assert request["args"] == {"after": 11, "before": 15, "limit": 1000}
        await line.answer(request, 12, 14)
        await line.turn(15)
        await line.stay()

    async with scripted(script) as hub, Coordinator(hub) as swarm:
        assert await cursors(swarm, 15) == [11, 12, 13, 14, 15]


async def test_turns_wait_for_the_events_before_them() -> None:
    async def script(line: Line) -> None:
        await line.welcome(10 if line.number == 1 else 12)
        if line.number == 1:
            await line.begin()
            return
        request = await line.hear()
        await line.turn(13)
        await line.answer(request, 11, 12)
        await line.stay()

    async with scripted(script) as hub, Coordinator(hub) as swarm:
        assert await cursors(swarm, 13) == [11, 12, 13]


async def test_a_connection_lost_while_catching_up_leaves_no_gap() -> None:
    async def script(line: Line) -> None:
        await line.welcome(9 + line.number)
        if line.number == 1:
            await line.begin()
            return
        request = await line.hear()
        if line.number == 2:
            return
        assert request["args"]["after"] == 10
        await line.answer(request, 11, 12)
        await line.stay()

    async with scripted(script) as hub, Coordinator(hub) as swarm:
        assert await cursors(swarm, 12) == [11, 12]


async def test_too_many_events_to_ask_for_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(coordinator, "CATCH_UP", 5)

    async def script(line: Line) -> None:
        await line.welcome(10 if line.number == 1 else 20)
        if line.number > 1:
            await line.stay()

    async with scripted(script) as hub, Coordinator(hub) as swarm:
        changes = swarm.changes()
        async with asyncio.timeout(5):
            async for change in changes:
                if change.cursor == 20 and change.kind == "snapshot":
                    break

        assert change.missed == 10


async def test_an_answer_that_never_comes_is_an_error() -> None:
    async def script(line: Line) -> None:
        await line.welcome(10)
        await line.stay()

    async with scripted(script) as hub, Coordinator(hub, timeout=0.05) as swarm:
        with pytest.raises(HubUnavailable, match="did not answer ping within"):
            await swarm.ping()


async def test_an_answer_that_was_cut_off_is_an_error() -> None:
    async def script(line: Line) -> None:
        await line.welcome(10)
        if line.number == 1:
            await line.hear()
        else:
            await line.stay()

    async with scripted(script) as hub, Coordinator(hub) as swarm:
        with pytest.raises(ConnectionLost, match="it may have done it"):
            await swarm.ping()


async def test_frames_of_a_newer_hub_are_passed_over() -> None:
    async def script(line: Line) -> None:
        await line.welcome(10)
        await line.begin()
        await line.say("fanfare", volume=11)
        await line.turn(11)
        await line.stay()

    async with scripted(script) as hub, Coordinator(hub) as swarm:
        assert await cursors(swarm, 11) == [11]


@pytest.mark.parametrize("code", [4400, 4401, 4403])
async def test_a_hub_that_does_not_want_us_is_left_alone(code: int) -> None:
    async def script(line: Line) -> None:
        await line.hear()
        await line.socket.close(code, "because")

    async with scripted(script) as hub:
        with pytest.raises(HubRefused, match="because"):
            await Coordinator(hub).__aenter__()


async def test_a_hub_without_room_is_asked_again() -> None:
    turned_away = 0

    def full(_: ServerConnection, __: Request) -> Response | None:
        nonlocal turned_away
        turned_away += 1
        if turned_away > 2:
            return None
        problem = b'{"detail":"no more are allowed"}'
        return Response(HTTPStatus.SERVICE_UNAVAILABLE, "", _headers(problem), problem)

    async def script(socket: ServerConnection) -> None:
        await Line(socket, 1).welcome(10)
        await socket.wait_closed()

    async with serve(script, "127.0.0.1", 0, process_request=full) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        swarm = Coordinator(Endpoint(f"http://127.0.0.1:{port}"), patient=True)
        async with swarm, asyncio.timeout(5):
            async for change in swarm.changes():
                if change.kind == "snapshot":
                    break

    assert turned_away == 3


def _headers(body: bytes) -> Headers:
    return Headers({"Content-Length": str(len(body)), "Connection": "close"})


# --- agents --------------------------------------------------------------------------


async def test_a_refused_report_is_logged_and_not_sent_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def script(line: Line) -> None:
        await line.hear()
        await line.say("welcome", agent="a1", cursor=1, accepted=0)
        report = await line.hear()
        await line.say("refused", seq=report["seq"], code="invalid", detail="too long")
        await line.say("ack", seq=report["seq"])
        await line.stay()

    async with scripted(script) as hub, Agent("a1", hub=hub) as agent:
        await agent.idle()
        await agent.flush()

    assert "the hub refused report 1 of a1: too long" in caplog.text


async def test_who_is_cancelled_while_the_hub_is_slow_ends_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    monkeypatch.setattr("agentkit.agent.GOODBYE", 0.05)
    said = asyncio.Event()

    async def script(line: Line) -> None:
        await line.hear()
        await line.say("welcome", agent="a1", cursor=1, accepted=0)
        assert (await line.hear())["task"] == "T1"
        said.set()
        await line.stay()

    async def be(hub: Endpoint) -> None:
        async with Agent("a1", hub=hub, durable=True) as agent:
            await agent.busy("T1")
            await agent.run_forever()

    async with scripted(script) as hub:
        being = asyncio.create_task(be(hub))
        await said.wait()
        being.cancel()
        with pytest.raises(asyncio.CancelledError):
            await being

    (file,) = tmp_path.rglob("a1.db")
    Box.of("a1", file.parent).close()  # nobody has it


async def test_after_a_reconnection_only_what_is_new_is_sent() -> None:
    heard: list[tuple[int, int, str]] = []

    async def script(line: Line) -> None:
        await line.hear()
        await line.say("welcome", agent="a1", cursor=1, accepted=line.number - 1)
        while len(heard) < 2 * line.number:
            frame = await line.hear()
            heard.append((line.number, frame["seq"], frame["task"]))
        if line.number == 2:
            await line.say("ack", seq=3)
            await line.stay()

    async with scripted(script) as hub, Agent("a1", hub=hub) as agent:
        await agent.busy("T1")
        await agent.busy("T2")
        while len(heard) < 2:
            await asyncio.sleep(0.001)
        await agent.busy("T3")
        async with asyncio.timeout(5):
            while len(heard) < 4:
                await asyncio.sleep(0.001)

    assert heard == [(1, 1, "T1"), (1, 2, "T2"), (2, 2, "T2"), (2, 3, "T3")]


async def test_a_hub_that_knows_another_past_gets_a_new_spool() -> None:
    spools: list[str] = []

    async def script(line: Line) -> None:
        hello = await line.hear()
        spools.append(hello["spool"])
        accepted = 7 if line.number == 1 else 0
        await line.say("welcome", agent="a1", cursor=1, accepted=accepted)
        if line.number == 2:
            report = await line.hear()
            await line.say("ack", seq=report["seq"])
            await line.stay()

    async with scripted(script) as hub, Agent("a1", hub=hub) as agent:
        await agent.idle()
        await agent.flush()

    assert len(set(spools)) == 2


async def test_what_was_handled_is_said_again_after_a_reconnection() -> None:
    done: list[tuple[int, int]] = []
    mail = {
        "seq": 1,
        "attempt": 1,
        "kind": "broadcast",
        "ref": "b1",
        "at": "2026-01-01T00:00:00+00:00",
        "by": "operator",
        "body": {"text": "hello"},
    }

    async def script(line: Line) -> None:
        hello = await line.hear()
        assert hello["got"] == line.number - 1
        await line.say("welcome", agent="a1", cursor=1, accepted=0)
        if line.number == 1:
            await line.say("mail", **mail)
        while (frame := await line.hear())["type"] != "done":
            assert frame == {"type": "ack", "upto": 1}
        done.append((line.number, frame["seq"]))
        if line.number == 2:
            await line.stay()

    async with scripted(script) as hub, Agent("a1", hub=hub) as agent:

        @agent.on_broadcast
        async def listen(_: object) -> None:
            pass

        async with asyncio.timeout(5):
            while len(done) < 2:
                await asyncio.sleep(0.001)

    assert done == [(1, 1), (2, 1)]


async def test_the_end_of_an_agent_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)

    async def script(line: Line) -> None:
        await line.hear()
        await line.say("welcome", agent="a1", cursor=1, accepted=0)
        await line.socket.close(4409, "a newer connection is open")

    async with scripted(script) as hub, Agent("a1", hub=hub) as agent:
        with pytest.raises(HubRefused, match="a newer connection"):
            await agent.run_forever()

    assert "agent a1 is no longer connected: a newer connection is open" in caplog.text
