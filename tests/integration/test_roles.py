"""Nobody gets in: every way into the hub, with every kind of token."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.auth import Keys
from server.edge import SOCKETS
from server.http import ROUTES
from server.routes import Route
from tests.integration.conftest import RunningHub, launch

OPEN = {"/healthz", "/readyz", "/openapi.json"}
"""For whoever looks after the machine: they tell nothing about the swarm."""

AGENTS = {
    "POST /agent/idle", "POST /agent/busy", "POST /agent/blocked",
    "POST /agent/completed", "POST /agent/help",
    "GET /v1/agents/{agent}", "POST /v1/agents/{agent}/status",
    "POST /v1/agents/{agent}/spend",
    "GET /v1/agents/{agent}/mailbox", "POST /v1/agents/{agent}/mailbox",
    "POST /v1/claims", "POST /v1/tasks/{task}/extend",
    "POST /v1/tasks/{task}/complete", "POST /v1/tasks/{task}/fail",
    "POST /v1/tasks/{task}/nack", "POST /v1/messages", "POST /mcp",
    "POST /a2a/push/{agent}", "POST /otlp/v1/metrics", "POST /otlp/v1/logs",
    "POST /otlp/v1/traces",
    "GET /v1/runs/{id}", "GET /v1/help/{help}",
    "PUT /v1/results/{run}/{name}", "GET /v1/results/{run}/{name}",
    "HEAD /v1/results/{run}/{name}", "DELETE /v1/results/{run}/{name}",
}  # fmt: skip
"""All that an agent's own token is good for."""

BY_WORK = {
    "POST /mcp",
    "POST /otlp/v1/metrics",
    "POST /otlp/v1/logs",
    "POST /otlp/v1/traces",
    "GET /v1/runs/{id}",
    "GET /v1/help/{help}",
    *(f"{word} /v1/results/{{run}}/{{name}}" for word in ("GET", "HEAD")),
}
"""Of these, what other agents may too, or some: tests of their own tell."""

SAID = {
    "report": "busy", "agent": "you", "session_id": "you", "status": "idle",
    "timestamp": "2025-11-12T13:00:00", "id": "T1", "text": "hi", "message": "hi",
    "helper": "me", "until": "2099-01-01T00:00:00Z", "acked": 0, "where": "",
    "fence": 1, "to": "me", "role": "viewer", "reason": "", "note": "",
}  # fmt: skip
"""What every route takes."""

STRANGERS = (
    "none", "guess", "viewer guess", "agent guess", "expired", "revoked",
    "revoked agent", "revoked viewer", "another hub's",
)  # fmt: skip
"""Tokens that let nobody in."""

KNOWN = {
    "operator": "operator", "made operator": "operator", "viewer": "viewer",
    "made viewer": "viewer", "agent": "agent", "made agent": "agent",
    "other agent": "agent", "made other agent": "agent",
}  # fmt: skip
"""Tokens that let somebody in, and their roles."""

ROUTE = {f"{route.method} {route.path}": route for route in ROUTES}


class House(NamedTuple):
    """A hub, and a token of every kind."""

    hub: RunningHub
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A hub whose webhook endpoints take a token like all others."""
    home = tmp_path_factory.mktemp("hub")
    running = launch(home, "--store", "memory", "--seed-api", "token")
    for agent in ("me", "you"):
        running.report(agent, "idle")
    elsewhere = Keys.load(tmp_path_factory.mktemp("elsewhere"))
    yield House(running, {**tokens_of(running), "another hub's": elsewhere.operator})
    running.stop()


def tokens_of(hub: RunningHub) -> dict[str, str]:
    def make(role: str, **fields: Any) -> dict[str, Any]:
        made: dict[str, Any] = hub.post("/v1/tokens", {"role": role, **fields}).json()
        return made

    def revoke(token: str) -> None:
        hub.post(f"/v1/tokens/{token}/revoke", {}).raise_for_status()

    keys = Keys.load(hub.home)
    for derived in ("viewer", "agent:you"):
        revoke(derived)
    gone = make("operator")
    revoke(gone["row"]["id"])
    short = make("operator", days=1e-7)["token"]
    while hub.get("/v1/queue", headers=bearer(short)).status_code != 401:
        time.sleep(0.01)
    return {
        "none": "",
        "guess": "guess",
        "viewer guess": "viewer.guess",
        "agent guess": keys.derive("agent:you")[:-4] + "AAAA",
        "expired": short,
        "revoked": gone["token"],
        "revoked agent": keys.derive("agent:you"),
        "revoked viewer": keys.derive("viewer"),
        "operator": hub.token,
        "made operator": make("operator")["token"],
        "viewer": keys.derive("viewer", 1),
        "made viewer": make("viewer", days=1)["token"],
        "agent": keys.derive("agent:you", 1),
        "made agent": make("agent", agent="you")["token"],
        "other agent": keys.derive("agent:me"),
        "made other agent": make("agent", agent="me")["token"],
    }


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}" if token else ""}


def go(hub: RunningHub, route: Route, token: str, **headers: str) -> httpx.Response:
    path = re.sub(r"{\w+}", "you", route.path)
    query = "?session_id=you&ref=T1" if path == "/task/assign" else ""
    body = SAID if route.method == "POST" else None
    return hub.http.request(
        route.method, path + query, json=body, headers={**bearer(token), **headers}
    )


def newest(hub: RunningHub) -> Any:
    return hub.get("/v1/events?newest_first=1&limit=1").json()["events"]


# --- every route ---


def test_the_description_names_every_way(house: House) -> None:
    described = house.hub.get("/openapi.json").json()["paths"]

    assert set(ROUTE) == {
        f"{method.upper()} {path}"
        for path, methods in described.items()
        for method in methods
    }


def test_what_is_open_and_what_agents_may_is_what_was_agreed() -> None:
    assert {route.path for route in ROUTES if not route.roles} == OPEN
    assert {name for name, route in ROUTE.items() if "agent" in route.roles} == AGENTS
    assert all("operator" in route.roles for route in ROUTES if route.roles)
    assert set(SOCKETS) == {"/v1/agent", "/v1/coordinator", "/v1/bus"}


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_stranger_gets_in_nowhere(house: House, kind: str) -> None:
    before = newest(house.hub)

    found = {
        name: go(house.hub, route, house.tokens[kind]).status_code == 401
        for name, route in ROUTE.items()
    }

    assert found == {name: bool(route.roles) for name, route in ROUTE.items()}
    assert newest(house.hub) == before


@pytest.mark.parametrize("kind", KNOWN)
def test_a_token_is_good_for_what_its_role_may_and_nothing_else(
    house: House, kind: str
) -> None:
    wrong = {}
    for name, route in ROUTE.items():
        if KNOWN[kind] == "agent" and name in BY_WORK:
            continue
        may = not route.roles or (KNOWN[kind] in route.roles and "other" not in kind)
        before = newest(house.hub)
        reply = go(house.hub, route, house.tokens[kind])
        same = newest(house.hub) == before
        looks = KNOWN[kind] == "viewer" or not may
        if (reply.status_code in (401, 403)) == may or (looks and not same):
            wrong[name] = (reply.status_code, reply.text)

    assert wrong == {}


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"host": "evil.example"}, 421), ({"origin": "http://evil.example"}, 403)],
)
def test_a_foreign_name_or_page_is_refused_everywhere(
    house: House, headers: dict[str, str], status: int
) -> None:
    hub = house.hub

    found = {
        name: go(hub, route, hub.token, **headers).status_code
        for name, route in ROUTE.items()
    }

    assert found == dict.fromkeys(ROUTE, status)


def test_an_agent_sees_what_it_asked_and_nothing_else(house: House) -> None:
    house.hub.report("you", "help", message="which one?", id="asked-by-you")

    def seen(kind: str, request: str) -> int:
        token = bearer(house.tokens[kind])
        return house.hub.get(f"/v1/help/{request}", headers=token).status_code

    assert [seen(kind, "asked-by-you") for kind in KNOWN] == [200] * 6 + [403] * 2
    assert {seen("agent", "unknown"), seen("other agent", "unknown")} == {403}


# --- every WebSocket ---


HELLOS = {"/v1/agent": {"agent": "you", "spool": "s"}, "/v1/bus": {"name": "you"}}


async def knock(house: House, path: str, kind: str) -> int:
    """Return the code that a token is closed with; 0 when it is welcome."""
    async with house.hub.open(path, token=house.tokens[kind]) as line:
        said = HELLOS.get(path, {})
        with suppress(ConnectionClosed):
            await line.say("hello", **said)
            if json.loads(await line.socket.recv())["type"] == "welcome":
                return 0
        return (await line.closed())[0]


@pytest.mark.parametrize("kind", [*STRANGERS, *KNOWN])
async def test_a_websocket_opens_to_those_it_is_for(house: House, kind: str) -> None:
    found = [await knock(house, path, kind) for path in SOCKETS]

    role, own = KNOWN.get(kind), kind in ("agent", "made agent")
    agent = 0 if role == "operator" or own else 4403
    watcher = 4403 if role == "agent" else 0
    of_role = {"/v1/agent": agent, "/v1/coordinator": watcher, "/v1/bus": 0}
    assert found == [of_role[path] if role else 4401 for path in SOCKETS]


@pytest.mark.parametrize("path", [*SOCKETS, "/v1/elsewhere", "/"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Origin": "http://evil.example"}, 403), ({"Host": "evil.example"}, 421)],
)
async def test_a_foreign_name_or_page_gets_no_websocket_anywhere(
    house: House, path: str, headers: dict[str, str], status: int
) -> None:
    host = headers.get("Host", "127.0.0.1")
    with pytest.raises(InvalidStatus) as refusal:
        await connect(
            f"ws://{host}{path}", host="127.0.0.1", port=house.hub.port, proxy=None,
            origin=headers.get("Origin"),  # type: ignore[arg-type]
        )  # fmt: skip

    assert refusal.value.response.status_code == status


# --- no secret comes out ---


async def test_no_secret_is_told_logged_or_kept(tmp_path: Path, house: House) -> None:
    with (tmp_path / "log").open("w") as log:
        told = await _busy_run(tmp_path, log)
    logged = (tmp_path / "log").read_text()

    home = tmp_path / "home"
    kept = {
        path.name: path.read_bytes().decode("latin-1")
        for path in home.rglob("*")
        if path.is_file() and path.name not in ("token", "secret", "hub.json")
    }
    secrets = [*told.pop("secrets").split(), (home / "secret").read_text().strip()]
    secrets += [secret.partition(".")[2] for secret in secrets if "." in secret]
    leaks = [
        (place, secret)
        for place, text in {**told, **kept, "log": logged}.items()
        for secret in secrets
        if secret in text
    ]
    assert leaks == []
    assert '"turned away"' in logged
    assert '"code": 401' in logged


async def _busy_run(folder: Path, log: Any) -> dict[str, str]:
    """Use a hub with every kind of token, in every way; return all that it said."""
    home = folder / "home"
    home.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "--port", "0", "--log-level", "debug"],
        env={**os.environ, "SWARMTUI_HOME": str(home)},
        stderr=log,
        text=True,
    )
    while not (home / "hub.json").exists() and process.poll() is None:
        pass
    hub = RunningHub(process, home)
    tokens = tokens_of(hub)
    said = dict[str, str]()
    for name, route in ROUTE.items():
        if not route.path.endswith("backup"):
            for kind, token in tokens.items():
                said[f"{name} {kind}"] = _without_its_own(go(hub, route, token))
    for kind in tokens:
        for path in SOCKETS:
            code = await knock(House(hub, tokens), path, kind)
            said[f"{path} {kind}"] = str(code)
    said["metrics"] = hub.get("/metrics").text
    said["events"] = hub.get("/v1/events?limit=1000").text
    said["tokens"] = hub.get("/v1/tokens").text
    hub.stop()
    return {**said, "secrets": " ".join(filter(lambda t: "." in t, tokens.values()))}


def _without_its_own(reply: httpx.Response) -> str:
    """Return an answer without the token that it was asked to show."""
    shows = reply.status_code in (200, 201) and "/v1/tokens" in str(reply.request.url)
    body = {**reply.json(), "token": ""} if shows else reply.text
    return f"{body} {reply.headers}"
