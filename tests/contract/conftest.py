"""Servers that the contract tests of a session share."""

from collections.abc import Iterator

import pytest

from tests.contract.hub_server import HubServer


@pytest.fixture(scope="session")
def hub_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """A hub; whoever kills it starts it again."""
    server = HubServer(tmp_path_factory.mktemp("hub"))
    server.start()
    yield server
    server.kill()
