"""The WebSocket of an agent: reports up, mailbox down, resumed both ways."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.conftest import Line, RunningHub, Start


async def until(look: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(10):
        while not look():
            await asyncio.sleep(0.02)


def row(hub: RunningHub, agent: str) -> dict[str, Any]:
    reply = hub.get(f"/v1/agents/{agent}")
    found: dict[str, Any] = reply.json()["agent"]
    return found


def deliveries(hub: RunningHub, agent: str) -> list[dict[str, Any]]:
    reply = hub.get("/v1/deliveries", params={"agent": agent})
    found: list[dict[str, Any]] = reply.json()["deliveries"]
    return found


async def test_an_outbox_not_used_for_long_is_known_again(fresh: RunningHub) -> None:
    for spool in ("old", *map(str, range(12))):
        async with fresh.agent("a", spool=spool) as line:
            await report(line, 1, "completed")
            await acked(line, 1)

    async with fresh.agent("a", spool="old") as line:
        await report(line, 1, "completed")
        await report(line, 2, "completed")
        await acked(line, 2)
    said = {"report": "completed", "spool": "3", "seq": 1}
    reply = fresh.post("/v1/agents/a/status", said)

    assert line.welcome["accepted"] == 1
    assert reply.json()["accepted"] == 1
    assert row(fresh, "a")["completed"] == 14


async def report(line: Line, seq: int, word: str, **fields: Any) -> None:
    await line.say("notify", seq=seq, report=word, **fields)


async def acked(line: Line, seq: int) -> None:
    """Wait until reports up to a number are acknowledged."""
    while (await line.hear("ack"))["seq"] < seq:
        pass


# --- who is there ---


async def test_an_unknown_agent_joins_as_idle(hub: RunningHub) -> None:
    async with hub.agent("new", capabilities=["video"]) as line:
        known = row(hub, "new")

    assert line.welcome["accepted"] == 0
    assert (known["status"], known["linked"]) == ("idle", True)
    assert known["capabilities"] == ["video"]


async def test_what_was_received_from_another_store_counts_for_nothing(
    hub: RunningHub,
) -> None:
    async with hub.agent("moves"):
        pass
    hub.post("/v1/broadcasts", {"text": "hear"}).raise_for_status()
    cursor = hub.get("/v1/events").json()["events"][-1]["cursor"]

    async with hub.agent("moves", got=cursor, store="another") as line:
        mail = await line.hear("mail")

    assert line.welcome["store"] == hub.get("/healthz").json()["store"]
    assert mail["body"] == {"text": "hear"}
    async with hub.agent("moves", got=cursor, store=line.welcome["store"]):
        await until(lambda: deliveries(hub, "moves")[0]["state"] == "acked")


async def test_an_agent_that_goes_is_unlinked(hub: RunningHub) -> None:
    async with hub.agent("goes") as line:
        await line.say("bye")

    await until(lambda: not row(hub, "goes")["linked"])
    history = hub.get("/v1/agents/goes/history").json()["events"]
    assert history[0]["subject"] == "agent.disconnected"
    assert history[0]["data"]["reason"] == "it said goodbye"


async def test_a_newer_connection_replaces_the_older(hub: RunningHub) -> None:
    async with hub.agent("twice") as older, hub.agent("twice") as newer:
        code, reason = await older.closed()
        await report(newer, 1, "busy")
        await acked(newer, 1)

        assert code == 4409
        assert "newer connection" in reason
        assert row(hub, "twice")["linked"]


# --- reports ---


async def test_reports_are_acknowledged_together(hub: RunningHub) -> None:
    async with hub.agent("many") as line:
        for seq in range(1, 201):
            await report(line, seq, "busy", task=f"T{seq}")
        await acked(line, 200)

    assert row(hub, "many")["task"] == "T200"


async def test_a_report_sent_again_has_no_second_effect(hub: RunningHub) -> None:
    async with hub.agent("again") as line:
        await report(line, 1, "completed")
        await acked(line, 1)

    async with hub.agent("again") as line:
        await report(line, 1, "completed")
        await report(line, 2, "busy")
        await acked(line, 2)

        assert line.welcome["accepted"] == 1
        assert row(hub, "again")["completed"] == 1


async def test_another_spool_counts_from_one(hub: RunningHub) -> None:
    async with hub.agent("spools", spool="one") as line:
        await report(line, 1, "busy")
        await acked(line, 1)

    async with hub.agent("spools", spool="two") as line:
        await report(line, 1, "idle")
        await acked(line, 1)

        assert line.welcome["accepted"] == 0
        assert row(hub, "spools")["status"] == "idle"


async def test_a_refused_report_does_not_hold_up_the_next(hub: RunningHub) -> None:
    async with hub.agent("refused") as line:
        await report(line, 1, "busy", message="x" * 20_000)
        await report(line, 2, "busy", task="T2")
        refused = await line.hear("refused")
        await acked(line, 2)

    assert (refused["seq"], refused["code"]) == (1, "invalid")
    assert "16,384" in refused["detail"]
    assert row(hub, "refused")["task"] == "T2"


async def test_a_gap_in_the_reports_closes_the_connection(hub: RunningHub) -> None:
    async with hub.agent("gap") as line:
        await report(line, 2, "busy")

        assert await line.closed() == (
            4400,
            "report 2 of spool 's' came before report 1; send them in order",
        )


async def test_an_agent_over_its_rate_is_read_more_slowly(start: Start) -> None:
    hub = start("--store", "memory", "--agent-rate", "50", "--agent-burst", "5")
    async with hub.agent("fast") as line:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for seq in range(1, 31):
            await report(line, seq, "busy")
        await acked(line, 30)

        assert loop.time() - began > 0.4


# --- the mailbox ---


async def test_mail_of_all_kinds_comes_in_order(hub: RunningHub) -> None:
    async with hub.agent("reader") as line:
        hub.post("/v1/tasks", {"agent": "reader", "id": "R1", "title": "look"})
        hub.post("/v1/broadcasts", {"text": "hi", "where": "id:reader"})
        await report(line, 1, "help", message="which?", id="h-reader")
        mail = [await line.hear("mail") for _ in range(2)]
        await acked(line, 1)
        hub.post("/v1/help/h-reader/answer", {"text": "the left one"})
        mail.append(await line.hear("mail"))

    assert [(one["kind"], one["ref"]) for one in mail] == [
        ("task", "R1"),
        ("broadcast", mail[1]["ref"]),
        ("answer", "h-reader"),
    ]
    assert mail[0]["seq"] < mail[1]["seq"] < mail[2]["seq"]
    assert [one["body"] for one in mail] == [
        {"id": "R1", "title": "look"},
        {"text": "hi"},
        {"text": "the left one", "question": "which?"},
    ]
    assert {one["by"] for one in mail} == {"operator"}
    assert {one["attempt"] for one in mail} == {1}


async def test_a_helper_is_told_whom_to_help(hub: RunningHub) -> None:
    hub.report("asks", "help", message="stuck", id="h-asks", task="T7")
    async with hub.agent("helps") as line:
        told = {"helper": "helps", "note": "be quick"}
        hub.post("/v1/help/h-asks/assign", told)
        mail = await line.hear("mail")

    assert (mail["kind"], mail["ref"]) == ("helper", "h-asks")
    assert mail["body"] == {
        "agent": "asks",
        "question": "stuck",
        "task": "T7",
        "note": "be quick",
    }


async def test_the_ledger_follows_a_delivery(hub: RunningHub) -> None:
    async with hub.agent("ledger") as line:
        hub.post("/v1/broadcasts", {"text": "hi", "where": "id:ledger"})
        mail = await line.hear("mail")
        await until(lambda: deliveries(hub, "ledger")[0]["state"] == "sent")
        await line.say("ack", upto=mail["seq"])
        await until(lambda: deliveries(hub, "ledger")[0]["state"] == "acked")
        await line.say("done", seq=mail["seq"])
        await until(lambda: deliveries(hub, "ledger")[0]["state"] == "done")

    assert deliveries(hub, "ledger")[0]["attempts"] == 1


async def test_what_is_not_done_is_delivered_again(hub: RunningHub) -> None:
    async with hub.agent("crashes") as line:
        hub.post("/v1/tasks", {"agent": "crashes", "id": "C1"})
        hub.post("/v1/broadcasts", {"text": "hi", "where": "id:crashes"})
        task = await line.hear("mail")
        cast = await line.hear("mail")
        await line.say("ack", upto=cast["seq"])
        await line.say("done", seq=cast["seq"])
        await until(lambda: deliveries(hub, "crashes")[0]["state"] == "done")

    async with hub.agent("crashes", got=0) as line:
        again = await line.hear("mail")

    assert (again["seq"], again["attempt"], again["ref"]) == (task["seq"], 2, "C1")


async def test_only_what_is_above_got_is_delivered_again(hub: RunningHub) -> None:
    for number in (1, 2, 3):
        if number == 1:
            hub.report("resumes", "idle")
        hub.post("/v1/tasks", {"agent": "resumes", "id": f"S{number}"})

    third, second, _ = deliveries(hub, "resumes")
    async with hub.agent("resumes", got=second["seq"]) as line:
        mail = await line.hear("mail")
        await until(lambda: deliveries(hub, "resumes")[2]["state"] == "acked")

    assert (mail["seq"], mail["ref"]) == (third["seq"], "S3")


async def test_an_agent_that_knows_another_hub_gets_everything(
    hub: RunningHub,
) -> None:
    hub.report("moved", "idle")
    hub.post("/v1/tasks", {"agent": "moved", "id": "M1"})

    async with hub.agent("moved", got=10**9) as line:
        assert (await line.hear("mail"))["ref"] == "M1"


async def test_a_task_is_done_when_its_report_says_so(hub: RunningHub) -> None:
    async with hub.agent("works") as line:
        hub.post("/v1/tasks", {"agent": "works", "id": "W1"})
        mail = await line.hear("mail")
        await line.say("done", seq=mail["seq"])
        await report(line, 1, "completed", task="W1")
        await acked(line, 1)

    assert hub.get("/v1/tasks/W1").json()["task"]["state"] == "done"


async def test_a_slow_agent_delays_nobody_and_loses_nothing(hub: RunningHub) -> None:
    async with hub.agent("slow") as slow, hub.agent("quick") as quick:
        # More than the buffers of the system hold, so that the hub has to wait.
        for number in range(24):
            large = {"agent": "slow", "id": f"L{number}", "body": {"x": "y" * 900_000}}
            hub.post("/v1/tasks", large).raise_for_status()
        hub.post("/v1/tasks", {"agent": "quick", "id": "Q1"})
        quick_mail = await quick.hear("mail")
        waiting = {one["state"] for one in deliveries(hub, "slow")}
        slow_mail = [(await slow.hear("mail"))["ref"] for _ in range(24)]

    assert quick_mail["ref"] == "Q1"
    assert waiting == {"sent", "queued"}
    assert slow_mail == [f"L{number}" for number in range(24)]


# --- what closes a connection ---


@pytest.mark.parametrize(
    ("frame", "tells"),
    [
        ("[", "not JSON"),
        ('{"type":"dance"}', "dance"),
        ('{"type":"notify","seq":1,"report":"asleep"}', "asleep"),
        ('{"type":"notify","report":"idle"}', "seq is missing"),
        ('{"type":"ack","upto":1000000000}', "the log ends at"),
    ],
)
async def test_a_frame_that_cannot_be_read_closes(
    hub: RunningHub, frame: str, tells: str
) -> None:
    async with hub.agent("garbles") as line:
        await line.socket.send(frame)
        code, reason = await line.closed()

    assert code == 4400
    assert tells in reason


async def test_a_binary_frame_closes(hub: RunningHub) -> None:
    async with hub.agent("binary") as line:
        await line.socket.send(b"{}")

        assert (await line.closed())[0] == 4400


async def test_a_frame_that_is_too_long_closes(hub: RunningHub) -> None:
    async with hub.agent("long") as line:
        await line.socket.send(json.dumps({"type": "notify", "x": "y" * (1 << 20)}))

        assert (await line.closed())[0] == 1009


async def test_the_first_frame_must_be_hello(hub: RunningHub) -> None:
    async with hub.open("/v1/agent") as line:
        await report(line, 1, "idle")

        assert (await line.closed())[0] == 4400


@pytest.mark.parametrize("path", ["/v1/agent", "/v1/coordinator", "/v1/bus"])
async def test_whoever_does_not_say_hello_is_not_waited_for(
    start: Start, path: str
) -> None:
    hub = start("--store", "memory", "--hello-within", "0.2")
    async with hub.open(path) as line:
        assert await line.closed() == (
            4408,
            "no hello came within 0.2 s: send it first",
        )


@pytest.mark.parametrize("agent", ["", "a\x1b[2J", "x" * 257])
async def test_a_name_that_would_spoil_a_screen_is_refused(
    hub: RunningHub, agent: str
) -> None:
    async with hub.open("/v1/agent") as line:
        await line.say("hello", agent=agent, spool="s")

        assert (await line.closed())[0] == 4400


async def test_a_ping_left_unanswered_closes_and_unlinks(start: Start) -> None:
    hub = start("--store", "memory", "--ping-interval", "0.2")
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    writer.write(
        b"GET /v1/agent HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: c3dhcm10dWktc3dhcm10dQ==\r\n"
        b"Authorization: Bearer %b\r\n\r\n" % hub.token.encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    hello = b'{"type":"hello","agent":"mute","spool":"s"}'
    writer.write(bytes([0x81, 0x80 | len(hello), 0, 0, 0, 0]) + hello)

    heard = await asyncio.wait_for(reader.read(-1), 20)
    writer.close()

    await until(lambda: not row(hub, "mute")["linked"])
    assert heard.endswith(b"a ping was left unanswered: connect again")


async def test_a_hub_that_stops_says_come_again(start: Start) -> None:
    hub = start("--store", "memory")
    async with hub.agent("stays") as line:
        hub.process.terminate()

        code, reason = await line.closed()

    assert code == 1012
    assert "connect again" in reason
    assert hub.process.wait(timeout=10) == 0
