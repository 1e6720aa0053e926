"""The power goes at any moment: what was acknowledged is there when it is back.

The store's own writer runs its own statements on a disk that forgets what was not
synced (`disk`). Killing a process cannot show this: the system still writes what a dead
process left to it.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

import apsw
import pytest

from agentkit.sealing import Forged
from server.core import Swarm, Turn
from server.store import MemoryStore, by_agent
from server.store.schema import unseal_event
from server.store.writer import Writer
from tests.simulation.disk import Connection, Disk, FileSystem
from tests.simulation.turns import RULES, Turns

CUTS: Final = 1000
LIVES: Final = 10
"""Cuts that one disk goes through."""


@dataclass
class Machine:
    """A hub's writer on a disk of its own, cut off again and again."""

    seed: int
    path: Path
    synchronous: str
    told: MemoryStore = field(default_factory=MemoryStore)
    """What was acknowledged."""

    def __post_init__(self) -> None:
        self.dice = Random(self.seed)
        self.disk = Disk(self.dice)
        self.turns = Turns(self.dice)
        self.under_way: Turn | None = None

    async def live(self) -> None:
        """Write turns until the power goes."""
        lasts = self.dice.randrange(1, self.dice.choice((20, 400)))
        with self._power(lasts) as system:
            while not system.dead:
                await self._work(system, turns=self.dice.randrange(1, 60))

    async def _work(self, system: FileSystem, turns: int) -> None:
        with closing(self._open(system)) as writer:
            writer.load()
            while turns and not system.dead:
                await self._write(system, writer)
                turns -= 1

    async def _write(self, system: FileSystem, writer: Writer) -> None:
        turn = self.turns.turn(self.dice.randrange(1, 6))
        if turn.events:
            self.under_way = turn
            writer.commit(turn)
            if not system.dead:
                await self._acknowledge(turn)

    async def _acknowledge(self, turn: Turn) -> None:
        await self.told.turn(lambda _: turn)
        self.under_way = None

    async def look(self) -> str:
        """Return what became of the store: sound, lost or corrupt."""
        with self._power() as system:
            try:
                with closing(self._open(system)) as writer:
                    return await self._compare(writer)
            except (apsw.Error, Forged, ValueError, KeyError, TypeError):
                return "corrupt"

    async def _compare(self, writer: Writer) -> str:
        cursor, rows = writer.load()
        acknowledged, expected = await self.told.load()
        if cursor < acknowledged:
            return "lost"
        if self.under_way and cursor > acknowledged:
            await self._acknowledge(self.under_way)
            acknowledged, expected = await self.told.load()
        sound = writer._connection.execute("PRAGMA integrity_check").fetchone()
        log = writer._connection.execute("SELECT cursor, subject, data FROM events")
        events = [unseal_event(row, writer.sealer) for row in log]
        whole = await self.told.events(limit=acknowledged)
        same = (cursor, rows, events) == (acknowledged, expected, whole)
        same &= not by_agent.differences(writer._connection)
        if not same or sound != ("ok",):
            return "corrupt"
        self.turns.swarm = Swarm.load(cursor, rows, RULES)
        return "sound"

    def _open(self, system: FileSystem) -> Writer:
        return Writer(
            self.path,
            lambda path: Connection(path, system, self.synchronous).as_sqlite3(),
            master="one master key for all" if self.seed % 2 else "",
        )

    @contextmanager
    def _power(self, lasts: int | None = None) -> Iterator[FileSystem]:
        system = FileSystem(f"disk-{self.seed}", self.disk, lasts)
        try:
            yield system
        finally:
            system.unregister()


async def cut_off(folder: Path, synchronous: str) -> Counter[str]:
    """Return how the store was found after each cut; a harmed disk is replaced."""
    found: Counter[str] = Counter()
    for seed in count():
        machine = Machine(seed, folder / f"{seed}.db", synchronous)
        for cut in range(LIVES):
            if found.total() == CUTS:
                return found
            await machine.live()
            state = await machine.look()
            found[state] += 1
            if state != "sound":
                print(f"{synchronous}, seed {seed}, cut {cut}: {state}")
                break
    raise AssertionError("there is always another seed")


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let cuts meet what is done only once in many events."""
    monkeypatch.setattr(by_agent, "BEHIND", 20)


async def test_no_cut_takes_what_was_acknowledged(tmp_path: Path) -> None:
    found = await cut_off(tmp_path, "synchronous=FULL")

    assert found == {"sound": CUTS}


async def test_a_store_that_syncs_at_checkpoints_alone_would_lose_commits(
    tmp_path: Path,
) -> None:
    found = await cut_off(tmp_path, "synchronous=NORMAL")

    assert found["lost"] > 100
    assert found["corrupt"] == 0


async def test_a_store_that_never_syncs_would_be_corrupted(tmp_path: Path) -> None:
    found = await cut_off(tmp_path, "synchronous=OFF")

    assert found["lost"] > 100
    assert found["corrupt"] > 100
