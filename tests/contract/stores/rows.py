"""What the tests of all stores write, and how they read it back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import starmap
from typing import Any

from hypothesis import HealthCheck, settings

from agentkit.protocol import (
    AgentConnected,
    AgentDisconnected,
    AgentLost,
    Event,
    HubStarted,
    Logged,
    TaskDone,
)
from agentkit.rows import (
    Agent,
    Broadcast,
    Checkpoint,
    Delivery,
    HelpRequest,
    Item,
    Letter,
    Plan,
    Receipt,
    Result,
    Row,
    Run,
    Spool,
    Task,
    Token,
    key_of,
)
from server.core.tables import Tables, Turn
from server.store import Store
from server.store.by_agent import BEHIND

NOW = datetime(2026, 11, 21, 1, 30, 0, 123456, tzinfo=UTC)

DAY = timedelta(days=1)
ROOM = 2**40
FOREVER = NOW - 1000 * DAY

TABLE_OF: dict[type[Row], str] = {
    Agent: "agents",
    HelpRequest: "helps",
    Task: "tasks",
    Broadcast: "broadcasts",
    Delivery: "deliveries",
    Spool: "spools",
    Receipt: "receipts",
    Token: "tokens",
    Letter: "letters",
    Plan: "plans",
    Run: "runs",
    Item: "items",
    Checkpoint: "checkpoints",
    Result: "results",
}

unhurried = settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


async def reopen(store: Store) -> None:
    await store.close()
    await store.open()


def tables(*rows: Row) -> Tables:
    result = Tables()
    for row in rows:
        key = key_of(row)
        getattr(result, TABLE_OF[type(row)])[key if len(key) > 1 else key[0]] = row
    return result


async def write(store: Store, *events: Event, rows: tuple[Row, ...] = ()) -> Turn:
    """Commit one turn with the cursors that follow the log."""
    newest, _ = await store.load()
    logged = tuple(starmap(Logged, enumerate(events, newest + 1)))
    return await store.turn(lambda _: Turn(logged, tables(*rows)))


async def trim(store: Store, before: datetime = FOREVER, size: int = ROOM) -> int:
    """Trim until nothing is left to take; return how many rows went."""
    rows = 0
    while not (went := await store.trim(before, size)).is_all:
        rows += went.rows
    return rows


def a_day_each(count: int) -> list[Event]:
    return [AgentLost(at=NOW + day * DAY, agent="a1") for day in range(count)]


def joined(agent: str) -> Event:
    return AgentLost(at=NOW, agent=agent)


def agent_row(key: str, **values: Any) -> Agent:
    row = Agent(id=key, status="busy", since=NOW, heard=NOW, joined=NOW)
    return replace(row, **values)


def help_row(key: str, **values: Any) -> HelpRequest:
    row = HelpRequest(
        id=key, agent="a1", kind="help", state="open", question="?", opened=NOW
    )
    return replace(row, **values)


def task_row(key: str, **values: Any) -> Task:
    return replace(Task(id=key, agent="a1", state="queued", created=NOW), **values)


def broadcast_row(key: str, **values: Any) -> Broadcast:
    return replace(Broadcast(id=key, text="hello", where="", at=NOW), **values)


def delivery_row(agent: str, seq: int, **values: Any) -> Delivery:
    row = Delivery(
        agent=agent,
        seq=seq,
        kind="broadcast",
        ref="b1",
        state="queued",
        queued=NOW - timedelta(microseconds=1),
    )
    return replace(row, **values)


def spool_row(agent: str, spool: str, version: int) -> Spool:
    return Spool(agent=agent, spool=spool, accepted=7, version=version)


READ_BY_ID: dict[type[Row], str] = {
    Task: "task",
    HelpRequest: "help",
    Broadcast: "broadcast",
    Letter: "letter",
    Plan: "plan",
    Run: "run",
}
"""How a store is asked for one row, however old."""


async def read_back(store: Store, row: Row) -> Row | None:
    if type(row) in READ_BY_ID:
        found: Row | None = await getattr(store, READ_BY_ID[type(row)])(*key_of(row))
        return found
    match row:
        case Item():
            items = await store.items(row.run, visit=row.visit)
            return next((item for item in items if item.index == row.index), None)
        case Checkpoint():
            return await store.checkpoint(row.run, row.number)
        case Result():
            return await store.result(row.run, row.name)
        case Delivery():
            ledger = await store.deliveries(ref=row.ref, agent=row.agent)
            return next(mail for mail in ledger if mail.seq == row.seq)
    _, loaded = await store.load()
    key = key_of(row)
    table: dict[Any, Row] = getattr(loaded, TABLE_OF[type(row)])
    return table.get(key if len(key) > 1 else key[0])


def letter_row(key: str, **fields: Any) -> Letter:
    base: dict[str, Any] = {"state": "dead", "at": NOW, "message": {"name": "a.b"}}
    return Letter(id=key, subscription="works", **{**base, **fields})


def plan_row(key: str) -> Plan:
    return Plan(id=key, name="demo", document={"name": "demo"}, kept=NOW)


def run_row(key: str, **values: Any) -> Run:
    """Return a run of the plan p1, at the top of a tree unless it is told."""
    row = Run(
        id=key,
        plan="p1",
        machine="demo",
        state="running",
        created=NOW,
        stage="work",
        root=key,
    )
    return replace(row, **values)


def item_row(run: str, visit: int, index: int, **values: Any) -> Item:
    row = Item(
        run=run, visit=visit, index=index, state="running", kind="agent", name="w"
    )
    return replace(row, **values)


def checkpoint_row(run: str, number: int, **values: Any) -> Checkpoint:
    row = Checkpoint(
        run=run,
        number=number,
        stage="work",
        context={"n": number},
        at=NOW,
        version=number + 1,
    )
    return replace(row, **values)


def result_row(run: str, name: str, **values: Any) -> Result:
    return replace(Result(run=run, name=name, at=NOW, value={"ok": 1}), **values)


HISTORY: tuple[Event, ...] = tuple(
    event
    for number in range(BEHIND // 4 + 26)
    for event in (
        HubStarted(at=NOW, version="1"),
        AgentConnected(at=NOW, agent=f"a{number % 2}", capabilities=()),
        TaskDone(at=NOW, agent=f"a{number % 3}", task="T1"),
        AgentDisconnected(at=NOW, agent=f"a{number % 2}", reason=""),
    )
)


async def write_history(store: Store) -> None:
    """Write so much that what is read of one agent lies in more than one place."""
    await write(store, *HISTORY[:BEHIND])
    await write(store, *HISTORY[BEHIND:])
