"""How much a stranger, or a friend in a hurry, may ask of a hub."""

import asyncio
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from agentkit import Coordinator
from agentkit.errors import HubRefused
from agentkit.link import ended, open_link
from agentkit.settings import Endpoint
from server.auth import Keys
from tests.integration.conftest import RunningHub, Start, launch

GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /agent/idle HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n"


def dial(hub: RunningHub, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", hub.port), 20, (source, 0))


def rest_of(line: socket.socket) -> bytes:
    """Return all that comes until the other side ends."""
    parts = []
    with suppress(ConnectionError):
        while part := line.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def answer_on(line: socket.socket) -> bytes:
    """Return one answer on a line that stays; its head tells how long it is."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += line.recv(1) or pytest.fail(f"the line ended after {got!r}")
    head = got.lower()
    left = int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
    while left > 0:
        part = line.recv(left)
        left -= len(part) or left
        got += part
    return got


def say(hub: RunningHub, text: bytes) -> bytes:
    """Return the answer to a request on a line of its own."""
    with dial(hub) as line:
        line.sendall(text.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        return rest_of(line)


def memory(hub: RunningHub) -> int:
    """Return how many bytes a hub has in memory."""
    pages = Path(f"/proc/{hub.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096


# --- time ---


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub that waits for nobody."""
    home = tmp_path_factory.mktemp("hasty")
    running = launch(
        home, "--store", "memory", "--request-within", "0.4", "--hello-within", "0.4"
    )
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("begun", "answer"),
    [
        (b"", b""),
        (b"G", b"HTTP/1.1 408 "),
        (GET, b"HTTP/1.1 408 "),
        (GET + b"X: ", b"HTTP/1.1 408 "),
        (POST, b"HTTP/1.1 408 "),
        (POST + b"{", b"HTTP/1.1 408 "),
    ],
    ids=["nothing", "letter", "head", "header", "no-body", "body"],
)
def test_a_request_that_does_not_arrive_is_given_up(
    hasty: RunningHub, begun: bytes, answer: bytes
) -> None:
    with dial(hasty) as line:
        line.sendall(begun)

        assert rest_of(line)[: len(answer) or 1] == answer


def test_a_request_that_trickles_in_is_given_up(hasty: RunningHub) -> None:
    with dial(hasty) as line, suppress(ConnectionError):
        line.sendall(GET)
        line.settimeout(0.05)
        for _ in range(400):
            line.sendall(b"X: y\r\n")
            with suppress(TimeoutError):
                assert line.recv(12) in (b"HTTP/1.1 408", b"")
                return
    pytest.fail("the hub waited on")


def test_a_line_that_is_kept_is_good_for_the_next_request(hasty: RunningHub) -> None:
    with dial(hasty) as line:
        for _ in range(3):
            line.sendall(GET + b"\r\n")
            assert answer_on(line).startswith(b"HTTP/1.1 200 ")


def test_a_request_behind_a_long_answer_waits_its_turn(hasty: RunningHub) -> None:
    hasty.report("patient", "idle")
    who = f"Authorization: Bearer {hasty.token}\r\n".encode()
    first = GET.replace(b"/healthz", b"/v1/agents/patient/mailbox?wait=1.5") + who

    with dial(hasty) as line:
        line.sendall(first + b"\r\n" + GET)
        answer = answer_on(line)
        line.sendall(b"Connection: close\r\n\r\n")
        after = rest_of(line)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert after.startswith(b"HTTP/1.1 200 ")


def test_an_answer_that_nobody_reads_is_given_up(hasty: RunningHub) -> None:
    for _ in range(40):
        hasty.post("/v1/broadcasts", {"text": "x" * 16_000}).raise_for_status()
    who = f"Authorization: Bearer {hasty.token}\r\n".encode()
    ask = GET.replace(b"/healthz", b"/v1/events?limit=1000") + who + b"\r\n"
    line = socket.socket()
    with line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(20)
        line.connect(("127.0.0.1", hasty.port))
        line.sendall(ask * 20)
        connections = "swarmtui_connections 2.0"
        while connections in hasty.get("/metrics").text:
            time.sleep(0.01)
        with suppress(ConnectionError):
            assert len(rest_of(line)) < 20 * 40 * 16_000

    assert hasty.get("/healthz").status_code == 200


async def test_a_websocket_that_does_not_say_hello_is_closed(hasty: RunningHub) -> None:
    async with hasty.open("/v1/agent") as line:
        code, reason = await line.closed()

    assert code == 4408
    assert "hello" in reason


# --- size ---


@pytest.mark.parametrize(
    "head",
    [
        GET.replace(b"/healthz", b"/" + b"a" * 70_000),
        GET + b"X: " + b"a" * 70_000 + b"\r\n",
        GET + b"X: y\r\n" * 20_000,
    ],
    ids=["target", "header", "headers"],
)
def test_a_head_that_is_too_large_is_refused_though_it_came_at_once(
    hub: RunningHub, head: bytes
) -> None:
    answer = say(hub, head + b"\r\n")

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"max_head" in answer


UPGRADE = (
    b"GET /v1/agent HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@pytest.mark.parametrize(
    "more", [b"X: y\r\n" * 300, b"X: " + b"y" * 20_000 + b"\r\n"], ids=["many", "long"]
)
def test_a_handshake_with_too_many_headers_is_refused(
    fresh: RunningHub, more: bytes
) -> None:
    with dial(fresh) as line:
        line.sendall(UPGRADE + more + b"\r\n")
        answer = rest_of(line)

    figures = fresh.get("/metrics").text
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert "swarmtui_connections 1.0" in figures
    assert fresh.stop() == 0


async def test_a_message_that_is_too_large_ends_the_client_with_the_reason(
    start: Start,
) -> None:
    hub = start("--store", "memory", "--max-frame", "2048")
    here = Endpoint(hub.url, hub.token)
    socket_ = await open_link(here, "/v1/agent")
    await socket_.send("x" * 3000)
    with pytest.raises(ConnectionClosed) as end:
        await socket_.recv()

    refusal = ended(here, end.value)
    assert isinstance(refusal, HubRefused)
    assert "2048" in str(refusal)


async def test_a_message_in_many_pieces_is_too_large_all_the_same(
    start: Start,
) -> None:
    hub = start("--store", "memory", "--max-frame", "2048")
    async with hub.agent("pieces") as line:
        with suppress(Exception):
            await line.socket.send("x" * 100 for _ in range(100))
        await line.socket.wait_closed()

    # The rest of the pieces may end the connection before its last word is read.
    assert line.socket.close_code in (1009, 1006)


# --- whom a request is for ---


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://127.0.0.1/healthz", 200),
        (b"https://localhost:99/healthz", 200),
        (b"http://[::1]:80/healthz", 200),
        (b"HTTP://LOCALHOST/healthz", 200),
        (b"http://127.0.0.1", 404),
        (b"http://evil.example/healthz", 421),
        (b"http://127.0.0.1@evil.example/healthz", 421),
        (b"ftp://127.0.0.1/healthz", 400),
        (b"healthz", 400),
        (b"*", 400),
        (b"//evil.example/healthz", 404),
    ],
)
def test_an_absolute_target_names_the_host(
    hub: RunningHub, target: bytes, status: int
) -> None:
    answer = say(hub, GET.replace(b"/healthz", target) + b"\r\n")

    assert int(answer[9:12]) == status, answer


def test_an_absolute_target_and_another_host_get_no_websocket(hub: RunningHub) -> None:
    asked = UPGRADE.replace(b"/v1/agent", b"http://evil.example/v1/agent")

    answer = say(hub, asked + b"\r\n")

    assert answer.startswith(b"HTTP/1.1 421 ")


def test_no_tunnel_is_made(hub: RunningHub) -> None:
    answer = say(hub, b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")


# --- number ---


def test_one_address_may_not_take_every_connection(start: Start) -> None:
    hub = start("--store", "memory", "--max-per-client", "2")
    with ExitStack() as stack:
        lines = [stack.enter_context(dial(hub, "127.0.0.2")) for _ in range(2)]
        for line in lines:
            line.sendall(GET + b"\r\n")
            assert answer_on(line).startswith(b"HTTP/1.1 200 ")
        with dial(hub, "127.0.0.2") as third:
            refused = rest_of(third)
        with dial(hub, "127.0.0.3") as other:
            other.sendall(GET + b"\r\n")
            elsewhere = answer_on(other)
        lines[0].close()
        while "swarmtui_connections 2.0" not in hub.get("/metrics").text:
            time.sleep(0.01)
        with dial(hub, "127.0.0.2") as again:
            again.sendall(GET + b"\r\n")
            later = answer_on(again)

    assert refused.startswith(b"HTTP/1.1 429 ")
    assert b"max_per_client" in refused
    assert b"retry-after: 1" in refused
    assert elsewhere.startswith(b"HTTP/1.1 200 ")
    assert later.startswith(b"HTTP/1.1 200 ")


async def test_a_websocket_keeps_its_place_and_gives_it_back(start: Start) -> None:
    hub = start("--store", "memory")
    before = "swarmtui_connections 1.0"
    assert before in hub.get("/metrics").text
    async with hub.agent("a1"), hub.watch():
        assert "swarmtui_connections 3.0" in hub.get("/metrics").text

    while before not in await asyncio.to_thread(lambda: hub.get("/metrics").text):
        await asyncio.sleep(0)


def test_too_many_requests_are_told_to_wait(start: Start) -> None:
    hub = start("--store", "memory", "--client-rate", "0.5", "--client-burst", "3")

    codes = [hub.get("/v1/queue").status_code for _ in range(4)]
    refused = hub.get("/v1/queue")
    report = hub.post("/v1/agents/a1/status", {"report": "idle"})
    viewer = {"authorization": f"Bearer {derived(hub, 'viewer')}"}

    assert codes == [200, 200, 200, 429]
    assert int(refused.headers["retry-after"]) in (1, 2)
    assert refused.json()["code"] == "too_many"
    assert report.status_code == 200
    assert hub.get("/v1/queue", headers=viewer).status_code == 200


def test_a_message_to_a_pattern_counts_by_the_number_of_agents(start: Start) -> None:
    hub = start("--store", "memory", "--agent-rate", "0.1", "--agent-burst", "6")
    for number in range(200):
        hub.report(f"a{number}", "idle")

    def send(to: str) -> int:
        message = {"agent": "a0", "to": to, "text": "hello"}
        return hub.post("/v1/messages", message).status_code

    assert [send(to) for to in ("x.*", "a1", "x.*", "a1")] == [201, 201, 429, 201]


def derived(hub: RunningHub, token: str) -> str:
    return Keys.load(hub.home).derive(token)


def test_whoever_guesses_tokens_is_slowed_down(start: Start) -> None:
    hub = start("--store", "memory", "--client-rate", "0.1", "--client-burst", "5")

    codes = [
        hub.get("/v1/queue", headers={"authorization": f"Bearer {n}"}).status_code
        for n in range(8)
    ]

    assert codes == [401] * 5 + [429] * 3
    assert hub.get("/v1/queue").status_code == 200


async def test_a_coordinator_in_a_hurry_waits_and_is_not_refused(start: Start) -> None:
    hub = start("--store", "memory", "--client-rate", "40", "--client-burst", "1")
    loop = asyncio.get_running_loop()
    async with Coordinator(Endpoint(hub.url, hub.token)) as swarm:
        begun = loop.time()
        await asyncio.gather(*(swarm.ping() for _ in range(21)))

    assert loop.time() - begun > 20 / 40 * 0.9


# --- those who do not read ---


async def test_mail_for_agents_that_do_not_read_waits_in_their_mailboxes(
    start: Start,
) -> None:
    agents, letters, size = 40, 600, 16_000
    hub = start("--store", "memory", "--ping-interval", "3600")
    with ExitStack() as stack:
        for number in range(agents):
            stack.enter_context(deaf_agent(hub, f"deaf-{number}"))
        while f"agents_connected {agents}.0" not in hub.get("/metrics").text:
            time.sleep(0.01)
        before = memory(hub)
        async with hub.agent("reader") as line:
            for _ in range(letters):
                hub.post("/v1/broadcasts", {"text": "x" * size}).raise_for_status()
            for _ in range(letters):
                await line.hear("mail")
        grown = memory(hub) - before

    assert grown < 8 * letters * size, f"{grown >> 20} MiB"


def deaf_agent(hub: RunningHub, name: str) -> socket.socket:
    """Return the line of an agent that says hello and reads nothing after."""
    return deaf(hub, "/v1/agent", f'{{"type":"hello","agent":"{name}","spool":"s"}}')


def deaf(hub: RunningHub, path: str, hello: str) -> socket.socket:
    """Return a WebSocket of one who says hello and reads nothing after."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.settimeout(20)
    line.connect(("127.0.0.1", hub.port))
    asked = UPGRADE.replace(b"/v1/agent", path.encode())
    line.sendall(asked + f"Authorization: Bearer {hub.token}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += line.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    line.sendall(frame(hello.encode()))
    return line


def frame(text: bytes, kind: int = 0x81) -> bytes:
    """Return a frame as a client sends it."""
    return struct.pack("!BB4x", kind, 0x80 | len(text)) + text


def test_pings_of_one_who_does_not_read_pile_nothing_up(start: Start) -> None:
    hub = start("--store", "memory", "--ping-interval", "3600")
    pings = frame(b"p" * 100, 0x89) * 10_000
    with deaf_agent(hub, "pinger") as line:
        before = memory(hub)
        for _ in range(60):
            line.sendall(pings)
        hub.get("/healthz")
        grown = memory(hub) - before

    assert grown < 30 << 20, f"{grown >> 20} MiB"


async def test_a_watcher_that_does_not_read_is_closed_in_the_end(start: Start) -> None:
    hub = start("--store", "memory", "--ping-interval", "0.3")
    with deaf(hub, "/v1/coordinator", '{"type":"hello"}') as line:
        await asyncio.to_thread(wait_until_gone, hub)
        said = rest_of(line)

    assert struct.pack("!H", 4408) in said


def wait_until_gone(hub: RunningHub) -> None:
    while "swarmtui_watchers 1.0" not in hub.get("/metrics").text:
        time.sleep(0.01)
    while "swarmtui_watchers 0.0" not in hub.get("/metrics").text:
        time.sleep(0.01)
