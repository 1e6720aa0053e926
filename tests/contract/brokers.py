"""What carries the events of a transport in the contract tests: real servers.

A kind has one entry in `BROKERS`. It opens what the transports of one test share, with
subjects that no other test sees (a prefix of its own, or a server of its own). A server
that costs time to start is a fixture of the session in `conftest.py`, had by
``request.getfixturevalue``. No server is no reason to skip: the project installs them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from uuid import uuid4

import pytest

from agentkit.transports import LocalTransport
from agentkit.transports.base import Courier
from agentkit.transports.hub import HubTransport
from agentkit.transports.nats import NatsTransport
from agentkit.transports.redis import RedisTransport
from tests.contract.hub_server import HubServer
from tests.contract.nats_server import NatsServer
from tests.contract.redis_server import RedisServer


class Client(Protocol):
    def __call__(self, *, name: str = "") -> Courier:
        """Return one more transport over the broker, not connected."""


@dataclass(frozen=True)
class Broker:
    """What the transports of one test share."""

    client: Client
    stop: Callable[[], Awaitable[None]] | None = None
    """Kills the server; None where there is no server."""
    start: Callable[[], Awaitable[None]] | None = None
    """Starts it again at the same address."""


Open: TypeAlias = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Broker]]


@asynccontextmanager
async def local(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    yield Broker(LocalTransport)


@asynccontextmanager
async def hub(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    """Open the hub of the session; nothing stays on its bus from test to test."""
    server: HubServer = request.getfixturevalue("hub_server")

    async def stop() -> None:
        await asyncio.to_thread(server.kill)

    async def start() -> None:
        await asyncio.to_thread(server.start)

    def client(*, name: str = "") -> Courier:
        return HubTransport(server.endpoint, name=name)

    await start()
    yield Broker(client, stop, start)


def nats(*, persistent: bool) -> Open:
    """Return how to open a NATS server of the session, with subjects of one test."""

    @asynccontextmanager
    async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
        server: NatsServer = request.getfixturevalue("nats_server")
        prefix = f"test.{uuid4().hex}"

        async def stop() -> None:
            server.kill()

        async def start() -> None:
            server.restart()

        def client(*, name: str = "") -> Courier:
            return NatsTransport(
                server.url,
                prefix=prefix,
                persistent=persistent,
                name=name,
                max_bytes=2**26,
            )

        yield Broker(client, stop, start)
        if not server.runs:
            server.start()

    return opened


def redis(*, persistent: bool) -> Open:
    """Return how to open the Redis server of the session, with names of one test."""

    @asynccontextmanager
    async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
        server: RedisServer = request.getfixturevalue("redis_server")
        prefix = f"test {uuid4().hex}"

        async def stop() -> None:
            server.kill()

        async def start() -> None:
            server.start()

        def client(*, name: str = "") -> Courier:
            return RedisTransport(
                server.url, channel_prefix=prefix, persistent=persistent, name=name
            )

        yield Broker(client, stop, start)
        if not server.runs:
            server.start()

    return opened


BROKERS: dict[str, Open] = {
    "local": local,
    "redis": redis(persistent=False),
    "streams": redis(persistent=True),
    "hub": hub,
    "nats": nats(persistent=False),
    "jetstream": nats(persistent=True),
}

SHARED = [kind for kind in BROKERS if kind != "local"]
"""The kinds whose transports reach each other."""

LASTING: list[str] = [kind for kind in BROKERS if kind in ("streams", "jetstream")]
"""The kinds that are persistent."""
