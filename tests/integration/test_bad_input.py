"""Whatever comes in: never a 500, never a trace in the log, and the hub goes on."""
# ruff: noqa: UP031 -- percent signs leave the braces of JSON alone

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.integration.conftest import RunningHub, launch

FEW = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

DEEP = "[" * 300 + "]" * 300
HUGE = "1" + "0" * 30
HUGER = "1" + "0" * 5000
HALF = '"\\ud800"'
"""Half of a surrogate pair, which has no form in UTF-8."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub whose log is read at the end: nothing in it may be an error of its own."""
    running = launch(tmp_path_factory.mktemp("hub"))
    running.report("x", "idle")
    yield running
    running.process.terminate()
    assert running.process.stderr is not None
    log = [json.loads(line) for line in running.process.stderr]
    assert running.stop() == 0
    assert [line for line in log if line["level"] == "error" or "trace" in line] == []


def ask(hub: RunningHub, sent: bytes, patience: float = 10) -> bytes:
    """Send bytes and return the status line that comes back, if one does in time."""
    reply = b""
    line = socket.create_connection(("127.0.0.1", hub.port), timeout=patience)
    with line, suppress(OSError):
        line.sendall(sent)
        while b"\r\n" not in reply and (some := line.recv(4096)):
            reply += some
    return reply.partition(b"\r\n")[0]


def request(
    hub: RunningHub, target: bytes, body: str | bytes = b"", *headers: bytes
) -> int:
    """Ask for a target just as it is written, and return the status."""
    body = body.encode() if isinstance(body, str) else body
    lines = [
        b"%b %b HTTP/1.1" % (b"POST" if body else b"GET", target),
        b"Host: localhost",
        b"Authorization: Bearer " + hub.token.encode(),
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        *headers,
    ]
    status = ask(hub, b"\r\n".join(lines) + b"\r\n\r\n" + body)
    return int(status.split()[1]) if status else 0


def is_well(hub: RunningHub) -> bool:
    """Say whether the hub still writes, and shows everything it knows."""
    hub.report("well", "busy", task="T1")
    answers = [
        hub.get(path).status_code
        for path in ("/v1/agents", "/v1/queue", "/v1/tasks", "/v1/events", "/status")
    ]
    return set(answers) == {200}


# --- requests ---


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/events?limit=10.0",
        b"/v1/agents/x/history?limit=5.0",
        b"/v1/events?after=" + b"9" * 5000,
        b"/v1/events?subject=%00&agent=%ff%fe",
        b"/v1/agents/x/mailbox?wait=nan",
        b"/v1/agents?q=age%3E" + b"9" * 400 + b"d",
        b"/v1/agents?q=task:" + b"*a" * 200,
        b"/v1/agents/%00",
        b"/v1/agents/%ed%a0%80",
        b"/v1/agents/%",
        b"/v1/agents/" + b"a" * 60_000,
        b"/%2e%2e/status",
        b"//v1/agents",
        b"http://evil.example/v1/agents",
        b"*",
    ],
    ids=lambda target: target[:40].decode(),
)
def test_a_strange_target_gets_an_answer(hub: RunningHub, target: bytes) -> None:
    assert request(hub, target) in (200, 400, 404, 421, 422)
    assert is_well(hub)


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (b"/v1/agents/x/status", '{"report":"idle","completed":%s}' % HUGE),
        (b"/v1/agents/x/status", '{"report":"idle","completed":18446744073709551615}'),
        (b"/v1/agents/x/status", '{"report":"idle","cost":NaN}'),
        (b"/v1/agents/x/status", '{"report":"idle","cost":1.7e308}'),
        (b"/v1/agents/x/status", '{"report":"idle","message":%s}' % HALF),
        (b"/v1/agents/x/status", '{"report":"idle","reported_at":"%s"}' % ("x" * 999)),
        (b"/v1/agents/x/mailbox", '{"acked":%s}' % HUGE),
        (b"/v1/tasks", '{"agent":"x","body":{"n":%s}}' % DEEP),
        (b"/v1/broadcasts", '{"text":"hi","where":"age>%sd"}' % HUGE),
        (b"/v1/help/h/snooze", '{"until":"9999-12-31T23:59:59-23:00"}'),
        (b"/v1/help/h/snooze", '{"until":"0001-01-01T00:00:00+23:00"}'),
        (b"/agent/idle", '{"session_id":%s,"timestamp":5}' % HALF),
        (b"/agent/idle", '{"session_id":%s}' % HUGER),
        (b"/agent/idle", '{"session_id":%s}' % DEEP),
        (b"/agent/idle", DEEP * 100),
        (b"/agent/idle", b"\xff\xfe{"),
        (b"/task/assign?session_id=x", '{"id":%s}' % HALF),
        (b"/task/assign?session_id=x", '{"id":"T","n":%s}' % HUGE),
        (b"/task/assign?session_id=x", '{"id":"T","n":%s}' % HUGER),
        (b"/task/assign?session_id=x", '{"id":"T","n":%s}' % DEEP),
        (b"/broadcast", '{"message":%s}' % HALF),
    ],
    ids=lambda value: value[:50] if isinstance(value, str) else None,
)
def test_a_body_that_cannot_be_told_on_is_refused(
    hub: RunningHub, target: bytes, body: str
) -> None:
    assert request(hub, target, body) in (400, 404, 422)
    assert is_well(hub)


def test_a_report_with_the_largest_numbers_is_shown(hub: RunningHub) -> None:
    said = {
        "session_id": "large",
        "status": "idle",
        "timestamp": "2025-11-12T13:00:00",
        "tasks_completed": 2**53 - 1,
        "cost_spent": 1e15,
    }

    taken = hub.post("/agent/completed", said)
    beyond = hub.post("/agent/idle", {**said, "tasks_completed": 10**30})

    assert (taken.status_code, beyond.status_code // 100) == (200, 4)
    assert hub.get("/v1/agents/large").json()["agent"]["completed"] == 2**53 - 1
    assert is_well(hub)


@pytest.mark.parametrize(
    "headers",
    [
        [b"Host: localhost"],
        [b"Content-Length: 7"],
        [b"Content-Length: -1"],
        [b"Content-Length: " + b"9" * 5000],
        [b"Transfer-Encoding: chunked"],
        [b"Idempotency-Key: \xff\x80"],
        [b"Last-Event-ID: " + b"9" * 5000, b"Accept: text/event-stream"],
        [b"Connection: Upgrade", b"Upgrade: websocket"],
        [b"Authorization: Bearer \xff"],
        [b"X: y"] * 2000,
    ],
    ids=lambda headers: headers[0][:30].decode("latin-1"),
)
def test_strange_headers_get_an_answer(hub: RunningHub, headers: list[bytes]) -> None:
    status = request(hub, b"/v1/events?limit=1", b"", *headers)

    assert status in (200, 400, 401, 422)
    assert is_well(hub)


def test_a_key_that_was_used_for_something_else_is_refused(hub: RunningHub) -> None:
    key = {"Idempotency-Key": "same"}
    first = hub.post("/v1/agents/x/status", {"report": "idle"}, headers=key)

    other = hub.post("/v1/broadcasts", {"text": "hi"}, headers=key)

    assert (first.status_code, other.status_code) == (200, 409)
    assert is_well(hub)


def test_so_is_one_of_the_webhooks(hub: RunningHub) -> None:
    key = {"Idempotency-Key": "hook"}
    said = {"session_id": "x", "status": "idle", "timestamp": "2025-11-12T13:00:00"}
    first = hub.post("/agent/idle", said, headers=key)

    other = hub.post("/broadcast?message=hi", headers=key)

    assert (first.status_code, other.status_code) == (200, 409)


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET /", b"a" * 65_536),
        (b"GET / HTTP/1.1\r\nX: ", b"a" * 65_536),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n" * 10_000),
    ],
    ids=["target", "header", "headers"],
)
def test_a_head_that_does_not_end_is_cut_off(
    hub: RunningHub, start: bytes, more: bytes
) -> None:
    sent = 0
    line = socket.create_connection(("127.0.0.1", hub.port), timeout=10)
    with line, suppress(ConnectionError):
        line.sendall(start)
        while sent < 100:
            line.sendall(more)
            sent += 1

    assert sent < 100
    assert is_well(hub)


@FEW
@given(junk=st.binary(max_size=200))
def test_bytes_that_are_no_request_are_refused(hub: RunningHub, junk: bytes) -> None:
    assert b" 500 " not in ask(hub, junk + b"\r\n\r\n", 0.05)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters(), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = dict.fromkeys(
    (
        "report", "agent", "task", "message", "capabilities", "cost", "completed",
        "spool", "seq", "choices", "session_id", "status", "timestamp", "help", "text",
        "where", "until", "id", "body", "limit", "acked", "done", "helper",
    ),
    JSON,
)  # fmt: skip
PATHS = st.sampled_from(
    [
        "/v1/agents/x/status", "/v1/agents/x/mailbox", "/v1/tasks", "/v1/broadcasts",
        "/v1/broadcasts/preview", "/v1/help/h/answer", "/v1/help/h/snooze",
        "/agent/idle", "/agent/help", "/task/assign?session_id=x", "/broadcast",
    ]
)  # fmt: skip


@FEW
@given(path=PATHS, said=st.fixed_dictionaries({}, optional=FIELDS) | JSON)
def test_any_json_gets_an_answer(hub: RunningHub, path: str, said: Any) -> None:
    reply = hub.http.post(
        path,
        content=json.dumps(said),
        headers={"content-type": "application/json"},
    )

    assert reply.status_code < 500


# --- frames ---

DOORS = ["/v1/agent", "/v1/coordinator", "/v1/bus"]


@asynccontextmanager
async def inside(hub: RunningHub, path: str) -> AsyncIterator[ClientConnection]:
    """Open a WebSocket and say a proper hello."""
    async with hub.open(path) as line:
        await line.say("hello", agent="x", spool="s", name="x")
        await line.hear("welcome")
        yield line.socket


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize(
    "first",
    ["", "{", "[]", "null", "NaN", DEEP, HALF, '{"type":"bye"}', '{"type":{}}', b"{}"],
    ids=lambda first: repr(first[:20]),
)
async def test_what_is_no_hello_closes_the_connection_with_a_reason(
    hub: RunningHub, path: str, first: str | bytes
) -> None:
    async with hub.open(path) as line:
        await line.socket.send(first)
        code, reason = await line.closed()

    assert code == 4400
    assert reason


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"notify","seq":1,"report":"busy","completed":%s}' % HUGE,
        '{"type":"notify","seq":1,"report":"busy","message":%s}' % HALF,
        '{"type":"notify","seq":%s,"report":"busy"}' % HUGE,
        '{"type":"notify","seq":99,"report":"busy"}',
        '{"type":"ack","upto":%s}' % HUGE,
        '{"type":"done","seq":-1}',
        '{"type":"hello","agent":"x","spool":"s"}',
        b"\x00",
    ],
    ids=lambda frame: repr(frame[:60]),
)
async def test_a_bad_frame_of_an_agent_closes_its_connection_only(
    hub: RunningHub, frame: str | bytes
) -> None:
    async with inside(hub, "/v1/agent") as socket_:
        await socket_.send(frame)
        await socket_.wait_closed()
        code, reason = socket_.close_code, socket_.close_reason

    assert (code, bool(reason)) == (4400, True)
    assert is_well(hub)


@pytest.mark.parametrize(
    "args",
    [
        '"do":"assign","args":{"agent":"x","body":{"n":%s}}' % HUGE,
        '"do":"assign","args":{"agent":"x","body":{"n":%s}}' % ("[" * 150 + "]" * 150),
        '"do":"assign","args":{"agent":"x","body":{"n":NaN}}',
        '"do":"assign","args":{"agent":["x"]}',
        '"do":"broadcast","args":{"text":"hi","where":"age>%sd"}' % HUGE,
        '"do":"broadcast","args":{"text":5}',
        '"do":"snooze","args":{"help":"h","until":"9999-12-31T23:59:59-23:00"}',
        '"do":"events","args":{"limit":1e999}',
        '"do":"history","args":{"agent":{}}',
        '"do":"ping","args":{"n":%s}' % HUGE,
        '"do":"\\u001b[31m"',
    ],
)
async def test_a_bad_request_of_a_watcher_is_answered(
    hub: RunningHub, args: str
) -> None:
    async with inside(hub, "/v1/coordinator") as socket_:
        await socket_.send('{"type":"request","id":1,%s}' % args)
        async for text in socket_:
            frame = json.loads(text)
            if frame["type"] == "reply":
                break

    assert frame["id"] == 1
    assert is_well(hub)


SUBJECTS = st.sampled_from(["a.b", "_dead", "_link", "_requeue", "_x", "a..b", ""])


@FEW
@given(name=SUBJECTS, data=JSON, more=JSON)
async def test_any_message_on_the_bus_is_answered_or_closes_the_connection(
    hub: RunningHub, name: str, data: Any, more: Any
) -> None:
    event = {"id": "1", "name": name, "data": data if isinstance(data, dict) else {}}
    async with inside(hub, "/v1/bus") as socket_:
        for said in (event, {**event, "data": {"letter": data, "event": more}}):
            frame = json.dumps({"type": "publish", "id": 1, "event": said})
            with suppress(ConnectionClosed):
                await socket_.send(frame)
                answer = json.loads(await socket_.recv())
                assert answer["type"] in ("published", "error")
        await socket_.close()
        assert socket_.close_code in (1000, 4400)


@FEW
@given(path=st.sampled_from(DOORS), said=JSON, text=st.booleans())
async def test_any_frame_is_survived(
    hub: RunningHub, path: str, said: Any, text: bool
) -> None:
    kinds = ("notify", "ack", "done", "snapshot", "request", "publish", "subscribe")
    async with inside(hub, path) as socket_:
        for kind in kinds if isinstance(said, dict) else ("",):
            whole = {**said, "type": kind, "seq": 1} if kind else said
            frame = json.dumps(whole)
            with suppress(ConnectionClosed):
                await socket_.send(frame if text else frame.encode())
        await socket_.close()
        assert socket_.close_code in (1000, 4400)


HELLO = b'{"type":"hello","agent":"x","spool":"s"}'


def masked(first: int, payload: bytes, *, told: int | None = None) -> bytes:
    """Return a frame of a client; `told` is the length that it claims."""
    size = len(payload) if told is None else told
    return struct.pack("!BBQI", first, 0xFF, size, 0) + payload


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([masked(0x01, HELLO[:9]), masked(0x00, b""), masked(0x80, HELLO[9:])], None),
        ([b"\x81\x02{}"], 1002),
        ([masked(0x81, b"\xff\xfe")], 1007),
        ([masked(0x81, HELLO), masked(0x81, b"\xff\xfe")], 1007),
        ([masked(0x81, b"", told=1 << 40)], 1009),
        ([masked(0xF1, HELLO)], 1002),
        ([masked(0x83, HELLO)], 1002),
        ([masked(0x80, HELLO)], 1002),
        ([masked(0x89, b"x" * 126)], 1002),
        ([masked(0x88, b"\x03")], 1002),
        ([masked(0x88, struct.pack("!H", 5))], 1002),
    ],
    ids=[
        "fragments", "unmasked", "not UTF-8", "not UTF-8 after hello", "giant",
        "reserved bits", "reserved opcode", "continues nothing", "long ping",
        "short close", "no close code",
    ],
)  # fmt: skip
def test_frames_that_break_the_rules_are_told_so(
    hub: RunningHub, sent: list[bytes], code: int | None
) -> None:
    handshake = (
        "GET /v1/agent HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {hub.token}\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", hub.port), timeout=5) as line:
        reader = line.makefile("rb")
        line.sendall(handshake.encode())
        while reader.readline().strip():
            pass
        line.sendall(b"".join(sent))
        while (frame := heard(reader))[0] == 0x81 and code is not None:
            pass

    assert frame[0] == (0x81 if code is None else 0x88)
    assert code is None or struct.unpack("!H", frame[1][:2]) == (code,)
    assert is_well(hub)


def heard(reader: Any) -> tuple[int, bytes]:
    """Read one short frame of the hub."""
    first, size = reader.read(2)
    if size == 126:
        (size,) = struct.unpack("!H", reader.read(2))
    return first, reader.read(size)


async def test_many_at_once_who_break_off_leave_nothing_behind(
    hub: RunningHub,
) -> None:
    async def break_off(number: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        writer.write(b"POST /broadcast HTTP/1.1\r\nHost: localhost\r\n"[: number + 1])
        await writer.drain()
        writer.close()

    await asyncio.gather(*(break_off(number) for number in range(50)))

    assert is_well(hub)
