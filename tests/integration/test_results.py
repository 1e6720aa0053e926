"""Results of any size, through real hubs: streamed, waited for, killed, sealed."""

import asyncio
import hashlib
import json
import os
import re
import resource
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentkit import Agent, ResultBackend
from agentkit.errors import (
    CallTimeout,
    Conflict,
    HubError,
    HubUnreachable,
    Invalid,
    NotAllowed,
    NotFound,
)
from agentkit.jobs import Job
from agentkit.settings import Endpoint
from server.auth import Keys
from tests.integration.authority import Authority
from tests.integration.conftest import RunningHub, Start
from tests.integration.shell import Shell

MIB = 1 << 20
KEY = {"SWARMTUI_STORAGE_MASTER_KEY": "one that is long enough for everybody"}
ANY = "application/octet-stream"

PLAN = {
    "name": "pages",
    "main": "main",
    "machines": {
        "main": {
            "context": {"pages": None},
            "states": {
                "draw": {
                    "type": "initial",
                    "agent": "drawer",
                    "output_to_context": {"pages": "{{ output }}"},
                    "transitions": [{"to": "end"}],
                },
                "end": {"type": "final", "output": {"pages": "{{ context.pages }}"}},
            },
        }
    },
}


def at(run: str, name: str) -> str:
    return f"/v1/results/{run}/{name}"


def put(
    hub: RunningHub, path: str, data: bytes | Iterator[bytes], **options: Any
) -> httpx.Response:
    return hub.http.put(path, content=data, timeout=60, **options)


def files(hub: RunningHub) -> list[Path]:
    return [path for path in (hub.home / "results").rglob("*") if path.is_file()]


def peak(hub: RunningHub) -> int:
    """Return the bytes of memory that a hub has had at most."""
    status = Path(f"/proc/{hub.process.pid}/status").read_text()
    (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kib) * 1024


def until(look: Callable[[], Any]) -> None:
    while not look():
        time.sleep(0.01)


def endpoint(hub: RunningHub, token: str = "") -> Endpoint:
    return Endpoint(hub.url, token or hub.token)


# --- what is written is read ---


@pytest.mark.parametrize("value", [None, 0, "text", [1, {"a": "ä"}], {}, "x" * 60_000])
def test_small_json_is_in_the_store(hub: RunningHub, me: str, value: Any) -> None:
    kind = {"content-type": "application/json"}

    made = put(hub, at(me, "x"), json.dumps(value).encode(), headers=kind)

    found = hub.get(at(me, "x"))
    assert made.status_code == 201
    row = made.json()["result"]
    assert (row["value"], row["file"], row["type"]) == (value, "", "application/json")
    assert found.json() == value
    assert found.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("text/plain; charset=utf-8", "grün".encode()),
        (ANY, b""),
        (ANY, bytes(range(256)) * 5000),
        ("application/json", b"[" + b"1," * 50_000 + b"1]"),
        ("application/json", b'{"n": 123456789012345678901234567890}'),
        ("application/json", b"[" * 300 + b"]" * 300),
    ],
    ids=["text", "empty", "bytes", "large json", "large number", "deep"],
)
def test_all_else_is_in_a_file_and_comes_back_byte_by_byte(
    hub: RunningHub, me: str, kind: str, data: bytes
) -> None:
    made = put(hub, at(me, "x"), data, headers={"content-type": kind})

    found = hub.get(at(me, "x"))
    row = made.json()["result"]
    assert (row["value"], row["size"]) == (None, len(data))
    assert row["file"] == hashlib.sha256(data).hexdigest()
    assert found.content == data
    assert found.headers["content-type"] == kind


@pytest.mark.parametrize("name", ["a/b/c", "a%2Fb%2Fc", "ä b", "a/%2F/b", "..."])
def test_a_name_may_be_anything(hub: RunningHub, me: str, name: str) -> None:
    put(hub, at(me, name), b'"here"', headers={"content-type": "application/json"})

    assert hub.get(at(me, name)).json() == "here"
    assert hub.get(at(me, name.replace("/", "%2F"))).json() == "here"


def test_another_takes_the_place_of_what_was_there(hub: RunningHub, me: str) -> None:
    statuses = [put(hub, at(me, "x"), data).status_code for data in (b"1", b"2")]

    assert statuses == [201, 200]
    assert hub.get(at(me, "x")).content == b"2"


def test_what_is_there_can_be_looked_at_and_taken_away(
    hub: RunningHub, me: str
) -> None:
    put(hub, at(me, "x"), b"12345", headers={"content-type": "text/x"})

    before = hub.http.head(at(me, "x"))
    gone = [hub.http.delete(at(me, "x")).json()["events"] for _ in range(2)]
    after = hub.http.head(at(me, "x"))

    assert (before.status_code, after.status_code) == (200, 404)
    assert before.headers["content-length"] == "5"
    assert before.headers["content-type"] == "text/x"
    assert [event["subject"] for event in gone[0]] == ["result.deleted"]
    assert gone[1] == []
    assert hub.get(at(me, "x")).status_code == 404


@pytest.mark.parametrize(
    ("status", "options"),
    [
        (422, {"content": b"{", "headers": {"content-type": "application/json"}}),
        (422, {"content": b"x", "headers": {"content-type": "x" * 257}}),
        (422, {"content": b"x", "headers": {"content-type": b"\xe4/x"}}),
    ],
    ids=["no json", "long type", "odd type"],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence(
    hub: RunningHub, me: str, status: int, options: Any
) -> None:
    refused = hub.http.put(at(me, "x"), **options)

    assert refused.status_code == status
    assert "send" in refused.json()["detail"]
    assert hub.get(at(me, "x")).status_code == 404


def test_the_same_key_has_no_second_effect(hub: RunningHub, me: str) -> None:
    key = {"idempotency-key": me}

    first = put(hub, at(me, "x"), b"1" * 100_000, headers=key).json()
    put(hub, at(me, "x"), b"2" * 100_000)
    again = put(hub, at(me, "x"), b"1" * 100_000, headers=key).json()

    assert again == first
    assert hub.get(at(me, "x")).content == b"2" * 100_000


# --- who waits ---


async def test_a_read_waits_for_the_write(hub: RunningHub, me: str) -> None:
    async with ResultBackend(endpoint(hub)) as results:
        reading = asyncio.create_task(results.read(f"swarm://{me}/x", timeout=60))
        while "swarmtui_results_awaited 1.0" not in hub.get("/metrics").text:
            await asyncio.sleep(0.01)
        await results.write(f"flatagents://{me}/x", {"n": 1})

        assert await reading == {"n": 1}


async def test_what_does_not_come_is_told(hub: RunningHub, me: str) -> None:
    results = ResultBackend(url=hub.url, token=hub.token)

    with pytest.raises(TimeoutError) as late:
        await results.read(f"swarm://{me}/x", timeout=0.1)
    with pytest.raises(NotFound):
        await results.read(f"swarm://{me}/x", block=False)

    assert isinstance(late.value, CallTimeout)
    assert not await results.exists(f"swarm://{me}/x")
    assert not await results.delete(f"swarm://{me}/x")


async def test_who_reads_outwaits_a_hub_that_is_away(
    start: Start, tmp_path: Path
) -> None:
    hub = start()
    port, token = hub.port, hub.token
    results = ResultBackend(Endpoint(hub.url, token))
    reading = asyncio.create_task(results.read("swarm://r1/x", timeout=60))
    while "swarmtui_results_awaited 1.0" not in hub.get("/metrics").text:
        await asyncio.sleep(0.01)

    await asyncio.to_thread(hub.stop)
    again = await asyncio.to_thread(start, "--port", str(port), home=tmp_path)
    put(again, at("r1", "x"), b"back")

    assert await reading == b"back"


# --- large ones ---


def pattern(size: int) -> Iterator[bytes]:
    block = bytes(range(256)) * 1024
    for _ in range(size // len(block)):
        yield block


@pytest.mark.parametrize("env", [{}, KEY], ids=["plain", "sealed"])
def test_64_mib_go_through_a_hub_that_never_has_them_in_memory(
    start: Start, monkeypatch: pytest.MonkeyPatch, env: dict[str, str]
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    hub, size = start(), 64 * MIB
    put(hub, at("warm", "up"), b"x" * MIB)
    assert len(hub.get(at("warm", "up")).content) == MIB
    before = peak(hub)

    made = put(hub, at("r1", "big"), pattern(size))
    found = hashlib.sha256()
    with hub.http.stream("GET", at("r1", "big"), timeout=60) as reply:
        for piece in reply.iter_bytes():
            found.update(piece)
    log = hub.get("/v1/events?newest_first=1&limit=1").content

    assert made.status_code == 201
    assert reply.headers["content-length"] == str(size)
    assert found.hexdigest() == made.json()["result"]["file"]
    assert peak(hub) - before < 16 * MIB
    assert len(log) < 1000
    on_disk = b"".join(path.read_bytes()[:MIB] for path in files(hub))
    assert (bytes(range(256)) in on_disk) == (not env)


@pytest.mark.parametrize("declared", [True, False])
def test_too_much_is_refused_and_leaves_nothing(start: Start, declared: bool) -> None:
    hub = start("--max-result", str(MIB))
    put(hub, at("r1", "x"), b"x" * MIB).raise_for_status()
    data = b"y" * (MIB + 1)

    refused = put(hub, at("r1", "x"), data if declared else iter([data[:-1], b"y"]))

    assert refused.status_code == 413
    assert "max_result" in refused.json()["detail"]
    assert len(files(hub)) == 1
    assert hub.get(at("r1", "x")).content == b"x" * MIB


def begin_upload(hub: RunningHub, address: str) -> socket.socket:
    """Send half of an upload, and wait until some of it is on the disk."""
    line = socket.create_connection(("127.0.0.1", hub.port))
    head = (
        f"PUT {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "
        f"{hub.token}\r\nContent-Length: {4 * MIB}\r\n\r\n"
    )
    line.sendall(head.encode() + b"x" * 2 * MIB)
    begun = hub.home / "results"
    until(lambda: any(path.stat().st_size >= MIB for path in begun.glob("part-*")))
    return line


def test_half_an_upload_leaves_nothing(start: Start) -> None:
    hub = start()

    begin_upload(hub, at("r1", "x")).close()
    until(lambda: not files(hub))

    assert hub.get(at("r1", "x")).status_code == 404


def test_a_hub_that_is_killed_in_an_upload_leaves_nothing(start: Start) -> None:
    hub = start()
    put(hub, at("r1", "kept"), b"k" * MIB).raise_for_status()
    line = begin_upload(hub, at("r1", "x"))
    half = len(files(hub))

    hub.process.kill()
    hub.process.wait()
    line.close()
    again = start(home=hub.home)

    assert half == 2
    assert len(files(again)) == 1
    assert again.get(at("r1", "kept")).content == b"k" * MIB
    assert again.get(at("r1", "x")).status_code == 404
    assert again.get("/v1/integrity").json()["ok"]


def test_what_was_acknowledged_survives_a_killed_hub(start: Start) -> None:
    hub = start()
    for number in range(5):
        put(hub, at("r1", str(number)), b"%d" % number * MIB).raise_for_status()
    hub.http.delete(at("r1", "0")).raise_for_status()

    hub.process.kill()
    hub.process.wait()
    again = start(home=hub.home)

    found = [again.get(at("r1", str(number))).content[:1] for number in range(1, 5)]
    assert found == [b"1", b"2", b"3", b"4"]
    assert len(files(again)) == 4
    assert "swarmtui_result_files 4.0" in again.get("/metrics").text


def test_a_full_disk_refuses_a_result_and_the_hub_goes_on(start: Start) -> None:
    hub = start()
    limits = (2 * MIB, resource.RLIM_INFINITY)
    resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, limits)

    refused = put(hub, at("r1", "x"), b"x" * 4 * MIB)

    assert refused.status_code == 507
    assert refused.json()["code"] == "no_room"
    assert "free some space" in refused.json()["detail"]
    assert files(hub) == []
    assert hub.get("/readyz").status_code == 200
    assert put(hub, at("r1", "x"), b"x" * MIB).status_code == 201


def test_an_upload_may_take_longer_than_a_request_while_it_goes_on(
    start: Start,
) -> None:
    hub = start("--request-within", "0.2")
    pieces = 10

    def slowly() -> Iterator[bytes]:
        for _ in range(pieces):
            yield b"x" * MIB
            time.sleep(0.1)

    assert put(hub, at("r1", "x"), slowly()).json()["result"]["size"] == pieces * MIB


# --- who may ---


def test_agents_write_what_is_of_their_work_and_everybody_reads(
    start: Start,
) -> None:
    hub = start()
    hub.report("a1", "idle")
    keys = Keys.load(hub.home)
    agent = {"authorization": f"Bearer {keys.derive('agent:a1')}"}
    viewer = {"authorization": f"Bearer {keys.derive('viewer')}"}
    hub.post("/v1/tasks", {"agent": "a1", "id": "T1"}).raise_for_status()

    def writes(run: str, headers: dict[str, str]) -> int:
        return put(hub, at(run, "x"), b"x", headers=headers).status_code

    without = writes("T1", agent)
    hub.post("/v1/claims", {"agent": "a1"}).raise_for_status()
    allowed = [writes(run, agent) for run in ("a1", "T1")]
    refused = [writes("a2", agent), writes("T2", agent), writes("T1", viewer)]
    taken = [
        hub.http.delete(at(run, "x"), headers=headers).status_code
        for run, headers in (("a2", agent), ("T1", viewer), ("T1", agent))
    ]
    hub.http.put(at("other", "x"), json=1)

    assert without == 403
    assert allowed == [201, 201]
    assert refused == [403, 403, 403]
    assert taken == [403, 403, 200]
    for reader in (agent, viewer):
        assert hub.get(at("other", "x"), headers=reader).json() == 1
        assert hub.http.head(at("other", "x"), headers=reader).status_code == 200


# --- runs ---


def finish_run(hub: RunningHub, result: dict[str, Any]) -> str:
    """Launch a run and do its one task; return its id."""
    run: str = hub.post("/v1/runs", {"plan": PLAN}).json()["run"]["id"]
    hub.report("d1", "idle", capabilities=["drawer"])
    (task,) = hub.post("/v1/claims", {"agent": "d1"}).json()["tasks"]
    hub.post(
        f"/v1/tasks/{task['id']}/complete",
        {"agent": "d1", "fence": task["fence"], "result": result},
    ).raise_for_status()
    return run


def test_what_a_run_led_to_and_its_checkpoints_have_addresses(start: Start) -> None:
    hub = start()
    run = finish_run(hub, {"count": 3})

    result = hub.get(at(run, "result?wait=10")).json()
    first = hub.get(at(run, "checkpoint/0")).json()
    newest = hub.get(at(run, "checkpoint")).json()
    missing = hub.get(at(run, "checkpoint/99"))

    assert result == {"pages": {"count": 3}}
    assert (first["number"], first["stage"]) == (0, "draw")
    assert newest["number"] > 0
    assert newest["context"] == {"pages": {"count": 3}}
    assert missing.status_code == 404
    for name in ("result", "checkpoint", "checkpoint/0", "checkpoint/99"):
        assert put(hub, at(run, name), b"x").status_code == 409
        assert hub.http.delete(at(run, name)).status_code == 409
    assert put(hub, at(run, "mine"), b"x").status_code == 201


def test_while_a_run_goes_on_its_result_is_not_there(start: Start) -> None:
    """Whatever somebody wrote there before there was a run of that name."""
    hub = start()
    put(hub, at("r9", "result"), b"early")
    run = hub.post("/v1/runs", {"plan": PLAN, "id": "r9"}).json()["run"]["id"]

    during = hub.get(at(run, "result")).status_code
    hub.post(f"/v1/runs/{run}/cancel", {}).raise_for_status()
    after = hub.get(at(run, "result?wait=10")).json()
    hub.post(f"/v1/runs/{run}/resume", {}).raise_for_status()
    resumed = hub.http.head(at(run, "result")).status_code

    assert (during, resumed) == (404, 404)
    assert after["_error_type"] == "Cancelled"


async def test_a_job_gives_what_is_large_by_its_address(start: Start) -> None:
    hub, data = start(), os.urandom(3 * MIB)
    keys = Keys.load(hub.home)
    own = endpoint(hub, keys.derive("agent:d1"))
    async with Agent("d1", capabilities=["drawer"], hub=own) as agent:

        @agent.on_work()
        async def draw(job: Job) -> dict[str, Any]:
            return {"film": await job.keep(data), "name": await job.keep(1, "n")}

        run = hub.post("/v1/runs", {"plan": PLAN}).json()["run"]["id"]
        results = ResultBackend(endpoint(hub))
        led_to = await results.read(f"swarm://{run}/result", timeout=60)

    pages = led_to["pages"]
    assert pages["film"] == {"_result": f"swarm://{run}/{run}.1"}
    assert await results.resolve(pages["film"]) == data
    assert await results.resolve(pages["name"]) == 1
    assert await results.resolve(pages) == pages


# --- the kit ---


async def test_bytes_files_streams_and_json_are_written_and_read(
    hub: RunningHub, me: str, tmp_path: Path
) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d" % number * MIB

    data, film = os.urandom(MIB), tmp_path / "film.mp4"
    film.write_bytes(data)
    async with ResultBackend(endpoint(hub)) as results:
        for name, given in (("b", data), ("f", film), ("s", stream()), ("j", [1])):
            assert await results.write(f"swarm://{me}/{name}", given)
        found = {name: await results.read(f"swarm://{me}/{name}") for name in "bfsj"}
        size = await results.save(f"swarm://{me}/s", tmp_path / "copy")
        pieces = [len(piece) async for piece in results.pieces(f"swarm://{me}/s")]

    assert found == {
        "b": data,
        "f": data,
        "s": b"0" * MIB + b"1" * MIB + b"2" * MIB,
        "j": [1],
    }
    assert size == sum(pieces) == (tmp_path / "copy").stat().st_size == 3 * MIB
    assert max(pieces) <= MIB
    assert hub.http.head(at(me, "f")).headers["content-type"] == "video/mp4"


async def test_the_kit_says_why_in_a_sentence(
    hub: RunningHub, me: str, tmp_path: Path
) -> None:
    hub.report(me, "idle")
    own = Keys.load(hub.home).derive(f"agent:{me}")
    mine = ResultBackend(url=hub.url, token=own)

    with pytest.raises(NotAllowed, match="has no work of 'r1'"):
        await mine.write("swarm://r1/x", 1)
    with pytest.raises(Invalid, match="no form in JSON"):
        await mine.write(f"swarm://{me}/x", {1, 2})
    with pytest.raises(Invalid, match="is not the address"):
        await mine.read("r1/x")
    with pytest.raises(HubError, match="token"):
        await ResultBackend(url=hub.url, token="guess").exists("swarm://r1/x")
    with pytest.raises(FileNotFoundError):
        await mine.write(f"swarm://{me}/x", tmp_path / "nowhere")


async def test_over_tls_only_a_hub_that_is_trusted_is_asked(
    start: Start, tmp_path: Path
) -> None:
    authority = Authority("results")
    cert, key = authority.issue(tmp_path, "hub")
    signed_by = authority.write(tmp_path / "ca.pem")
    hub = start("--tls-cert", str(cert), "--tls-key", str(key))
    results = ResultBackend(Endpoint(hub.url, hub.token, signed_by))

    await results.write("swarm://r1/x", b"x" * MIB)

    assert await results.read("swarm://r1/x") == b"x" * MIB
    with pytest.raises(
        HubUnreachable, match=r"is not trusted .*: set SWARMTUI_CA_FILE"
    ):
        await ResultBackend(endpoint(hub)).read("swarm://r1/x", block=False)


def test_on_the_command_line(run: Shell, me: str, tmp_path: Path) -> None:
    where, data = f"swarm://{me}/x", os.urandom(MIB)
    (tmp_path / "in.bin").write_bytes(data)

    def result(*words: str, **options: Any) -> Any:
        return run("result", *words, **options)

    before = result("exists", where)
    written = result("write", where, "--value", '{"a": 1}', "--json")
    told = result("read", where, "--json")
    plain = result("read", where)
    typed = result("write", where, "--type", "text/plain", said="said")
    said = result("read", where)
    result("write", where, str(tmp_path / "in.bin"))
    result("read", where, "--output", str(tmp_path / "out.bin"))
    there = result("exists", where, "--json")
    gone = result("delete", where, "--json")
    late = result("read", where, "--wait", "0.1")
    never = result("read", where)

    assert (before.returncode, there.returncode) == (3, 0)
    assert json.loads(written.stdout)["size"] == 8
    assert json.loads(told.stdout)["value"] == {"a": 1}
    assert plain.stdout == '{"a":1}'
    assert (typed.returncode, said.stdout) == (0, "said")
    assert (tmp_path / "out.bin").read_bytes() == data
    assert json.loads(there.stdout)["exists"] is True
    assert json.loads(gone.stdout)["deleted"] is True
    assert (late.returncode, never.returncode) == (4, 3)
    for ended in (before, late, never):
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("read", "nonsense"), 2),
        (("write", "swarm://r1/x", "--value", "{"), 2),
        (("write", "swarm://r1/x", "nowhere.bin"), 2),
        (("write", "swarm://r1/x", "a", "--value", "1"), 2),
        (("paint", "swarm://r1/x"), 2),
    ],
)
def test_what_cannot_be_done_is_told_on_the_command_line(
    run: Shell, words: tuple[str, ...], code: int
) -> None:
    ended = run("result", *words)

    assert ended.returncode == code
    assert ended.stderr.startswith("agentkit: ")
    assert len(ended.stderr.splitlines()) == 1


async def test_who_waits_for_a_run_that_is_refused_learns_of_it(
    hub: RunningHub, me: str
) -> None:
    results = ResultBackend(endpoint(hub))
    run = finish_run(hub, {})

    with pytest.raises(Conflict, match="written by the run itself"):
        await results.write(f"swarm://{run}/result", 1)


# --- what is lost, and what is kept elsewhere ---


def test_a_damaged_result_breaks_off_and_is_found(start: Start) -> None:
    hub = start()
    put(hub, at("r1", "x"), b"x" * MIB)
    put(hub, at("r1", "y"), b"y" * MIB)
    harmed, lost = (
        next(path for path in files(hub) if path.read_bytes()[:1] == first)
        for first in (b"x", b"y")
    )
    harmed.write_bytes(b"x" * (MIB - 1) + b"!")
    lost.unlink()

    with pytest.raises(httpx.RemoteProtocolError):
        hub.get(at("r1", "x"))
    missing = hub.get(at("r1", "y"))
    health = hub.get("/v1/integrity").json()

    assert missing.status_code == 503
    assert "is missing: write it once more" in missing.json()["detail"]
    assert not health["ok"]
    assert sorted(word.split()[-1] for word in health["problems"]) == [
        "damaged",
        "missing",
    ]
