"""What is Redis' own about its transport; the rest is in `test_transports`."""

import asyncio
import re
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from agentkit.errors import Invalid
from agentkit.transports import (
    ConnectionError,  # noqa: A004
    Event,
    Limits,
    PublishError,
    RedisTransport,
    Retry,
    TransportError,
    redis_listener,
)
from agentkit.transports import redis as transport_module
from tests.contract.redis_server import RedisServer
from tests.contract.test_transports import Box, eventually
from tests.integration.authority import Authority

SECRET = "correct horse"
WORKER = Path(__file__).with_name("redis_worker.py")

Made = Callable[..., RedisTransport]


@pytest.fixture
def prefix() -> str:
    return f"test {uuid4().hex}"


@pytest.fixture
async def made(redis_server: RedisServer, prefix: str) -> AsyncIterator[Made]:
    """Transports over the server of the session, disconnected after the test."""
    all_made: list[RedisTransport] = []

    def make(**options: Any) -> RedisTransport:
        url = options.pop("url", redis_server.url)
        made = RedisTransport(url, **{"channel_prefix": prefix, **options})
        all_made.append(made)
        return made

    yield make
    for transport in all_made:
        await transport.disconnect()


@pytest.fixture
async def raw(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """The server as others see it."""
    async with Redis.from_url(redis_server.url, protocol=2) as client:
        yield client


async def numbered(transport: RedisTransport, numbers: range) -> None:
    for number in numbers:
        await transport.publish(Event("job.x", {"n": number}))


# --- Names ----------------------------------------------------------------------------


async def test_a_prefix_is_no_pattern_for_other_prefixes(made: Made) -> None:
    wide, narrow, box = made(channel_prefix="[a-z]*"), made(channel_prefix="b"), Box()
    await wide.connect()
    await narrow.connect()
    await wide.subscribe("**", box)

    await narrow.publish(Event("a.theirs"))
    await wide.publish(Event("a.ours"))

    await box.count(1)
    assert box.names == ["a.ours"]


async def test_a_subject_of_one_subscriber_costs_no_pattern(
    made: Made, raw: Redis, prefix: str
) -> None:
    transport = made()
    await transport.connect()

    await transport.subscribe("mailbox.a1", Box())

    assert f"{prefix}:mailbox.a1".encode() in await raw.pubsub_channels()
    assert await raw.pubsub_numpat() == 0


# --- Who is let in --------------------------------------------------------------------


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RedisServer]:
    users = (
        "worker on >pass ~swarm:* &* +@all",
        "narrow on >pass ~swarm:* resetchannels &swarm:_requeue +@all",
        "stranger on >pass ~swarm:* resetchannels &other:* +@all",
    )
    with RedisServer(tmp_path, password=SECRET, users=users) as server:
        yield server


def login(server: RedisServer, who: str, database: int = 0) -> str:
    return f"redis://{who}@{server.address}/{database}"


async def test_a_password_and_a_user_are_taken_from_the_url(
    guarded: RedisServer,
) -> None:
    for who in (":correct%20horse", "worker:pass"):
        box = Box()
        async with RedisTransport(
            login(guarded, who), channel_prefix="swarm"
        ) as transport:
            await transport.subscribe("a.*", box)
            await transport.publish(Event("a.b"))
            await box.count(1)


@pytest.mark.parametrize(
    ("who", "database", "reason"),
    [
        (":wrong", 0, "invalid username-password pair"),
        ("nobody:pass", 0, "invalid username-password pair"),
        ("", 0, "Authentication required"),
        (":correct%20horse", 99, "out of range"),
    ],
)
async def test_who_is_not_let_in_is_told_why_and_what_to_do(
    guarded: RedisServer, who: str, database: int, reason: str
) -> None:
    transport = RedisTransport(login(guarded, who, database))

    with pytest.raises(ConnectionError, match=reason) as refused:
        await transport.connect()

    text = str(refused.value)
    assert guarded.address in text
    assert "url" in text
    assert not re.search(r"wrong|pass@|horse", text)
    assert transport.metrics().state == "closed"


async def test_who_may_not_listen_is_told_so(guarded: RedisServer) -> None:
    stranger = RedisTransport(login(guarded, "stranger:pass"), channel_prefix="swarm")
    with pytest.raises(TransportError, match=r"no permissions.*allow it"):
        await stranger.connect()

    async with RedisTransport(
        login(guarded, "narrow:pass"), channel_prefix="swarm"
    ) as narrow:
        with pytest.raises(TransportError, match=r"no permissions.*allow it"):
            await narrow.subscribe("a.*", Box())
        assert narrow.metrics().subscriptions == ()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis://127.0.0.1:1", r"127.0.0.1:1 \(connection refused\): start it"),
        (
            "redis://no-such-host.invalid",
            r"no-such-host.invalid:6379 \(.*correct the url",
        ),
    ],
)
async def test_where_nothing_answers_is_said(url: str, reason: str) -> None:
    with pytest.raises(ConnectionError, match=reason):
        await RedisTransport(url).connect()


async def test_what_is_no_redis_server_is_quoted_in_one_short_safe_line() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"\x1b[31m' + b"x" * 2000 + b'"}\r\n')
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionError, match="INFO") as refused:
            await RedisTransport(f"redis://127.0.0.1:{port}").connect()

    assert str(refused.value).isprintable()
    (quote,) = re.findall(r"\((.*)\)", str(refused.value))
    assert len(quote) <= 80


async def test_nobody_sees_the_password(guarded: RedisServer) -> None:
    transport = RedisTransport(login(guarded, ":correct%20horse"))
    await transport.connect()
    guarded.kill()
    await eventually(lambda: transport.metrics().state == "reconnecting")

    with pytest.raises(PublishError) as failed:
        await transport.publish(Event("a.b"))

    figures = transport.metrics()
    seen = f"{transport!r} {vars(transport)!r} {figures} {failed.value}"
    assert figures.url == f"redis://{guarded.address}/0"
    assert "horse" not in seen
    await transport.disconnect()


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"url": "http://localhost"}, "write redis://"),
        ({"url": "redis://h", "ca_file": "ca.pem"}, "write rediss://"),
        ({"channel_prefix": ""}, "give a prefix"),
        ({"keep": 0}, "keep"),
        ({"lease": 0}, "lease"),
    ],
)
def test_a_bad_argument_is_refused_with_its_remedy(
    options: dict[str, Any], remedy: str
) -> None:
    with pytest.raises(Invalid, match=remedy):
        RedisTransport(**options)


async def test_without_redis_py_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)

    with pytest.raises(TransportError, match=r"install swarmtui\[redis\]"):
        await RedisTransport().connect()


# --- TLS ------------------------------------------------------------------------------


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def behind_tls(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Terminate TLS in front of a server, as many do who run Redis."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inward, outward = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pour(reader, outward), pour(inward, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("ours")


@pytest.fixture
def site(tmp_path: Path, authority: Authority) -> dict[str, str]:
    """The files of who connects, and of the server."""
    ca_file = authority.write(tmp_path / "ca.pem")
    cert, key = authority.issue(tmp_path, "client")
    served, served_key = authority.issue(tmp_path, "server")
    return {
        "ca_file": str(ca_file),
        "cert_file": str(cert),
        "key_file": str(key),
        "served": str(served),
        "served_key": str(served_key),
    }


def terminating(site: dict[str, str], *, mutual: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(site["served"], site["served_key"])
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(site["ca_file"])
    return context


@pytest.mark.parametrize("mutual", [False, True], ids=["tls", "mutual"])
async def test_events_go_over_tls(
    redis_server: RedisServer, made: Made, site: dict[str, str], mutual: bool
) -> None:
    box = Box()
    ours = ("ca_file", "cert_file", "key_file") if mutual else ("ca_file",)
    async with behind_tls(redis_server.port, terminating(site, mutual=mutual)) as port:
        transport = made(
            url=f"rediss://127.0.0.1:{port}", **{name: site[name] for name in ours}
        )
        await transport.connect()
        await transport.subscribe("a.*", box)
        await transport.publish(Event("a.b", {"long": "x" * 100_000}))
        await box.count(1)
        await transport.disconnect()


async def test_a_server_of_an_unknown_authority_is_not_talked_to(
    redis_server: RedisServer, site: dict[str, str]
) -> None:
    async with behind_tls(redis_server.port, terminating(site)) as port:
        with pytest.raises(
            ConnectionError, match=r"self.signed|unable to get.*ca_file"
        ):
            await RedisTransport(f"rediss://127.0.0.1:{port}").connect()


async def test_who_has_no_certificate_is_told_to_name_one(
    redis_server: RedisServer, site: dict[str, str]
) -> None:
    async with behind_tls(redis_server.port, terminating(site, mutual=True)) as port:
        transport = RedisTransport(
            f"rediss://127.0.0.1:{port}", ca_file=site["ca_file"]
        )
        with pytest.raises(ConnectionError, match=r"cert_file and key_file"):
            await transport.connect()


async def test_a_file_that_is_not_there_is_named() -> None:
    transport = RedisTransport("rediss://127.0.0.1:1", ca_file="/nowhere/ca.pem")

    with pytest.raises(TransportError, match=r"no such file.*/nowhere/ca.pem"):
        await transport.connect()


# --- A server that ails ---------------------------------------------------------------


async def test_a_server_that_hangs_fails_who_publishes_and_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_listener, "QUIET", 0.2)
    box = Box()
    with RedisServer(tmp_path) as server:
        async with RedisTransport(server.url) as transport:
            await transport.subscribe("a.*", box)
            server.freeze()
            async with asyncio.timeout(5):
                with pytest.raises(PublishError):
                    await asyncio.gather(
                        *(transport.publish(Event("a.lost")) for _ in range(1000))
                    )
            await eventually(lambda: transport.metrics().state == "reconnecting")
            server.kill()
            server.start()
            await eventually(lambda: transport.metrics().state == "connected")
            await transport.publish(Event("a.b"))
            await box.last("a.b")


async def test_a_subscription_at_a_server_that_hangs_is_made_when_it_is_back(
    tmp_path: Path,
) -> None:
    box = Box()
    with RedisServer(tmp_path) as server:
        async with RedisTransport(server.url) as transport:
            server.freeze()
            async with asyncio.timeout(5):
                await transport.subscribe("a.*", box)
            await eventually(lambda: transport.metrics().state == "reconnecting")
            server.kill()
            server.start()
            await eventually(lambda: transport.metrics().state == "connected")
            await transport.publish(Event("a.b"))
            await box.count(1)


async def test_what_the_server_refuses_to_store_is_not_published(
    made: Made, raw: Redis
) -> None:
    transport = made(persistent=True)
    await transport.connect()
    await raw.config_set("maxmemory", 1)
    try:
        with pytest.raises(PublishError, match=r"maxmemory.*publish it again"):
            await transport.publish(Event("a.b"))
    finally:
        await raw.config_set("maxmemory", 0)
    await transport.publish(Event("a.b"))

    assert transport.metrics().published == 1


async def test_what_others_say_on_our_channels_is_counted_as_garbage(
    made: Made, raw: Redis, prefix: str
) -> None:
    transport, box = made(), Box()
    await transport.connect()
    await transport.subscribe("**", box)

    for channel in (f"{prefix}:a.b", f"{prefix}:", f"{prefix}:a b".encode() + b"\xff"):
        await raw.publish(channel, b"\xfe what")
    await transport.publish(Event("a.b"))

    await box.count(1)
    assert transport.metrics().garbage == 3


# --- Streams --------------------------------------------------------------------------


async def test_what_is_no_event_in_the_stream_is_passed_over(
    made: Made, raw: Redis, prefix: str
) -> None:
    transport, box = made(persistent=True), Box()
    await transport.connect()
    await transport.subscribe("job.*", box, name="workers")

    await raw.xadd(f"{prefix}:events", {"event": "what"})
    await raw.xadd(f"{prefix}:events", {"other": "x"})
    await transport.publish(Event("other.x"))
    await numbered(transport, range(1))

    await box.count(1)
    await eventually_none_pending(raw, prefix)
    assert transport.metrics().garbage == 2


async def pending(raw: Redis, prefix: str) -> int:
    """Return how many entries are given to the workers and not acknowledged."""
    summary = await raw.xpending(f"{prefix}:events", "workers job.*")
    return int(summary["pending"])


async def test_events_in_the_stream_outlive_a_server_that_is_killed(
    tmp_path: Path,
) -> None:
    box = Box()
    with RedisServer(tmp_path, durable=True) as server:
        async with RedisTransport(server.url, persistent=True) as transport:
            await numbered(transport, range(100))
            server.kill()
            await eventually(lambda: transport.metrics().state == "reconnecting")
            server.start()
            await eventually(lambda: transport.metrics().state == "connected")
            await transport.subscribe("job.*", box, name="workers")
            await numbered(transport, range(100, 110))
            await box.count(110)

    assert box.numbers == list(range(110))


async def test_a_server_that_forgot_everything_is_begun_anew(
    made: Made, raw: Redis, prefix: str
) -> None:
    transport, box = made(persistent=True, lease=0.2), Box()
    await transport.connect()
    await transport.subscribe("job.*", box, name="workers")
    await numbered(transport, range(3))
    await box.count(3)

    await raw.delete(f"{prefix}:events")
    await numbered(transport, range(3, 6))

    await box.count(6)
    assert box.numbers == list(range(6))


async def test_who_ends_in_order_is_no_consumer_any_more(
    made: Made, raw: Redis, prefix: str
) -> None:
    transport, box = made(persistent=True), Box()
    await transport.connect()
    await transport.subscribe("job.*", box, name="workers")
    await numbered(transport, range(3))
    await box.count(3)
    await eventually_none_pending(raw, prefix)

    await transport.disconnect()

    assert await raw.xinfo_consumers(f"{prefix}:events", "workers job.*") == []


async def worker(server: RedisServer, prefix: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(WORKER), server.url, prefix, "0.5"),
        stdout=asyncio.subprocess.PIPE,
    )


async def test_what_a_killed_worker_left_another_one_takes_over(
    redis_server: RedisServer, made: Made, prefix: str
) -> None:
    transport, box = made(persistent=True, lease=0.5), Box()
    await transport.connect()
    await numbered(transport, range(40))
    process = await worker(redis_server, prefix)
    assert process.stdout
    said = [await asyncio.wait_for(process.stdout.readline(), 20) for _ in range(3)]

    process.kill()
    await process.wait()
    await transport.subscribe("job.*", box, name="workers")

    await box.count(38)
    assert said == [b"0\n", b"1\n", b"2\n"]
    assert sorted(box.numbers) == list(range(2, 40))


async def test_a_slow_handler_keeps_what_it_has(made: Made) -> None:
    first, second, begun, going = Box(), Box(), asyncio.Event(), asyncio.Event()

    async def slow(event: Event) -> None:
        begun.set()
        await going.wait()
        await first(event)

    here, there = made(persistent=True, lease=0.2), made(persistent=True, lease=0.2)
    await here.connect()
    await there.connect()
    await here.subscribe("job.*", slow, name="workers", limits=Limits(messages=1))
    await numbered(here, range(1))
    await begun.wait()
    await there.subscribe("job.*", second, name="workers")
    await numbered(here, range(1, 3))
    await second.count(2)

    await asyncio.sleep(1)
    going.set()

    await first.count(1)
    assert (first.numbers, second.numbers) == ([0], [1, 2])


async def test_an_event_that_ends_whoever_has_it_becomes_a_letter(
    made: Made, raw: Redis, prefix: str
) -> None:
    transport, box = made(persistent=True, lease=0.2), Box()
    await transport.connect()
    await numbered(transport, range(2))
    key, group = f"{prefix}:events", "workers job.*"
    await raw.xgroup_create(key, group, "0")
    taken: Any = await raw.xreadgroup(group, "dead", {key: ">"}, count=1)
    times = transport_module.DELIVERIES
    fatal = [taken[0][1][0][0]]
    await raw.xclaim(key, group, "dead", 0, fatal, retrycount=times, idle=1000)

    await transport.subscribe("job.*", box, name="workers")

    await box.count(1)
    await eventually(lambda: len(transport.letters()) == 1)
    (letter,) = transport.letters()
    assert box.numbers == [1]
    assert letter.event.data["n"] == 0
    assert "7 times" in letter.reason
    assert await raw.xlen(f"{prefix}:letters") == 1
    await eventually_none_pending(raw, prefix)


async def eventually_none_pending(raw: Redis, prefix: str) -> None:
    async with asyncio.timeout(10):
        while await pending(raw, prefix):
            await asyncio.sleep(0.01)


async def test_a_letter_is_stored_before_its_event_is_acknowledged(
    made: Made, raw: Redis, prefix: str
) -> None:
    async def refuse(event: Event) -> None:
        raise ValueError("no")

    transport = made(persistent=True)
    await transport.connect()
    await transport.subscribe(
        "job.*", refuse, name="workers", retry=Retry(attempts=2, first=0.001)
    )

    await numbered(transport, range(3))

    await eventually(lambda: len(transport.letters()) == 3)
    assert await raw.xlen(f"{prefix}:letters") == 3
    await eventually_none_pending(raw, prefix)


async def test_a_stream_keeps_about_as_much_as_it_is_told(
    made: Made, raw: Redis, prefix: str
) -> None:
    transport = made(persistent=True, keep=100)
    await transport.connect()

    await asyncio.gather(*(numbered(transport, range(100)) for _ in range(10)))

    assert 100 <= await raw.xlen(f"{prefix}:events") <= 300


async def test_a_name_with_another_pattern_begins_anew(made: Made) -> None:
    transport, old, new = made(persistent=True), Box(), Box()
    await transport.connect()
    await numbered(transport, range(3))
    ended = await transport.subscribe("job.*", old, name="workers")
    await old.count(3)
    await transport.unsubscribe(ended)

    await transport.subscribe("**", new, name="workers")

    await new.count(3)
    assert new.numbers == [0, 1, 2]
