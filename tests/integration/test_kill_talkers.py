"""Agents that talk, and their hub, are killed at random; no word is lost or doubled.

Each agent wrote down what it was promised, heard, did and was answered. When the
killing has stopped, that is compared.
"""

import asyncio
import os
import random
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from agentkit.inbox import ATTEMPTS
from tests.integration import talkers
from tests.integration.nursery import Nursery
from tests.integration.test_kill_hub import Hub

KILLS = 80
AGENTS = ("t0", "t1", "t2")
WITHIN = 60.0
"""Seconds after the last kill in which everything has to be heard."""

LAST = 0
"""The life in which an agent talks no more than it must."""

Word = tuple[str, int, int]
"""The sender, its life, and the number of a message in it."""


class Talk:
    """What an agent wrote down."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.said: dict[str, list[Word]] = defaultdict(list)
        self.heard: dict[int, tuple[Word, list[int]]] = {}
        """Each delivery with its attempts, in the order in which it was first heard."""
        self.handled: set[int] = set()
        self.did: set[str] = set()
        self.answered: dict[str, str] = {}
        self.flushed = False
        for line in path.read_text().splitlines():
            self._read(line.split())

    def _read(self, words: list[str]) -> None:
        match words:
            case ["said", to, life, number]:
                self.said[to].append((self.name, int(life), int(number)))
            case ["heard", seq, sender, life, number, attempt]:
                word = sender, int(life), int(number)
                _, attempts = self.heard.setdefault(int(seq), (word, []))
                attempts.append(int(attempt))
            case ["handled", seq]:
                self.handled.add(int(seq))
            case ["did", key]:
                self.did.add(key)
            case ["answered", key, answer]:
                self.answered[key] = answer
            case ["flushed"]:
                self.flushed = True


class Company:
    """The agents: processes that are killed and begin another life."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        self._nursery = nursery
        self._home = folder
        self._pids: dict[str, int] = {}
        self._lives: Counter[str] = Counter()

    def start(self, name: str, *, last: bool = False) -> None:
        self._lives[name] += 1
        self._pids[name] = self._nursery.start(
            {"SWARMTUI_HOME": str(self._home)},
            name=name,
            others=[other for other in AGENTS if other != name],
            life=LAST if last else self._lives[name],
            journal=str(self._journal(name)),
        )

    def kill(self, name: str) -> None:
        if name in self._pids:
            self._nursery.kill(self._pids.pop(name))

    def end(self) -> None:
        for name in tuple(self._pids):
            self.kill(name)

    def talk(self) -> dict[str, Talk]:
        return {name: Talk(name, self._journal(name)) for name in AGENTS}

    def _journal(self, name: str) -> Path:
        return self._home / f"{name}.journal"


async def introduce(hub: Hub) -> None:
    """Let the hub know all of them: a message to nobody is refused, not kept."""
    async with hub.client() as client:
        for name in AGENTS:
            said = {"report": "idle"}
            reply = await client.post(f"/v1/agents/{name}/status", json=said)
            assert reply.status_code == 200, reply.text


async def kill_at_random(hub: Hub, company: Company, dice: random.Random) -> None:
    for _ in range(KILLS):
        await asyncio.sleep(dice.uniform(0.02, 0.3))
        if dice.random() < 0.2:
            hub.kill()
            await asyncio.sleep(dice.uniform(0, 0.2))
            await hub.start()
        else:
            name = dice.choice(AGENTS)
            company.kill(name)
            company.start(name)


async def settle(company: Company) -> dict[str, Talk]:
    """Let everybody live, and wait until all that was said is heard."""
    for name in AGENTS:
        company.kill(name)
        company.start(name, last=True)
    async with asyncio.timeout(WITHIN):
        while not is_settled(talk := company.talk()):
            await asyncio.sleep(0.1)
    return talk


def is_settled(talk: dict[str, Talk]) -> bool:
    return all(one.flushed for one in talk.values()) and all(
        set(one.said[other.name]) <= {word for word, _ in other.heard.values()}
        and all(is_over(other, seq) for seq in other.heard)
        for one in talk.values()
        for other in talk.values()
    )


def is_over(one: Talk, seq: int) -> bool:
    return seq in one.handled or one.heard[seq][1][-1] == ATTEMPTS


def assert_words(talk: dict[str, Talk]) -> None:
    """Each message was heard once, in the order in which its sender said it."""
    for name, one in talk.items():
        assert list(one.heard) == sorted(one.heard), f"{name} heard out of order"
        words = defaultdict(list)
        for word, attempts in one.heard.values():
            words[word[0]].append(word)
            assert attempts == sorted(set(attempts)), "an attempt was not counted"
        for sender, heard in words.items():
            assert len(heard) == len(set(heard)), f"{name} heard {sender} twice"
            assert heard == sorted(heard), f"{sender} reached {name} out of order"


def assert_answers(talk: dict[str, Talk]) -> None:
    """Each answer is of whoever did what was asked; in its last life all are there."""
    did = {key for one in talk.values() for key in one.did}
    for name, one in talk.items():
        assert all(answer == f"{key}!" for key, answer in one.answered.items())
        assert set(one.answered) <= did
        last = [key for key in one.answered if key.startswith(f"{name}-{LAST}-")]
        assert len(last) == len(AGENTS) - 1


@pytest.mark.timeout(200)
async def test_killed_agents_and_hubs_lose_and_double_no_word(tmp_path: Path) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    print(f"SEED={seed} repeats these moments; what was said: {tmp_path}")
    log = tmp_path / "words.log"
    with (
        Nursery(log) as hubs,
        Nursery(log, talkers.__file__) as agents,
    ):
        hub, company = Hub(hubs, tmp_path), Company(agents, tmp_path)
        try:
            await hub.start()
            await introduce(hub)
            for name in AGENTS:
                company.start(name)
            await kill_at_random(hub, company, random.Random(seed))
            talk = await settle(company)
        finally:
            company.end()
            hub.kill()

    assert_words(talk)
    assert_answers(talk)
    heard = sum(len(one.heard) for one in talk.values())
    again = sum(len(tries) > 1 for t in talk.values() for _, tries in t.heard.values())
    answered = sum(len(one.answered) for one in talk.values())
    print(f"{heard} heard, {again} of them again, {answered} calls answered")
    assert min(heard, answered) > 50
    assert again > 0
