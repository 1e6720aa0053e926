"""How a hub ends: what is open is finished, for a while, and nothing is lost."""

import asyncio
import json
import signal
import socket
from typing import Any

import httpx
import pytest

from tests.integration.conftest import RunningHub, Start


class HalfRequest:
    """A report whose body has not yet come as a whole."""

    def __init__(self, hub: RunningHub, agent: str) -> None:
        body = json.dumps({"report": "busy", "task": "T1"}).encode()
        head = (
            f"POST /v1/agents/{agent}/status HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\n"
            f"Authorization: Bearer {hub.token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._rest = body[5:]
        self._socket = socket.create_connection(("127.0.0.1", hub.port), timeout=20)
        self._socket.sendall(head.encode() + body[:5])

    def finish(self) -> bytes:
        self._socket.sendall(self._rest)
        return self.answer()

    def answer(self) -> bytes:
        with self._socket, self._socket.makefile("rb") as file:
            return file.read()


def heard(hub: RunningHub, text: str) -> list[dict[str, Any]]:
    """Read the hub's log until a text is told; return it so far."""
    assert hub.process.stderr is not None
    lines = []
    for line in hub.process.stderr:
        lines.append(json.loads(line))
        if text in lines[-1]["text"]:
            return lines
    raise AssertionError(f"the hub never said {text!r}: {lines}")


def rest(hub: RunningHub) -> list[dict[str, Any]]:
    assert hub.process.stderr is not None
    return [json.loads(line) for line in hub.process.stderr]


def arrived(hub: RunningHub) -> None:
    """Let the hub take in what was sent before this."""
    hub.get("/healthz").raise_for_status()


def knock_for_ever(hub: RunningHub) -> None:
    while True:
        httpx.get(f"{hub.url}/healthz", trust_env=False).raise_for_status()


def test_a_request_that_is_open_is_finished_and_stored(start: Start) -> None:
    hub = start()
    request = HalfRequest(hub, "slow")
    arrived(hub)
    hub.process.terminate()
    heard(hub, "told to stop by SIGTERM")

    answer = request.finish()

    assert answer.startswith(b"HTTP/1.1 200")
    assert hub.process.wait(timeout=20) == 0
    assert start().get("/v1/agents/slow").json()["agent"]["task"] == "T1"


def test_nobody_new_is_let_in_while_the_hub_ends(start: Start) -> None:
    hub = start()
    request = HalfRequest(hub, "slow")
    arrived(hub)
    hub.process.terminate()
    heard(hub, "told to stop")

    with pytest.raises(httpx.TransportError):
        knock_for_ever(hub)
    request.finish()


def test_a_second_signal_does_not_wait(start: Start) -> None:
    hub = start()
    hub.report("quick", "busy", task="T1")
    request = HalfRequest(hub, "slow")
    arrived(hub)
    hub.process.terminate()
    heard(hub, "told to stop")

    hub.process.send_signal(signal.SIGINT)

    assert hub.process.wait(timeout=20) == 0
    assert not [line for line in rest(hub) if "timeout" in line["text"]]
    assert b"200" not in request.answer()
    assert start().get("/v1/agents/quick").json()["agent"]["task"] == "T1"


def test_a_request_that_never_ends_holds_the_hub_up_for_seconds_only(
    start: Start,
) -> None:
    hub = start()
    request = HalfRequest(hub, "slow")
    arrived(hub)

    hub.process.terminate()

    assert hub.process.wait(timeout=20) == 0
    assert [line for line in rest(hub) if "timeout" in line["text"]]
    assert b"200" not in request.answer()


async def test_agents_and_watchers_are_told_that_the_hub_restarts(
    start: Start,
) -> None:
    hub = start()
    async with hub.agent("a1") as agent, hub.watch() as watcher:
        hub.process.terminate()
        codes = await asyncio.gather(agent.closed(), watcher.closed())

    assert [code for code, _ in codes] == [1012, 1012]
    assert all("restarting" in reason for _, reason in codes)


def test_a_log_is_one_object_a_line_and_holds_no_secret(start: Start) -> None:
    hub = start("--log-level", "debug")
    hub.report("a1", "help", message="two\nlines")
    stranger = {"Authorization": "Bearer wrong-but-secret"}
    hub.get("/v1/agents", headers=stranger)
    hub.process.terminate()
    hub.process.wait(timeout=20)

    lines = rest(hub)

    assert {"at", "level", "logger", "text"} <= set.intersection(*map(set, lines))
    assert lines[-1]["text"] == "stopped"
    written = json.dumps(lines)
    assert hub.token not in written
    assert "wrong-but-secret" not in written
    assert [line["code"] for line in lines if line["logger"] == "swarmtui.door"]
