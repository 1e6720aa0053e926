"""The coordinators' client against a real hub: no gap, no repeat."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Coordinator
from agentkit.changes import Change, Heard
from agentkit.errors import (
    BadFilter,
    HubRefused,
    HubUnreachable,
    Invalid,
    NotAllowed,
    NotFound,
)
from agentkit.rows import Task
from agentkit.settings import Endpoint

Start = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let clients find the hub that a test starts."""
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    for name in ("SWARMTUI_URL", "SWARMTUI_TOKEN", "SWARMTUI_AGENT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def me(hub: Any, monkeypatch: pytest.MonkeyPatch, home: Path) -> str:
    """Let clients find the hub that all tests share; return an agent of one's own."""
    monkeypatch.setenv("SWARMTUI_HOME", str(hub.home))
    return home.name


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


def is_ready(task: Task) -> bool:
    return task.is_ready


async def heard_until(
    changes: AsyncIterator[Change], last: Callable[[Heard], bool]
) -> list[Heard]:
    """Return every event up to the last that is waited for."""
    heard: list[Heard] = []
    async with asyncio.timeout(20):
        async for change in changes:
            assert change.missed == 0
            heard += change.events
            if any(map(last, change.events)):
                return heard
    raise AssertionError("the changes ended")


def is_busy_with(task: str) -> Callable[[Heard], bool]:
    return lambda heard: getattr(heard.event, "task", "") == task


async def test_a_snapshot_comes_first_then_every_event_once(me: str) -> None:
    async with Agent(me) as agent, Coordinator() as swarm:
        changes = swarm.changes()
        first = await anext(changes)
        for number in range(50):
            await agent.busy(f"{me}-{number}")

        heard = await heard_until(changes, is_busy_with(f"{me}-49"))

        assert first.kind == "snapshot"
        assert me in {row.id for row in first.agents}
        cursors = [event.cursor for event in heard]
        assert cursors == list(range(first.cursor + 1, first.cursor + 1 + len(heard)))
        assert swarm.agents[me].task == f"{me}-49"


async def test_turns_carry_sizes_and_times(me: str) -> None:
    async with Agent(me) as agent, Coordinator() as swarm:
        changes = swarm.changes()
        await agent.busy(f"{me}-0")

        heard = await heard_until(changes, is_busy_with(f"{me}-0"))

        assert heard[-1].subject == "agent.busy"
        assert heard[-1].bytes > 0
        assert heard[-1].ms > 0


async def test_batched_turns_lose_nothing(me: str) -> None:
    async with Agent(me) as agent, Coordinator(batch_ms=50) as swarm:
        changes = swarm.changes()
        for number in range(200):
            await agent.busy(f"{me}-{number}")

        heard = await heard_until(changes, is_busy_with(f"{me}-199"))

        mine = [h for h in heard if h.subject == "agent.busy"]
        assert [getattr(h.event, "task") for h in mine] == [  # noqa: B009
            f"{me}-{n}" for n in range(200)
        ]


async def test_no_gap_and_no_repeat_while_the_hub_restarts(start: Start) -> None:
    hub = start()
    async with Coordinator() as swarm:
        changes = swarm.changes()
        listening = asyncio.create_task(heard_until(changes, is_busy_with("T59")))
        async with Agent("a1") as agent:
            for number in range(60):
                if number in (20, 40):
                    await agent.flush(10)
                    hub.process.kill()
                    hub = start()
                    # what happens now, the coordinator may not be there to see
                    hub.report("a2", "busy", task=f"away-{number}")
                await agent.busy(f"T{number}")
            heard = await listening

        cursors = [event.cursor for event in heard]
        assert cursors == list(range(cursors[0], cursors[0] + len(cursors)))
        tasks = [getattr(h.event, "task") for h in heard if h.subject == "agent.busy"]  # noqa: B009
        assert [t for t in tasks if t[0] == "T"] == [f"T{n}" for n in range(60)]
        assert [t for t in tasks if t[0] == "a"] == ["away-20", "away-40"]


async def test_the_link_says_that_the_hub_is_away_and_back(start: Start) -> None:
    hub = start()
    async with Coordinator() as swarm:
        hub.process.kill()
        await until(lambda: swarm.link.state == "waiting")

        assert "the connection to the hub at http://127.0.0.1" in swarm.link.error
        assert swarm.link.retry_at is not None
        with pytest.raises(HubUnreachable, match="assign was not sent"):
            await swarm.assign("a1", "T1")

        start()
        await until(lambda: swarm.link.state == "live")
        assert swarm.link.error == ""


async def test_a_hub_that_forgot_everything_empties_the_mirror(start: Start) -> None:
    hub = start("--store", "memory")
    hub.report("a1", "idle")
    hub.report("a1", "busy")
    async with Coordinator() as swarm:
        assert "a1" in swarm.agents
        hub.process.kill()
        start("--store", "memory")

        await until(lambda: not swarm.agents)


async def test_orders_return_what_they_led_to(me: str) -> None:
    async with Agent(me, capabilities=["video"]), Coordinator() as swarm:
        task = await swarm.assign(me, title="Draw", body={"file": "x"})
        sent = await swarm.broadcast("hello", where=f"agent:{me} cap:video")

        assert (task.agent, task.title, task.body["file"]) == (me, "Draw", "x")
        assert sent.recipients == (me,)
        assert {row.ref for row in await swarm.mailbox(me)} == {
            task.task,
            sent.broadcast,
        }
        assert [row.agent for row in await swarm.ledger(sent.broadcast)] == [me]


async def test_the_same_key_gives_the_same_answer_once(me: str) -> None:
    async with Agent(me), Coordinator() as swarm:
        one = await swarm.assign(me, title="Draw", key=f"{me}-key")
        two = await swarm.assign(me, title="Draw", key=f"{me}-key")

        assert one == two
        assert len(await swarm.mailbox(me)) == 1


async def test_a_help_request_goes_through_all_hands(me: str, hub: Any) -> None:
    hub.report(me, "help", id=f"{me}-h", message="how?")
    hub.report(f"{me}-2", "idle")
    async with Coordinator() as swarm:
        await swarm.take(f"{me}-h")
        later = datetime.now(UTC) + timedelta(hours=1)
        snoozed = await swarm.snooze(f"{me}-h", later)
        helper = await swarm.assign_helper(f"{me}-h", f"{me}-2", note="please")
        answered = await swarm.answer(f"{me}-h", "so")

        assert snoozed.until == later
        assert helper.helper == f"{me}-2"
        assert answered.text == "so"
        await until(lambda: swarm.helps[f"{me}-h"].state == "answered")

        hub.report(me, "help", id=f"{me}-h2", message="and now?")
        await until(lambda: f"{me}-h2" in swarm.helps)
        await swarm.resolve(f"{me}-h2", note="done")
        await until(lambda: swarm.helps[f"{me}-h2"].state == "resolved")


async def test_work_is_queued_called_off_and_begun_anew(me: str) -> None:
    key = f"{me}-work"
    soon = datetime.now(UTC) + timedelta(hours=1)
    async with Coordinator() as swarm:
        queued = await swarm.enqueue("look", task=key, needs=["video"], priority=2)
        gone = await swarm.cancel(key, reason="not needed")
        anew = await swarm.requeue(key)
        later = await swarm.enqueue("later", not_before=soon, max_attempts=7)
        await until(lambda: later.task in swarm.tasks)

        row = swarm.tasks[key]
        assert (queued.task, queued.needs, queued.priority) == (key, ("video",), 2)
        assert (gone.reason, gone.by, anew.task) == ("not needed", "operator", key)
        assert (row.state, row.title) == ("queued", "look")
        assert swarm.tasks[later.task].not_before == soon
        assert swarm.tasks[later.task].max_attempts == 7
        assert swarm.task_counts["queued"] >= 1
        assert swarm.task_counts["scheduled"] >= 1
        assert "cancelled" not in swarm.task_counts


async def test_a_dead_delivery_is_found_and_sent_again(me: str, hub: Any) -> None:
    hub.report(me, "idle")
    async with Coordinator() as swarm:
        cast = await swarm.broadcast("hi", where=f"id:{me}")
        (mail,) = await swarm.mailbox(me)
        lost = {"dead": [{"seq": mail.seq, "reason": "too often"}]}
        hub.post(f"/v1/agents/{me}/mailbox", lost).raise_for_status()

        (row,) = await swarm.dead(me)
        retried = await swarm.retry(row.id)
        await until(lambda: swarm.broadcasts[cast.broadcast].dead == 0)

        (old,) = await swarm.dead(me)
        newest, _ = await swarm.mailbox(me)
        assert (row.state, row.reason, row.retried) == ("dead", "too often", 0)
        assert (retried.agent, retried.seq) == (me, row.seq)
        assert old.retried == newest.seq
        assert newest.state == "queued"
        assert await swarm.dead(after=old.id, agent=me) == []
        with pytest.raises(Invalid, match="id cannot be"):
            await swarm.retry("which?")


async def test_of_many_tasks_those_that_come_next_are_always_there(
    start: Start,
) -> None:
    start("--store", "memory", "--client-rate", "1e6", "--client-burst", "100000")
    async with Coordinator() as swarm:
        made = await asyncio.gather(*(swarm.enqueue(f"{n}") for n in range(7000)))
        grown = len(swarm.tasks)
    async with Coordinator() as swarm:
        shown, counted = len(swarm.tasks), dict(swarm.task_counts)
        changes = swarm.changes()
        heard = [(await anext(changes)).cursor]
        await asyncio.gather(*(swarm.cancel(one.task) for one in made[:5500]))
        events = await heard_until(
            changes, lambda _: swarm.task_counts["queued"] < 1501
        )
        await until(lambda: sum(map(is_ready, swarm.tasks.values())) == 1500)

    heard += [event.cursor for event in events]
    assert grown <= 6000
    assert (shown, counted) == (5000, {"queued": 7000})
    assert heard == list(range(heard[0], heard[-1] + 1))


async def test_the_log_can_be_read_in_pages(me: str, hub: Any) -> None:
    for number in range(5):
        hub.report(me, "busy", task=f"T{number}")
    async with Coordinator() as swarm:
        newest = await swarm.history(me, limit=2)
        older = await swarm.history(me, before=newest[-1].cursor, limit=2)
        first = await swarm.events(agent=me, subject="agent.*", limit=1)

        tasks = [getattr(e.event, "task") for e in (*newest, *older)]  # noqa: B009
        assert tasks == ["T4", "T3", "T2", "T1"]
        assert getattr(first[0].event, "task") == "T0"  # noqa: B009


async def test_refusals_are_errors_of_their_kind(me: str) -> None:
    async with Coordinator() as swarm:
        with pytest.raises(NotFound, match="'nobody-here'"):
            await swarm.assign("nobody-here", "T1")
        with pytest.raises(BadFilter, match="did you mean cap"):
            await swarm.broadcast("x", where="caps:video")
        with pytest.raises(Invalid, match="message is empty"):
            await swarm.broadcast("  ")


async def test_the_round_trip_is_measured(me: str) -> None:
    async with Coordinator() as swarm:
        assert 0 < await swarm.ping() < 10
        assert swarm.role == "operator"
        assert swarm.hub["store"] == "memory"


async def test_figures_come_every_second(me: str) -> None:
    async with Coordinator() as swarm:
        await until(lambda: swarm.stats is not None)

        assert swarm.stats is not None
        assert swarm.stats.watchers >= 1
        assert len(swarm.stats.buckets) == 6


async def test_closing_ends_the_iteration(me: str) -> None:
    async with Coordinator() as swarm:
        changes = swarm.changes()

        async def listen() -> int:
            return len([change async for change in changes])

        listening = asyncio.create_task(listen())
        await asyncio.sleep(0)

    assert await asyncio.wait_for(listening, 5) >= 1


async def test_no_hub_is_an_error_on_entering_unless_one_is_patient(
    start: Start, home: Path
) -> None:
    nowhere = Endpoint("http://127.0.0.1:1")
    with pytest.raises(HubUnreachable, match="no hub answers at"):
        await Coordinator(nowhere).__aenter__()

    async with Coordinator(patient=True) as swarm:
        await until(lambda: swarm.link.state == "waiting")
        start()
        await until(lambda: swarm.link.state == "live")


async def test_a_wrong_token_is_an_error_on_entering(me: str, hub: Any) -> None:
    with pytest.raises(HubRefused, match="token"):
        await Coordinator(Endpoint(hub.url, "wrong")).__aenter__()


async def test_a_viewer_may_look_and_not_order(
    me: str, hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from server.auth import Keys

    token = Keys.load(hub.home).derive("viewer")
    async with Coordinator(Endpoint(hub.url, token)) as swarm:
        assert swarm.role == "viewer"
        with pytest.raises(NotAllowed):
            await swarm.broadcast("hello")
