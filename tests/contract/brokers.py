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

import pytest

from agentkit.transports import LocalTransport
from agentkit.transports.base import Courier
from agentkit.transports.hub import HubTransport
from tests.contract.hub_server import HubServer


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


BROKERS: dict[str, Open] = {
    "local": local,
    "hub": hub,
}

SHARED = [kind for kind in BROKERS if kind != "local"]
"""The kinds whose transports reach each other."""

LASTING: list[str] = [kind for kind in BROKERS if kind in ("streams", "jetstream")]
"""The kinds that are persistent."""
