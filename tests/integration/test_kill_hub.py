"""A hub is killed at random moments under load, and forgets nothing it acknowledged.

Agents report over HTTP and over WebSockets, workers claim tasks and complete or fail
them, a coordinator queues, assigns, broadcasts and answers, a watcher follows. Each
writes down what the hub told it. After every kill the hub starts again on the same
folder, and its log is compared with what was written down.
"""

import asyncio
import json
import os
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage
from websockets.typing import Subprotocol

from agentkit.rows import Row
from server.core import Swarm, Tables, evolve
from server.store import SQLiteStore
from server.store.log import LIVE
from tests.integration.nursery import Nursery

KILLS = 50
ROUNDS = 4
"""Folders, each with a hub that is killed `KILLS` times: they run beside each other."""
READY_WITHIN = 30.0
OVER_HTTP = ("h0", "h1")
OVER_WS = ("w0", "w1", "w2")
CLAIMERS = ("c0", "c1", "c2")
LEASE = 1.0
REPORTS = ("idle", "busy", "busy", "blocked", "help", "completed")
WINDOW = 20
"""Reports that an agent has under way over its WebSocket."""

GONE = (httpx.TransportError, ConnectionClosed, InvalidMessage, OSError)
"""How clients see a hub die."""


@dataclass
class Told:
    """What the hub has acknowledged, and what it has shown."""

    dice: random.Random
    reports: Counter[str] = field(default_factory=Counter)
    """The highest report of each agent that was acknowledged."""
    tasks: set[str] = field(default_factory=set)
    queued: set[str] = field(default_factory=set)
    claimed: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Task and agent of each fence."""
    ended: dict[int, str] = field(default_factory=dict)
    """How the lease under each fence was ended by its agent."""
    stale: int = 0
    """How often a fence was refused."""
    broadcasts: set[str] = field(default_factory=set)
    answers: set[str] = field(default_factory=set)
    mail: dict[tuple[str, int], str] = field(default_factory=dict)
    """What each delivery carried."""
    got: Counter[str] = field(default_factory=Counter)
    events: dict[int, dict[str, Any]] = field(default_factory=dict)
    """What the watcher saw, by cursor."""

    @property
    def acknowledged(self) -> int:
        """How many reports and ends of leases the hub has confirmed."""
        return self.reports.total() + len(self.ended)


@dataclass
class Found:
    """What the log holds."""

    cursor: int = 0
    reports: Counter[str] = field(default_factory=Counter)
    tasks: set[str] = field(default_factory=set)
    queued: set[str] = field(default_factory=set)
    claimed: dict[int, tuple[str, str]] = field(default_factory=dict)
    ended: dict[int, str] = field(default_factory=dict)
    current: dict[str, int] = field(default_factory=dict)
    """The fence under which a task is leased."""
    broadcasts: set[str] = field(default_factory=set)
    answers: set[str] = field(default_factory=set)


class Hub:
    """A hub in a process of its own, started again and again on one folder."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        self._nursery = nursery
        self._home = folder
        self.database = folder / "data" / "hub.db"
        self.url = ""
        self.headers: dict[str, str] = {}
        self._pid = 0

    async def start(self) -> None:
        """Start the process and wait until it has announced itself."""
        self._spawn()
        await self._ready()

    async def start_in_vain(self, seconds: float) -> None:
        """Start the process and kill it while it starts, or soon after."""
        self._spawn()
        await asyncio.sleep(seconds)
        self.kill()

    def _spawn(self) -> None:
        environment = {
            "SWARMTUI_HOME": str(self._home),
            "SWARMTUI_AGENT_RATE": "100000",
            "SWARMTUI_AGENT_BURST": "100000",
            "SWARMTUI_CLIENT_RATE": "100000",
            "SWARMTUI_CLIENT_BURST": "100000",
        }
        folder = str(self.database.parent)
        self._pid = self._nursery.start(environment, port="0", data_dir=folder)

    async def _ready(self) -> None:
        async with asyncio.timeout(READY_WITHIN):
            while (said := self._announced()).get("pid") != self._pid:
                await asyncio.sleep(0.01)
        self.url = said["url"]
        self.headers = {"Authorization": f"Bearer {said['token']}"}

    def kill(self) -> None:
        """End the process as a power switch would."""
        if self._pid:
            self._nursery.kill(self._pid)
            self._pid = 0

    def _announced(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self._home / "hub.json").read_text()))
        except FileNotFoundError:
            return {}

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers=self.headers, timeout=30)

    @asynccontextmanager
    async def socket(self, path: str, **hello: Any) -> AsyncIterator[ClientConnection]:
        async with connect(
            self.url.replace("http", "ws", 1) + path,
            subprotocols=[Subprotocol("swarm.v1")],
            additional_headers=self.headers,
            compression=None,
            close_timeout=1,
        ) as socket:
            await send(socket, type="hello", **hello)
            yield socket


async def send(socket: ClientConnection, **frame: Any) -> None:
    await socket.send(json.dumps(frame))


async def receive(socket: ClientConnection) -> dict[str, Any]:
    return dict(json.loads(await socket.recv()))


# --- The load -------------------------------------------------------------------------


def report(told: Told, seq: int) -> dict[str, Any]:
    """Return a numbered report; one that is sent again may say another thing."""
    return {
        "report": told.dice.choice(REPORTS),
        "task": f"K{told.dice.randrange(50)}",
        "message": "why",
        "seq": seq,
    }


async def report_over_http(hub: Hub, told: Told, agent: str) -> None:
    async with hub.client() as client:
        while True:
            seq = told.reports[agent] + 1
            reply = await client.post(
                f"/v1/agents/{agent}/status",
                json={**report(told, seq), "spool": f"outbox-{agent}"},
            )
            assert reply.status_code == 200, reply.text
            assert reply.json()["accepted"] >= seq
            told.reports[agent] = seq


async def report_over_ws(hub: Hub, told: Told, agent: str) -> None:
    hello = {"agent": agent, "spool": f"outbox-{agent}", "got": told.got[agent]}
    async with hub.socket("/v1/agent", **hello) as socket:
        welcome = await receive(socket)
        assert welcome["type"] == "welcome", welcome
        assert welcome["accepted"] >= told.reports[agent]
        stored = said = welcome["accepted"]
        while True:
            while said < stored + WINDOW:
                said += 1
                await send(socket, type="notify", **report(told, said))
            frame = await receive(socket)
            match frame["type"]:
                case "ack":
                    stored = told.reports[agent] = frame["seq"]
                case "mail":
                    await take_mail(socket, told, agent, frame)
                case _:
                    pytest.fail(f"{agent} was sent {frame}")


async def take_mail(
    socket: ClientConnection, told: Told, agent: str, frame: dict[str, Any]
) -> None:
    seq = frame["seq"]
    assert seq > told.got[agent], "a delivery that the agent holds came again"
    told.mail[agent, seq] = frame["ref"]
    told.got[agent] = seq
    await send(socket, type="ack", upto=seq)
    if frame["kind"] != "task":
        await send(socket, type="done", seq=seq)


async def coordinate(hub: Hub, told: Told) -> None:
    async with hub.client() as client:
        while True:
            task = f"K{len(told.tasks)}"
            agent = (*OVER_HTTP, *OVER_WS)[len(told.tasks) % 5]
            if await post(client, "/v1/tasks", task, {"agent": agent, "id": task}):
                told.tasks.add(task)
            if told.dice.random() < 0.3:
                cast = f"B{len(told.broadcasts)}"
                if await post(
                    client, "/v1/broadcasts", cast, {"text": "x", "id": cast}
                ):
                    told.broadcasts.add(cast)
            await answer(client, told)


async def queue(hub: Hub, told: Told) -> None:
    async with hub.client() as client:
        while True:
            task = f"Q{len(told.queued)}"
            wish = {"id": task, "max_attempts": 100}
            if await post(client, "/v1/tasks", f"queue-{task}", wish):
                told.queued.add(task)
            await asyncio.sleep(0.005)


async def work(hub: Hub, told: Told, agent: str) -> None:
    """Claim, and complete, fail or forget; a claim without an answer is repeated."""
    async with hub.client() as client:
        while True:
            key = f"claim-{agent}-{len(told.claimed)}-{len(told.ended)}"
            for task in await claim(client, key, agent):
                told.claimed[task["fence"]] = (task["id"], agent)
                await settle(client, told, task)


async def claim(client: httpx.AsyncClient, key: str, agent: str) -> list[Any]:
    wish = {"agent": agent, "lease": LEASE, "wait": 5}
    headers = {"Idempotency-Key": key}
    reply = await client.post("/v1/claims", json=wish, headers=headers)
    assert reply.status_code == 200, reply.text
    return list(reply.json()["tasks"])


async def settle(client: httpx.AsyncClient, told: Told, task: dict[str, Any]) -> None:
    fence = {"agent": task["agent"], "fence": task["fence"]}
    path = f"/v1/tasks/{task['id']}"
    match told.dice.random():
        case dice if dice < 0.1:
            return
        case dice if dice < 0.3:
            word, wish = "fail", {**fence, "reason": "x", "delay": 0}
        case _:
            word, wish = "complete", {**fence, "result": {"by": task["agent"]}}
    reply = await client.post(f"{path}/{word}", json=wish)
    if reply.status_code == 409:
        told.stale += 1
    else:
        assert reply.status_code == 200, reply.text
        told.ended[task["fence"]] = word


async def answer(client: httpx.AsyncClient, told: Told) -> None:
    found = await client.get("/v1/help", params={"state": "open", "limit": 1})
    for row in found.json()["helps"]:
        path = f"/v1/help/{row['id']}/answer"
        if await post(client, path, f"answer-{row['id']}", {"text": "like this"}):
            told.answers.add(row["id"])


async def post(
    client: httpx.AsyncClient, path: str, key: str, body: dict[str, Any]
) -> bool:
    """Wish something under an idempotency key; return whether it was granted."""
    reply = await client.post(path, json=body, headers={"Idempotency-Key": key})
    assert reply.is_success or reply.status_code in (404, 409), reply.text
    return reply.is_success


async def watch(hub: Hub, told: Told) -> None:
    async with hub.socket("/v1/coordinator", batch_ms=0) as socket:
        cursor = 0
        while True:
            frame = await receive(socket)
            match frame["type"]:
                case "snapshot":
                    cursor = frame["cursor"]
                case "turn":
                    for event in frame["events"]:
                        cursor += 1
                        assert event["cursor"] == cursor
                        told.events[cursor] = event
                case "resync":
                    await send(socket, type="snapshot")


async def until_it_dies(client: Any) -> None:
    with suppress(*GONE):
        await client


async def live(hub: Hub, told: Told) -> None:
    """Put the hub under load, kill it at a random moment and see the clients off."""
    clients = [
        *(report_over_http(hub, told, agent) for agent in OVER_HTTP),
        *(report_over_ws(hub, told, agent) for agent in OVER_WS),
        *(work(hub, told, agent) for agent in CLAIMERS),
        queue(hub, told),
        coordinate(hub, told),
        watch(hub, told),
    ]
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        tasks = [group.create_task(until_it_dies(client)) for client in clients]
        enough = told.acknowledged + told.dice.randrange(10, 600)
        while told.acknowledged < enough:
            await asyncio.sleep(0.002)
        assert not any(task.done() for task in tasks), "a client was turned away"
        hub.kill()


# --- The comparison -------------------------------------------------------------------


async def read_on(hub: Hub, told: Told, found: Found) -> None:
    """Read what is new in the log, and compare it with what the watcher saw."""
    async with hub.client() as client:
        while True:
            question = {"after": found.cursor, "limit": 1000}
            reply = await client.get("/v1/events", params=question)
            page = reply.json()["events"]
            if not page:
                return
            for event in page:
                found.cursor += 1
                assert event["cursor"] == found.cursor, "the log has a gap"
                assert told.events.pop(found.cursor, event).items() >= event.items()
                take_stock(found, event["subject"], event["data"])


def take_stock(found: Found, subject: str, data: dict[str, Any]) -> None:
    if data.get("spool"):
        found.reports[data["agent"]] += 1
        assert data["seq"] == found.reports[data["agent"]], "a report twice, or missing"
    kinds = {
        "task.assigned": (found.tasks, "task"),
        "task.enqueued": (found.queued, "task"),
        "broadcast.sent": (found.broadcasts, "broadcast"),
        "help.answered": (found.answers, "help"),
    }
    if subject in kinds:
        names, key = kinds[subject]
        assert data[key] not in names, f"{subject} twice"
        names.add(data[key])
    if data.get("fence"):
        take_stock_of_lease(found, subject, data)


def take_stock_of_lease(found: Found, subject: str, data: dict[str, Any]) -> None:
    """One lease at a time, each under a higher fence, each ended once."""
    task, fence = data["task"], data["fence"]
    if subject == "task.leased":
        assert task not in found.current, "a task was claimed twice"
        assert fence == found.cursor
        found.current[task] = fence
        found.claimed[fence] = (task, data["agent"])
    elif subject != "task.extended":
        assert found.current.pop(task) == fence, "an old fence was accepted"
        found.ended[fence] = "complete" if subject == "task.done" else "fail"


def compare(told: Told, found: Found) -> None:
    """Nothing that was acknowledged may be missing."""
    assert not {
        agent: seq for agent, seq in told.reports.items() if found.reports[agent] < seq
    }
    assert told.tasks <= found.tasks
    assert told.queued <= found.queued
    assert told.claimed.items() <= found.claimed.items()
    assert told.ended.items() <= found.ended.items()
    assert told.broadcasts <= found.broadcasts
    assert told.answers <= found.answers
    assert not told.events, "the watcher saw events that the log does not have"


def assert_sound(database: Path) -> None:
    shell = sqlite3.connect(database)
    shell.execute("PRAGMA query_only=1")
    (result,) = shell.execute("PRAGMA integrity_check").fetchone()
    shell.close()
    assert result == "ok"


async def assert_rows_follow_from_the_log(database: Path, told: Told) -> None:
    """Replay the whole log: it must lead to the rows that were written beside it."""
    store = SQLiteStore(database)
    await store.open()
    cursor, loaded = await store.load()
    swarm = Swarm()
    for logged in await store.events(limit=cursor):
        evolve(swarm, logged.event)
    mail = {
        (row.agent, row.seq): row
        for agent in swarm.agents
        for row in await store.deliveries(agent=agent, limit=1_000_000)
    }
    await store.close()

    replayed = swarm.take()
    assert swarm.cursor == cursor
    assert mail == replayed.deliveries
    assert {key: mail[key].ref for key in told.mail} == told.mail
    assert_agree(loaded, replayed)


def assert_agree(loaded: Tables, replayed: Tables) -> None:
    for name, rows in replayed:
        known: dict[object, Row] = dict(getattr(loaded, name))
        if name != "receipts":
            assert {key: rows[key] for key in known} == known, name
        missing = rows.keys() - known.keys()
        assert not [key for key in missing if is_live(rows[key])], name


def is_live(row: Row) -> bool:
    return LIVE.get(type(row), lambda _: True)(row)


@contextmanager
def kept_dead(hub: Hub) -> Iterator[None]:
    try:
        yield
    finally:
        hub.kill()


@pytest.mark.parametrize("_round", range(ROUNDS))
async def test_a_killed_hub_forgets_nothing_it_acknowledged(
    tmp_path: Path, _round: int
) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    log = tmp_path / "hub.log"
    print(f"SEED={seed} repeats these moments; the hub's own words: {log}")
    told, found = Told(random.Random(seed)), Found()

    with Nursery(log) as nursery, kept_dead(hub := Hub(nursery, tmp_path)):
        await hub.start()
        for _ in range(KILLS):
            await live(hub, told)
            if told.dice.random() < 0.2:
                await hub.start_in_vain(told.dice.uniform(0, 0.05))
            await hub.start()
            await read_on(hub, told, found)
            compare(told, found)
            assert_sound(hub.database)

    await assert_rows_follow_from_the_log(hub.database, told)
    assert min(told.reports[agent] for agent in (*OVER_HTTP, *OVER_WS)) > 0
    kinds = (told.tasks, told.broadcasts, told.answers, told.mail, told.queued)
    assert min(map(len, kinds)) > 0
    assert told.ended
