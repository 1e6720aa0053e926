"""Who may do what, on every path that the hub itself describes."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from server.auth import Keys
from server.edge import SOCKETS
from server.http import ROUTES
from tests.integration.conftest import RunningHub, launch

OPEN = {"/healthz", "/readyz", "/openapi.json"}
"""For whoever looks after the machine: they tell nothing about the swarm."""

SAID = {
    "report": "busy", "agent": "you", "session_id": "you", "status": "idle",
    "timestamp": "2025-11-12T13:00:00", "id": "T1", "text": "hi", "message": "hi",
    "helper": "me", "until": "2099-01-01T00:00:00Z", "acked": 0, "where": "",
    "fence": 1,
}  # fmt: skip
"""What every route takes."""


class Way(NamedTuple):
    """One operation of the description."""

    method: str
    path: str
    template: str

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


def ways() -> list[Way]:
    return [
        Way(route.method, re.sub(r"{\w+}", "you", route.path), route.path)
        for route in ROUTES
    ]


WAYS = ways()
CLOSED = [way for way in WAYS if way.path not in OPEN]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub whose webhook endpoints take a token like all others."""
    home = tmp_path_factory.mktemp("hub")
    running = launch(home, "--store", "memory", "--seed-api", "token")
    for agent in ("me", "you"):
        running.report(agent, "idle")
    yield running
    running.stop()


def go(hub: RunningHub, way: Way, token: str, **headers: str) -> httpx.Response:
    body: dict[str, Any] | None = SAID if way.method == "POST" else None
    who = {"authorization": f"Bearer {token}" if token else ""}
    query = "?session_id=you&ref=T1" if way.template == "/task/assign" else ""
    return hub.http.request(
        way.method, way.path + query, json=body, headers={**who, **headers}
    )


def test_the_description_names_every_way(hub: RunningHub) -> None:
    described = hub.get("/openapi.json").json()["paths"]

    assert {(way.template, way.method.lower()) for way in WAYS} == {
        (path, method) for path, methods in described.items() for method in methods
    }


@pytest.mark.parametrize("way", CLOSED, ids=str)
@pytest.mark.parametrize("token", ["", "guess", "viewer.guess"])
def test_without_a_token_of_this_hub_nothing_opens(
    hub: RunningHub, way: Way, token: str
) -> None:
    assert go(hub, way, token).status_code == 401


@pytest.mark.parametrize("way", CLOSED, ids=str)
@pytest.mark.parametrize("token", ["mine", "agent.guess"])
def test_an_agents_token_does_nothing_for_another_agent(
    hub: RunningHub, way: Way, token: str
) -> None:
    token = Keys.load(hub.home).derive("agent:me") if token == "mine" else token

    assert go(hub, way, token).status_code == 403


def test_an_agents_token_acts_as_itself(hub: RunningHub) -> None:
    token = Keys.load(hub.home).derive("agent:you")
    allowed = {str(way) for way in CLOSED if go(hub, way, token).status_code == 200}

    assert allowed == {
        "POST /agent/idle", "POST /agent/busy", "POST /agent/blocked",
        "POST /agent/completed", "POST /agent/help",
        "POST /v1/agents/{agent}/status", "GET /v1/agents/{agent}",
        "GET /v1/agents/{agent}/mailbox", "POST /v1/agents/{agent}/mailbox",
        "POST /v1/claims",
    }  # fmt: skip


@pytest.mark.parametrize("way", CLOSED, ids=str)
def test_a_viewer_changes_nothing(hub: RunningHub, way: Way) -> None:
    before = hub.get("/v1/events?newest_first=1&limit=1").json()["events"]

    reply = go(hub, way, Keys.load(hub.home).derive("viewer"))

    after = hub.get("/v1/events?newest_first=1&limit=1").json()["events"]
    looks = way.method == "GET" and not way.path.endswith("/mailbox")
    previews = way.path == "/v1/broadcasts/preview"
    assert (reply.status_code != 403) == (looks or previews)
    assert before == after


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_foreign_name_or_page_is_refused_everywhere(
    hub: RunningHub, way: Way
) -> None:
    named = go(hub, way, hub.token, host="evil.example")
    paged = go(hub, way, hub.token, origin="http://evil.example")

    assert (named.status_code, paged.status_code) == (421, 403)


@pytest.mark.parametrize("path", [*SOCKETS, "/v1/elsewhere", "/"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Origin": "http://evil.example"}, 403), ({"Host": "evil.example"}, 421)],
)
async def test_a_foreign_name_or_page_gets_no_websocket_anywhere(
    hub: RunningHub, path: str, headers: dict[str, str], status: int
) -> None:
    host = headers.get("Host", "127.0.0.1")
    with pytest.raises(InvalidStatus) as refusal:
        await connect(
            f"ws://{host}{path}", host="127.0.0.1", port=hub.port, proxy=None,
            origin=headers.get("Origin"),  # type: ignore[arg-type]
        )  # fmt: skip

    assert refusal.value.response.status_code == status
