"""The pump: one transaction a turn, answers and pushes after COMMIT."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from agentkit.codec import decode_event
from agentkit.errors import Conflict, NotFound
from agentkit.protocol import (
    Assign,
    Claim,
    Done,
    Enqueue,
    Fail,
    MessageSent,
    Notify,
    Requeue,
    Resolve,
    Send,
    SendBroadcast,
    Snooze,
    TaskLeased,
)
from server import hub as module
from server.core import Rules, Turn
from server.core.tables import Tables
from server.hub import Hub, Pushed
from server.store.base import StoreError, Write
from server.store.memory import MemoryStore


class WatchedStore(MemoryStore):
    """A store that counts its turns, can be held up and can be told to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False

    async def turn(self, write: Write) -> Turn:
        await self.gate.wait()
        if self.broken:
            write(())
            raise StoreError("the disk is full; make room")
        turn = await super().turn(write)
        self.turns.append(len(turn.events))
        return turn

    async def check(self) -> str:
        if self.broken:
            raise StoreError("the disk is full; make room")
        return await super().check()


class Watcher:
    def __init__(self) -> None:
        self.pushed: list[Pushed] = []

    def push(self, pushed: Pushed) -> None:
        self.pushed.append(pushed)

    @property
    def cursors(self) -> list[int]:
        return [
            logged.cursor for pushed in self.pushed for logged in pushed.turn.events
        ]


@pytest.fixture
async def store() -> WatchedStore:
    return WatchedStore()


@pytest.fixture
async def hub(store: WatchedStore) -> AsyncIterator[Hub]:
    hub = Hub(store, version="test")
    await hub.start()
    store.turns.clear()
    yield hub
    await hub.stop()


async def test_what_queues_up_during_a_commit_is_one_transaction(
    hub: Hub, store: WatchedStore
) -> None:
    store.gate.clear()
    first = asyncio.create_task(hub.submit(Notify(agent="a0", report="idle")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = [
        asyncio.create_task(hub.submit(Notify(agent=f"a{n}", report="idle")))
        for n in range(1, 1000)
    ]
    await asyncio.sleep(0)

    store.gate.set()
    await asyncio.gather(first, *rest)

    assert store.turns == [1, 512, 487]


async def test_nobody_is_answered_before_the_commit(
    hub: Hub, store: WatchedStore
) -> None:
    watcher = Watcher()
    hub.subscribe(watcher)
    store.gate.clear()
    wish = asyncio.create_task(hub.submit(Notify(agent="a", report="idle")))
    question = asyncio.create_task(hub.ask(lambda swarm: swarm.cursor))
    for _ in range(10):
        await asyncio.sleep(0)
    early = (wish.done(), question.done(), watcher.cursors)

    store.gate.set()

    assert early == (False, False, [])
    assert (await wish).events[0].cursor == 2
    assert await question == 2
    assert watcher.cursors == [2]


async def test_an_answer_is_read_right_after_its_own_command(hub: Hub) -> None:
    places = await asyncio.gather(
        *(
            hub.submit(
                Notify(agent=agent, report="idle"),
                read=lambda swarm, _: len(swarm.idle),
            )
            for agent in "abc"
        )
    )

    assert [outcome.value for outcome in places] == [1, 2, 3]


async def test_a_refusal_is_the_callers_alone(hub: Hub) -> None:
    results = await asyncio.gather(
        hub.submit(Notify(agent="a", report="idle")),
        hub.submit(Assign(agent="nobody", id="T")),
        hub.submit(Assign(agent="a", id="T")),
        return_exceptions=True,
    )

    assert isinstance(results[1], NotFound)
    assert not isinstance(results[0], BaseException)
    assert not isinstance(results[2], BaseException)


async def test_an_idempotency_key_has_one_effect_and_one_answer(hub: Hub) -> None:
    await hub.submit(Notify(agent="a", report="idle"))
    wish = SendBroadcast(id="", text="hello")

    first, again = await asyncio.gather(
        hub.submit(wish, key="k", read=lambda _, events: events[0].cursor),
        hub.submit(wish, key="k", read=lambda _, events: events[0].cursor),
    )
    later = await hub.submit(wish, key="k")
    with pytest.raises(Conflict, match="was used for something else"):
        await hub.submit(Assign(agent="a", id="T"), key="k")

    assert first == again
    assert later.events == first.events
    assert await hub.ask(lambda swarm: len(swarm.broadcasts)) == 1


async def test_a_refused_wish_does_not_use_its_key_up(hub: Hub) -> None:
    with pytest.raises(NotFound):
        await hub.submit(Assign(agent="a", id="T"), key="k")
    await hub.submit(Notify(agent="a", report="idle"))

    outcome = await hub.submit(Assign(agent="a", id="T"), key="k")

    assert outcome.events


async def test_a_watcher_misses_nothing_and_sees_nothing_twice(hub: Hub) -> None:
    watcher = Watcher()
    before = [
        asyncio.create_task(hub.submit(Notify(agent=f"a{n}", report="idle")))
        for n in range(700)
    ]
    await asyncio.sleep(0)

    def look(swarm: object) -> int:
        hub.subscribe(watcher)
        return swarm.cursor  # type: ignore[attr-defined, no-any-return]

    question = asyncio.create_task(hub.ask(look))
    after = [
        asyncio.create_task(hub.submit(Notify(agent=f"b{n}", report="idle")))
        for n in range(700)
    ]
    await asyncio.gather(*before, *after)
    seen = await question

    total = await hub.ask(lambda swarm: swarm.cursor)
    assert watcher.cursors == list(range(seen + 1, total + 1))


async def test_a_frame_tells_events_rows_and_what_they_cost(hub: Hub) -> None:
    watcher = Watcher()
    hub.subscribe(watcher)

    await hub.submit(Notify(agent="a", report="busy", task="T"), size=212)

    frame = json.loads(watcher.pushed[0].frame)
    logged = decode_event(frame["events"][0])
    assert (frame["type"], frame["cursor"]) == ("turn", logged.cursor)
    assert logged.event.subject == "agent.busy"
    assert frame["agents"][0]["task"] == "T"
    assert frame["events"][0]["bytes"] == 212
    assert frame["events"][0]["ms"] >= 0
    assert "tasks" not in frame


async def test_a_commit_that_fails_changes_nothing_and_the_hub_comes_back(
    hub: Hub, store: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.hub.RETRY", 0.01)
    watcher = Watcher()
    await hub.submit(Notify(agent="a", report="idle"))
    hub.subscribe(watcher)
    store.broken = True

    with pytest.raises(StoreError, match="the disk is full"):
        await hub.submit(Notify(agent="a", report="busy"))
    with pytest.raises(StoreError, match="the disk is full"):
        await hub.ask(lambda swarm: swarm.cursor)
    store.broken = False
    await until(lambda: hub.failure is None)

    assert watcher.cursors == []
    assert await hub.ask(lambda swarm: swarm.agents["a"].status) == "idle"
    assert (await hub.submit(Notify(agent="a", report="busy"))).events[0].cursor == 3


async def test_a_subscriber_that_fails_stops_nobody(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def push(self, pushed: Pushed) -> None:
            raise ZeroDivisionError

    broken = Broken()
    hub.subscribe(broken)

    await hub.submit(Notify(agent="a", report="idle"))
    hub.unsubscribe(broken)
    await until(lambda: hub.failure is None)
    await hub.submit(Notify(agent="a", report="busy"))

    assert "a turn failed" in caplog.text
    assert await hub.ask(lambda swarm: swarm.agents["a"].status) == "busy"


async def test_what_is_due_happens_by_itself(store: WatchedStore) -> None:
    hub = Hub(store, rules=Rules(escalate_after=timedelta(milliseconds=20)))
    await hub.start()
    watcher = Watcher()
    hub.subscribe(watcher)

    await hub.submit(Notify(agent="a", report="blocked", message="no key"))
    await until(lambda: len(watcher.cursors) == 3)
    later = datetime.now(UTC) + timedelta(milliseconds=20)
    await hub.submit(Snooze(help="h3", until=later))
    await until(lambda: len(watcher.cursors) == 5)
    await hub.stop()

    subjects = [
        logged.event.subject
        for pushed in watcher.pushed
        for logged in pushed.turn.events
    ]
    assert subjects[2:] == ["help.escalated", "help.snoozed", "help.woken"]


async def test_a_hub_that_stops_finishes_what_it_took_on(store: WatchedStore) -> None:
    hub = Hub(store)
    await hub.start()
    store.gate.clear()
    wishes = [
        asyncio.create_task(hub.submit(Notify(agent=f"a{n}", report="idle")))
        for n in range(600)
    ]
    await asyncio.sleep(0)

    stopping = asyncio.create_task(hub.stop())
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="the hub is stopping"):
        await hub.submit(Notify(agent="late", report="idle"))
    store.gate.set()
    await stopping

    assert all(outcome.events for outcome in await asyncio.gather(*wishes))


async def test_a_restarted_hub_knows_what_it_knew(store: WatchedStore) -> None:
    hub = Hub(store)
    await hub.start()
    await hub.submit(Notify(agent="a", report="busy", spool="s", seq=1))
    await hub.submit(Assign(agent="a", id="T"), key="k")
    await hub.stop()

    again = Hub(store)
    await again.start()
    with pytest.raises(Conflict):
        await again.submit(Notify(agent="a", report="idle", spool="s", seq=3))
    outcome = await again.submit(Assign(agent="a", id="T"), key="k")

    assert outcome.events[0].cursor == 3
    assert await again.ask(lambda swarm: list(swarm.mail["a"])) == [3]
    await again.stop()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def fill(hub: Hub, *keys: str) -> None:
    """Have tasks made, and failed for good."""
    for key in keys:
        await hub.submit(Enqueue(id=key))
        claimed = await hub.submit(Claim(agent="a", task=key))
        fence = claimed.events[-1].cursor
        await hub.submit(Fail(agent="a", task=key, fence=fence, final=True))


@pytest.fixture
async def forgetful(store: WatchedStore) -> AsyncIterator[Hub]:
    hub = Hub(store, rules=Rules(keep_settled=1), version="test")
    await hub.start()
    yield hub
    await hub.stop()


async def test_a_task_that_memory_let_go_of_is_requeued(forgetful: Hub) -> None:
    await fill(forgetful, "T1", "T2", "T3")

    await forgetful.submit(Requeue(id="T1"))

    claimed = await forgetful.submit(Claim(agent="b"))
    assert [event.task for _, event in claimed.events if isinstance(event, TaskLeased)]
    assert await forgetful.ask(lambda swarm: swarm.task("T1").agent) == "b"


async def test_an_id_that_memory_let_go_of_is_not_used_again(forgetful: Hub) -> None:
    await fill(forgetful, "T1", "T2", "T3")
    for key in ("x1", "x2", "x3"):
        await forgetful.submit(SendBroadcast(id=key, text="hello", where="nobody"))

    said = Send(agent="b", to="a", id="x1", text="again", spool="s", seq=1)
    (sent,) = (await forgetful.post(said)).events

    assert isinstance(sent.event, MessageSent)
    assert sent.event.message == "x1@b"
    with pytest.raises(Conflict, match="task 'T1' is there already and is dead"):
        await forgetful.submit(Enqueue(id="T1"))
    with pytest.raises(Conflict, match="broadcast 'x1' was sent before"):
        await forgetful.submit(SendBroadcast(id="x1", text="again"))


async def test_what_became_of_a_request_that_memory_let_go_of_is_told(
    forgetful: Hub,
) -> None:
    for agent in ("a", "b", "c"):
        await forgetful.submit(Notify(agent=agent, report="help", id=f"h-{agent}"))
        await forgetful.submit(Resolve(help=f"h-{agent}", by="ann"))

    with pytest.raises(Conflict, match="it was resolved by ann"):
        await forgetful.submit(Resolve(help="h-a"))


async def test_who_repeats_a_message_long_after_is_known_whoever_has_its_id() -> None:
    hub = Hub(MemoryStore(), rules=Rules(keep_settled=1), version="test")
    await hub.start()
    for agent in ("a", "b", "c"):
        await hub.submit(Notify(agent=agent, report="idle"))
    wishes = [Send(agent=agent, to="c", id="x", text="hello") for agent in ("a", "b")]

    firsts = [await hub.submit(wish) for wish in wishes]
    for event in (*wishes, *wishes):
        box = await hub.ask(lambda swarm: dict(swarm.mail.get("c", {})))
        for seq in box:
            await hub.submit(Done(agent="c", seq=seq))
        await hub.submit(Send(agent="a", to="c", text=f"more of {event.agent}"))
    there = await hub.ask(lambda swarm: {"x", "x@b"} & set(swarm.broadcasts))
    agains = [await hub.submit(wish) for wish in (*wishes, *wishes)]
    await hub.stop()

    sent = [event for outcome in firsts for _, event in outcome.events]
    assert [getattr(event, "message", "") for event in sent] == ["x", "x@b"]
    assert not there
    assert not any(outcome.events for outcome in agains)


async def test_what_was_recalled_and_did_not_change_is_not_written(
    forgetful: Hub, store: WatchedStore
) -> None:
    await fill(forgetful, "T1", "T2", "T3")
    before = await store.task("T1")
    turns = len(store.turns)

    with pytest.raises(NotFound):
        await forgetful.submit(Requeue(id="T9"))
    with pytest.raises(Conflict):
        await forgetful.submit(Enqueue(id="T1"))

    assert store.turns[turns:] == [0, 0]
    assert await store.task("T1") is before


async def test_a_store_that_cannot_be_read_for_a_while_does_not_end_the_pump(
    hub: Hub, store: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = 0
    original = MemoryStore.load

    async def load(self: MemoryStore) -> tuple[int, Tables]:
        nonlocal loads
        loads += 1
        if loads == 1:
            raise ValueError("what is this?")
        store.broken = False
        return await original(self)

    monkeypatch.setattr(WatchedStore, "load", load)
    monkeypatch.setattr(WatchedStore, "check", MemoryStore.check)
    monkeypatch.setattr(module, "RETRY", 0.0)
    store.broken = True

    with pytest.raises(StoreError):
        await hub.submit(Enqueue(id="T1"))
    async with asyncio.timeout(5):
        while hub.failure is not None:
            await asyncio.sleep(0)
    await hub.submit(Enqueue(id="T2"))

    assert loads == 2


async def test_a_key_that_memory_let_go_of_has_no_second_effect(
    store: WatchedStore,
) -> None:
    hub = Hub(store, rules=Rules(keep_receipts=2), version="test")
    await hub.start()
    first = await hub.submit(Enqueue(id=""), key="k1")
    for key in ("k2", "k3"):
        await hub.submit(Enqueue(id=""), key=key)

    again = await hub.submit(Enqueue(id=""), key="k1")
    with pytest.raises(Conflict, match="was used for something else"):
        await hub.submit(Claim(agent="a"), key="k1")

    assert again.events == first.events
    assert await hub.ask(lambda swarm: len(swarm.tasks)) == 3
    await hub.stop()


async def test_a_key_whose_events_are_no_longer_kept_is_refused(
    hub: Hub, store: WatchedStore
) -> None:
    await hub.submit(Enqueue(id="T1"), key="k")
    await hub.submit(Enqueue(id="T2"))
    while not (await store.trim(hub.now(), 1 << 30)).is_all:
        pass

    with pytest.raises(Conflict, match="no longer kept: send a fresh one"):
        await hub.submit(Enqueue(id="T1"), key="k")
