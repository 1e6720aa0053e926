"""Copies that are made while the store is written, or given up."""

import asyncio
from contextlib import suppress
from pathlib import Path
from random import Random

from server.core import Swarm, Turn, evolve
from server.store import SQLiteStore
from server.store.copies import UNFINISHED
from tests.simulation.turns import RULES, Turns


async def written(path: Path, turns: Turns, count: int) -> SQLiteStore:
    """Return an open store that some turns were written to."""
    store = SQLiteStore(path)
    await store.open()
    await write(store, turns, count)
    return store


async def write(store: SQLiteStore, turns: Turns, count: int) -> None:
    for _ in range(count):
        await put(store, turns.turn(20))


async def put(store: SQLiteStore, turn: Turn) -> None:
    await store.turn(lambda _: turn)


async def copied(store: SQLiteStore, path: Path) -> SQLiteStore:
    with await store.copy() as file:
        path.write_bytes(file.read())
    copy = SQLiteStore(path)
    await copy.open()
    return copy


async def test_a_copy_is_of_one_moment_however_much_is_written_meanwhile(
    tmp_path: Path,
) -> None:
    turns = Turns(Random(1))
    store = await written(tmp_path / "hub.db", turns, 50)
    before = turns.swarm.cursor

    writing = asyncio.create_task(write(store, turns, 300))
    copy = await copied(store, tmp_path / "copy.db")
    cursor, rows = await copy.load()
    at_least_once = turns.swarm.cursor > before
    await writing

    replayed = Swarm(RULES)
    for logged in await copy.events(limit=cursor):
        evolve(replayed, logged.event)
    assert at_least_once
    assert before <= replayed.cursor == cursor
    assert rows.agents == replayed.agents
    assert rows.spools == replayed.spools
    await copy.close()
    await store.close()


def test_a_copy_that_nobody_waits_for_any_more_ends_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    async def give_up() -> None:
        store = await written(tmp_path / "hub.db", Turns(Random(2)), 100)
        copying = asyncio.create_task(store.copy())
        while not list(tmp_path.glob(f"*{UNFINISHED}*")) and not copying.done():
            await asyncio.sleep(0)
        copying.cancel()
        with suppress(asyncio.CancelledError):
            (await copying).close()
        await store.close()

    with asyncio.Runner() as runner:
        runner.run(give_up())

    assert not list(tmp_path.glob(f"*{UNFINISHED}*"))
