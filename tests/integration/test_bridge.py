"""The hub's bridges: agents that report over a broker, and get their mail there."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from agentkit.shelf import Mail
from agentkit.transports import BrokerAgent, Event, Retry, open_transport
from agentkit.transports.base import Courier
from agentkit.transports.events import as_data
from tests.contract.nats_server import NatsServer
from tests.contract.redis_server import RedisServer
from tests.contract.test_transports import Box, eventually
from tests.integration.conftest import RunningHub, Start, launch

KINDS = ("redis", "redis-2", "nats", "nats-2")
"""The bridges of the hub that the tests share; the second ones are persistent."""


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The URL of each bridge."""
    folder = tmp_path_factory.mktemp("brokers")
    nats = NatsServer(folder / "nats", streams=True).start()
    with RedisServer(folder, durable=True) as redis:
        yield {
            "redis": f"{redis.url}?prefix=plain",
            "redis-2": f"{redis.url}?prefix=kept&persistent=1",
            "nats": f"{nats.url}?prefix=plain",
            "nats-2": f"{nats.url}?prefix=kept&persistent=1",
        }
    nats.stop()


@pytest.fixture(scope="module")
def hub(
    brokers: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHub]:
    flags = [flag for url in brokers.values() for flag in ("--bridge", url)]
    running = launch(tmp_path_factory.mktemp("hub"), "--store", "memory", *flags)
    asyncio.run(bridged(running))
    yield running
    running.stop()


async def bridged(hub: RunningHub) -> None:
    """Wait until a hub has found its brokers."""
    await eventually(
        lambda: {*hub.get("/healthz").json()["bridges"].values()} == {"connected"}
    )


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def name() -> str:
    return f"a{uuid4().hex[:12]}"


@pytest.fixture
def dial(brokers: dict[str, str], kind: str) -> Callable[[], Courier]:
    """What opens one more transport to the broker of a bridge."""

    def opened() -> Courier:
        transport = open_transport(brokers[kind])
        assert isinstance(transport, Courier)
        return transport

    return opened


@asynccontextmanager
async def outsider(
    dial: Callable[[], Courier], name: str
) -> AsyncIterator[tuple[Courier, Box, Box]]:
    """Somebody with a broker's client alone: what comes for an agent, and refusals."""
    mail, refused = Box(), Box()
    async with dial() as transport:
        await transport.subscribe(f"mailbox.{name}", mail, name=f"mail {name}")
        await transport.subscribe(f"refused.{name}", refused, name=f"refused {name}")
        yield transport, mail, refused


def agent_row(hub: RunningHub, name: str) -> dict[str, Any]:
    answer = hub.get(f"/v1/agents/{name}")
    return dict(answer.json()["agent"]) if answer.status_code == 200 else {}


def task_state(hub: RunningHub, task: str) -> str:
    return str(hub.get(f"/v1/tasks/{task}").json()["task"]["state"])


async def status(hub: RunningHub, name: str, wanted: str) -> dict[str, Any]:
    await eventually(lambda: agent_row(hub, name).get("status") == wanted)
    return agent_row(hub, name)


# --- reports --------------------------------------------------------------------------


async def test_an_agent_that_reports_over_a_broker_is_one_of_the_swarm(
    hub: RunningHub, dial: Callable[[], Courier], kind: str, name: str
) -> None:
    async with BrokerAgent(dial(), name, ["video", "audio"]) as agent:
        row = await status(hub, name, "idle")
        await agent.busy("T1", cost=0.5)
        busy = await status(hub, name, "busy")
        await agent.help("which codec?")
        asked = await status(hub, name, "help")

    assert (row["via"], row["capabilities"]) == (kind, ["video", "audio"])
    assert (busy["task"], busy["cost"]) == ("T1", 0.5)
    assert asked["message"] == "which codec?"


async def test_a_report_has_the_fields_of_the_webhook(
    hub: RunningHub, dial: Callable[[], Courier], name: str
) -> None:
    said = {
        "session_id": name,
        "status": "idle",
        "timestamp": "2026-11-21T08:00:00",
        "capabilities": ["a"],
        "cost_spent": 1.25,
        "tasks_completed": 3,
        "unknown": True,
    }

    async with dial() as transport:
        await transport.publish(Event(f"agent.{name}.idle", said))
        await transport.publish(Event(f"agent.{name}.blocked", {"message": "no disk"}))
        await status(hub, name, "blocked")

    record = hub.get("/status").json()["agents"][name]
    assert record["cost_spent"] == 1.25
    assert record["tasks_completed"] == 3
    assert record["message"] == "no disk"


async def test_an_id_that_is_more_than_one_word_is_one_segment(
    hub: RunningHub, dial: Callable[[], Courier], name: str
) -> None:
    async with BrokerAgent(dial(), f"{name}.é *>%2E x"):
        await eventually(
            lambda: f"{name}.é *>%2E x" in hub.get("/status").json()["agents"]
        )


@pytest.mark.parametrize(
    "case",
    [
        ("idle", {"session_id": "somebody"}, "session_id"),
        ("idle", {"cost_spent": -1}, "cost_spent"),
        ("idle", {"capabilities": "many"}, "capabilities"),
        ("busy", {"last_task": "x" * 200_000}, "task"),
        ("ack", {"seq": "one"}, "seq"),
        ("ack", {"seq": 1}, "unknown|no agent|not known"),
        ("done", {}, "seq is missing"),
        ("busy", {"message": "half of a pair: \ud83d"}, "surrogate"),
        ("busy", {"last_task": "T", "more": 2**70}, "64 bits"),
        ("fetch", {"after": -1}, "after"),
        ("fetch", {}, "report under agent"),
    ],
)
async def test_what_is_not_taken_is_answered_with_the_reason(
    hub: RunningHub,
    dial: Callable[[], Courier],
    name: str,
    case: tuple[str, dict[str, Any], str],
) -> None:
    word, data, reason = case
    async with outsider(dial, name) as (transport, _, refused):
        event = Event(f"agent.{name}.{word}", data)
        await transport._send(event, json.dumps(as_data(event)).encode())
        (told,) = await refused.count(1)

    assert (told.data["subject"], told.data["event"]) == (event.name, event.id)
    assert re.search(reason, told.data["detail"])
    assert agent_row(hub, name) == {}


async def test_whatever_comes_over_a_broker_the_hub_lives(
    hub: RunningHub, dial: Callable[[], Courier], name: str
) -> None:
    half = "\ud83d"
    said: list[tuple[str, dict[str, Any], dict[str, str]]] = [
        ("agent.%ED%A0%BD.idle", {}, {}),
        (f"agent.{name}.idle", {}, {"id": half, "source": half}),
        (f"agent.{name}.idle", {}, {"id": "x" * 100_000}),
        (f"agent.{name}.idle", {"capabilities": [half]}, {}),
        (f"agent.{name}.dead", {"seq": 1, "reason": half}, {}),
        ("_dead", {"id": half}, {"source": half}),
        ("_link", {"name": half}, {"source": half}),
        ("_requeue", {"letter": half}, {}),
    ]

    async with dial() as transport, hub.watch() as line:
        await line.request("tap", pattern="**")
        for subject, data, fields in said:
            event = Event(subject, data)
            payload = json.dumps({**as_data(event), **fields}).encode()
            await transport._send(event, payload)
        for payload in (b"", b"[]", b"\xff", b"{" * 10_000):
            await transport._send(Event(f"agent.{name}.idle"), payload)
        await transport.publish(Event(f"agent.{name}.busy", {"last_task": "end"}))
        row = await status(hub, name, "busy")

    assert row["task"] == "end"


# --- mail -----------------------------------------------------------------------------


async def test_a_task_goes_down_and_its_end_comes_up(
    hub: RunningHub, dial: Callable[[], Courier], name: str
) -> None:
    got: list[Mail] = []

    async with BrokerAgent(dial(), name) as agent:

        @agent.on_task
        async def work(mail: Mail) -> None:
            got.append(mail)
            await agent.busy(mail.ref)
            await agent.completed(mail.ref)

        await status(hub, name, "idle")
        body = {"id": f"T-{name}", "title": "cut", "frames": 3}
        hub.post(f"/task/assign?session_id={name}", body).raise_for_status()
        await eventually(lambda: task_state(hub, f"T-{name}") == "done")

    (mail,) = got
    assert (mail.kind, mail.ref, mail.text) == ("task", f"T-{name}", "cut")
    assert mail.body["frames"] == 3
    assert agent_row(hub, name)["completed"] == 1


async def test_a_broadcast_is_told_and_its_ledger_says_so(
    hub: RunningHub, dial: Callable[[], Courier], name: str
) -> None:
    box: list[Mail] = []
    async with BrokerAgent(dial(), name, [name]) as agent:

        @agent.on_broadcast
        async def hear(mail: Mail) -> None:
            box.append(mail)

        await status(hub, name, "idle")
        said = {"text": "tidy up", "where": f"cap:{name}"}
        sent = hub.post("/v1/broadcasts", said).json()["broadcast"]
        await eventually(lambda: _cast(hub, sent["id"])["done"] == 1)

    assert [mail.text for mail in box] == ["tidy up"]
    assert _cast(hub, sent["id"])["recipients"] == 1


def _cast(hub: RunningHub, cast: str) -> dict[str, Any]:
    return dict(hub.get(f"/v1/broadcasts/{cast}").json()["broadcast"])


async def test_an_answer_goes_down(
    hub: RunningHub, dial: Callable[[], Courier], name: str
) -> None:
    box: list[Mail] = []
    async with BrokerAgent(dial(), name) as agent:

        @agent.on_answer
        async def hear(mail: Mail) -> None:
            box.append(mail)

        await agent.help("left or right?")
        row = await status(hub, name, "help")
        hub.post(f"/v1/help/{row['help']}/answer", {"text": "left"}).raise_for_status()
        await eventually(lambda: bool(box))

    assert box[0].body == {"text": "left", "question": "left or right?"}


async def test_what_is_not_done_is_handed_out_again_when_it_is_asked_for(
    hub: RunningHub, dial: Callable[[], Courier], name: str
) -> None:
    async with outsider(dial, name) as (transport, mail, _):
        await transport.publish(Event(f"agent.{name}.idle"))
        await status(hub, name, "idle")
        for number in range(2):
            task = {"id": f"{name}-{number}"}
            hub.post(f"/task/assign?session_id={name}", task).raise_for_status()
        first, second = (event.data for event in await mail.count(2))
        await transport.publish(Event(f"agent.{name}.ack", {"seq": second["seq"]}))

        await transport.publish(Event(f"agent.{name}.fetch"))
        again = [event.data for event in (await mail.count(4))[2:]]
        await transport.publish(
            Event(f"agent.{name}.completed", {"last_task": first["ref"]})
        )
        await transport.publish(Event(f"agent.{name}.fetch", {"after": 0}))
        last = (await mail.count(5))[4].data

    assert [data["attempt"] for data in (first, second)] == [1, 1]
    assert [data["seq"] for data in again] == [first["seq"], second["seq"]]
    assert last["seq"] == second["seq"]
    assert first["body"]["id"] == f"{name}-0"


async def test_what_an_agent_did_not_finish_comes_again_and_what_it_has_does_not(
    hub: RunningHub, dial: Callable[[], Courier], name: str
) -> None:
    begun, told = asyncio.Event(), []

    async def hang(_: Mail) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def hear(mail: Mail) -> None:
        told.append(mail.text)

    async with BrokerAgent(dial(), name, [name]) as agent:
        agent.on_broadcast(hang)
        await status(hub, name, "idle")
        casts = [
            hub.post("/v1/broadcasts", {"text": text, "where": f"cap:{name}"}).json()
            for text in ("one", "two")
        ]
        await begun.wait()

    async with BrokerAgent(dial(), name, [name]) as agent, dial() as other:
        agent.on_broadcast(hear)
        await eventually(lambda: _cast(hub, casts[1]["broadcast"]["id"])["done"] == 1)
        await other.publish(Event(f"agent.{name}.fetch"))
        more = {"text": "three", "where": f"cap:{name}"}
        last = hub.post("/v1/broadcasts", more).json()["broadcast"]["id"]
        await eventually(lambda: _cast(hub, last)["done"] == 1)

    # What a persistent broker kept comes before what the hub hands out again.
    assert (sorted(told[:2]), told[2:]) == (["one", "two"], ["three"])


async def test_a_handler_that_fails_for_good_ends_the_delivery(
    hub: RunningHub, dial: Callable[[], Courier], name: str
) -> None:
    async with BrokerAgent(dial(), name, attempts=1) as agent:

        @agent.on_task
        async def fail(mail: Mail) -> None:
            raise ValueError("no such codec")

        await status(hub, name, "idle")
        task = {"id": f"T-{name}"}
        hub.post(f"/task/assign?session_id={name}", task).raise_for_status()
        await eventually(lambda: task_state(hub, f"T-{name}") == "dead")

    dead = hub.get("/v1/deliveries?state=dead").json()["deliveries"]
    reasons = [row["reason"] for row in dead if row["agent"] == name]
    assert reasons == ["ValueError: no such codec"]


async def test_an_agent_with_a_websocket_gets_its_mail_there(
    hub: RunningHub, dial: Callable[[], Courier], name: str
) -> None:
    async with outsider(dial, name) as (transport, mail, _), hub.agent(name) as line:
        await transport.publish(Event(f"agent.{name}.idle"))
        await eventually(lambda: agent_row(hub, name).get("via", "") in KINDS)
        hub.post(f"/task/assign?session_id={name}", {"id": name}).raise_for_status()
        got = await line.hear("mail")
        await transport.publish(Event(f"mailbox.{name}", {"end": True}))
        await mail.until(lambda events: any("end" in event.data for event in events))

    assert got["ref"] == name
    assert len(mail.events) == 1


# --- what is seen ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["redis", "nats"], indirect=True)
async def test_a_tap_sees_what_goes_by_at_the_broker(
    hub: RunningHub, dial: Callable[[], Courier], kind: str, name: str
) -> None:
    seen: list[dict[str, Any]] = []

    async with hub.watch() as line, dial() as transport:
        await line.request("tap", pattern=f"*.{name}.**")

        async def look() -> None:
            while True:
                seen.extend((await line.hear("traffic"))["messages"])

        looking = asyncio.create_task(look())
        while not any(message["subject"].startswith("chat.") for message in seen):
            await transport.publish(Event(f"chat.{name}.said", {"text": "hello"}))
            await asyncio.sleep(0.1)
        await transport.publish(Event(f"agent.{name}.idle"))
        await eventually(
            lambda: any(message["subject"] == f"agent.{name}.idle" for message in seen)
        )
        looking.cancel()

    said = next(message for message in seen if message["subject"].startswith("chat."))
    assert (said["link"], said["direction"]) == (kind, "in")
    assert said["source"] == transport.name
    assert said["data"] == {"text": "hello"}


@pytest.mark.parametrize("kind", ["redis", "nats"], indirect=True)
async def test_what_the_hub_publishes_is_seen_and_counted_once(
    hub: RunningHub, dial: Callable[[], Courier], kind: str, name: str
) -> None:
    async def received() -> int:
        async with hub.watch() as line:
            links = (await line.request("links", follow=False))["result"]
        return next(int(link["received"]) for link in links if link["name"] == kind)

    seen: list[dict[str, Any]] = []
    async with hub.watch() as line, outsider(dial, name) as (transport, _, refused):
        await line.request("tap", pattern="**")

        async def look() -> None:
            while True:
                seen.extend((await line.hear("traffic"))["messages"])

        def subjects(direction: str, top: str) -> list[str]:
            return [
                message["subject"]
                for message in seen
                if message["direction"] == direction
                and message["subject"].startswith(f"{top}.{name}")
            ]

        looking = asyncio.create_task(look())
        while not subjects("in", "chat"):
            await transport.publish(Event(f"chat.{name}.said"))
            await asyncio.sleep(0.1)
        before = await received()
        await transport.publish(Event(f"agent.{name}.done", {}))
        await refused.count(1)
        await eventually(lambda: bool(subjects("out", "refused")))
        await transport.publish(Event(f"last.{name}.said"))
        await eventually(lambda: bool(subjects("in", "last")))
        counted = await received() - before
        looking.cancel()

    assert subjects("out", "refused") == [f"refused.{name}"]
    assert subjects("in", "refused") == []
    assert counted == 2


async def test_a_dead_letter_at_the_broker_is_kept_by_the_hub_and_given_back(
    hub: RunningHub, dial: Callable[[], Courier], kind: str, name: str
) -> None:
    box, well = Box(), asyncio.Event()

    async def picky(event: Event) -> None:
        if not well.is_set():
            raise ValueError("unwell")
        await box(event)

    def letters() -> list[dict[str, Any]]:
        found = hub.get("/v1/letters").json()["letters"]
        return [row for row in found if row["subscription"] == name]

    async with dial() as transport:
        quick = Retry(attempts=1)
        await transport.subscribe(f"{name}.*", picky, name=name, retry=quick)
        await transport.publish(Event(f"{name}.x", {"n": 1}))
        await eventually(lambda: bool(letters()))
        (letter,) = letters()
        well.set()
        hub.post(f"/v1/letters/{letter['id']}/requeue").raise_for_status()
        (again,) = await box.count(1)

    assert (letter["link"], letter["reason"]) == (kind, "ValueError: unwell")
    assert again.data == {"n": 1}


async def test_each_bridge_is_a_link_and_a_detail_of_the_hubs_health(
    hub: RunningHub,
) -> None:
    async with hub.watch() as line:
        told = (await line.request("links", follow=False))["result"]

    links = {link["name"]: link for link in told if link["name"] in KINDS}
    assert hub.get("/healthz").json()["bridges"] == dict.fromkeys(KINDS, "connected")
    assert {name: link["state"] for name, link in links.items()} == dict.fromkeys(
        KINDS, "connected"
    )
    assert [links[name]["persistent"] for name in KINDS] == [False, True, False, True]


# --- brokers and hubs that go away ----------------------------------------------------


async def test_a_hub_starts_without_its_broker_and_finds_it_later(
    start: Start, tmp_path: Path, name: str
) -> None:
    server = RedisServer(tmp_path)
    hub = start("--store", "memory", "--bridge", server.url)
    away = hub.get("/healthz").json()["bridges"]

    with server:
        await eventually(
            lambda: hub.get("/healthz").json()["bridges"] == {"redis": "connected"}
        )
        async with BrokerAgent(open_transport(server.url), name):
            row = await status(hub, name, "idle")

    assert away == {"redis": "reconnecting"}
    assert row["via"] == "redis"


async def test_mail_that_comes_while_the_broker_is_away_goes_down_later(
    start: Start, tmp_path: Path, name: str
) -> None:
    box: list[Mail] = []
    with RedisServer(tmp_path) as server:
        hub = start("--store", "memory", "--bridge", server.url)
        async with BrokerAgent(open_transport(server.url), name) as agent:

            @agent.on_broadcast
            async def hear(mail: Mail) -> None:
                box.append(mail)

            await status(hub, name, "idle")
            server.kill()
            sent = hub.post("/v1/broadcasts", {"text": "later"}).json()["broadcast"]
            server.start()
            await eventually(lambda: _cast(hub, sent["id"])["done"] == 1)

    assert [mail.text for mail in box] == ["later"]


async def test_an_agent_that_was_there_before_the_hub_is_found(
    start: Start, brokers: dict[str, str], name: str
) -> None:
    url = brokers["nats"].replace("prefix=plain", f"prefix={name}")
    async with BrokerAgent(open_transport(url), name) as agent:
        await agent.busy("T7")
        hub = start("--store", "memory", "--bridge", url)
        row = await status(hub, name, "busy")

    assert row["task"] == "T7"


@pytest.mark.parametrize("kind", ["redis-2", "nats-2"], indirect=True)
async def test_a_persistent_broker_keeps_reports_for_a_hub_that_was_killed(
    start: Start, brokers: dict[str, str], kind: str, name: str
) -> None:
    url = f"{brokers[kind]}&name={name}".replace("prefix=kept", f"prefix={name}")
    hub = start("--bridge", url)
    async with BrokerAgent(open_transport(url), name) as agent:
        await status(hub, name, "idle")
        hub.process.kill()
        hub.process.wait()
        for number in range(5):
            await agent.completed(f"T{number}")

        # What has piled up meanwhile comes faster than an agent may report otherwise.
        hub = start("--bridge", url, "--agent-rate", "0.1", "--agent-burst", "1")
        await eventually(lambda: agent_row(hub, name).get("completed") == 5)

    assert agent_row(hub, name)["task"] == "T4"


async def test_mail_that_a_killed_hub_had_handed_out_comes_again(
    start: Start, brokers: dict[str, str], name: str
) -> None:
    url = brokers["redis"].replace("prefix=plain", f"prefix={name}")
    hub = start("--bridge", url)

    def dial() -> Courier:
        transport = open_transport(url)
        assert isinstance(transport, Courier)
        return transport

    async with outsider(dial, name) as (transport, mail, _):
        await bridged(hub)
        await transport.publish(Event(f"agent.{name}.idle"))
        await status(hub, name, "idle")
        hub.post(f"/task/assign?session_id={name}", {"id": name}).raise_for_status()
        await mail.count(1)
        hub.process.kill()
        hub.process.wait()

        start("--bridge", url)
        first, again = await mail.count(2)

    assert first.data["seq"] == again.data["seq"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://user:hush@localhost", "begins with redis, rediss, nats or tls"),
        ("redis://:hush@localhost?colour=red", "no option 'colour'"),
        ("redis://:hush@localhost:x", "no number up to 65,535"),
        ("redis://:hush@localhost,redis://:hush@localhost", "there twice"),
    ],
)
def test_a_bridge_that_leads_nowhere_is_refused(
    tmp_path: Path, url: str, reason: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "server", "--port", "0"],
        env={"SWARMTUI_HOME": str(tmp_path), "SWARMTUI_BRIDGE": url},
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert ended.returncode != 0
    assert reason in ended.stderr
    assert "hush" not in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("package", ["redis", "nats"])
def test_a_bridge_whose_package_is_not_installed_is_refused_at_the_start(
    tmp_path: Path, package: str
) -> None:
    program = (
        f"import runpy, sys; sys.modules[{package!r}] = None; "
        "runpy.run_module('server', run_name='__main__', alter_sys=True)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "--port", "0"],
        env={
            "SWARMTUI_HOME": str(tmp_path),
            "SWARMTUI_BRIDGE": f"{package}://:hush@127.0.0.1:1",
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert ended.returncode != 0
    assert f"install swarmtui[{package}]" in ended.stderr
    assert "hush" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_flag_may_be_given_several_times(tmp_path: Path) -> None:
    urls = ("redis://:hush@127.0.0.1:1", "nats://127.0.0.1:1?prefix=x")
    flags = [word for url in urls for word in ("--bridge", url)]
    process = subprocess.Popen(
        [sys.executable, "-m", "swarmtui", "serve", "--port", "0", *flags],
        env={**os.environ, "SWARMTUI_HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    said = ""
    while '"ready"' not in said:
        said += process.stderr.readline()
    hub = RunningHub(process, tmp_path)
    asyncio.run(eventually(lambda: "reconnecting" in hub.get("/healthz").text))

    bridges = hub.get("/healthz").json()["bridges"]
    hub.http.close()
    process.terminate()
    said += process.communicate()[1]

    assert bridges == {"redis": "reconnecting", "nats": "reconnecting"}
    assert "the bridge redis has no broker" in said
    assert "hush" not in said


def test_the_urls_of_bridges_are_not_shown_with_the_settings(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "swarmtui", "paths", "--sources", "--json"],
        env={
            **os.environ,
            "SWARMTUI_HOME": str(tmp_path),
            "SWARMTUI_BRIDGE": "redis://:hush@h,nats://n",
        },
        check=True,
        capture_output=True,
        text=True,
    )

    assert '"bridge"' in shown.stdout
    assert "hush" not in shown.stdout
