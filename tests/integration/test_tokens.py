"""Tokens: made, shown once, let in, ended."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentkit import Agent, Coordinator
from server.auth import Keys
from tests.integration.conftest import Line, RunningHub, Start

REVOKED = "the token was revoked"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def make(hub: RunningHub, role: str, **fields: Any) -> tuple[str, str]:
    """Return the id and the secret of a new token."""
    made = hub.post("/v1/tokens", {"role": role, **fields})
    assert made.status_code == 201, made.text
    return made.json()["row"]["id"], made.json()["token"]


def revoke(hub: RunningHub, token: str) -> dict[str, Any]:
    done = hub.post(f"/v1/tokens/{token}/revoke", {})
    assert done.status_code == 200, done.text
    said: dict[str, Any] = done.json()
    return said


def status(hub: RunningHub, token: str, path: str = "/v1/agents") -> int:
    return hub.get(path, headers=bearer(token)).status_code


def last(hub: RunningHub, subject: str) -> dict[str, Any]:
    found = hub.get(f"/v1/events?subject={subject}&newest_first=1&limit=1").json()
    data: dict[str, Any] = found["events"][0]["data"]
    return data


async def watch(line: Line) -> None:
    await line.say("hello")
    await line.hear("welcome")
    await line.hear_snapshot()


# --- making ---


@pytest.mark.parametrize(
    ("role", "fields", "sees"),
    [("operator", {}, 200), ("viewer", {}, 200), ("agent", {"agent": "a9"}, 403)],
)
def test_a_token_is_let_in_with_its_role(
    hub: RunningHub, role: str, fields: dict[str, str], sees: int
) -> None:
    _, secret = make(hub, role, **fields)

    assert status(hub, secret) == sees
    assert secret.startswith(f"{role}.")


def test_an_agents_token_is_good_for_that_agent_alone(hub: RunningHub) -> None:
    _, secret = make(hub, "agent", agent="mine")

    own = hub.post("/v1/agents/mine/status", {"report": "idle"}, headers=bearer(secret))
    other = hub.post(
        "/v1/agents/his/status", {"report": "idle"}, headers=bearer(secret)
    )

    assert (own.status_code, other.status_code) == (200, 403)


def test_a_secret_is_shown_once_and_kept_nowhere(start: Start, tmp_path: Path) -> None:
    hub = start()
    _, secret = make(hub, "viewer", name="wall")

    shown = [
        hub.get("/v1/tokens").text,
        hub.get("/v1/events?limit=1000").text,
        *(path.read_bytes().decode("latin-1") for path in _files(tmp_path)),
    ]

    assert not [text for text in shown if secret in text]
    assert '"name":"wall"' in shown[0]
    assert "digest" not in shown[0]


def _files(home: Path) -> Iterator[Path]:
    return (path for path in home.rglob("*") if path.is_file())


def test_the_same_key_makes_no_second_token(hub: RunningHub) -> None:
    key = {"idempotency-key": "once"}
    first = hub.post("/v1/tokens", {"role": "viewer"}, headers=key)
    before = len(hub.get("/v1/tokens").json()["tokens"])

    again = hub.post("/v1/tokens", {"role": "viewer"}, headers=key)

    assert (first.status_code, again.status_code) == (201, 409)
    assert len(hub.get("/v1/tokens").json()["tokens"]) == before
    assert "shown" in again.json()["detail"]


@pytest.mark.parametrize(
    "wish",
    [
        {"role": "king"},
        {"role": "agent"},
        {"role": "viewer", "agent": "a"},
        {"role": "viewer", "days": 0},
        {"role": "viewer", "days": 1e9},
        {"role": "viewer", "name": "operator"},
        {"role": "viewer", "name": "x" * 100_000},
        {},
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(
    hub: RunningHub, wish: dict[str, Any]
) -> None:
    assert hub.post("/v1/tokens", wish).status_code == 422


def test_what_was_done_is_logged_with_the_tokens_name(hub: RunningHub) -> None:
    _, secret = make(hub, "operator", name="night shift")
    told = hub.post("/v1/broadcasts", {"text": "hi"}, headers=bearer(secret))
    key = hub.post("/v1/tokens", {"role": "viewer"}, headers=bearer(secret)).json()

    revoke(hub, key["row"]["id"])

    assert told.json()["broadcast"]["by"] == "night shift"
    assert last(hub, "token.created")["by"] == "night shift"
    assert last(hub, "token.revoked")["by"] == "operator"
    assert last(hub, "token.revoked")["token"] == key["row"]["id"]


def test_tokens_outlive_a_restart(start: Start, tmp_path: Path) -> None:
    hub = start()
    _, good = make(hub, "viewer")
    gone, bad = make(hub, "viewer")
    old = hub.post("/v1/tokens/agent:a1/derive", {}).json()["token"]
    for token in (gone, "agent:a1", "viewer"):
        revoke(hub, token)
    hub.stop()

    hub = start(home=tmp_path)

    assert (status(hub, good), status(hub, bad)) == (200, 401)
    assert status(hub, old, "/v1/agents/a1") == 401
    assert status(hub, Keys.load(tmp_path).derive("viewer")) == 401
    assert status(hub, Keys.load(tmp_path).derive("viewer", 1)) == 200


# --- ending ---


def test_a_revoked_token_is_refused_from_the_next_request_on(hub: RunningHub) -> None:
    key, secret = make(hub, "viewer")
    before = status(hub, secret)

    revoke(hub, key)
    refused = hub.get("/v1/agents", headers=bearer(secret))

    assert (before, refused.status_code) == (200, 401)
    assert REVOKED in refused.json()["detail"]


@pytest.mark.parametrize("token", ["viewer", "agent:gen"])
def test_a_derived_token_gives_way_to_its_next_generation(
    hub: RunningHub, token: str
) -> None:
    def derived() -> str:
        return str(hub.post(f"/v1/tokens/{token}/derive", {}).json()["token"])

    first = derived()
    revoke(hub, token)
    second = derived()
    revoke(hub, token)
    third = derived()

    codes = [status(hub, secret, "/v1/agents/gen") for secret in (first, second)]
    assert codes == [401, 401]
    assert status(hub, third, "/v1/agents/gen") in (200, 404)
    assert len({first, second, third}) == 3


@pytest.mark.parametrize("token", ["nobody", "agent:", "webhook"])
def test_what_is_no_token_is_not_revoked(hub: RunningHub, token: str) -> None:
    assert hub.post(f"/v1/tokens/{token}/revoke", {}).status_code in (404, 422)


async def test_a_watcher_is_closed_when_its_token_is_revoked(hub: RunningHub) -> None:
    key, secret = make(hub, "viewer")
    async with hub.open("/v1/coordinator", token=secret) as line:
        await watch(line)

        revoke(hub, key)
        code, reason = await line.closed()

    assert code == 4401
    assert REVOKED in reason


async def test_an_agent_is_closed_when_its_derived_token_is_revoked(
    hub: RunningHub,
) -> None:
    async def join(agent: str, line: Line) -> None:
        await line.say("hello", agent=agent, spool="s")
        await line.hear("welcome")

    keys = Keys.load(hub.home)
    mine, his = keys.derive("agent:mine"), keys.derive("agent:his")
    async with (
        hub.open("/v1/agent", token=mine) as one,
        hub.open("/v1/agent", token=his) as other,
    ):
        await join("mine", one)
        await join("his", other)

        revoke(hub, "agent:mine")
        code, _ = await one.closed()
        await other.say("notify", seq=1, report="busy")
        await other.hear("ack")

    assert code == 4401


async def test_a_connection_that_has_not_said_hello_is_closed_too(
    hub: RunningHub,
) -> None:
    key, secret = make(hub, "agent", agent="late")
    async with hub.open("/v1/agent", token=secret) as line:
        revoke(hub, key)

        code, _ = await line.closed()

    assert code == 4401


def test_a_stream_of_events_ends_with_the_reason(hub: RunningHub) -> None:
    key, secret = make(hub, "viewer")
    headers = {**bearer(secret), "accept": "text/event-stream"}
    with httpx.stream(
        "GET", f"{hub.url}/v1/events", headers=headers, trust_env=False, timeout=10
    ) as reply:
        lines = reply.iter_lines()
        next(lines)

        revoke(hub, key)
        rest = [line for line in lines if line]

    assert rest[-2] == "event: error"
    assert REVOKED in rest[-1]


def test_waiting_for_mail_ends_with_a_refusal(hub: RunningHub) -> None:
    key, secret = make(hub, "agent", agent="waiter")
    hub.report("waiter", "idle")
    reply = _while_waiting(
        hub,
        "/v1/agents/waiter/mailbox?wait=50",
        secret,
        lambda: revoke(hub, key),
    )

    assert reply.status_code == 401
    assert REVOKED in reply.json()["detail"]


def _while_waiting(
    hub: RunningHub, path: str, token: str, act: Callable[[], Any]
) -> httpx.Response:
    """Return the answer of a request that something happens to while it waits."""
    from concurrent.futures import ThreadPoolExecutor

    def ask() -> httpx.Response:
        return httpx.get(
            hub.url + path, headers=bearer(token), trust_env=False, timeout=20
        )

    with ThreadPoolExecutor() as pool:
        asked = pool.submit(ask)
        while "swarmtui_staying 1.0" not in hub.get("/metrics").text:
            assert not asked.done()
            time.sleep(0.01)
        act()
        return asked.result()


async def test_a_token_that_expires_ends_whoever_is_here_with_it(
    hub: RunningHub,
) -> None:
    _, secret = make(hub, "viewer", days=1.5 / 86_400)
    async with hub.open("/v1/coordinator", token=secret) as line:
        await watch(line)

        code, reason = await line.closed()

    refused = hub.get("/v1/agents", headers=bearer(secret))
    assert code == 4401
    assert "expired at" in reason
    assert refused.status_code == 401
    assert "expired at" in refused.json()["detail"]


# --- the operator's own ---


async def test_the_operators_token_gives_way_to_another_in_its_files(
    start: Start, tmp_path: Path
) -> None:
    hub = start("--store", "memory")
    async with hub.watch() as line:
        fresh = revoke(hub, "operator")["token"]
        code, _ = await line.closed()

    found = json.loads((tmp_path / "hub.json").read_text())
    assert code == 4401
    assert status(hub, hub.token) == 401
    assert status(hub, fresh) == 200
    assert fresh == found["token"] == (tmp_path / "token").read_text().strip()
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert found["url"] == hub.url
    hub.token = fresh
    hub.http.headers.update(bearer(fresh))
    assert last(hub, "token.revoked")["token"] == "operator"


def test_a_token_file_that_cannot_be_replaced_leaves_all_as_it_is(
    start: Start, tmp_path: Path
) -> None:
    hub = start("--store", "memory")
    (tmp_path / f".token.{hub.process.pid}").mkdir()

    refused = hub.post("/v1/tokens/operator/revoke", {})

    assert refused.status_code == 409
    assert "restart the hub" in refused.json()["detail"]
    assert status(hub, hub.token) == 200


# --- the command ---


def command(hub: RunningHub, *words: str) -> tuple[int, str, str]:
    """Return exit code, output and words of ``swarmtui token``."""
    done = subprocess.run(
        [sys.executable, "-m", "swarmtui", "token", *words],
        env={**os.environ, "SWARMTUI_HOME": str(hub.home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_the_command_makes_lists_and_revokes_tokens(hub: RunningHub) -> None:
    _, made, said = command(
        hub, "create", "--role", "viewer", "--name", "kiosk", "--expires", "30d"
    )
    key = said.split()[1].rstrip(";")
    before = status(hub, made.strip())
    _, table, _ = command(hub, "list")

    code, _, gone = command(hub, "revoke", key)
    _, after, _ = command(hub, "list", "--json")

    row = next(row for row in json.loads(after)["tokens"] if row["id"] == key)
    assert (before, status(hub, made.strip()), code) == (200, 401, 0)
    assert made.strip() not in table + after
    assert f"token {key} is let in no longer" in gone
    assert "kiosk" in table
    assert row["revoked"]


def test_the_command_derives_tokens_and_their_next_generation(hub: RunningHub) -> None:
    def derived() -> list[str]:
        _, out, _ = command(hub, "derive", "agent:x1", "agent:x2", "--json")
        return [row["token"] for row in json.loads(out)["tokens"]]

    first = derived()
    code, _, said = command(hub, "revoke", "agent:x1")
    second = derived()

    codes = [status(hub, token, "/v1/agents/x1") for token in (first[0], second[0])]
    assert code == 0
    assert "swarmtui token derive agent:x1" in said
    assert (first[0] == second[0], first[1] == second[1]) == (False, True)
    assert codes == [401, 404]


def test_the_command_makes_the_operators_token_anew_and_goes_on(start: Start) -> None:
    hub = start("--store", "memory")
    asked, nothing, why = command(hub, "revoke", "operator")
    before = status(hub, hub.token)

    code, fresh, _ = command(hub, "revoke", "operator", "--yes")
    next_code, listed, _ = command(hub, "list")

    assert (asked, nothing, before) == (5, "", 200)
    assert "--yes" in why
    assert (code, next_code) == (0, 0)
    assert status(hub, hub.token) == 401
    assert status(hub, fresh.strip()) == 200
    assert "operator" in listed


@pytest.mark.parametrize(
    ("words", "code", "tells"),
    [
        (("create",), 2, "--role"),
        (("create", "--role", "agent"), 2, "--agent"),
        (("create", "--role", "viewer", "--agent", "a"), 2, "--agent"),
        (("create", "--role", "viewer", "--expires", "soon"), 2, "30d"),
        (("create", "--role", "viewer", "--name", "operator"), 2, "name"),
        (("revoke", "nobody"), 3, "nobody"),
        (("derive", "nobody"), 2, "agent:"),
        (("frob",), 2, "frob"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_sentence(
    hub: RunningHub, words: tuple[str, ...], code: int, tells: str
) -> None:
    ended, out, said = command(hub, *words)

    assert (ended, out) == (code, "")
    assert tells in said
    assert said.count("\n") == 1


async def test_agents_of_this_machine_outlive_the_operators_token(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = start("--store", "memory")
    monkeypatch.setenv("SWARMTUI_HOME", str(hub.home))
    async with Agent("local") as agent, Coordinator() as swarm:
        await agent.busy("T1")
        await agent.flush(timeout=10)

        fresh = revoke(hub, "operator")["token"]
        await agent.busy("T2")
        await agent.flush(timeout=20)

        async for _ in swarm.changes():
            if swarm.agents["local"].task == "T2":
                break
    hub.http.headers.update(bearer(fresh))
    assert hub.get("/v1/agents/local").json()["agent"]["task"] == "T2"
