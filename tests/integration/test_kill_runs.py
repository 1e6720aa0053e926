"""A hub and its workers are killed while a plan runs, and the plan does not notice.

The same plan is run twice: once undisturbed, once while the hub and the workers are
killed again and again. Both must lead to the same, and the log must show that no item
was done twice, lost, or begun when there was no room for it.
"""

import asyncio
import os
import random
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration import crew
from tests.integration.nursery import Nursery
from tests.integration.test_kill_hub import Hub

ITEMS = 1000
LIMIT = 20
HUB_KILLS = 6
CREW_KILLS = 10
CREW = ("w0", "w1", "w2")
PAGE = 1000
WITHIN = 80.0
"""Seconds in which both runs have to come to their ends."""

MACHINE = {
    "context": {"numbers": "{{ input.numbers }}", "squares": None},
    "agents": {"square": {"capabilities": ["squares"], "max_attempts": 1000}},
    "states": {
        "work": {
            "type": "initial",
            "agent": "square",
            "foreach": "{{ context.numbers }}",
            "as": "number",
            "input": {"number": "{{ number }}"},
            "concurrency": LIMIT,
            "output_to_context": {"squares": "{{ output }}"},
            "transitions": [{"to": "end"}],
        },
        "end": {"type": "final", "output": {"squares": "{{ context.squares }}"}},
    },
}
PLAN = {"name": "squares", "main": "squares", "machines": {"squares": MACHINE}}


class Scene:
    """A hub and its workers, in processes that can be killed."""

    def __init__(self, hub: Hub, crew: Nursery, home: Path, dice: random.Random):
        self.hub = hub
        self.dice = dice
        self.kills: Counter[str] = Counter()
        self._crew = crew
        self._home = home
        self._pids: dict[str, int] = {}

    async def start(self) -> None:
        await self.hub.start()
        for name in CREW:
            self._start(name)

    def _start(self, name: str) -> None:
        self._pids[name] = self._crew.start(
            {"SWARMTUI_HOME": str(self._home)},
            name=name,
            journal=str(self._home / f"{name}.journal"),
        )

    async def kill_hub(self) -> None:
        self.hub.kill()
        self.kills["hub"] += 1
        await asyncio.sleep(self.dice.uniform(0, 0.1))
        await self.hub.start()

    async def kill_worker(self) -> None:
        name = self.dice.choice(CREW)
        self._crew.kill(self._pids[name])
        self.kills["workers"] += 1
        self._start(name)

    def end(self) -> None:
        for pid in self._pids.values():
            self._crew.kill(pid)
        self.hub.kill()

    def begun(self) -> list[tuple[str, int]]:
        """Return what workers wrote down: task and fence of all that they began."""
        found = []
        for name in CREW:
            for line in (self._home / f"{name}.journal").read_text().splitlines():
                _, task, fence = line.split()
                found.append((task, int(fence)))
        return found

    async def launch(self, run: str) -> None:
        given = {"numbers": list(range(ITEMS))}
        wish = {"id": run, "plan": PLAN, "input": given}
        async with self.hub.client() as client:
            reply = await client.post("/v1/runs", json=wish)
            assert reply.status_code == 201, reply.text

    async def run(self, run: str) -> dict[str, Any]:
        async with self.hub.client() as client:
            reply = await client.get(f"/v1/runs/{run}")
            assert reply.status_code == 200, reply.text
            return dict(reply.json()["run"])

    async def has_done(self, run: str, items: int) -> dict[str, Any]:
        """Wait until so many items of a run are done, and return its row."""
        while True:
            row = await self.run(run)
            if row["done"] >= items or row["state"] != "running":
                return row
            await asyncio.sleep(0.02)

    async def is_over(self, run: str) -> dict[str, Any]:
        """Wait until a run has ended, and return its row."""
        while (row := await self.run(run))["state"] == "running":
            await asyncio.sleep(0.05)
        return row

    async def disturb(self, run: str) -> None:
        """Kill the hub and workers at random moments of a run."""
        wishes = [self.kill_hub] * HUB_KILLS + [self.kill_worker] * CREW_KILLS
        self.dice.shuffle(wishes)
        moments = sorted(self.dice.sample(range(ITEMS * 7 // 10), len(wishes)))
        for moment, kill in zip(moments, wishes, strict=True):
            row = await self.has_done(run, moment)
            assert row["state"] == "running", "it came to its end undisturbed"
            await kill()


async def read_log(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        question = {"after": len(found), "limit": PAGE}
        page = (await client.get("/v1/events", params=question)).json()["events"]
        if not page:
            return found
        found += page
        assert found[-1]["cursor"] == len(found), "the log has a gap"


# --- The comparison -------------------------------------------------------------------


def assert_room(log: list[dict[str, Any]], run: str) -> None:
    """As many items go on as there is room for, and no more; each is done once."""
    going: set[int] = set()
    done: list[int] = []
    most = 0
    for event in log:
        subject, data = event["subject"], event["data"]
        if not subject.startswith("item.") or data["run"] != run:
            continue
        index = data["index"]
        if subject == "item.started":
            assert index not in going, "an item was begun twice"
            going.add(index)
            most = max(most, len(going))
        else:
            assert subject == "item.done", event
            going.remove(index)
            done.append(index)
    assert most == LIMIT
    assert sorted(done) == list(range(ITEMS)), "an item was lost, or done twice"


def assert_leases(log: list[dict[str, Any]], begun: list[tuple[str, int]]) -> None:
    """One lease at a time, each ended once, and nobody worked twice under one."""
    current: dict[str, int] = {}
    leased: set[tuple[str, int]] = set()
    for event in log:
        data = event["data"]
        match event["subject"]:
            case "task.leased":
                assert data["task"] not in current, "a task was leased twice"
                assert data["fence"] == event["cursor"]
                current[data["task"]] = data["fence"]
                leased.add((data["task"], data["fence"]))
            case "task.done" | "task.released" | "task.dead":
                assert current.pop(data["task"]) == data["fence"], "an old fence"
    assert not current
    assert len(begun) == len(set(begun)), "an item was done twice under one fence"
    assert set(begun) <= leased


@pytest.mark.timeout(150)
async def test_a_run_leads_to_the_same_when_everybody_is_killed_while_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    print(f"SEED={seed} repeats these moments; what was said: {tmp_path}")
    monkeypatch.setenv("SWARMTUI_RETRY_FIRST", "0.05")
    monkeypatch.setenv("SWARMTUI_RETRY_MOST", "0.2")
    log = tmp_path / "words.log"
    with (
        Nursery(log) as hubs,
        Nursery(log, crew.__file__) as workers,
        ExitStack() as end,
    ):
        scene = Scene(Hub(hubs, tmp_path), workers, tmp_path, random.Random(seed))
        end.callback(scene.end)
        async with asyncio.timeout(WITHIN):
            await scene.start()
            await scene.launch("calm")
            calm = await scene.is_over("calm")
            await scene.launch("storm")
            await scene.disturb("storm")
            storm = await scene.is_over("storm")
        async with scene.hub.client() as client:
            told = await read_log(client)

    squares = [{"square": number * number} for number in range(ITEMS)]
    assert calm["output"] == {"squares": squares}
    assert (storm["state"], storm["output"]) == (calm["state"], calm["output"])
    begun = scene.begun()
    assert_leases(told, begun)
    for run in ("calm", "storm"):
        assert_room(told, run)
    lost = sum(event["subject"] == "task.released" for event in told)
    print(f"{scene.kills}, {len(told)} events, {len(begun)} begun, {lost} lost")
    assert scene.kills == {"hub": HUB_KILLS, "workers": CREW_KILLS}
    assert lost, "nobody was killed who had something to do"
