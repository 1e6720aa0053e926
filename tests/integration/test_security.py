"""Who may do what: tokens, roles, names, pages, sizes."""

import socket

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from server.auth import Keys
from tests.integration.conftest import RunningHub, Start

DOORS = ["/v1/agents", "/v1/queue", "/v1/help", "/v1/events", "/metrics"]


def keys(hub: RunningHub) -> Keys:
    return Keys.load(hub.home)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


# --- tokens ---


@pytest.mark.parametrize("path", DOORS)
def test_every_door_of_the_api_asks_for_a_token(hub: RunningHub, path: str) -> None:
    none = hub.get(path, headers={"authorization": ""})
    wrong = hub.get(path, headers=bearer("guess"))

    assert (none.status_code, wrong.status_code) == (401, 401)
    assert none.headers["www-authenticate"] == "Bearer"
    assert none.headers["content-type"] == "application/problem+json"


def test_a_token_in_the_url_is_no_token(hub: RunningHub) -> None:
    path = f"/v1/agents?token={hub.token}"

    assert hub.get(path, headers={"authorization": ""}).status_code == 401


def test_files_with_secrets_are_private(hub: RunningHub) -> None:
    modes = {
        name: (hub.home / name).stat().st_mode & 0o777
        for name in ("hub.json", "token", "secret")
    }

    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("path", ["/v1/agent", "/v1/coordinator", "/v1/bus"])
async def test_a_websocket_without_a_token_is_closed(
    hub: RunningHub, path: str
) -> None:
    async with hub.open(path, token="guess") as line:
        code, reason = await line.closed()

    assert code == 4401
    assert "hub.json" in reason


# --- roles ---


def test_a_viewer_sees_and_changes_nothing(hub: RunningHub) -> None:
    viewer = bearer(keys(hub).derive("viewer"))
    hub.report("seen", "idle")

    sees = hub.get("/v1/agents/seen", headers=viewer)
    wishes = hub.post("/v1/tasks", {"agent": "seen"}, headers=viewer)
    reports = hub.post("/v1/agents/seen/status", {"report": "busy"}, headers=viewer)

    assert sees.status_code == 200
    assert (wishes.status_code, reports.status_code) == (403, 403)
    assert wishes.json()["code"] == "not_allowed"


async def test_a_viewer_watches_and_may_not_command(hub: RunningHub) -> None:
    async with hub.open("/v1/coordinator", token=keys(hub).derive("viewer")) as line:
        await line.say("hello")
        assert (await line.hear("welcome"))["role"] == "viewer"
        await line.hear_snapshot()

        refused = await line.request("broadcast", text="hi")
        answered = await line.request("events", limit=1)

    assert refused["code"] == "not_allowed"
    assert answered["ok"]


def test_an_agent_acts_as_itself_only(hub: RunningHub) -> None:
    mine = bearer(keys(hub).derive("agent:me"))

    own = hub.post("/v1/agents/me/status", {"report": "busy"}, headers=mine)
    other = hub.post("/v1/agents/you/status", {"report": "busy"}, headers=mine)
    everybody = hub.get("/v1/agents", headers=mine)
    mailbox = hub.get("/v1/agents/you/mailbox", headers=mine)

    assert own.status_code == 200
    assert hub.get("/v1/agents/me", headers=mine).status_code == 200
    assert {other.status_code, everybody.status_code, mailbox.status_code} == {403}
    assert hub.get("/v1/agents/you").status_code == 404


async def test_an_agents_token_opens_no_other_agents_connection(
    hub: RunningHub,
) -> None:
    token = keys(hub).derive("agent:me")
    async with hub.open("/v1/agent", token=token) as line:
        await line.say("hello", agent="you", spool="s")
        stranger = await line.closed()
    async with hub.open("/v1/coordinator", token=token) as line:
        watcher = await line.closed()
    async with hub.open("/v1/agent", token=token) as line:
        await line.say("hello", agent="me", spool="s")
        welcome = await line.hear("welcome")

    assert (stranger[0], watcher[0]) == (4403, 4403)
    assert welcome["agent"] == "me"


# --- names and pages ---


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "localhost.evil"]
)
def test_a_foreign_name_is_misdirected(hub: RunningHub, host: str) -> None:
    for path in ("/status", "/v1/agents", "/healthz"):
        assert hub.get(path, headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8765"])
def test_our_own_names_are_answered(hub: RunningHub, host: str) -> None:
    assert hub.get("/v1/agents", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("hosts", ["", "Host: localhost\r\nHost: localhost\r\n"])
def test_exactly_one_host_must_be_sent(hub: RunningHub, hosts: str) -> None:
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as raw:
        raw.sendall(f"GET /healthz HTTP/1.1\r\n{hosts}\r\n".encode())

        assert b" 400 " in raw.recv(100)


def test_a_web_page_is_refused(hub: RunningHub) -> None:
    page = {"origin": "http://evil.example"}
    said = {"session_id": "a", "status": "idle", "timestamp": "2025-11-12T13:00:00"}

    posted = hub.post("/agent/idle", said, headers=page)
    read = hub.get("/v1/agents", headers=page)

    assert (posted.status_code, read.status_code) == (403, 403)
    assert "access-control-allow-origin" not in read.headers


async def test_a_web_page_gets_no_websocket(hub: RunningHub) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with hub.open("/v1/coordinator", Origin="http://evil.example"):
            pass

    assert refusal.value.response.status_code == 403


async def test_a_foreign_name_gets_no_websocket(hub: RunningHub) -> None:
    url = "ws://evil.example/v1/coordinator"
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(url, host="127.0.0.1", port=hub.port, proxy=None):
            pass

    assert refusal.value.response.status_code == 421


def test_names_and_pages_can_be_allowed(start: Start) -> None:
    hub = start(
        "--store", "memory",
        "--allowed-hosts", "hub.example",
        "--allowed-origins", "https://desk.example",
    )  # fmt: skip
    allowed = {"host": "hub.example:8765", "origin": "https://desk.example"}

    assert hub.get("/v1/agents", headers=allowed).status_code == 200


# --- sizes and kinds ---


@pytest.mark.parametrize("path", ["/agent/idle", "/v1/agents/a/status"])
def test_a_body_that_is_not_called_json_is_refused(hub: RunningHub, path: str) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}

    reply = hub.http.post(path, content=b"a=b", headers=form)

    assert reply.status_code == 415
    assert "application/json" in reply.json()["detail"]


@pytest.mark.parametrize("path", ["/agent/idle", "/v1/broadcasts"])
@pytest.mark.parametrize("told", [True, False])
def test_a_body_that_is_too_long_is_refused(
    hub: RunningHub, path: str, told: bool
) -> None:
    chunks = (b"x" * 65_536 for _ in range(17))
    kind = {"content-type": "application/json"}

    reply = hub.http.post(
        path, content=b"x" * (1 << 21) if told else chunks, headers=kind
    )

    assert reply.status_code == 413


def test_too_many_reports_are_told_to_wait(start: Start) -> None:
    hub = start("--store", "memory", "--agent-rate", "1", "--agent-burst", "3")

    codes = [
        hub.post("/v1/agents/fast/status", {"report": "busy"}).status_code
        for _ in range(4)
    ]
    reply = hub.post("/v1/agents/fast/status", {"report": "busy"})

    assert codes == [200, 200, 200, 429]
    assert int(reply.headers["retry-after"]) >= 1
    assert hub.post("/v1/agents/calm/status", {"report": "busy"}).status_code == 200


async def test_too_many_connections_are_refused(start: Start) -> None:
    hub = start("--store", "memory", "--max-connections", "1")
    async with hub.agent("first"):
        with pytest.raises(InvalidStatus) as refusal:
            async with hub.agent("second"):
                pass

    assert refusal.value.response.status_code == 503


# --- without tokens ---


def test_auth_off_makes_everybody_an_operator(start: Start) -> None:
    hub = start("--store", "memory", "--auth", "off")
    hub.report("a", "idle")

    reply = hub.post("/v1/tasks", {"agent": "a"}, headers={"authorization": ""})

    assert reply.status_code == 201
