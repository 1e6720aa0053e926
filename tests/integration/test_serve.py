"""The hub as a process: starts, announces itself, says what is wrong, stops."""

import asyncio
import json
import os
import resource
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.conftest import RunningHub, Start


def attempt(home: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run a hub that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "server", *flags],
        env={**os.environ, "SWARMTUI_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def announced(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / "hub.json").read_text())
    return found


# --- the announcement ---


def test_a_running_hub_announces_itself(start: Start) -> None:
    hub = start("--store", "memory")

    found = announced(hub.home)
    assert found["pid"] == hub.process.pid
    assert found["url"] == hub.url
    assert set(found) == {"url", "token", "pid", "version", "started"}
    assert stat.S_IMODE((hub.home / "hub.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_hub_that_is_told_to_stop_leaves_no_announcement(
    start: Start, number: signal.Signals
) -> None:
    hub = start("--store", "memory")

    hub.process.send_signal(number)

    assert hub.process.wait(timeout=10) == 0
    assert not (hub.home / "hub.json").exists()


def test_another_hubs_announcement_is_left_alone(start: Start) -> None:
    hub = start("--store", "memory")
    other = {**announced(hub.home), "pid": 1}
    (hub.home / "hub.json").write_text(json.dumps(other))

    hub.stop()

    assert announced(hub.home) == other


def test_the_token_stays_the_same_over_restarts(start: Start) -> None:
    first = start()
    first.report("a1", "busy", task="T1")
    first.stop()

    second = start()

    assert second.token == first.token
    assert second.get("/v1/agents/a1").json()["agent"]["task"] == "T1"


def test_a_token_may_come_from_a_file(start: Start, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("my-own-token\n")

    hub = start("--store", "memory", "--token-file", str(tmp_path / "mine"))

    assert hub.token == "my-own-token"
    assert hub.get("/v1/agents").status_code == 200


# --- the end ---


async def test_what_was_acknowledged_before_the_stop_is_there_after_it(
    start: Start,
) -> None:
    hub = start()
    async with hub.agent("last") as line:
        for seq in range(1, 51):
            await line.say("notify", seq=seq, report="busy", task=f"T{seq}")
        await line.hear("ack")
        hub.process.terminate()
        await line.closed()
    hub.process.wait(timeout=10)

    again = start()

    async with again.agent("last") as line:
        accepted = line.welcome["accepted"]
    assert accepted >= 1
    row = again.get("/v1/agents/last").json()["agent"]
    assert row["task"] == f"T{accepted}"


async def test_a_hub_that_stops_ends_answers_that_wait(start: Start) -> None:
    hub = start("--store", "memory")
    hub.report("waits", "idle")
    headers = {"authorization": f"Bearer {hub.token}", "accept": "text/event-stream"}
    async with httpx.AsyncClient(base_url=hub.url, headers=headers) as client:
        mailbox = asyncio.create_task(client.get("/v1/agents/waits/mailbox?wait=60"))
        async with client.stream("GET", "/v1/events") as reply:
            events = reply.aiter_lines()
            assert "retry" in await anext(events)
            hub.process.terminate()
            rest = [line async for line in events]

        assert (await mailbox).json()["mail"] == []
    assert hub.process.wait(timeout=10) == 0
    assert hub.process.stderr is not None
    assert '"level": "error"' not in hub.process.stderr.read()
    assert rest


def test_an_embedded_hub_ends_with_whoever_started_it(start: Start) -> None:
    hub = start("--store", "memory", "--embedded")
    assert hub.process.stdin is not None

    hub.process.stdin.close()

    assert hub.process.wait(timeout=10) == 0
    assert not (hub.home / "hub.json").exists()


def test_a_hub_that_is_not_embedded_outlives_its_standard_input(
    start: Start,
) -> None:
    hub = start("--store", "memory")
    assert hub.process.stdin is not None

    hub.process.stdin.close()

    assert hub.get("/healthz").status_code == 200


# --- what is wrong, in one sentence ---


def test_a_taken_port_is_reported_with_who_holds_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = attempt(tmp_path, "--port", str(port))

    assert ended.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken" in ended.stderr
    assert f"process {os.getpid()} (" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_holder_of_a_port_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); "
    code += "print(s.getsockname()[1], flush=True); input() # \x1b[31m\n"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        port = holder.stdout.readline().strip()

        ended = attempt(tmp_path, "--port", port)
        holder.communicate("\n")

    assert f"process {holder.pid} (" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "\x1b" not in ended.stderr


def test_a_hub_that_holds_the_port_can_be_attached_to(
    start: Start, tmp_path: Path
) -> None:
    hub = start("--store", "memory")

    ended = attempt(tmp_path / "other", "--port", str(hub.port))

    assert ended.returncode == 1
    assert f"swarmtui attach {hub.url}" in ended.stderr
    assert f"process {hub.process.pid} (" in ended.stderr


@pytest.mark.parametrize(
    ("flags", "tells"),
    [
        (["--port", "99999"], "65535"),
        (["--keep-days", "0"], "is not between 0.00069 and 36500"),
        (["--store", "paper"], "sqlite"),
        (["--host", "0.0.0.0"], "--insecure"),
        (["--host", "0.0.0.0", "--insecure", "--auth", "off"], "token is needed"),
        (["--host", "0.0.0.0", "--insecure", "--seed-api", "open"], "token is needed"),
        (["--tls-cert", "cert.pem"], "--tls-key"),
    ],
)
def test_a_setting_that_will_not_do_is_a_usage_error(
    tmp_path: Path, flags: list[str], tells: str
) -> None:
    ended = attempt(tmp_path, *flags)

    assert ended.returncode == 2
    assert tells in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_address_that_is_not_ours_cannot_be_listened_on(tmp_path: Path) -> None:
    ended = attempt(tmp_path, "--host", "192.0.2.1", "--insecure")

    assert ended.returncode == 1
    assert "192.0.2.1:8765 cannot be listened on" in ended.stderr
    assert "--host" in ended.stderr


def test_a_second_hub_on_the_same_store_refuses_to_start(
    start: Start, tmp_path: Path
) -> None:
    hub = start()

    ended = attempt(tmp_path, "--port", "0")

    assert ended.returncode == 1
    assert "hub.db" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert hub.get("/healthz").status_code == 200


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    ended = attempt(tmp_path, "--port", "0", "--data-dir", str(tmp_path / "file"))

    assert ended.returncode == 1
    assert str(tmp_path / "file") in ended.stderr
    assert "--data-dir" in ended.stderr


def test_a_damaged_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff")

    ended = attempt(tmp_path, "--port", "0")

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"swarmtui serve: {tmp_path}/secret does not hold")
    assert "Traceback" not in ended.stderr


def test_an_ipv6_address_may_stand_in_brackets(start: Start) -> None:
    hub = start("--store", "memory", "--host", "[::1]")

    assert hub.url.startswith("http://[::1]:")
    assert hub.get("/healthz").status_code == 200


# --- a store that cannot be written ---


def test_a_failing_commit_is_answered_with_503_until_it_can_be_written_again(
    start: Start,
) -> None:
    hub = start()
    allow_files_of(hub, 400_000)
    stored = 0
    while (reply := say(hub, stored + 1)).status_code == 200:
        stored += 1

    allow_files_of(hub, resource.RLIM_INFINITY)
    wait_until_ready(hub)

    problem = reply.json()
    assert (reply.status_code, problem["code"]) == (503, "hub_unavailable")
    assert reply.headers["retry-after"] == "1"
    assert "hub.db" in problem["detail"]
    assert hub.get("/v1/agents/writes").json()["agent"]["task"] == f"T{stored}"
    assert say(hub, stored + 1).status_code == 200


async def test_an_agent_that_goes_while_nothing_can_be_written_is_unlinked_later(
    start: Start,
) -> None:
    hub = start()
    async with hub.agent("goes"):
        allow_files_of(hub, 1)
        assert say(hub, 1).status_code == 503
    allow_files_of(hub, resource.RLIM_INFINITY)
    wait_until_ready(hub)

    assert wait_for(lambda: not hub.get("/v1/agents/goes").json()["agent"]["linked"])


def allow_files_of(hub: RunningHub, size: int) -> None:
    """Let the hub write files of at most `size` bytes, as on a full disk."""
    limits = (size, resource.RLIM_INFINITY)
    resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, limits)


def say(hub: RunningHub, number: int) -> httpx.Response:
    said = {"report": "busy", "task": f"T{number}", "message": "x" * 10_000}
    return hub.post("/v1/agents/writes/status", said)


def wait_until_ready(hub: RunningHub) -> None:
    assert wait_for(lambda: hub.get("/v1/queue").status_code == 200)


def wait_for(look: Callable[[], bool]) -> bool:
    for _ in range(200):
        if look():
            return True
        time.sleep(0.05)
    return False


# --- other addresses ---


def test_the_webhook_is_closed_where_others_can_reach_it(start: Start) -> None:
    hub = start("--store", "memory", "--host", "0.0.0.0", "--insecure")

    assert hub.get("/status").status_code == 404
    assert hub.get("/v1/agents").status_code == 200


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl for a key")
def test_a_hub_with_a_certificate_speaks_tls(start: Start, tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout", str(key),
         "-out", str(cert), "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )  # fmt: skip

    hub = start("--store", "memory", "--tls-cert", str(cert), "--tls-key", str(key))

    trust = ssl.create_default_context(cafile=str(cert))
    headers = {"authorization": f"Bearer {hub.token}"}
    with httpx.Client(verify=trust, trust_env=False) as client:
        assert client.get(f"{hub.url}/v1/agents", headers=headers).status_code == 200
    assert hub.url.startswith("https://127.0.0.1:")


# --- many connections ---


async def test_memory_is_flat_over_reconnect_storms(start: Start) -> None:
    hub = start("--store", "memory")

    async def storm() -> int:
        for _ in range(10):
            await asyncio.gather(*(visit(number) for number in range(50)))
        return memory(hub.process.pid)

    async def visit(number: int) -> None:
        async with hub.agent(f"a{number}"):
            pass

    await storm()
    first = await storm()
    last = [await storm() for _ in range(3)][-1]

    assert last - first < 6_000_000


def memory(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()
