"""A hub that does not answer, or talks nonsense, holds up nobody."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from agentkit.settings import Endpoint
from agentkit.transports import ConnectionError, Event, PublishError  # noqa: A004
from agentkit.transports.hub import HubTransport

Speak = Callable[[ServerConnection], Awaitable[None]]

WELCOME = {"type": "welcome", "name": "x", "cursor": 1, "largest": 1 << 26}


@asynccontextmanager
async def hub_that(speak: Speak, **options: Any) -> AsyncIterator[HubTransport]:
    """Serve in place of a hub; yield a transport that finds it."""
    server = await serve(
        speak, "127.0.0.1", 0, subprotocols=[Subprotocol("swarm.v1")], **options
    )
    async with server:
        port = next(iter(server.sockets)).getsockname()[1]
        transport = HubTransport(Endpoint(f"http://127.0.0.1:{port}"))
        try:
            yield transport
        finally:
            await transport.disconnect()


async def welcome(socket: ServerConnection) -> None:
    await socket.recv()
    await socket.send(json.dumps(WELCOME))


async def answer(socket: ServerConnection) -> None:
    """Answer as a hub does, until the other end has gone."""
    async for frame in socket:
        asked = json.loads(frame)
        kind = {"publish": "published"}.get(asked["type"], f"{asked['type']}d")
        key = {name: asked[name] for name in ("id", "pattern") if name in asked}
        await socket.send(json.dumps({"type": kind, **key}))


async def test_a_hub_that_does_not_greet_is_not_waited_for() -> None:
    async def say_nothing(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with hub_that(say_nothing) as transport, asyncio.timeout(10):
        with pytest.raises(ConnectionError, match="did not answer within 2 s"):
            await transport.connect()


@pytest.mark.parametrize("said", ["{", "[]", "{}", '{"largest":"x"}', b"\xff"])
async def test_a_greeting_that_makes_no_sense_is_refused(said: str | bytes) -> None:
    async def babble(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(said)
        await socket.wait_closed()

    async with hub_that(babble) as transport:
        with pytest.raises(ConnectionError, match="makes no sense"):
            await transport.connect()


@pytest.mark.parametrize(
    "said",
    [
        *("{", "null", '"x"', "[]", "{}", b"\xff", '{"type":"event"}'),
        '{"type":"dropped","count":"many"}',
        '{"type":"published","id":[1]}',
        '{"type":"event","event":' + "[" * 2000 + "]" * 2000 + "}",
    ],
)
async def test_after_a_frame_that_makes_no_sense_it_connects_anew(
    said: str | bytes,
) -> None:
    nonsense = iter((said,))

    async def begin_badly(socket: ServerConnection) -> None:
        await welcome(socket)
        for frame in nonsense:
            await socket.send(frame)
        await answer(socket)

    async with hub_that(begin_badly) as transport, asyncio.timeout(10):
        try:
            await transport.connect()
        except ConnectionError as error:  # it was read before all was subscribed to
            assert "makes no sense" in str(error)  # noqa: PT017 - it need not come
            await transport.connect()
        while transport.metrics().state != "connected":
            await asyncio.sleep(0.005)
        await transport.publish(Event("a.b"))

    assert not list(nonsense)


async def hang_up_on_an_event() -> None:
    served: list[ServerConnection] = []

    async def serve_it(socket: ServerConnection) -> None:
        served.append(socket)
        await welcome(socket)
        with suppress(ConnectionClosed):
            await answer(socket)

    async with hub_that(serve_it) as transport, asyncio.timeout(10):
        await transport.connect()
        served[0].transport.pause_reading()
        large = Event("large.one", {"text": "x" * 30_000_000})
        publishing = asyncio.create_task(transport.publish(large))
        await asyncio.sleep(0)
        served[0].transport.abort()
        with pytest.raises(PublishError, match="perhaps not published"):
            await publishing


async def test_a_hub_that_hangs_up_on_an_event_leaves_no_noise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await hang_up_on_an_event()
    gc.collect()

    assert "never retrieved" not in caplog.text
