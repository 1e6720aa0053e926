"""The WebSocket of a watcher: a snapshot, then every turn, and requests answered."""

import asyncio
import json
from itertools import count
from typing import Any

from server.watchers import LARGEST
from tests.integration.conftest import Line, RunningHub, Start


async def turns_until(line: Line, cursor: int) -> list[dict[str, Any]]:
    """Return the events of turns up to a cursor."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["cursor"] < cursor:
        events += (await line.hear("turn"))["events"]
    return events


async def test_a_watcher_is_welcomed_with_the_hub(hub: RunningHub) -> None:
    async with hub.watch() as line:
        told = line.welcome

    assert told["role"] == "operator"
    assert told["hub"]["url"] == hub.url
    assert told["hub"]["store"] == "memory"


async def test_a_snapshot_has_every_row(hub: RunningHub) -> None:
    hub.report("snap", "help", message="which?", id="h-snap")
    hub.post("/v1/tasks", {"agent": "snap", "id": "T-snap"})
    hub.post("/v1/broadcasts", {"text": "hi", "id": "b-snap"})

    async with hub.watch() as line:
        ids = {
            table: {row["id"] for row in line.snapshot[table]}
            for table in ("agents", "helps", "tasks", "broadcasts")
        }

    assert "snap" in ids["agents"]
    assert "h-snap" in ids["helps"]
    assert "T-snap" in ids["tasks"]
    assert "b-snap" in ids["broadcasts"]


async def test_nothing_is_missed_or_repeated_after_the_snapshot(start: Start) -> None:
    hub = start("--store", "memory", "--agent-rate", "100000")

    async def chatter() -> None:
        async with hub.agent("chatter") as agent:
            for seq in count(1):
                await agent.say("notify", seq=seq, report="busy", task=f"T{seq}")
                while seq - agent.acked > 20:
                    await agent.hear("ack")

    talking = asyncio.create_task(chatter())
    heard: list[tuple[int, list[int]]] = []
    for _ in range(10):
        async with hub.watch() as line:
            cursor = line.snapshot["cursor"]
            events = await turns_until(line, cursor + 50)
            heard.append((cursor, [event["cursor"] for event in events]))
    talking.cancel()
    await asyncio.wait([talking])

    for cursor, cursors in heard:
        assert cursors == list(range(cursor + 1, cursor + 1 + len(cursors)))


async def test_a_turn_has_events_and_the_rows_they_changed(hub: RunningHub) -> None:
    async with hub.watch() as line:
        hub.report("turns", "busy", task="T1")
        turn = await line.hear("turn")

    (event,) = turn["events"]
    assert (event["subject"], event["data"]["task"]) == ("agent.busy", "T1")
    assert event["cursor"] == turn["cursor"]
    assert event["bytes"] > 0
    assert event["ms"] > 0
    assert [row["task"] for row in turn["agents"]] == ["T1"]


async def test_gathered_turns_have_every_event_and_the_latest_rows(
    hub: RunningHub,
) -> None:
    async with hub.watch(batch_ms=500) as line:
        for number in range(10):
            hub.report("gathers", "busy", task=f"T{number}")
        turn = await line.hear("turn")

    tasks = [event["data"]["task"] for event in turn["events"]]
    (row,) = turn["agents"]
    assert len(tasks) > 1
    assert tasks == [f"T{number}" for number in range(len(tasks))]
    assert row["task"] == tasks[-1]


async def test_a_watcher_that_is_too_slow_takes_a_new_snapshot(start: Start) -> None:
    hub = start("--store", "memory", "--agent-rate", "100000")
    async with hub.watch() as line, hub.agent("floods") as agent:
        line.socket.transport.pause_reading()
        # More than the buffers of the system and the hub's patience together.
        for seq in range(1, 30_001):
            await agent.say("notify", seq=seq, report="busy", message="x" * 500)
            while seq - agent.acked > 60:
                await agent.hear("ack")
        line.socket.transport.resume_reading()
        resync = await first_resync(line)
        await line.say("snapshot")
        snapshot = await line.hear_snapshot()
        hub.report("floods", "idle")
        turn = await line.hear("turn")

    assert "too slow" in resync["reason"]
    assert snapshot["cursor"] >= 30_000
    assert turn["events"][0]["cursor"] == snapshot["cursor"] + 1


async def test_a_turn_that_nobody_could_take_is_a_resync(start: Start) -> None:
    hub = start("--store", "memory")
    body = {"text": "x" * 900_000}
    async with hub.watch(batch_ms=4000) as line:
        for number in range(20):
            hub.post("/v1/tasks", {"id": f"T{number}", "body": body})

        assert (await line.hear("resync"))["type"] == "resync"


async def test_no_more_bytes_wait_for_a_watcher_than_it_is_sent(start: Start) -> None:
    hub = start("--store", "memory")
    body = {"text": "x" * 900_000}
    async with hub.watch(batch_ms=10_000) as line:
        for number in range(LARGEST // 900_000 + 1):
            hub.post("/v1/tasks", {"id": f"T{number}", "body": body})
        await line.say("request", id=1, do="ping")

        kinds = []
        while "reply" not in kinds:
            kinds.append(json.loads(await line.socket.recv())["type"])

    assert "resync" in kinds
    assert "turn" not in kinds


async def test_a_turn_that_changes_tasks_counts_them_all(start: Start) -> None:
    hub = start("--store", "memory")
    hub.post("/v1/tasks", {"id": "T1"})
    async with hub.watch() as line:
        hub.post("/v1/tasks", {"id": "T2"})
        queued = await line.hear("turn")
        hub.report("a", "idle")
        other = await line.hear("turn")
        claimed = await line.request("dead")

    assert line.snapshot["counts"] == {"queued": 1}
    assert queued["counts"] == {"queued": 2}
    assert "counts" not in other
    assert claimed["result"] == []


async def first_resync(line: Line) -> dict[str, Any]:
    """Pass over the turns that were still on their way."""
    while True:
        frame: dict[str, Any] = json.loads(await line.socket.recv())
        if frame["type"] == "resync":
            return frame


# --- requests ---


async def test_a_command_is_answered_with_its_events(hub: RunningHub) -> None:
    hub.report("obeys", "idle")

    async with hub.watch() as line:
        reply = await line.request("assign", agent="obeys", id="O1", title="look")

    (event,) = reply["events"]
    assert reply["ok"]
    assert event["subject"] == "task.assigned"
    assert event["data"]["by"] == "operator"


async def test_a_refused_command_says_why(hub: RunningHub) -> None:
    async with hub.watch() as line:
        reply = await line.request("assign", agent="nobody")

    assert not reply["ok"]
    assert reply["code"] == "not_found"
    assert "'nobody'" in reply["detail"]


async def test_every_wish_of_the_help_desk_can_be_given(hub: RunningHub) -> None:
    hub.report("desk", "help", message="which?", id="h-desk")
    hub.report("friend", "idle")

    async with hub.watch() as line:
        taken = await line.request("take", help="h-desk")
        helper = await line.request("assign_helper", help="h-desk", helper="friend")
        later = "2100-01-01T00:00:00Z"
        snoozed = await line.request("snooze", help="h-desk", until=later)
        answered = await line.request("answer", help="h-desk", text="left")
        resolved = await line.request("resolve", help="h-desk")

    done = [taken, helper, snoozed, answered]
    assert [one["events"][0]["subject"] for one in done] == [
        "help.taken",
        "help.assigned",
        "help.snoozed",
        "help.answered",
    ]
    assert resolved["code"] == "conflict"


async def test_a_key_used_again_has_no_second_effect(hub: RunningHub) -> None:
    async with hub.watch() as line:
        replies = []
        for _ in range(2):
            await line.say(
                "request", id=1, do="broadcast", args={"text": "once"}, key="k1"
            )
            replies.append(await line.hear("reply"))

    assert replies[0]["events"] == replies[1]["events"]


async def test_questions_are_answered_from_the_log_and_the_ledger(
    hub: RunningHub,
) -> None:
    hub.report("asked", "idle")
    hub.report("asked", "busy", task="T1")
    hub.post("/v1/tasks", {"agent": "asked", "id": "A1"})

    async with hub.watch() as line:
        history = await line.request("history", agent="asked", limit=2)
        log = await line.request("events", subject="agent.*", agent="asked")
        ledger = await line.request("ledger", ref="A1")
        mailbox = await line.request("mailbox", agent="asked")
        pong = await line.request("ping")

    subjects = [event["subject"] for event in history["result"]]
    assert subjects == ["task.assigned", "agent.busy"]
    assert [event["subject"] for event in log["result"]] == ["agent.idle", "agent.busy"]
    assert ledger["result"] == mailbox["result"]
    assert (ledger["result"][0]["ref"], ledger["result"][0]["agent"]) == ("A1", "asked")
    assert pong["ok"]


async def test_what_a_hub_cannot_do_is_answered_with_what_it_can(
    hub: RunningHub,
) -> None:
    async with hub.watch() as line:
        unknown = await line.request("dance")
        wrong = await line.request("events", limit=0)

    assert "broadcast" in unknown["detail"]
    assert wrong["code"] == "invalid"
    assert "limit cannot be 0" in wrong["detail"]


async def test_figures_come_once_a_second(hub: RunningHub) -> None:
    hub.report("counted", "busy")

    async with hub.watch() as line, hub.agent("linked"):
        stats = await line.hear("stats")

    assert stats["watchers"] == 1
    assert stats["counts"]["busy"] >= 1
    assert len(stats["buckets"]) == 6
    assert {"at", "in_rate", "out_rate", "p50_ms", "p99_ms", "commit_ms"} <= set(stats)
