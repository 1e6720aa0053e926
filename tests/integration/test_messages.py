"""Agents talk through a real hub: messages, calls, undertaken and watched tasks."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.integration.conftest import Line, RunningHub, Start


async def send(line: Line, seq: int, to: str, **fields: Any) -> None:
    await line.say("send", seq=seq, to=to, **fields)


async def ask(line: Line, kind: str, answer: str, **fields: Any) -> dict[str, Any]:
    await line.say(kind, id=kind, **fields)
    reply = await line.hear(answer)
    assert reply["id"] == kind
    return reply


async def test_a_message_arrives_as_it_was_sent(hub: RunningHub, me: str) -> None:
    async with hub.agent(f"{me}-b") as receiver, hub.agent(f"{me}-a") as sender:
        await send(sender, 1, f"{me}-b@swarm", id="x1", text="hello", body={"n": [1]})
        mail = await receiver.hear("mail")

    message = mail["message"]
    assert sender.welcome["swarm"] == "swarm"
    assert (mail["kind"], mail["ref"]) == ("message", "x1")
    assert message.pop("at") == mail["at"]
    assert message == {
        "id": "x1",
        "sender": f"{me}-a",
        "to": f"{me}-b@swarm",
        "text": "hello",
        "body": {"n": [1]},
        "call": "",
        "answers": "",
        "expires": None,
        "about": "",
    }


async def test_messages_arrive_in_order_also_at_who_was_away(
    hub: RunningHub, me: str
) -> None:
    hub.report(f"{me}-b", "idle")
    async with hub.agent(f"{me}-a") as sender:
        for seq in range(1, 51):
            await send(sender, seq, f"{me}-b", text=f"{seq}")
        while sender.acked < 50:
            await sender.hear("ack")

    async with hub.agent(f"{me}-b") as receiver:
        heard = [(await receiver.hear("mail"))["message"] for _ in range(50)]

    assert [message["text"] for message in heard] == [f"{n}" for n in range(1, 51)]


async def test_an_agent_cannot_send_as_another(hub: RunningHub, me: str) -> None:
    hub.report(f"{me}-b", "idle")
    async with hub.agent(f"{me}-a") as line:
        await send(line, 1, f"{me}-a", text="hello", agent=f"{me}-b", by="operator")
        message = (await line.hear("mail"))["message"]

    row = hub.get(f"/v1/messages/{message['id']}").json()["broadcast"]
    assert (message["sender"], row["sender"], row["by"]) == (f"{me}-a", f"{me}-a", "")


async def test_an_agent_cannot_send_as_a_person(hub: RunningHub, me: str) -> None:
    derived = hub.post(f"/v1/tokens/agent:{me}/derive").json()["token"]
    async with hub.agent(f"{me}-b"):
        wish = {"agent": "", "to": f"{me}-b", "text": "I am the operator"}
        who = {"Authorization": f"Bearer {derived}"}
        reply = hub.post("/v1/messages", wish, headers=who)

    message = reply.json()["message"]
    assert (message["sender"], message["by"]) == (me, "")


async def test_a_message_that_is_refused_says_why_and_holds_nothing_up(
    hub: RunningHub, me: str
) -> None:
    async with hub.agent(f"{me}-a") as line:
        await send(line, 1, f"{me}-nobody", text="hello")
        refused = await line.hear("refused")
        await send(line, 2, f"{me}-a", text="to myself")
        mail = await line.hear("mail")

    assert (refused["seq"], refused["code"]) == (1, "not_found")
    assert f"no agent '{me}-nobody' is known" in refused["detail"]
    assert mail["message"]["sender"] == f"{me}-a"


async def test_a_call_is_answered_by_who_got_it_alone(hub: RunningHub, me: str) -> None:
    caller, callee, other = (f"{me}-{name}" for name in "abc")
    async with (
        hub.agent(callee) as served,
        hub.agent(other) as stranger,
        hub.agent(caller) as asked,
    ):
        call = f"{me}-call"
        await send(asked, 1, callee, body={"method": "add"}, call=call)
        assert (await served.hear("mail"))["message"]["call"] == call
        await send(stranger, 1, caller, answers=call, body={"result": 0})
        refused = await stranger.hear("refused")
        await send(served, 1, other, answers=call, body={"result": 3})
        answer = (await asked.hear("mail"))["message"]
        await send(served, 2, caller, answers=call, body={"result": 3})
        again = await served.hear("refused")

    assert refused["code"] == "not_allowed"
    assert (answer["sender"], answer["body"]) == (callee, {"result": 3})
    assert (again["seq"], again["code"]) == (2, "conflict")


async def test_a_call_that_expired_meanwhile_is_not_handed_out(
    hub: RunningHub, me: str
) -> None:
    hub.report(f"{me}-b", "idle")
    async with hub.agent(f"{me}-a") as line:
        soon = hub.get("/v1/agents/" + f"{me}-b").json()["agent"]["heard"]
        await send(line, 1, f"{me}-b", text="?", call=f"{me}1", expires=soon)
        refused = await line.hear("refused")

    assert "make it again" in refused["detail"]


async def test_how_long_a_call_is_waited_for_goes_by_the_clock_of_the_hub(
    hub: RunningHub, me: str
) -> None:
    hub.report(f"{me}-b", "idle")
    hub.report(f"{me}-a", "idle")
    async with hub.agent(f"{me}-b") as line:
        wish = {"agent": f"{me}-a", "to": f"{me}-b", "text": "?", "call": f"{me}1"}
        hub.post("/v1/messages", {**wish, "within": 100}).raise_for_status()
        posted = (await line.hear("mail"))["message"]
        async with hub.agent(f"{me}-a") as caller:
            await send(caller, 1, f"{me}-b", text="?", call=f"{me}2", within=100)
            sent = (await line.hear("mail"))["message"]
            await send(caller, 2, f"{me}-b", text="?", call=f"{me}3", within=0)
            refused = await caller.hear("refused")

    for message in (posted, sent):
        at, expires = map(datetime.fromisoformat, (message["at"], message["expires"]))
        assert timedelta(seconds=95) < expires - at <= timedelta(seconds=100)
    assert datetime.fromisoformat(line.welcome["now"]).tzinfo
    assert "make it again" in refused["detail"]


async def test_who_watches_is_told_what_becomes_of_a_task(
    hub: RunningHub, me: str
) -> None:
    worker, watcher, task = f"{me}-w", f"{me}-a", f"{me}-t"
    async with hub.agent(worker) as works, hub.agent(watcher) as line:
        made = await ask(
            works, "undertake", "undertaken", task=task, title="count", body={"n": 3}
        )
        again = await ask(
            works, "undertake", "undertaken", task=task, title="count", body={"n": 3}
        )
        watched = await ask(works, "watch", "watched", task=task, agent=watcher)
        claimed = await ask(works, "claim", "claimed", task=task)
        fence = claimed["tasks"][0]["fence"]
        await ask(
            works,
            "extend",
            "extended",
            task=task,
            fence=fence,
            progress=0.5,
            note="halfway",
        )
        seen = await ask(works, "look", "task", task=task)
        await works.say("complete", seq=1, task=task, fence=fence, result={"sum": 6})
        told = [(await line.hear("mail"))["message"]["body"] for _ in range(3)]
        last = (await line.hear("mail"))["message"]

    assert made["task"]["target"] == worker
    assert again["task"]["created"] == made["task"]["created"]
    assert again["task"]["seq"] == made["task"]["seq"]
    assert watched["task"]["watchers"] == [watcher]
    assert (seen["task"]["progress"], seen["task"]["note"]) == (0.5, "halfway")
    assert told[0]["state"] in ("queued", "sent")
    assert [body["state"] for body in told[1:]] == ["leased", "leased"]
    assert [body["progress"] for body in told] == [None, None, 0.5]
    assert last["about"] == task
    assert (last["body"]["state"], last["body"]["result"]) == ("done", {"sum": 6})
    row = hub.get(f"/v1/tasks/{task}").json()["task"]
    assert (row["note"], row["watchers"]) == ("halfway", [])


async def test_a_task_is_the_business_of_who_has_it_and_of_its_watchers(
    hub: RunningHub, me: str
) -> None:
    worker, watcher, task = f"{me}-w", f"{me}-a", f"{me}-t"
    async with hub.agent(worker) as works, hub.agent(watcher) as line:
        await ask(works, "undertake", "undertaken", task=task, title="count")
        strange = [
            await ask(line, kind, "error", task=task)
            for kind in ("look", "watch", "cancel")
        ]
        stolen = await ask(line, "undertake", "error", task=task, title="mine")
        await ask(works, "watch", "watched", task=task, agent=watcher)
        seen = await ask(line, "look", "task", task=task)
        again = await ask(line, "watch", "watched", task=task)
        refused = await ask(line, "cancel", "error", task=task)
        left = await ask(line, "watch", "watched", task=task, on=False)
        done = await ask(works, "cancel", "cancelled", task=task, reason="enough")
        unknown = await ask(line, "look", "error", task=f"{me}-none")

    for refusal in (*strange, refused):
        assert (refusal["code"], refusal["status"]) == ("not_allowed", 403)
        assert "so ask that agent" in refusal["detail"]
    assert (stolen["code"], stolen["status"]) == ("conflict", 409)
    assert seen["task"]["title"] == "count"
    assert again["task"]["watchers"] == [watcher]
    assert left["task"]["watchers"] == []
    assert (done["task"]["state"], done["task"]["reason"]) == ("cancelled", "enough")
    assert unknown["code"] == "not_found"


async def test_who_has_a_task_lets_others_watch_it_and_nobody_else(
    hub: RunningHub, me: str
) -> None:
    worker, watcher, task = f"{me}-w", f"{me}-a", f"{me}-t"
    async with hub.agent(worker) as works, hub.agent(watcher) as line:
        await ask(works, "undertake", "undertaken", task=task, title="count")
        refused = await ask(line, "watch", "error", task=task, agent=worker)
        watched = await ask(works, "watch", "watched", task=task, agent=watcher)
        told = (await line.hear("mail"))["message"]

    assert (refused["code"], refused["status"]) == ("not_allowed", 403)
    assert watched["task"]["watchers"] == [watcher]
    assert told["about"] == task


# --- over http -----------------------------------------------------------------------


async def test_a_person_sends_and_sees_how_far_it_got(hub: RunningHub, me: str) -> None:
    async with hub.agent(me) as line:
        reply = hub.post("/v1/messages", {"to": me, "text": "hello"})
        mail = await line.hear("mail")
        await line.say("done", seq=mail["seq"], confirm=True)
        await line.hear("settled")

    row = reply.json()["message"]
    view = hub.get(f"/v1/messages/{row['id']}").json()
    listed = hub.get("/v1/messages", params={"limit": 1000}).json()["messages"]
    casts = hub.get("/v1/broadcasts", params={"limit": 1000}).json()["broadcasts"]
    assert reply.status_code == 201
    assert (row["sender"], row["by"], row["to"]) == ("", "operator", me)
    assert mail["message"]["text"] == "hello"
    assert [row["state"] for row in view["deliveries"]] == ["done"]
    assert row["id"] in {row["id"] for row in listed}
    assert row["id"] not in {row["id"] for row in casts}


async def test_to_peek_into_a_mailbox_counts_as_no_attempt(
    hub: RunningHub, me: str
) -> None:
    hub.report(me, "idle")
    hub.post("/v1/messages", {"to": me, "text": "hello"}).raise_for_status()
    mailbox = f"/v1/agents/{me}/mailbox"

    seen = [hub.get(mailbox, params={"peek": "true"}).json() for _ in range(2)]
    taken = hub.get(mailbox).json()

    attempts = [page["mail"][0]["attempt"] for page in (*seen, taken)]
    assert attempts == [1, 1, 1]
    assert hub.get(mailbox).json()["mail"][0]["attempt"] == 2


async def test_a_repeated_request_sends_one_message(hub: RunningHub, me: str) -> None:
    hub.report(me, "idle")
    wish = {"to": me, "text": "hello", "id": f"{me}-x"}

    first, again = (hub.post("/v1/messages", wish).json() for _ in range(2))
    other = hub.post("/v1/messages", {**wish, "text": "bye"})

    assert first["message"] == again["message"]
    assert len(first["events"]) == 1
    assert not again["events"]
    assert other.status_code == 409


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"text": "hello"}, 422),
        ({"to": "nobody-at-all", "text": "x"}, 404),
        ({"to": "a@elsewhere", "text": "x"}, 404),
        ({"to": "**", "text": ""}, 422),
    ],
)
def test_a_message_that_will_not_do_is_refused(
    hub: RunningHub, wish: dict[str, Any], status: int
) -> None:
    assert hub.post("/v1/messages", wish).status_code == status


def test_watchers_over_http_need_an_agent_to_watch(hub: RunningHub, me: str) -> None:
    hub.report(me, "idle")
    task = {"title": "x", "watchers": [me]}

    refused = hub.post("/v1/tasks", task)
    made = hub.post("/v1/tasks", {**task, "agent": me})

    assert refused.status_code == 422
    assert made.json()["task"]["watchers"] == [me]


async def test_a_watcher_gets_the_events_of_messages_and_not_their_rows(
    hub: RunningHub, me: str
) -> None:
    hub.report(me, "idle")
    hub.post("/v1/messages", {"to": me, "text": "before"}).raise_for_status()
    async with hub.watch() as line:
        hub.post("/v1/messages", {"to": me, "text": "after"}).raise_for_status()
        turn = await line.hear("turn")

    said = [event["data"]["text"] for event in turn["events"]]
    assert line.welcome["hub"]["swarm"] == "swarm"
    assert (said, turn.get("broadcasts", [])) == (["after"], [])
    assert not any(row["to"] for row in line.snapshot["broadcasts"])


def test_a_swarm_has_the_name_that_it_is_given(start: Start, me: str) -> None:
    hub = start("--store", "memory", "--swarm", "fame.fabric")
    hub.report(me, "idle")

    ours, other = (
        hub.post("/v1/messages", {"to": f"{me}@{swarm}", "text": "hello"})
        for swarm in ("fame.fabric", "swarm")
    )

    assert (ours.status_code, other.status_code) == (201, 404)
    assert f"send to {me}@fame.fabric" in other.json()["detail"]


async def test_a_coordinator_sends_and_lets_agents_watch(
    hub: RunningHub, me: str
) -> None:
    hub.report(me, "idle")
    async with hub.watch() as line:
        sent = await line.request("send", to=me, text="hello")
        made = await line.request("assign", agent=me, id=f"{me}-t", watchers=[me])
        ended = await line.request("watch", task=f"{me}-t", agent=me, on=False)

    subjects = [
        [event["subject"] for event in reply["events"]] for reply in (sent, made, ended)
    ]
    assert subjects == [
        ["message.sent"],
        ["task.assigned", "message.sent"],
        ["task.watched"],
    ]
