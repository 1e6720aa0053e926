"""Servers that the contract tests of a session share."""

from collections.abc import Iterator

import pytest

from tests.contract.hub_server import HubServer
from tests.contract.nats_server import NatsServer
from tests.contract.redis_server import RedisServer


@pytest.fixture(scope="session")
def hub_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """A hub; whoever kills it starts it again."""
    server = HubServer(tmp_path_factory.mktemp("hub"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A NATS server with JetStream; whoever kills it starts it again."""
    server = NatsServer(tmp_path_factory.mktemp("nats"), streams=True).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis server that is durable; whoever kills it starts it again."""
    with RedisServer(tmp_path_factory.mktemp("redis"), durable=True) as server:
        yield server
