"""Agents and their hub are killed at random moments, and nothing is lost or doubled.

Durable agents work, listen and report over their WebSockets; a coordinator queues,
assigns and broadcasts. Whoever was promised something writes it down. When the killing
has stopped, the hub's log is compared with what was written.
"""

import asyncio
import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentkit.inbox import ATTEMPTS
from agentkit.outbox import CRASHED
from tests.integration import workers
from tests.integration.nursery import Nursery
from tests.integration.test_kill_hub import Hub

KILLS = 160
AGENTS = tuple(f"w{number}" for number in range(5))
PAGE = 1000
PAUSE = 0.02
"""Seconds between two wishes: agents that live a second keep up with that."""

SETTLED = {"done", "dead"}
LEAST = 50
"""What has to happen for the comparison to say anything."""

HOW = ("", "", "", "", "fails", "later", "rejected")
WITHIN = 60.0
"""Seconds after the last kill in which everything has to be settled."""


@dataclass
class Written:
    """What an agent wrote down, line by line."""

    said: list[tuple[int, int]] = field(default_factory=list)
    begun: list[tuple[str, int]] = field(default_factory=list)
    worked: set[tuple[str, int]] = field(default_factory=set)
    heard: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    """The attempts at each delivery, in order."""
    handled: set[int] = field(default_factory=set)
    flushed: set[int] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path) -> "Written":
        written = cls()
        for line in path.read_text().splitlines() if path.exists() else ():
            match line.split():
                case ["said", life, number]:
                    written.said.append((int(life), int(number)))
                case ["begun", task, fence, _]:
                    written.begun.append((task, int(fence)))
                case ["worked", task, fence]:
                    written.worked.add((task, int(fence)))
                case ["heard", seq, _, attempt]:
                    written.heard[int(seq)].append(int(attempt))
                case ["handled", seq, _]:
                    written.handled.add(int(seq))
                case ["flushed", life]:
                    written.flushed.add(int(life))
        return written


class Colony:
    """The agents: processes that are killed and begin another life."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        self._nursery = nursery
        self._home = folder
        self._pids: dict[str, int] = {}
        self.lives: Counter[str] = Counter()

    def journal(self, name: str) -> Path:
        return self._home / f"{name}.journal"

    def start(self, name: str, *, talk: bool = True) -> None:
        self.lives[name] += 1
        self._pids[name] = self._nursery.start(
            {"SWARMTUI_HOME": str(self._home)},
            name=name,
            life=self.lives[name],
            journal=str(self.journal(name)),
            talk=talk,
        )

    def kill(self, name: str) -> None:
        if name in self._pids:
            self._nursery.kill(self._pids.pop(name))

    def end(self) -> None:
        for name in tuple(self._pids):
            self.kill(name)


class Wishes:
    """What a coordinator was promised; it repeats a wish until it is."""

    def __init__(self, hub: Hub, dice: random.Random) -> None:
        self._hub = hub
        self._client = hub.client()
        self._dice = dice
        self._count = 0
        self.tasks: set[str] = set()
        self.broadcasts: set[str] = set()

    async def make(self) -> None:
        try:
            while True:
                self._count += 1
                await self._wish(self._count)
                await asyncio.sleep(PAUSE)
        finally:
            await self._client.aclose()

    async def _wish(self, number: int) -> None:
        if self._dice.random() < 0.2:
            cast = f"B{number}"
            await self._post("/v1/broadcasts", {"id": cast, "text": "hear"})
            self.broadcasts.add(cast)
            return
        task = f"T{number}"
        how = {"how": self._dice.choice(HOW)}
        wish = {"id": task, "body": how, "max_attempts": self._dice.randint(2, 8)}
        if self._dice.random() < 0.3:
            wish["agent"] = self._dice.choice(AGENTS)
        await self._post("/v1/tasks", wish)
        self.tasks.add(task)

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        headers = {"Idempotency-Key": body["id"]}
        while True:
            with suppress(httpx.TransportError):
                reply = await self._client.post(path, json=body, headers=headers)
                if reply.status_code == 201:
                    return
                assert reply.status_code in (404, 503), reply.text
            await asyncio.sleep(0.02)
            await self._client.aclose()
            self._client = self._hub.client()


# --- The killing ----------------------------------------------------------------------


async def kill_at_random(hub: Hub, colony: Colony, dice: random.Random) -> Counter[str]:
    kills: Counter[str] = Counter()
    while kills.total() < KILLS:
        await asyncio.sleep(dice.uniform(0.02, 0.3))
        if hub_dies := dice.random() < 0.2:
            hub.kill()
            kills["hub"] += 1
        for name in dice.sample(AGENTS, dice.choice((0, 1, 1, 2))):
            colony.kill(name)
            kills["agents"] += 1
            colony.start(name)
        if hub_dies:
            await asyncio.sleep(dice.uniform(0, 0.2))
            await hub.start()
    return kills


async def settle(hub: Hub, colony: Colony) -> None:
    """Let everybody live, and wait until nothing is left to do."""
    for name in AGENTS:
        colony.kill(name)
        colony.start(name, talk=False)
    async with asyncio.timeout(WITHIN), hub.client() as client:
        while not await is_settled(client, colony):
            await asyncio.sleep(0.1)


async def is_settled(client: httpx.AsyncClient, colony: Colony) -> bool:
    for name in AGENTS:
        if colony.lives[name] not in Written.read(colony.journal(name)).flushed:
            return False
    counts = (await client.get("/v1/tasks", params={"limit": 1})).json()["counts"]
    if any(number for state, number in counts.items() if state not in SETTLED):
        return False
    rows = await deliveries(client)
    return all(row["state"] in SETTLED for row in rows)


async def deliveries(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    rows = []
    for name in AGENTS:
        question: dict[str, Any] = {"agent": name, "limit": PAGE}
        page = (await client.get("/v1/deliveries", params=question)).json()
        assert len(page["deliveries"]) < PAGE
        rows += page["deliveries"]
    return rows


async def events(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        question = {"after": len(found), "limit": PAGE}
        page = (await client.get("/v1/events", params=question)).json()["events"]
        if not page:
            return found
        found += page
        assert found[-1]["cursor"] == len(found), "the log has a gap"


# --- The comparison -------------------------------------------------------------------


def assert_reports_arrived(
    log: list[dict[str, Any]], name: str, wrote: Written
) -> None:
    """What was said is there, in order, once."""
    heard = [
        tuple(map(int, event["data"]["task"].split("-")[1:]))
        for event in log
        if event["subject"] == "agent.busy" and event["data"]["agent"] == name
    ]
    assert heard == sorted(set(heard)), f"reports of {name} twice, or out of order"
    assert not set(wrote.said) - set(heard), f"reports of {name} are lost"


def assert_numbered(log: list[dict[str, Any]]) -> None:
    """Whatever came from an outbox took effect once, in the order of its numbers."""
    accepted: Counter[tuple[str, str]] = Counter()
    for event in log:
        data = event["data"]
        if data.get("spool"):
            outbox = data["agent"], data["spool"]
            assert data["seq"] == accepted[outbox] + 1, f"{outbox}: twice, or missing"
            accepted[outbox] += 1


def assert_work(log: list[dict[str, Any]], wrote: dict[str, Written]) -> Counter[str]:
    """Nobody worked under another's lease, or twice under one; each task ended once."""
    leased = {
        (event["data"]["task"], event["data"]["fence"]): event["data"]["agent"]
        for event in log
        if event["subject"] == "task.leased"
    }
    done = [e["data"] for e in log if e["subject"] == "task.done"]
    begun = [(job, name) for name in AGENTS for job in wrote[name].begun]
    assert len(begun) == len({job for job, _ in begun}), "one fence was worked on twice"
    assert not [job for job, name in begun if leased.get(job) != name]
    assert len(done) == len({data["task"] for data in done}), "a task was done twice"
    for data in done:
        assert data["result"] == {"fence": data["fence"]}
        assert (data["task"], data["fence"]) in wrote[data["agent"]].worked
    crashed = [e for e in log if e["data"].get("reason") == CRASHED]
    return Counter(
        leased=len(leased), begun=len(begun), done=len(done), crashed=len(crashed)
    )


def assert_mail(rows: list[dict[str, Any]], wrote: dict[str, Written]) -> Counter[str]:
    """Each broadcast was handled in its order, or given up after its last attempt."""
    found: Counter[str] = Counter()
    for row in (row for row in rows if row["kind"] == "broadcast"):
        attempts = wrote[row["agent"]].heard[row["seq"]]
        found[row["state"]] += 1
        found["again"] += max(len(attempts) - 1, 0)
        assert attempts == sorted(set(attempts)), "an attempt was not counted"
        assert attempts[-1] <= ATTEMPTS
        if row["state"] == "dead":
            assert row["reason"] == "the agent crashed at the last of 7 attempts"
        else:
            assert row["seq"] in wrote[row["agent"]].handled
    for name in AGENTS:
        assert list(wrote[name].heard) == sorted(wrote[name].heard), "out of order"
    return found


@contextmanager
def kept_dead(hub: Hub, colony: Colony) -> Iterator[None]:
    try:
        yield
    finally:
        colony.end()
        hub.kill()


@pytest.mark.timeout(300)
async def test_killed_agents_and_hubs_lose_and_double_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    print(f"SEED={seed} repeats these moments; what was said: {tmp_path}")
    monkeypatch.setenv("SWARMTUI_RETRY_FIRST", "0.05")
    monkeypatch.setenv("SWARMTUI_RETRY_MOST", "0.2")
    dice, log = random.Random(seed), tmp_path / "words.log"
    with (
        Nursery(log) as hubs,
        Nursery(log, workers.__file__) as agents,
        kept_dead(hub := Hub(hubs, tmp_path), colony := Colony(agents, tmp_path)),
    ):
        await hub.start()
        for name in AGENTS:
            colony.start(name)
        wishes = Wishes(hub, random.Random(seed + 1))
        coordinator = asyncio.create_task(wishes.make())
        kills = await kill_at_random(hub, colony, dice)
        assert not coordinator.done(), coordinator.result()
        coordinator.cancel()
        await asyncio.wait([coordinator])
        await settle(hub, colony)
        async with hub.client() as client:
            told, rows = await events(client), await deliveries(client)

    wrote = {name: Written.read(colony.journal(name)) for name in AGENTS}
    for name in AGENTS:
        assert_reports_arrived(told, name, wrote[name])
    assert_numbered(told)
    work, mail = assert_work(told, wrote), assert_mail(rows, wrote)
    known = {event["data"].get("task") for event in told}
    assert wishes.tasks <= known, "tasks are lost"
    casts = {e["data"]["broadcast"] for e in told if e["subject"] == "broadcast.sent"}
    assert wishes.broadcasts <= casts, "broadcasts are lost"
    said = sum(len(written.said) for written in wrote.values())
    print(f"{kills}, {len(told)} events, {said} said, {work}, {mail}")
    assert kills["hub"] > 10
    assert min(said, work["done"], mail["done"]) > LEAST
    assert min(work["crashed"], mail["again"]) > 0
