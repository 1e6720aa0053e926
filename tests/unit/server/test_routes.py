"""How a request finds its route."""

import pytest

from server.http import ROUTES
from server.routes import Routes

TABLE = Routes(ROUTES)


def find(path: str) -> tuple[set[str], dict[str, str]]:
    methods, params = TABLE.find({"path": path, "raw_path": path.encode()})
    return {route.path for route in methods.values()}, params


@pytest.mark.parametrize(
    ("path", "route", "params"),
    [
        ("/status", "/status", {}),
        ("/agent/idle/", "/agent/idle", {}),
        ("/v1/agents", "/v1/agents", {}),
        ("/v1/agents/a1", "/v1/agents/{agent}", {"agent": "a1"}),
        ("/v1/agents/a%2Fb%20c", "/v1/agents/{agent}", {"agent": "a/b c"}),
        ("/v1/agents/h%C3%A4", "/v1/agents/{agent}", {"agent": "hä"}),
        ("/v1/agents/a1/status", "/v1/agents/{agent}/status", {"agent": "a1"}),
        ("/v1/broadcasts/preview", "/v1/broadcasts/preview", {}),
        ("/v1/broadcasts/b1", "/v1/broadcasts/{id}", {"id": "b1"}),
        ("/v1/help/h1/take", "/v1/help/{help}/take", {"help": "h1"}),
    ],
)
def test_a_path_finds_its_route(path: str, route: str, params: dict[str, str]) -> None:
    paths, found = find(path)

    assert route in paths
    assert found == params


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/agents/a/b/c/d"])
def test_other_paths_find_nothing(path: str) -> None:
    paths, _ = find(path)

    assert not paths


def test_a_path_is_found_under_each_of_its_methods() -> None:
    methods, _ = TABLE.find({"path": "/v1/tasks", "raw_path": b"/v1/tasks"})

    assert set(methods) == {"GET", "POST"}
