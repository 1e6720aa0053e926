"""Claims under a lease: how many are made and completed, and with how much stored.

    uv run benchmarks/claims.py [--quick] [--all-live] [--rounds 3]

Claimers take one task after the other and complete it; each step is durable before the
next. The references do the same with a connection for each claimer, in a transaction
for each step, and with litequeue, an object for each thread, which writes the message
alone. Of the connections there are two kinds. One writes what the hub writes: the same
tables with the same indices, the same rows and events. The other writes bare rows: a
few numbers for the task, its agent and the event (`UPDATE … RETURNING`), and no record
of what happened that another program could read. All sync every commit. Rounds are
interleaved; figures are medians.
"""

import asyncio
import gc
import os
import tempfile
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple, TypeAlias

import aiosqlite
import figures
import uvloop
from litequeue import LiteQueue

from agentkit.boxes import Box
from agentkit.outbox import FileOutbox
from agentkit.protocol import (
    Claim,
    Complete,
    Enqueue,
    Logged,
    TaskDone,
    TaskLeased,
)
from agentkit.rows import Agent, Status, Task
from server.core.tables import Tables, Turn
from server.hub import Hub
from server.pulse import THRESHOLDS
from server.store import SQLiteStore
from server.store.schema import INSERT_EVENT, TABLES, bind_event
from server.store.table import read

CHUNK = 10_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=300)
UPSERTS = {Task: TABLES["tasks"].upsert, Agent: TABLES["agents"].upsert}
BINDS = {Task: TABLES["tasks"].bind, Agent: TABLES["agents"].bind}
BODY = {"path": "/srv/video/episode-12.mov", "preset": "slow"}

Step: TypeAlias = Callable[[int], Awaitable[None]]
"""Claims a task for the claimer with a number, and completes it."""
Way: TypeAlias = Callable[[Path, int], AbstractAsyncContextManager[Step]]


class Figures(NamedTuple):
    """Of one round: claims and completions a second, and seconds for one pair."""

    rate: float
    p50: float
    p99: float


# --- The hub --------------------------------------------------------------------------


@asynccontextmanager
async def hub(path: Path, tasks: int) -> AsyncIterator[Step]:
    """Open a hub with tasks that anybody may claim."""
    running = Hub(SQLiteStore(path))
    await running.start()
    for first in range(0, tasks, CHUNK):
        some = range(first, min(first + CHUNK, tasks))
        wishes = (Enqueue(id=f"N{number}", body=BODY) for number in some)
        await asyncio.gather(*map(running.submit, wishes))
    try:
        yield partial(through, running)
    finally:
        await running.stop()


async def through(running: Hub, claimer: int) -> None:
    """Claim and complete at the hub."""
    agent = f"a{claimer}"
    claimed = await running.submit(Claim(agent=agent, capabilities=()))
    lease = claimed.events[-1].event
    assert isinstance(lease, TaskLeased)
    done = Complete(agent=agent, task=lease.task, fence=lease.fence, result={"ok": 1})
    await running.submit(done)


# --- References -----------------------------------------------------------------------

READY = """
ALTER TABLE tasks ADD COLUMN ready INTEGER;
UPDATE tasks SET ready = 1;
CREATE INDEX tasks_ready ON tasks (id) WHERE ready;
"""
"""What the hub knows in memory: which tasks can be claimed."""
HEAD = "SELECT id, body FROM tasks WHERE ready ORDER BY id LIMIT 1"
FIND = "SELECT body FROM {table} WHERE id = ?"


@asynccontextmanager
async def hub_rows_each(path: Path, tasks: int, clients: int) -> AsyncIterator[Step]:
    """Open a connection for each claimer on a store of the hub."""
    await fill(path, 0, tasks)
    async with AsyncExitStack() as stack:
        links = [
            await stack.enter_async_context(
                aiosqlite.connect(path, isolation_level=None, timeout=60)
            )
            for _ in range(clients)
        ]
        await links[0].executescript(READY)
        for link in links:
            await link.execute("PRAGMA synchronous=FULL")
        for claimer, link in enumerate(links):
            row = agent_row(f"a{claimer}")
            await link.execute(UPSERTS[Agent].one, BINDS[Agent](row))
        yield lambda claimer: as_the_hub_writes(links[claimer], f"a{claimer}")


async def as_the_hub_writes(link: aiosqlite.Connection, agent: str) -> None:
    """Claim in one transaction and complete in another, writing what the hub does."""
    await link.execute("BEGIN IMMEDIATE")
    ((key, body),) = await link.execute_fetchall(HEAD)
    await link.execute("UPDATE tasks SET ready = 0 WHERE id = ?", (key,))
    leased = replace(
        read(Task, body), state="leased", agent=agent, attempts=1, lease=300.0
    )
    await note(link, leased, "busy")
    await link.execute("COMMIT")
    await link.execute("BEGIN IMMEDIATE")
    ((body,),) = await link.execute_fetchall(FIND.format(table="tasks"), (key,))
    await note(link, replace(read(Task, body), state="done", result={"ok": 1}), "idle")
    await link.execute("COMMIT")


async def note(link: aiosqlite.Connection, task: Task, status: Status) -> None:
    """Write an event, the task, and its agent, at the end of the log."""
    now = datetime.now(UTC)
    ((last,),) = await link.execute_fetchall("SELECT max(cursor) FROM events")
    cursor = (last or 0) + 1
    facts = {"at": now, "agent": task.agent, "task": task.id}
    event = (
        TaskDone(**facts, fence=task.fence, result=task.result)
        if task.state == "done"
        else TaskLeased(
            **facts,
            fence=cursor,
            attempt=1,
            lease=task.lease,
            until=now + LEASE,
            capabilities=(),
            via="http",
        )
    )
    await link.execute(INSERT_EVENT.one, bind_event(Logged(cursor, event)))
    ((body,),) = await link.execute_fetchall(FIND.format(table="agents"), (task.agent,))
    agent = replace(read(Agent, body), status=status, task=task.id, heard=now)
    fence = cursor if task.state == "leased" else task.fence
    task = replace(task, fence=fence, changed=now, version=cursor)
    for row in (task, replace(agent, since=now, version=cursor)):
        kind = type(row)
        await link.execute(UPSERTS[kind].one, BINDS[kind](row))


def agent_row(key: str) -> Agent:
    """Return an agent that waits for work."""
    return Agent(id=key, status="idle", since=NOW, heard=NOW, joined=NOW)


PLAIN = """
PRAGMA journal_mode=WAL;
CREATE TABLE tasks (
    id INTEGER PRIMARY KEY, state INTEGER NOT NULL, agent TEXT, fence INTEGER, body TEXT
);
CREATE INDEX ready ON tasks (id) WHERE state = 0;
CREATE TABLE events (
    cursor INTEGER PRIMARY KEY, subject TEXT NOT NULL, task INTEGER, agent TEXT
);
CREATE TABLE agents (id TEXT PRIMARY KEY, status TEXT NOT NULL, task INTEGER);
"""
CLAIM = """
UPDATE tasks SET state = 1, agent = ?, fence = coalesce(fence, 0) + 1
WHERE id = (SELECT id FROM tasks WHERE state = 0 ORDER BY id LIMIT 1)
RETURNING id, fence, body
"""
DONE = "UPDATE tasks SET state = 2 WHERE id = ? AND fence = ? AND state = 1"
AGENT = """
INSERT INTO agents VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, task = excluded.task
"""
EVENT = "INSERT INTO events (subject, task, agent) VALUES (?, ?, ?)"


@asynccontextmanager
async def connection_each(path: Path, tasks: int, clients: int) -> AsyncIterator[Step]:
    """Open a connection for each claimer on a table of its own making."""
    async with AsyncExitStack() as stack:
        links = [
            await stack.enter_async_context(
                aiosqlite.connect(path, isolation_level=None, timeout=60)
            )
            for _ in range(clients)
        ]
        await links[0].executescript(PLAIN)
        for link in links:
            await link.execute("PRAGMA synchronous=FULL")
        await links[0].execute("BEGIN")
        rows = [(number, 0, str(BODY)) for number in range(tasks)]
        await links[0].executemany(
            "INSERT INTO tasks (id, state, body) VALUES (?, ?, ?)", rows
        )
        await links[0].execute("COMMIT")
        yield lambda claimer: in_transactions(links[claimer], claimer)


async def in_transactions(link: aiosqlite.Connection, claimer: int) -> None:
    """Claim in one transaction and complete in another."""
    agent = f"a{claimer}"
    await link.execute("BEGIN IMMEDIATE")
    ((task, fence, _),) = await link.execute_fetchall(CLAIM, (agent,))
    await link.execute(AGENT, (agent, "busy", task))
    await link.execute(EVENT, ("task.leased", task, agent))
    await link.execute("COMMIT")
    await link.execute("BEGIN IMMEDIATE")
    await link.execute(DONE, (task, fence))
    await link.execute(AGENT, (agent, "idle", task))
    await link.execute(EVENT, ("task.done", task, agent))
    await link.execute("COMMIT")


def litequeue(path: Path, tasks: int, clients: int, seconds: float) -> Figures:
    """Measure litequeue: it blocks, so each claimer is a thread with its own object."""
    queue = LiteQueue(path)
    with queue.transaction():
        for number in range(tasks):
            queue.put(f"{number} {BODY}")
    times: list[float] = []
    begun = perf_counter()
    threads = [
        threading.Thread(target=pop_on, args=(path, begun + seconds, times))
        for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return figures_of(times, perf_counter() - begun)


def pop_on(path: Path, until: float, times: list[float]) -> None:
    """Pop and finish messages, in one thread."""
    queue = LiteQueue(path, timeout=60)
    queue.conn.execute("PRAGMA synchronous=FULL")
    while (start := perf_counter()) < until:
        message = queue.pop()
        queue.done(message.message_id)
        times.append(perf_counter() - start)
    queue.close()


# --- Measuring ------------------------------------------------------------------------


def figures_of(times: list[float], seconds: float) -> Figures:
    """Return the figures of what was done in a time."""
    rate = len(times) / seconds
    return Figures(
        rate, figures.percentile(times, 0.5), figures.percentile(times, 0.99)
    )


async def measure(step: Step, clients: int, most: int, seconds: float) -> Figures:
    """Let claimers take one task after the other, until time or tasks are over."""
    times: list[float] = []
    taken = count(clients)
    begun = perf_counter()

    async def claimer(number: int) -> None:
        while (start := perf_counter()) < begun + seconds and next(taken) < most:
            await step(number)
            times.append(perf_counter() - start)

    await asyncio.gather(*map(claimer, range(clients)))
    return figures_of(times, perf_counter() - begun)


async def compare(options: Namespace, folder: Path) -> dict[str, Figures]:
    """Run every way in turn, several rounds, and return its median figures."""
    clients, tasks = options.clients, options.tasks
    ways: dict[str, Way] = {
        "the hub": hub,
        "a connection each": partial(hub_rows_each, clients=clients),
        "the same, bare rows": partial(connection_each, clients=clients),
    }
    rounds: dict[str, list[Figures]] = {name: [] for name in (*ways, "litequeue")}
    for number in range(options.rounds):
        for name, way in ways.items():
            path = folder / f"{number} {name}" / "hub.db"
            path.parent.mkdir()
            async with way(path, tasks) as step:
                found = await measure(step, clients, tasks, options.seconds)
                rounds[name].append(found)
        queue = folder / f"{number}.queue"
        rounds["litequeue"].append(litequeue(queue, tasks, clients, options.seconds))
    return {
        name: Figures(*(median(figure) for figure in zip(*results, strict=True)))
        for name, results in rounds.items()
    }


async def fill(path: Path, settled: int, ready: int, leased: int = 0) -> None:
    """Store tasks that are done, that wait, and that somebody has."""
    store = SQLiteStore(path)
    await store.open()
    holder = replace(agent_row("old"), status="busy")
    await store.turn(lambda _: Turn((), Tables(agents={"old": holder})))
    total = settled + ready + leased
    for first in range(0, total, CHUNK):
        some = [
            task(number, settled, settled + ready)
            for number in range(first, min(first + CHUNK, total))
        ]
        rows = Tables(tasks={row.id: row for row in some})
        await store.turn(partial(_given, Turn((), rows)))
    await store.close()


def _given(turn: Turn, _: object) -> Turn:
    return turn


def task(number: int, settled: int, waiting: int) -> Task:
    """Return a task: done below `settled`, ready below `waiting`, else leased."""
    row = Task(
        id=f"T{number:07}",
        state="done" if number < settled else "queued",
        created=NOW,
        body=BODY,
        place=number,
        version=number,
    )
    if number < waiting:
        return row
    return Task(
        id=row.id,
        state="leased",
        created=NOW,
        agent="old",
        body=BODY,
        place=number,
        fence=number,
        attempts=1,
        lease=300,
        lease_until=datetime.now(UTC) + timedelta(seconds=300),
        version=number,
    )


async def restart(path: Path, live: int) -> float:
    """Return the seconds until a hub with live tasks answers its first claim."""
    await fill(path, 0, live * 9 // 10, live // 10)
    start = perf_counter()
    running = Hub(SQLiteStore(path))
    await running.start()
    await through(running, 0)
    seconds = perf_counter() - start
    await running.stop()
    return seconds


async def claims_among(path: Path, settled: int, ready: int, most: int) -> float:
    """Return the claims a second of a hub that has so much stored."""
    await fill(path, settled, ready)
    running = Hub(SQLiteStore(path))
    await running.start()
    found = await measure(partial(through, running), 50, most, 5.0)
    await running.stop()
    return found.rate


async def reports(path: Path, master: str, many: int) -> float:
    """Return how many reports a second an agent stores, 50 at a time."""
    box = Box(path, master)
    outbox = FileOutbox(box)
    report = {"report": "busy", "task": "T1", "message": "rendering frame 120 of 300"}
    start = perf_counter()
    for _ in range(many // 50):
        await asyncio.gather(*(outbox.add(report) for _ in range(50)))
    rate = many / (perf_counter() - start)
    box.close()
    return rate


async def sealing(folder: Path, rounds: int) -> tuple[float, float]:
    """Return the median rates of a sealed and of a plain outbox."""
    master = os.urandom(32).hex()
    found: dict[str, list[float]] = {master: [], "": []}
    for number in range(rounds):
        for key, rates in found.items():
            name = f"{number}-{'sealed' if key else 'plain'}.db"
            rates.append(await reports(folder / name, key, 10_000))
    return median(found[master]), median(found[""])


async def main(options: Namespace) -> None:
    """Measure, and print the tables and the verdicts."""
    print(figures.machine())
    collect_as_the_hub_does()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = await compare(options, folder)
        again = await restart(folder / "restart.db", 100_000)
        most, ready = 15_000, 20_000
        few = await claims_among(folder / "few.db", 0, ready, most)
        many = await claims_among(
            folder / "many.db", options.stored - ready, ready, most
        )
        live = 0.0
        if options.all_live:
            live = await claims_among(folder / "live.db", 0, options.stored, most)
        sealed, plain = await sealing(folder, options.rounds)
    show(options, found)
    ours, each, _bare, queue = (result.rate for result in found.values())
    print(f"\nfirst claim after a start with 100,000 live tasks: {again:.2f} s")
    print(f"claims/s with 20,000 tasks, all ready: {few:,.0f}")
    print(f"claims/s with {options.stored:,}, 20,000 of them ready: {many:,.0f}")
    if live:
        print(f"claims/s with {options.stored:,}, all ready: {live:,.0f}")
    print(f"reports/s into an outbox: {sealed:,.0f} sealed, {plain:,.0f} plain\n")
    print(figures.verdict("12 x a connection each", holds=ours >= 12 * each))
    print(figures.verdict("5 x litequeue", holds=ours >= 5 * queue))
    print(figures.verdict("first claim within 2 s of the start", holds=again <= 2))
    much = f"{options.stored:,} tasks stored is 0.5 x 20,000"
    print(figures.verdict(much, holds=many >= 0.5 * few))
    if live:
        print(figures.verdict(f"{much}, all live", holds=live >= 0.5 * few))
    print(figures.verdict("sealed is 0.8 x plain", holds=sealed >= 0.8 * plain))


def collect_as_the_hub_does() -> None:
    """Set the garbage collector as `server.pulse` sets it for the hub's process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


def show(options: Namespace, found: dict[str, Figures]) -> None:
    """Print how the ways compare."""
    ours = found["the hub"].rate
    print(f"{options.clients} claimers, a claim and a completion each in turn\n")
    print(
        figures.table(
            ("way", "pairs/s", "p50 ms", "p99 ms", "ours is"),
            [
                (
                    name,
                    f"{result.rate:,.0f}",
                    f"{result.p50 * 1e3:.2f}",
                    f"{result.p99 * 1e3:.2f}",
                    f"{ours / result.rate:.1f} x",
                )
                for name, result in found.items()
            ],
        )
    )


def arguments() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=30_000)
    parser.add_argument("--stored", type=int, default=1_000_000)
    parser.add_argument("--all-live", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 0.5
        options.tasks, options.stored = 5_000, 100_000
    return options


if __name__ == "__main__":
    uvloop.run(main(arguments()))
