"""What is NATS' own about its transport; the rest is in `test_transports`."""

import asyncio
import json
import logging
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import ConsumerConfig

from agentkit.errors import Invalid
from agentkit.transports import (
    ConnectionError,  # noqa: A004
    Event,
    Letter,
    Limits,
    NatsTransport,
    PublishError,
    Retry,
    TransportError,
    nats_link,
)
from agentkit.transports.jetstream_feed import DELIVERIES
from tests.contract.nats_server import NatsServer
from tests.contract.test_transports import Box, eventually
from tests.integration.authority import Authority

SECRET = "correct%20horse"
WORKER = Path(__file__).with_name("nats_worker.py")

Made = Callable[..., NatsTransport]


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
async def made(nats_server: NatsServer, prefix: str) -> AsyncIterator[Made]:
    """Transports over the server of the session, disconnected after the test."""
    all_made: list[NatsTransport] = []

    def make(url: str = "", **options: Any) -> NatsTransport:
        made = NatsTransport(url or nats_server.url, **{"prefix": prefix, **options})
        all_made.append(made)
        return made

    yield make
    for transport in all_made:
        await transport.disconnect()


@pytest.fixture
async def raw(nats_server: NatsServer) -> AsyncIterator[Client]:
    """The server as others see it."""
    async with await nats.connect(nats_server.url) as client:
        yield client


@pytest.fixture
def own(tmp_path: Path) -> Iterator[NatsServer]:
    """A server with streams that a test may do anything to."""
    with NatsServer(tmp_path / "own", streams=True) as server:
        yield server


async def numbered(transport: NatsTransport, numbers: range) -> None:
    for number in numbers:
        await transport.publish(Event("job.x", {"n": number}))


# --- Names ----------------------------------------------------------------------------


ODD = ("$SYS.x", "ö.🐝", "a%2Eb.c", "{}.[?]", "é" * 250 + ".x", "x." + "y." * 100 + "z")


@pytest.mark.parametrize("persistent", [False, True])
async def test_subjects_are_carried_to_the_letter(made: Made, persistent: bool) -> None:
    transport, box = made(persistent=persistent), Box()
    await transport.connect()
    exact = [Box() for _ in ODD]
    for subject, one in zip(ODD, exact, strict=True):
        await transport.subscribe(subject, one, name=subject)
    await transport.subscribe("**", box, name="/all of\\it.*> ö" * 30)

    for subject in ODD:
        await transport.publish(Event(subject))

    await box.count(len(ODD))
    assert box.names == list(ODD)
    for subject, one in zip(ODD, exact, strict=True):
        await one.count(1)
        assert one.names == [subject]


async def test_a_star_is_asked_of_the_stream_and_not_sorted_out_here(
    made: Made, raw: Client, prefix: str
) -> None:
    transport = made(persistent=True)
    await transport.connect()

    for pattern in ("a.*.c", "a.**.c", "**", "a.b"):
        await transport.subscribe(pattern, Box(), name=pattern)

    async def filters() -> set[str]:
        found = await raw.jsm().consumers_info(prefix)
        return {str(each.config.filter_subject) for each in found}

    wanted = {f"{prefix}.{end}" for end in ("a.*.c", "a.>", ">", "a.b")}
    async with asyncio.timeout(10):
        while await filters() != wanted:
            await asyncio.sleep(0.01)


async def test_others_may_publish_json_on_the_subjects(
    made: Made, raw: Client, prefix: str
) -> None:
    transport, box = made(), Box()
    await transport.connect()
    await transport.subscribe("a.*", box)

    await raw.publish(f"{prefix}.a.b", json.dumps({"name": "a.b"}).encode())
    await raw.publish(f"{prefix}.a.b", b"hello")
    await raw.publish(f"{prefix}.a.b", b'{"name":"a.c","data":{"n":1}}')

    await box.count(2)
    assert box.names == ["a.b", "a.c"]
    assert transport.metrics().garbage == 1


@pytest.mark.parametrize("prefix", ["_x", "a b", "a.>", "a.*", ""])
def test_a_prefix_is_a_subject_that_is_not_reserved(prefix: str) -> None:
    with pytest.raises(Invalid):
        NatsTransport(prefix=prefix)


# --- Who is let in --------------------------------------------------------------------


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[NatsServer]:
    """A server that wants a password, and lets one user do little."""
    may = {"publish": ["_swarmtui.>", "swarmtui.ok.>"], "subscribe": ["_swarmtui.>"]}
    users = [
        {"user": "w", "password": "correct horse"},
        {"user": "little", "password": "p", "permissions": may},
    ]
    with NatsServer(tmp_path / "guarded", authorization={"users": users}) as server:
        yield server


@pytest.mark.parametrize("who", ["", "w@", "w:wrong%20one@", "x:correct%20horse@"])
async def test_who_is_not_let_in_is_told_why_and_not_the_password(
    guarded: NatsServer, who: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    transport = NatsTransport(f"nats://{who}{guarded.address}")

    with pytest.raises(ConnectionError, match="refuses the credentials: check") as told:
        await transport.connect()

    assert guarded.address in str(told.value)
    for text in (str(told.value), repr(transport.metrics()), caplog.text):
        assert "wrong" not in text
        assert "horse" not in text


async def test_a_password_is_never_shown(
    guarded: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with NatsTransport(f"nats://w:{SECRET}@{guarded.address}") as transport:
        box = Box()
        await transport.subscribe("**", box)
        await transport.publish(Event("a.b"))
        await box.count(1)
        guarded.kill()
        with pytest.raises(PublishError) as told:
            await transport.publish(Event("a.c"))
        await eventually(lambda: transport.metrics().state == "reconnecting")
        shown = f"{told.value} {transport.metrics()} {transport!r} {vars(transport)}"

    assert transport.metrics().url == f"nats://{guarded.address}"
    for text in (shown, caplog.text):
        assert "horse" not in text


async def test_a_token_is_taken_from_the_url(tmp_path: Path) -> None:
    with NatsServer(tmp_path, authorization={"token": "a b"}) as server:
        async with NatsTransport(f"nats://a%20b@{server.address}") as transport:
            await transport.publish(Event("a.b"))
        with pytest.raises(ConnectionError, match="credentials"):
            await NatsTransport(f"nats://ab@{server.address}").connect()


async def test_what_a_user_may_not_do_is_told(guarded: NatsServer) -> None:
    async with NatsTransport(f"nats://little:p@{guarded.address}") as transport:
        await transport.publish(Event("ok.x"))
        with pytest.raises(PublishError, match=r"'no\.x' \(permissions violation"):
            await transport.publish(Event("no.x"))
        await transport.publish(Event("ok.y"))
        with pytest.raises(TransportError, match="let this user publish and subscribe"):
            await transport.subscribe("no.*", Box())
    stranger = NatsTransport(f"nats://little:p@{guarded.address}", prefix="other")

    with pytest.raises(ConnectionError, match="let this user publish and subscribe"):
        await stranger.connect()


async def test_a_changed_password_is_waited_for(tmp_path: Path) -> None:
    with NatsServer(tmp_path, user="u", password="old") as server:
        async with NatsTransport(server.url) as transport:
            server.kill()
            server.settings["authorization"]["password"] = "new"
            server.start()
            await eventually(lambda: "authentication error" in str(server.log))
            assert transport.metrics().state == "reconnecting"
            server.kill()
            server.settings["authorization"]["password"] = "old"
            server.start()

            await eventually(lambda: transport.metrics().state == "connected")
            await transport.publish(Event("a.b"))


@asynccontextmanager
async def mute(greeting: bytes = b"") -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that says one thing, and hears what is said to it."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while said := await reader.read(1000):
            heard.append(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield f"{host}:{port}", heard
    server.close()


async def test_what_is_not_a_nats_server_is_told() -> None:
    async with mute(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (address, _):
        with pytest.raises(ConnectionError, match="cannot be reached"):
            await NatsTransport(f"nats://{address}").connect()
    async with mute() as (address, _):
        with pytest.raises(ConnectionError, match="no answer in time"):
            await NatsTransport(f"nats://{address}").connect()


async def test_of_several_servers_one_that_answers_is_taken(tmp_path: Path) -> None:
    with NatsServer(tmp_path, user="u", password="p") as server:
        transport = NatsTransport(f"nats://u:p@127.0.0.1:1,{server.address}")
        for _ in range(5):
            async with transport:
                await transport.publish(Event("a.b"))

    assert transport.metrics().url == f"nats://127.0.0.1:1,{server.address}"


@pytest.mark.parametrize("url", ["nats://u:pa/horse@h", "nats://u:horse@h:horse"])
def test_a_url_that_is_wrong_is_told_without_its_password(url: str) -> None:
    with pytest.raises(Invalid) as told:
        NatsTransport(url)

    assert "horse" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "tells"),
    [
        ("nats://127.0.0.1:1", "connect call failed"),
        ("nats://nobody.invalid", "nats://nobody.invalid:4222 cannot be reached"),
        ("tls://127.0.0.1:1", "tls://127.0.0.1:1 cannot be reached"),
    ],
)
async def test_where_nobody_answers_is_told(url: str, tells: str) -> None:
    with pytest.raises(ConnectionError, match=tells):
        await NatsTransport(url).connect()


@pytest.mark.parametrize(
    "options",
    [
        {"url": "redis://x"},
        {"url": "nats://x:port"},
        {"url": "nats://x:70000"},
        {"url": "nats://x", "ca_file": "ca.pem"},
        {"ack_wait": 0},
        {"max_bytes": 0},
        {"replicas": 0},
    ],
)
def test_what_cannot_be_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=": "):
        NatsTransport(**options)


# --- TLS ------------------------------------------------------------------------------


def files(pair: tuple[Path, Path]) -> dict[str, Any]:
    return dict(zip(("cert_file", "key_file"), map(str, pair), strict=True))


class Site:
    """A server with TLS, and the files of everybody who has to do with it."""

    def __init__(self, folder: Path, *, mutual: bool) -> None:
        ours, theirs = Authority("ours"), Authority("theirs")
        self.ca = str(ours.write(folder / "ca.pem"))
        self.strangers_ca = str(theirs.write(folder / "strangers.pem"))
        self.mine = files(ours.issue(folder, "client"))
        self.stranger = files(theirs.issue(folder, "stranger"))
        cert, key = ours.issue(folder, "server")
        tls: dict[str, Any] = {"cert_file": str(cert), "key_file": str(key)}
        if mutual:
            tls |= {"ca_file": self.ca, "verify": True}
        self.server = NatsServer(folder / "server", user="u", password="p", tls=tls)


@pytest.fixture(params=[False, True], ids=["tls", "mutual"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, mutual=request.param)
    with site.server:
        yield site


async def test_events_go_over_tls(site: Site) -> None:
    box = Box()
    async with NatsTransport(site.server.url, ca_file=site.ca, **site.mine) as here:
        await here.subscribe("a.*", box)
        await here.publish(Event("a.b"))
        await box.count(1)
        site.server.restart()
        await eventually(lambda: here.metrics().reconnects == 1)
        await here.publish(Event("a.c"))
        await box.count(2)

    assert box.names == ["a.b", "a.c"]


@pytest.mark.parametrize("trusted", ["", "strangers_ca"])
async def test_a_server_that_cannot_prove_itself_is_not_talked_to(
    site: Site, trusted: str
) -> None:
    ca = getattr(site, trusted) if trusted else ""

    with pytest.raises(ConnectionError, match=r"not trusted .* set ca_file"):
        await NatsTransport(site.server.url, ca_file=ca).connect()


@pytest.mark.parametrize("shown", ["none", "stranger"])
async def test_a_server_that_wants_certificates_lets_in_only_its_own(
    tmp_path: Path, shown: str
) -> None:
    site = Site(tmp_path, mutual=True)
    with site.server as server:
        transport = NatsTransport(
            server.url, ca_file=site.ca, **getattr(site, shown, {})
        )

        with pytest.raises(ConnectionError, match="set cert_file and key_file"):
            await transport.connect()


async def test_nothing_is_said_in_the_clear_to_who_denies_tls() -> None:
    info = b'INFO {"server_id":"x","version":"2.11.0","max_payload":1048576}\r\n'
    async with mute(info) as (address, heard):
        for login in ("u:secret@", "secret@", ""):
            with pytest.raises(ConnectionError, match="does not speak TLS"):
                await NatsTransport(f"tls://{login}{address}").connect()

        assert b"".join(heard) == b""


async def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("none")
    for file in ("nothing.pem", str(tmp_path / "no.pem")):
        with pytest.raises(TransportError, match="check ca_file"):
            await NatsTransport("tls://127.0.0.1:1", ca_file=file).connect()


# --- A server that is slow, or goes away ----------------------------------------------


async def persevering(transport: NatsTransport, event: Event) -> None:
    """Publish an event as soon as that is possible again."""
    async with asyncio.timeout(30):
        while True:
            with suppress(PublishError):
                return await transport.publish(event)
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("persistent", [False, True])
async def test_a_server_that_does_not_answer_holds_nobody_up(
    own: NatsServer, persistent: bool
) -> None:
    box = Box()
    async with NatsTransport(own.url, persistent=persistent) as transport:
        await transport.subscribe("a.*", box, name="box")
        own.freeze()

        async with asyncio.timeout(10):
            with pytest.raises(PublishError, match="no answer in time"):
                await transport.publish(Event("a.b"))

        own.thaw()
        await persevering(transport, Event("a.end"))
        await box.last("a.end")


async def test_a_silent_server_is_found_out(
    own: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_link, "QUIET", 0.1)
    async with NatsTransport(own.url) as transport:
        own.freeze()

        await eventually(lambda: transport.metrics().state == "reconnecting")

        own.thaw()
        await eventually(lambda: transport.metrics().state == "connected")


async def test_many_publish_at_once_and_in_order(made: Made) -> None:
    transport, box = made(), Box()
    await transport.connect()
    await transport.subscribe("a.*", box, limits=Limits(messages=5000))

    async with asyncio.TaskGroup() as group:
        for number in range(2000):
            group.create_task(transport.publish(Event("a.b", {"n": number})))

    await box.count(2000)
    assert box.numbers == list(range(2000))


@pytest.mark.parametrize("persistent", [False, True])
async def test_an_event_that_is_too_large_is_refused(
    made: Made, persistent: bool
) -> None:
    transport, box = made(persistent=persistent), Box()
    await transport.connect()
    await transport.subscribe("a.*", box, name="box")

    with pytest.raises(PublishError, match=r"takes 1,040,384: put what is large"):
        await transport.publish(Event("a.b", {"text": "x" * 2**20}))
    await transport.publish(Event("a.c", {"text": "x" * (2**20 - 9000)}))

    await box.count(1)
    assert box.names == ["a.c"]


# --- Streams --------------------------------------------------------------------------


async def test_without_streams_at_the_server_nothing_is_persistent(
    tmp_path: Path,
) -> None:
    with NatsServer(tmp_path) as server:
        transport = NatsTransport(server.url, persistent=True)
        with pytest.raises(ConnectionError, match=r"JetStream \(-js\), or leave"):
            await transport.connect()


async def test_a_stream_is_made_once_and_then_left_as_it_is(
    made: Made, raw: Client, prefix: str
) -> None:
    for age in (3600.0, 60.0):
        await made(persistent=True, max_age=age, max_bytes=2**20).connect()

    config = (await raw.jsm().stream_info(prefix)).config

    assert (config.max_age, config.max_bytes) == (3600, 2**20)
    assert set(config.subjects or ()) == {f"{prefix}.>", f"_{prefix}._dead"}


async def test_a_stream_of_somebody_else_is_not_used(
    made: Made, raw: Client, prefix: str
) -> None:
    await raw.jsm().add_stream(name=prefix, subjects=[f"{prefix}.only.this"])

    with pytest.raises(ConnectionError, match="add them to it, or use another prefix"):
        await made(persistent=True).connect()


async def test_a_letter_is_stored_and_what_is_reserved_else_is_not(
    made: Made, raw: Client, prefix: str
) -> None:
    transport = made(persistent=True)
    await transport.connect()
    await transport.subscribe("a.*", _refuse, name="refuses", retry=Retry(attempts=1))
    await transport.publish(Event("a.b"))
    await eventually(lambda: bool(transport.letters()))
    await transport.disconnect()

    info = await raw.jsm().stream_info(prefix, subjects_filter=">")
    last = await raw.jsm().get_last_msg(prefix, f"_{prefix}._dead")

    assert info.state.subjects == {f"{prefix}.a.b": 1, f"_{prefix}._dead": 1}
    letter = Letter.read(Event.decode(last.data or b"").data)
    assert letter.reason == "ValueError: no such order"


async def _refuse(event: Event) -> None:
    raise ValueError("no such order")


async def test_an_event_that_is_published_twice_is_stored_once(
    made: Made, raw: Client, prefix: str
) -> None:
    transport, event = made(persistent=True), Event("a.b")
    await transport.connect()

    await transport.publish(event)
    await transport.publish(event)

    assert (await raw.jsm().stream_info(prefix)).state.messages == 1


async def test_a_stream_that_is_gone_is_made_again(
    made: Made, raw: Client, prefix: str
) -> None:
    transport, box = made(persistent=True), Box()
    await transport.connect()
    await transport.subscribe("a.*", box, name="box")
    await transport.publish(Event("a.b"))
    await box.count(1)
    await raw.jsm().delete_stream(prefix)

    with pytest.raises(PublishError, match="is gone: publish again when it is made"):
        await transport.publish(Event("a.c"))
    await persevering(transport, Event("a.d"))

    await box.last("a.d")
    assert box.names == ["a.b", "a.d"]


async def test_a_consumer_that_is_gone_is_made_again(
    made: Made, raw: Client, prefix: str
) -> None:
    transport, box = made(persistent=True), Box()
    await transport.connect()
    await transport.subscribe("job.*", box, name="box")
    await numbered(transport, range(3))
    await box.count(3)

    await raw.jsm().delete_consumer(prefix, "box")
    await numbered(transport, range(3, 6))

    await box.count(6)
    assert box.numbers == list(range(6))


async def test_what_is_stored_outlives_a_crash_of_the_server(own: NatsServer) -> None:
    box, held, release = Box(), Box(), asyncio.Event()

    async def hold(event: Event) -> None:
        await held(event)
        await release.wait()
        await box(event)

    async with NatsTransport(own.url, persistent=True) as here:
        await here.subscribe("job.*", hold, name="box")
        await numbered(here, range(50))
        await held.count(1)

        own.restart()
        await persevering(here, Event("job.x", {"n": 50}))
        release.set()

        await box.count(51)
        assert box.numbers == list(range(51))
        async with NatsTransport(own.url, persistent=True) as later:
            other = Box()
            await later.subscribe("job.*", other, name="other")
            await other.count(51)

    assert other.numbers == list(range(51))


async def test_a_letter_that_cannot_be_stored_is_written_when_it_can(
    own: NatsServer,
) -> None:
    begun, release, box = Box(), asyncio.Event(), Box()

    async def picky(event: Event) -> None:
        await begun(event)
        await release.wait()
        if event.data["n"] == 0:
            raise ValueError("no such order")
        await box(event)

    async with NatsTransport(own.url, persistent=True) as transport:
        once = Retry(attempts=1)
        await transport.subscribe("job.*", picky, name="box", retry=once)
        await numbered(transport, range(10))
        await begun.count(1)
        own.kill()
        await eventually(lambda: transport.metrics().state == "reconnecting")
        release.set()
        await eventually(lambda: transport.metrics().failed == 1)
        assert transport.letters() == []

        own.start()

        await box.count(9)
        assert box.numbers == list(range(1, 10))
        assert [each.event.data["n"] for each in transport.letters()] == [0]


async def test_what_a_handler_takes_long_for_stays_its_own(made: Made) -> None:
    boxes, release = [Box(), Box()], asyncio.Event()

    async def slow(box: Box, event: Event) -> None:
        await box(event)
        if event.data["n"] == 0:
            await release.wait()

    for box in boxes:
        transport = made(persistent=True, ack_wait=0.3)
        await transport.connect()
        await transport.subscribe("job.*", partial(slow, box), name="workers")
    await numbered(transport, range(1))
    await eventually(lambda: any(box.events for box in boxes))
    await asyncio.sleep(1)  # three times what a silent process has

    await numbered(transport, range(1, 20))
    await eventually(lambda: sum(len(box.events) for box in boxes) == 20)
    release.set()

    assert sorted(boxes[0].numbers + boxes[1].numbers) == list(range(20))
    assert 1 in {len(box.events) for box in boxes}, "who is slow leaves work to others"


async def test_who_leaves_gives_back_what_it_holds(made: Made) -> None:
    first, second = made(persistent=True), made(persistent=True)
    begun, release, box = Box(), asyncio.Event(), Box()

    async def work(event: Event) -> None:
        await begun(event)
        if event.data["n"] == 50:
            await release.wait()

    await first.connect()
    await second.connect()
    await first.subscribe("job.*", work, name="workers")
    await numbered(first, range(200))
    await begun.count(51)

    leaving = asyncio.create_task(first.disconnect())
    await eventually(lambda: first.metrics().state == "closed")
    release.set()
    await leaving
    await second.subscribe("job.*", box, name="workers")

    await box.count(149)
    assert begun.numbers == list(range(51))
    assert sorted(box.numbers) == list(range(51, 200))


Work = Callable[[int], Awaitable[Process]]


@pytest.fixture
async def work(nats_server: NatsServer, prefix: str) -> AsyncIterator[Work]:
    """Starts processes that share the work, and is rid of them after the test."""
    started: list[Process] = []

    async def start(stuck: int = -1) -> Process:
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, WORKER, nats_server.url, prefix, "1.0", str(stuck)),
            stdout=asyncio.subprocess.PIPE,
        )
        started.append(worker)
        return worker

    yield start
    for worker in started:
        await kill(worker)


async def kill(worker: Process) -> None:
    if worker.returncode is None:
        worker.kill()
        await worker.communicate()


async def handled(worker: Process, count: int) -> list[int]:
    """Return the numbers of the next events that a process says it has handled."""
    assert worker.stdout
    async with asyncio.timeout(30):
        return [int(await worker.stdout.readline()) for _ in range(count)]


async def test_what_a_killed_process_had_goes_to_another(
    made: Made, work: Work
) -> None:
    transport, box = made(persistent=True, ack_wait=1.0), Box()
    await transport.connect()
    await numbered(transport, range(6))
    worker = await work(2)
    first = await handled(worker, 3)
    await kill(worker)

    await transport.subscribe("job.*", box, name="workers")

    await box.until(lambda events: {e.data["n"] for e in events} >= {2, 3, 4, 5})
    assert first == [0, 1, 2]
    assert 0 not in box.numbers, "what was acknowledged before is not handled again"


async def test_nothing_is_lost_while_processes_are_killed(
    made: Made, work: Work
) -> None:
    transport, box, killed = made(persistent=True, ack_wait=1.0), Box(), 4
    await transport.connect()
    publishing = asyncio.create_task(numbered(transport, range(400)))
    seen: list[int] = []

    for _ in range(killed):
        worker = await work(-1)
        seen += await handled(worker, 40)
        worker.kill()
        said, _ = await worker.communicate()
        seen += map(int, said.split())
    await publishing
    await transport.subscribe("job.*", box, name="workers")

    await box.until(lambda _: {*seen, *box.numbers} == set(range(400)))
    twice = len(seen) + len(box.events) - 400
    assert twice <= killed * 2, "only what was under way is handled again"


async def test_an_event_that_ends_every_process_becomes_a_letter(
    made: Made, raw: Client, prefix: str
) -> None:
    transport, box = made(persistent=True), Box()
    await transport.connect()
    await numbered(transport, range(1))
    config = ConsumerConfig(durable_name="workers", ack_wait=30)
    crashing = await raw.jetstream().pull_subscribe(
        f"{prefix}.job.*", durable="workers", stream=prefix, config=config
    )
    for _ in range(DELIVERIES):
        (message,) = await crashing.fetch(1)
        await message.nak()
    await crashing.unsubscribe()
    await numbered(transport, range(1, 2))

    await transport.subscribe("job.*", box, name="workers")

    await box.count(1)
    await eventually(lambda: bool(transport.letters()))
    (letter,) = transport.letters()
    assert box.numbers == [1]
    assert letter.event.data == {"n": 0}
    assert f"delivered {DELIVERIES + 1} times" in letter.reason
    await transport.requeue(letter.id)
    await box.count(2)


async def test_no_more_is_fetched_than_limits_allow(
    made: Made, raw: Client, prefix: str
) -> None:
    transport, begun = made(persistent=True), Box()
    release = asyncio.Event()

    async def hang(event: Event) -> None:
        await begun(event)
        if event.data["n"] == 90:
            await release.wait()

    await transport.connect()
    limits = Limits(messages=5)
    await transport.subscribe("job.*", hang, name="box", limits=limits)
    await numbered(transport, range(200))
    await begun.count(91)

    assert 1 <= (await raw.jsm().consumer_info(prefix, "box")).num_ack_pending <= 5
    release.set()
    await begun.count(200)


@pytest.mark.parametrize("persistent", [False, True])
async def test_garbage_is_counted_and_not_brought_again(
    made: Made, raw: Client, prefix: str, persistent: bool
) -> None:
    transport, box = made(persistent=persistent), Box()
    await transport.connect()
    await transport.subscribe("a.*", box, name="box")
    await raw.publish(f"{prefix}.a.b", b"\x00")
    await eventually(lambda: transport.metrics().garbage == 1)
    await transport.publish(Event("a.end"))
    await box.last("a.end")
    await transport.disconnect()
    await transport.connect()
    await transport.publish(Event("a.end"))
    await box.count(2)

    assert transport.metrics().garbage == 1
