"""Work under a lease, over HTTP and over the agent's WebSocket."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.conftest import Line, RunningHub, Start

Rows = list[dict[str, Any]]


async def until(look: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(10):
        while not look():
            await asyncio.sleep(0.02)


def enqueue(hub: RunningHub, key: str, **fields: Any) -> dict[str, Any]:
    reply = hub.post("/v1/tasks", {"id": key, **fields})
    assert reply.status_code == 201, reply.text
    task: dict[str, Any] = reply.json()["task"]
    return task


def claim(hub: RunningHub, agent: str, **fields: Any) -> Rows:
    headers = fields.pop("headers", {})
    reply = hub.post("/v1/claims", {"agent": agent, **fields}, headers=headers)
    assert reply.status_code == 200, reply.text
    tasks: Rows = reply.json()["tasks"]
    return tasks


def task(hub: RunningHub, key: str) -> dict[str, Any]:
    row: dict[str, Any] = hub.get(f"/v1/tasks/{key}").json()["task"]
    return row


async def ask(line: Line, kind: str, answer: str, **fields: Any) -> dict[str, Any]:
    await line.say(kind, id=kind, **fields)
    return await line.hear(answer)


# --- over HTTP ---


def test_a_task_is_queued_claimed_and_completed(hub: RunningHub) -> None:
    made = enqueue(hub, "H1", title="look", needs=["h1"], body={"x": [1]}, priority=3)

    (row,) = claim(hub, "h1", capabilities=["h1"], lease=60)
    lease = {"agent": "h1", "fence": row["fence"]}
    longer = hub.post("/v1/tasks/H1/extend", {**lease, "lease": 90}).json()
    result = {"result": {"answer": 42}, "cost": 1.5}
    done = hub.post("/v1/tasks/H1/complete", {**lease, **result}).json()
    again = hub.post("/v1/tasks/H1/complete", {**lease, **result})

    assert (made["state"], made["needs"], made["priority"]) == ("queued", ["h1"], 3)
    assert (row["state"], row["attempts"], row["lease"]) == ("leased", 1, 60)
    assert row["body"] == {"x": [1], "id": "H1"}
    assert longer["task"]["lease"] == 90
    assert (done["task"]["state"], done["task"]["result"]) == ("done", {"answer": 42})
    assert done["events"][0]["subject"] == "task.done"
    assert (again.status_code, again.json()["events"]) == (200, [])


def test_a_claim_with_nothing_to_have_is_empty(hub: RunningHub) -> None:
    assert claim(hub, "idle-one") == []


def test_a_stale_fence_is_a_conflict_that_names_the_holder(hub: RunningHub) -> None:
    enqueue(hub, "H2", needs=["h2"])
    (row,) = claim(hub, "h2", capabilities=["h2"])
    lease = {"agent": "h2", "fence": row["fence"]}
    hub.post("/v1/tasks/H2/nack", lease).raise_for_status()
    (newer,) = claim(hub, "h2b", capabilities=["h2"])

    replies = [
        hub.post(f"/v1/tasks/H2/{word}", lease)
        for word in ("extend", "complete", "fail", "nack")
    ]

    assert {reply.status_code for reply in replies} == {409}
    for reply in replies:
        assert reply.headers["content-type"] == "application/problem+json"
        assert f"leased by h2b under fence {newer['fence']}" in reply.json()["detail"]
    assert newer["attempts"] == 1


def test_a_failed_attempt_is_tried_again_until_it_is_dead(hub: RunningHub) -> None:
    enqueue(hub, "H3", needs=["h3"], max_attempts=2)

    for _ in range(2):
        (row,) = claim(hub, "h3", capabilities=["h3"], wait=10)
        lease = {"agent": "h3", "fence": row["fence"]}
        said = {**lease, "reason": "no disk", "delay": 0}
        hub.post("/v1/tasks/H3/fail", said).raise_for_status()
    dead = task(hub, "H3")
    anew = hub.post("/v1/tasks/H3/requeue").json()["task"]

    assert (dead["state"], dead["reason"], dead["attempts"]) == ("dead", "no disk", 2)
    assert (anew["state"], anew["attempts"]) == ("queued", 0)


def test_a_task_is_cancelled_once(hub: RunningHub) -> None:
    enqueue(hub, "H4", needs=["h4"])

    gone = hub.post("/v1/tasks/H4/cancel", {"reason": "not needed"}).json()
    again = hub.post("/v1/tasks/H4/cancel")

    assert (gone["task"]["state"], gone["task"]["reason"]) == (
        "cancelled",
        "not needed",
    )
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


def test_a_claim_waits_for_work(hub: RunningHub) -> None:
    later = threading.Timer(0.3, enqueue, [hub, "H5"], {"needs": ["h5"]})
    later.start()

    (row,) = claim(hub, "h5", capabilities=["h5"], wait=20)

    later.join()
    assert row["id"] == "H5"


def test_a_claim_does_not_wait_for_ever(hub: RunningHub) -> None:
    assert claim(hub, "h6", wait=0.2) == []


def test_the_same_key_gives_the_same_tasks(hub: RunningHub) -> None:
    enqueue(hub, "H7a", needs=["h7"])
    enqueue(hub, "H7b", needs=["h7"])
    asked = {"capabilities": ["h7"], "headers": {"idempotency-key": "k-h7"}}

    first = claim(hub, "h7", **asked)
    lease = {"agent": "h7", "fence": first[0]["fence"]}
    hub.post("/v1/tasks/H7a/complete", {**lease, "result": {"x": 1}})
    again = claim(hub, "h7", **asked)

    assert [row["id"] for row in first] == ["H7a"]
    assert again == first


def request(hub: RunningHub, **said: Any) -> bytes:
    """Return a claim as it goes over the wire; nothing but a socket is needed then."""
    body = json.dumps(said)
    return (
        f"POST /v1/claims HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {hub.token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    ).encode()


def test_who_hangs_up_is_given_nothing(hub: RunningHub) -> None:
    with socket.create_connection(("127.0.0.1", hub.port)) as line:
        line.sendall(request(hub, agent="h8", capabilities=["h8"], wait=50))
        # Whoever asks later and waits behind it shows that it is in line.
        assert claim(hub, "h8b", capabilities=["h8"], wait=0.2) == []
    enqueue(hub, "H8", needs=["h8"])

    (row,) = claim(hub, "h8c", capabilities=["h8"], wait=20)

    assert (row["id"], row["agent"], row["attempts"]) == ("H8", "h8c", 1)


async def test_a_thousand_claims_wait_and_each_gets_one(start: Start) -> None:
    hub = start("--store", "memory", "--max-per-client", "2000")

    async def claimed(number: int) -> list[str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        writer.write(request(hub, agent=f"a{number}", wait=50))
        _, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        writer.close()
        return [row["id"] for row in json.loads(body)["tasks"]]

    claims = [asyncio.create_task(claimed(number)) for number in range(1000)]
    async with hub.watch() as line:
        for number in range(1000):
            await line.say(
                "request", id=number, do="enqueue", args={"id": f"T{number}"}
            )
        got = await asyncio.gather(*claims)

    assert sorted(got) == sorted([f"T{number}"] for number in range(1000))


@pytest.mark.parametrize(
    ("path", "said", "status", "tells"),
    [
        ("/v1/claims", {}, 422, "agent is missing"),
        ("/v1/claims", {"agent": "x", "wait": 51}, 422, "wait cannot be 51"),
        ("/v1/claims", {"agent": "x", "tasks": 101}, 422, "1 to 100"),
        ("/v1/claims", {"agent": "x", "task": "none"}, 404, "'none'"),
        ("/v1/claims", {"agent": ""}, 422, "empty"),
        ("/v1/tasks/none/complete", {"agent": "x", "fence": 1}, 404, "'none'"),
        ("/v1/tasks/none/complete", {"agent": "x"}, 422, "fence is missing"),
        ("/v1/tasks/none/extend", {"agent": "x", "fence": -1}, 422, "fence"),
        ("/v1/tasks/none/cancel", {}, 404, "'none'"),
        ("/v1/tasks/none/requeue", {}, 404, "'none'"),
        ("/v1/tasks", {"title": "x", "max_attempts": 0}, 422, "max_attempts"),
        ("/v1/tasks", {"title": "x", "not_before": "soon"}, 422, "not_before"),
        ("/v1/deliveries/5/retry", {}, 422, "id cannot be '5'"),
        ("/v1/deliveries/5@nobody/retry", {}, 404, "'nobody'"),
    ],
)
def test_a_refusal_says_what_helps(
    hub: RunningHub, path: str, said: dict[str, Any], status: int, tells: str
) -> None:
    reply = hub.post(path, said)

    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert tells in reply.json()["detail"]


def test_a_large_body_is_delivered_unchanged_and_a_large_result_refused(
    hub: RunningHub,
) -> None:
    body = {"text": "ü" * 400_000}
    enqueue(hub, "H9", needs=["h9"], body=body)
    (row,) = claim(hub, "h9", capabilities=["h9"])
    lease = {"agent": "h9", "fence": row["fence"]}

    fits = {"x": "y" * (65_536 - len('{"x":""}'))}
    larger = {"x": fits["x"] + "y"}
    refused = hub.post("/v1/tasks/H9/complete", {**lease, "result": larger})
    done = hub.post("/v1/tasks/H9/complete", {**lease, "result": fits})

    assert row["body"] == {**body, "id": "H9"}
    assert refused.status_code == 422
    assert "65,536 are allowed; keep it elsewhere" in refused.json()["detail"]
    assert done.json()["task"]["result"] == fits


# --- over the WebSocket ---


async def test_an_agent_claims_extends_and_completes(hub: RunningHub) -> None:
    enqueue(hub, "W1", needs=["w1"], title="look")
    async with hub.agent("w1", capabilities=["w1"]) as line:
        claimed = await ask(line, "claim", "claimed", lease=60)
        (row,) = claimed["tasks"]
        lease = {"task": "W1", "fence": row["fence"]}
        longer = await ask(line, "extend", "extended", **lease, lease=120)
        await line.say("complete", seq=1, **lease, result={"ok": True}, cost=2.0)
        await line.hear("ack")

    assert (claimed["id"], longer["id"]) == ("claim", "extend")
    assert (row["title"], row["state"]) == ("look", "leased")
    assert longer["task"]["lease"] == 120
    assert task(hub, "W1")["result"] == {"ok": True}


async def test_a_waiting_claim_is_answered_when_there_is_work(hub: RunningHub) -> None:
    async with hub.agent("w2", capabilities=["w2"]) as line:
        await line.say("claim", id="c", wait=True)
        await line.say("notify", seq=1, report="idle")
        await line.hear("ack")
        enqueue(hub, "W2", needs=["w2"])
        claimed = await line.hear("claimed")

    assert [row["id"] for row in claimed["tasks"]] == ["W2"]


async def test_a_claim_that_waits_no_longer_is_answered(hub: RunningHub) -> None:
    async with hub.agent("w3") as line:
        await line.say("claim", id=7, wait=True)
        await line.say("unclaim", id=7)

        assert await line.hear("claimed") == {"type": "claimed", "id": 7, "tasks": []}


async def test_a_claim_of_a_connection_that_ended_is_forgotten(
    hub: RunningHub,
) -> None:
    async with hub.agent("w4", capabilities=["w4"]) as gone:
        await gone.say("claim", id=1, wait=True)
        await gone.say("notify", seq=1, report="idle")
        await gone.hear("ack")
    async with hub.agent("w4b", capabilities=["w4"]) as line:
        await line.say("claim", id=1, wait=True)
        enqueue(hub, "W4", needs=["w4"])
        claimed = await line.hear("claimed")

    (row,) = claimed["tasks"]
    assert (row["id"], row["agent"], row["attempts"]) == ("W4", "w4b", 1)


async def test_a_refused_claim_leaves_the_connection_open(hub: RunningHub) -> None:
    async with hub.agent("w5") as line:
        named = await ask(line, "claim", "error", task="none")
        many = await ask(line, "claim", "error", tasks=1000)
        stale = await ask(line, "extend", "error", task="none", fence=1)

    assert (named["code"], named["status"]) == ("not_found", 404)
    assert "'none'" in named["detail"]
    assert (many["code"], many["status"]) == ("invalid", 422)
    assert (stale["id"], stale["status"]) == ("extend", 404)


async def test_claims_that_wait_are_bounded(hub: RunningHub) -> None:
    async with hub.agent("w6") as line:
        for number in range(65):
            await line.say("claim", id=number, wait=True)
        refused = await line.hear("error")
        await line.say("claim", id=0, wait=True)
        twice = await line.hear("error")

    assert (refused["id"], refused["status"]) == (64, 409)
    assert "choose another id" in twice["detail"]


async def test_a_late_end_of_a_lease_is_refused_and_holds_nothing_up(
    hub: RunningHub,
) -> None:
    enqueue(hub, "W7", needs=["w7"])
    async with hub.agent("w7", capabilities=["w7"]) as line:
        (row,) = (await ask(line, "claim", "claimed"))["tasks"]
        stale = {"task": "W7", "fence": row["fence"] - 1}
        await line.say("complete", seq=1, **stale)
        await line.say("complete", seq=2, task="W7", fence=row["fence"])
        refused = await line.hear("refused")
        while line.acked < 2:
            await line.hear("ack")

    assert (refused["seq"], "leased by w7" in refused["detail"]) == (1, True)
    assert task(hub, "W7")["state"] == "done"


async def test_a_result_that_is_too_large_is_refused_and_uses_its_number(
    hub: RunningHub,
) -> None:
    enqueue(hub, "W8", needs=["w8"])
    async with hub.agent("w8", capabilities=["w8"]) as line:
        (row,) = (await ask(line, "claim", "claimed"))["tasks"]
        lease = {"task": "W8", "fence": row["fence"]}
        await line.say("complete", seq=1, **lease, result={"x": "y" * 70_000})
        await line.say("nack", seq=2, **lease)
        refused = await line.hear("refused")
        while line.acked < 2:
            await line.hear("ack")

    assert "keep it elsewhere" in refused["detail"]
    assert task(hub, "W8")["state"] == "queued"


async def test_what_ends_a_lease_takes_effect_once(hub: RunningHub) -> None:
    enqueue(hub, "W9", needs=["w9"], max_attempts=2)
    async with hub.agent("w9", capabilities=["w9"]) as line:
        (row,) = (await ask(line, "claim", "claimed"))["tasks"]
        for _ in range(2):
            lease = {"task": "W9", "fence": row["fence"]}
            await line.say("fail", seq=1, **lease, reason="no", delay=0)
        await line.say("notify", seq=2, report="idle")
        while line.acked < 2:
            await line.hear("ack")

    assert (task(hub, "W9")["state"], task(hub, "W9")["attempts"]) == ("queued", 1)


@pytest.mark.parametrize(
    ("word", "said", "reason"),
    [
        ("cancel", {"reason": "not needed"}, "not needed"),
        ("cancel", {}, "it was cancelled by operator"),
        ("requeue", {}, "it was requeued by operator"),
    ],
)
async def test_a_holder_is_told_that_its_lease_ended(
    hub: RunningHub, word: str, said: dict[str, Any], reason: str
) -> None:
    key = f"R-{word}-{len(said)}"
    enqueue(hub, key, needs=[key])
    async with hub.agent(key, capabilities=[key]) as line:
        (row,) = (await ask(line, "claim", "claimed"))["tasks"]
        hub.post(f"/v1/tasks/{key}/{word}", said).raise_for_status()

        revoked = await line.hear("revoked")

    fence = row["fence"]
    assert revoked == {
        "type": "revoked",
        "task": key,
        "fence": fence,
        "reason": reason,
    }


async def test_a_holder_is_told_that_its_task_went_to_another(hub: RunningHub) -> None:
    hub.report("r-other", "idle")
    enqueue(hub, "R2", needs=["r2"])
    async with hub.agent("r2", capabilities=["r2"]) as line:
        await ask(line, "claim", "claimed")
        hub.post("/v1/tasks", {"agent": "r-other", "id": "R2"}).raise_for_status()

        revoked = await line.hear("revoked")

    assert revoked["reason"] == "it was assigned to r-other by operator"


async def test_a_holder_is_told_that_its_lease_ran_out(hub: RunningHub) -> None:
    enqueue(hub, "R3", needs=["r3"])
    async with hub.agent("r3", capabilities=["r3"]) as line:
        await ask(line, "claim", "claimed", lease=1)

        revoked = await line.hear("revoked")

    assert revoked["reason"] == "nothing was heard of r3 for 1 s"
    assert task(hub, "R3")["reason"] == revoked["reason"]


async def test_who_ends_its_lease_itself_is_not_told(hub: RunningHub) -> None:
    enqueue(hub, "R4", needs=["r4"], max_attempts=1)
    async with hub.agent("r4", capabilities=["r4"]) as line:
        (row,) = (await ask(line, "claim", "claimed"))["tasks"]
        await line.say("fail", seq=1, task="R4", fence=row["fence"], final=True)
        # What comes next is the answer: `hear` fails on a frame that is not awaited.
        assert (await ask(line, "claim", "claimed"))["tasks"] == []

    assert task(hub, "R4")["state"] == "dead"


async def test_a_lease_taken_before_a_reconnection_can_be_revoked(
    hub: RunningHub,
) -> None:
    enqueue(hub, "R5", needs=["r5"])
    async with hub.agent("r5", capabilities=["r5"]) as line:
        await ask(line, "claim", "claimed")
    async with hub.agent("r5", capabilities=["r5"]) as line:
        hub.post("/v1/tasks/R5/cancel").raise_for_status()

        assert (await line.hear("revoked"))["task"] == "R5"


# --- deliveries ---


def dead(hub: RunningHub, **params: Any) -> dict[str, Any]:
    reply = hub.get("/v1/deliveries", params={"state": "dead", **params})
    found: dict[str, Any] = reply.json()
    return found


async def test_a_delivery_that_failed_too_often_is_dead_and_tried_again(
    hub: RunningHub,
) -> None:
    async with hub.agent("d1") as line:
        hub.post("/v1/broadcasts", {"id": "b-d1", "text": "hi", "where": "id:d1"})
        mail = await line.hear("mail")
        await line.say("dead", seq=mail["seq"], reason="too often", confirm=True)
        settled = await line.hear("settled")
        (row,) = dead(hub, agent="d1")["deliveries"]
        cast = hub.get("/v1/broadcasts/b-d1").json()["broadcast"]

        path = f"/v1/deliveries/{row['seq']}@d1/retry"
        retried = hub.post(path)
        again = await line.hear("mail")
        await line.say("done", seq=again["seq"], confirm=True)
        await line.hear("settled")

    assert settled == {"type": "settled", "seq": mail["seq"]}
    assert (row["state"], row["reason"]) == ("dead", "too often")
    assert cast["dead"] == 1
    assert retried.json()["delivery"]["seq"] == again["seq"] > mail["seq"]
    assert retried.json()["events"][0]["subject"] == "delivery.retried"
    assert again["body"] == {"text": "hi"}
    (old,) = dead(hub, agent="d1")["deliveries"]
    assert old["retried"] == again["seq"]
    assert hub.post(path).status_code in (404, 409)


async def test_an_answer_that_is_tried_again_says_the_same(hub: RunningHub) -> None:
    async with hub.agent("d2") as line:
        await line.say("notify", seq=1, report="help", message="which?", id="h-d2")
        await line.hear("ack")
        hub.post("/v1/help/h-d2/answer", {"text": "left"}).raise_for_status()
        mail = await line.hear("mail")
        await line.say("dead", seq=mail["seq"], reason="no", confirm=True)
        await line.hear("settled")

        hub.post(f"/v1/deliveries/{mail['seq']}@d2/retry").raise_for_status()
        again = await line.hear("mail")

    assert again["body"] == mail["body"] == {"text": "left", "question": "which?"}


async def test_a_task_mail_handled_early_is_settled_and_not_done(
    hub: RunningHub,
) -> None:
    async with hub.agent("d3") as line:
        hub.post("/v1/tasks", {"agent": "d3", "id": "D3"}).raise_for_status()
        mail = await line.hear("mail")
        await line.say("done", seq=mail["seq"], confirm=True)

        assert (await line.hear("settled"))["seq"] == mail["seq"]
    assert task(hub, "D3")["state"] in ("sent", "acked")


def test_dead_deliveries_are_paged_newest_first(start: Start) -> None:
    hub = start("--store", "memory")
    hub.report("d4", "idle")
    for number in range(5):
        hub.post("/v1/broadcasts", {"text": f"{number}"}).raise_for_status()
    mail = hub.get("/v1/agents/d4/mailbox").json()["mail"]
    lost = [{"seq": one["seq"], "reason": "no"} for one in mail]
    state = hub.post("/v1/agents/d4/mailbox", {"dead": lost}).json()

    first = dead(hub, limit=3)
    rest = dead(hub, limit=3, after=first["next"])

    seqs = [row["seq"] for row in (*first["deliveries"], *rest["deliveries"])]
    assert seqs == sorted((one["seq"] for one in mail), reverse=True)
    assert rest["next"] is None
    assert state == {"agent": "d4", "unread": 0}


def test_what_an_agent_promises_is_in_its_row(hub: RunningHub) -> None:
    async def come() -> None:
        async with hub.agent("d5", guarantee="at-most-once"):
            pass

    asyncio.run(come())

    row = hub.get("/v1/agents/d5").json()["agent"]
    assert row["guarantee"] == "at-most-once"


# --- lists ---


def test_tasks_are_paged_and_counted_by_state(start: Start) -> None:
    hub = start("--store", "memory")
    for number in range(7):
        enqueue(hub, f"T{number}")
    claim(hub, "a", tasks=2)

    pages, after = [], ""
    while after is not None:
        params = {"state": "queued", "limit": "2", "after": after}
        page = hub.get("/v1/tasks", params=params).json()
        pages.append([row["id"] for row in page["tasks"]])
        after = page["next"]
    mine = hub.get("/v1/tasks", params={"agent": "a"}).json()

    assert pages == [["T2", "T3"], ["T4", "T5"], ["T6"]]
    assert [row["id"] for row in mine["tasks"]] == ["T0", "T1"]
    assert page["counts"] == mine["counts"] == {"queued": 5, "leased": 2}
