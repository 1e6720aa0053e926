"""Many commands to a commit against a commit for each, on disk.

    uv run benchmarks/commit.py [--clients 50] [--seconds 1.5] [--rounds 3]

Clients keep one command each in flight: a report, which is an event, a row of an agent
and a row of its spool. A command is done when it is committed. The hub's way gathers
what has queued up, at most 512, into one turn of its store. The references write the
same rows: one turn for each command, and a connection for each client. Rounds are
interleaved; figures are medians.
"""

import asyncio
import random
import tempfile
from argparse import ArgumentParser, Namespace
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple, TypeAlias

import aiosqlite
import figures

from agentkit.protocol import AgentReported, Event, Logged
from agentkit.rows import Agent, Delivery, Spool, Task
from server.core.tables import Tables, Turn
from server.store import SQLiteStore, writer
from server.store.schema import INSERT_EVENT, TABLES, bind_event

TURN = 512
AGENTS = 10_000
NOW = datetime(2026, 11, 21, tzinfo=UTC)


class Command(NamedTuple):
    """What one report leads to."""

    event: Event
    agent: Agent
    spool: Spool


Commit: TypeAlias = Callable[[Command], Awaitable[None]]
Way: TypeAlias = Callable[[Path], AbstractAsyncContextManager[Commit]]


class Figures(NamedTuple):
    """Of one round: commands a second, and seconds for one."""

    rate: float
    p50: float
    p99: float


def command(number: int) -> Command:
    """Return a report of an agent picked at random."""
    name = f"agent-{random.randrange(AGENTS):05}"
    task, message = f"T{number}", "rendering frame 120 of 300"
    agent = Agent(
        id=name,
        status="busy",
        since=NOW,
        heard=NOW,
        joined=NOW,
        task=task,
        message=message,
        capabilities=("video", "ffmpeg"),
        cost=1.25,
        completed=number,
        version=number,
    )
    event = AgentReported(
        at=NOW,
        agent=name,
        report="busy",
        task=task,
        message=message,
        capabilities=agent.capabilities,
        cost=agent.cost,
        completed=number,
        reported_at=NOW.isoformat(),
        waiting_since=None,
        via="ws",
        spool="5b1c7d20",
        seq=number,
    )
    return Command(event, agent, Spool(agent=name, spool="5b1c7d20", accepted=number))


def turn(first: int, commands: list[Command]) -> Turn:
    """Return one turn that holds the commands."""
    return Turn(
        tuple(Logged(cursor, c.event) for cursor, c in enumerate(commands, first)),
        Tables(
            agents={c.agent.id: c.agent for c in commands},
            spools={(c.agent.id, c.spool.spool): c.spool for c in commands},
        ),
    )


# --- Ways to commit -------------------------------------------------------------------


class Pump:
    """Commits what has queued up, at most `most` commands to a turn."""

    def __init__(self, store: SQLiteStore, most: int) -> None:
        self._store = store
        self._most = most
        self._queue: deque[tuple[Command, asyncio.Future[None]]] = deque()
        self._ready = asyncio.Event()

    async def commit(self, given: Command) -> None:
        """Return once the command is committed."""
        done = asyncio.get_running_loop().create_future()
        self._queue.append((given, done))
        self._ready.set()
        await done

    async def run(self) -> None:
        """Take turns, for ever."""
        first = 1
        while await self._ready.wait():
            size = min(self._most, len(self._queue))
            jobs = [self._queue.popleft() for _ in range(size)]
            if not self._queue:
                self._ready.clear()
            made = turn(first, [given for given, _ in jobs])
            await self._store.turn(partial(_given, made))
            first += size
            for _, done in jobs:
                done.set_result(None)


def _given(made: Turn, _: Sequence[Logged]) -> Turn:
    return made


@asynccontextmanager
async def pumped(path: Path, synchronous: str, most: int) -> AsyncIterator[Commit]:
    """Open the hub's store, and commit through a pump."""
    settings = writer.PRAGMAS
    writer.PRAGMAS = (*settings, f"PRAGMA synchronous={synchronous}")
    store = SQLiteStore(path)
    await store.open()
    writer.PRAGMAS = settings
    pump = Pump(store, most)
    running = asyncio.create_task(pump.run())
    yield pump.commit
    running.cancel()
    await store.close()


@asynccontextmanager
async def connection_each(path: Path, clients: int) -> AsyncIterator[Commit]:
    """Open a connection for each client; each command is a transaction on one."""
    store = SQLiteStore(path)
    await store.open()
    await store.close()
    async with AsyncExitStack() as stack:
        free = [
            await stack.enter_async_context(
                aiosqlite.connect(path, isolation_level=None, timeout=60)
            )
            for _ in range(clients)
        ]
        for connection in free:
            await connection.execute("PRAGMA synchronous=FULL")

        async def commit(given: Command) -> None:
            connection = free.pop()
            await _transaction(connection, given)
            free.append(connection)

        yield commit


async def _transaction(connection: aiosqlite.Connection, given: Command) -> None:
    await connection.execute("BEGIN IMMEDIATE")
    newest = await connection.execute_fetchall("SELECT max(cursor) FROM events")
    (cursor,) = next(iter(newest))
    await connection.execute(
        INSERT_EVENT.one, bind_event(Logged((cursor or 0) + 1, given.event))
    )
    for name, row in (("agents", given.agent), ("spools", given.spool)):
        table = TABLES[name]
        await connection.execute(table.upsert.one, table.bind(row))
    await connection.execute("COMMIT")


# --- Measuring ------------------------------------------------------------------------


async def measure(commit: Commit, clients: int, seconds: float) -> Figures:
    """Let clients commit one command after another, each in its own time."""
    numbers = count(1)
    times: list[float] = []
    begun = perf_counter()

    async def client() -> None:
        while (start := perf_counter()) < begun + seconds:
            await commit(command(next(numbers)))
            times.append(perf_counter() - start)

    await asyncio.gather(*(client() for _ in range(clients)))
    rate = len(times) / (perf_counter() - begun)
    return Figures(
        rate, figures.percentile(times, 0.5), figures.percentile(times, 0.99)
    )


async def compare(options: Namespace, folder: Path) -> dict[str, Figures]:
    """Run every way in turn, several rounds, and return its median figures."""
    ways: dict[str, Way] = {
        "many to a commit, FULL": partial(pumped, synchronous="FULL", most=TURN),
        "many to a commit, NORMAL": partial(pumped, synchronous="NORMAL", most=TURN),
        "a commit each, FULL": partial(pumped, synchronous="FULL", most=1),
        "a commit each, NORMAL": partial(pumped, synchronous="NORMAL", most=1),
        "a connection each, FULL": partial(connection_each, clients=options.clients),
    }
    rounds: dict[str, list[Figures]] = {name: [] for name in ways}
    for number in range(options.rounds):
        for index, (name, way) in enumerate(ways.items()):
            async with way(folder / f"{number}-{index}" / "hub.db") as commit:
                rounds[name].append(
                    await measure(commit, options.clients, options.seconds)
                )
    return {
        name: Figures(*(median(figure) for figure in zip(*results, strict=True)))
        for name, results in rounds.items()
    }


async def one_large_turn(path: Path) -> float:
    """Return the seconds for one turn with a delivery to each of 10,000 agents."""
    mail = {
        (name, 1): Delivery(
            agent=name, seq=1, kind="task", ref=name, state="queued", queued=NOW
        )
        for name in (f"agent-{number:05}" for number in range(AGENTS))
    }
    store = SQLiteStore(path)
    await store.open()
    start = perf_counter()
    await store.turn(lambda _: Turn((), Tables(deliveries=mail)))
    seconds = perf_counter() - start
    await store.close()
    return seconds


async def restart(path: Path, tasks: int = 100_000) -> float:
    """Return the seconds to open and load a store that holds unfinished tasks."""
    store = SQLiteStore(path)
    await store.open()
    rows = {
        key: Task(id=key, agent="a1", state="queued", created=NOW, body={"id": key})
        for key in (f"T{number:06}" for number in range(tasks))
    }
    await store.turn(lambda _: Turn((), Tables(tasks=rows)))
    await store.close()
    start = perf_counter()
    await store.open()
    await store.load()
    seconds = perf_counter() - start
    await store.close()
    return seconds


async def main(options: Namespace) -> None:
    """Measure, and print the table and the verdicts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = await compare(options, folder)
        large = await one_large_turn(folder / "large.db")
        again = await restart(folder / "restart.db")
    ours, normal, _, _, each = (result.rate for result in found.values())
    print(figures.machine())
    print(f"{options.clients} clients, a command each in flight\n")
    print(
        figures.table(
            ("way", "commands/s", "p50 ms", "p99 ms", "ours is"),
            [
                (
                    name,
                    f"{result.rate:,.0f}",
                    f"{result.p50 * 1e3:.2f}",
                    f"{result.p99 * 1e3:.2f}",
                    f"{ours / result.rate:.2f} x",
                )
                for name, result in found.items()
            ],
        )
    )
    print(f"\none turn of 10,000 deliveries: {large * 1e3:.0f} ms")
    print(f"start with 100,000 unfinished tasks: {again:.2f} s\n")
    print(figures.verdict("12 x a connection each", holds=ours >= 12 * each))
    print(figures.verdict("FULL is 0.8 x NORMAL", holds=ours >= 0.8 * normal))
    print(figures.verdict("start within 2 s", holds=again <= 2))


def arguments() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
