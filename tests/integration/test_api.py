"""The API under /v1, end to end."""

import json
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from tests.integration.conftest import RunningHub, Start


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


# --- agents ---


def test_agents_are_chosen_by_a_filter(fresh: RunningHub) -> None:
    fresh.report("a1", "idle", capabilities=["video"])
    fresh.report("a2", "busy", capabilities=["video"])
    fresh.report("a3", "idle")

    chosen = fresh.get("/v1/agents", params={"q": "state:idle cap:video"}).json()

    assert ids(chosen["agents"]) == ["a1"]


def test_a_list_is_paged_by_cursor(fresh: RunningHub) -> None:
    for number in range(5):
        fresh.report(f"a{number}", "idle")

    pages, after = [], ""
    while after is not None:
        params = {"limit": "2", "after": after}
        page = fresh.get("/v1/agents", params=params).json()
        pages.append(ids(page["agents"]))
        after = page["next"]

    assert pages == [["a0", "a1"], ["a2", "a3"], ["a4"]]


def test_one_agent_comes_with_the_reason_of_its_status(hub: RunningHub) -> None:
    hub.report("why", "blocked", message="no disk")
    hub.report("why", "blocked", message="still no disk")

    view = hub.get("/v1/agents/why").json()

    assert view["presence"] == "live"
    assert view["agent"]["message"] == "still no disk"
    assert view["why"]["subject"] == "agent.blocked"
    assert view["why"]["data"]["message"] == "no disk"


def test_an_id_may_contain_a_slash(hub: RunningHub) -> None:
    path = "/v1/agents/team%2Fone%20two"

    hub.post(f"{path}/status", {"report": "busy"}).raise_for_status()

    assert hub.get(path).json()["agent"]["id"] == "team/one two"


def test_history_pages_backwards(hub: RunningHub) -> None:
    for word in ("idle", "busy", "idle"):
        hub.report("past", word)

    first = hub.get("/v1/agents/past/history", params={"limit": 2}).json()
    rest = hub.get("/v1/agents/past/history", params={"before": first["next"]}).json()

    words = [event["data"]["report"] for event in (*first["events"], *rest["events"])]
    assert words == ["idle", "busy", "idle"]
    assert rest["next"] is None


def test_a_numbered_report_answers_the_same_again(hub: RunningHub) -> None:
    said = {"report": "completed", "spool": "s", "seq": 1, "via": "cli"}

    replies = [hub.post("/v1/agents/numbered/status", said) for _ in range(2)]

    row = hub.get("/v1/agents/numbered").json()["agent"]
    assert replies[0].json() == replies[1].json()
    assert replies[0].json() == {
        "status": "received",
        "agent": "numbered",
        "accepted": 1,
    }
    assert (row["completed"], row["via"]) == (1, "cli")


def test_a_report_out_of_order_is_a_conflict(hub: RunningHub) -> None:
    said = {"report": "busy", "spool": "s", "seq": 5}

    reply = hub.post("/v1/agents/early/status", said)

    assert (reply.status_code, reply.json()["code"]) == (409, "conflict")


def test_a_report_may_set_every_field(hub: RunningHub) -> None:
    hub.report(
        "full",
        "help",
        task="T1",
        message="which?",
        capabilities=["video"],
        cost=1.5,
        completed=2,
        severity="critical",
        choices=["left", "right"],
    )

    row = hub.get("/v1/agents/full").json()["agent"]
    asked = hub.get(f"/v1/help/{row['help']}").json()["help"]
    assert (row["task"], row["cost"], row["completed"]) == ("T1", 1.5, 2)
    assert asked["choices"] == ["left", "right"]
    assert asked["severity"] == "critical"


def test_the_queue_is_in_order_of_waiting(fresh: RunningHub) -> None:
    for agent in ("z", "a", "m"):
        fresh.report(agent, "idle")
    fresh.report("z", "busy")

    assert ids(fresh.get("/v1/queue").json()["queue"]) == ["a", "m"]


# --- the mailbox over HTTP ---


def test_a_mailbox_is_read_and_signed(hub: RunningHub) -> None:
    hub.report("posts", "idle")
    hub.post("/v1/tasks", {"agent": "posts", "id": "P1"})
    hub.post("/v1/broadcasts", {"text": "hi", "where": "id:posts"})

    mail = hub.get("/v1/agents/posts/mailbox").json()["mail"]
    task, cast = (one["seq"] for one in mail)
    receipts = {"acked": cast, "done": [cast]}
    state = hub.post("/v1/agents/posts/mailbox", receipts).json()
    again = hub.get("/v1/agents/posts/mailbox").json()["mail"]

    assert [one["kind"] for one in mail] == ["task", "broadcast"]
    assert state == {"agent": "posts", "unread": 0}
    assert [(one["seq"], one["attempt"]) for one in again] == [(task, 2)]


def test_a_mailbox_can_be_waited_for(hub: RunningHub) -> None:
    hub.report("waits", "idle")
    wish = {"agent": "waits", "id": "WT"}
    later = threading.Timer(0.3, hub.post, ["/v1/tasks", wish])
    later.start()

    mail = hub.get("/v1/agents/waits/mailbox", params={"wait": 10}).json()["mail"]

    later.join()
    assert [one["ref"] for one in mail] == ["WT"]


def test_waiting_ends_with_nothing(hub: RunningHub) -> None:
    hub.report("in-vain", "idle")

    reply = hub.get("/v1/agents/in-vain/mailbox", params={"wait": 0.1})

    assert reply.json() == {"agent": "in-vain", "mail": []}


# --- tasks, help, broadcasts ---


def test_a_task_is_assigned_listed_and_shown(hub: RunningHub) -> None:
    hub.report("doer", "idle")

    made = hub.post("/v1/tasks", {"agent": "doer", "title": "look", "body": {"x": 1}})

    task = made.json()["task"]
    listed = hub.get("/v1/tasks", params={"agent": "doer", "state": "queued"}).json()
    assert made.status_code == 201
    assert task["body"] == {"x": 1, "id": task["id"]}
    assert made.json()["events"][0]["subject"] == "task.assigned"
    assert listed["tasks"] == [task]
    assert hub.get(f"/v1/tasks/{task['id']}").json()["task"] == task


def test_the_help_desk_from_question_to_answer(hub: RunningHub) -> None:
    hub.report("asker", "help", message="which?", id="h1")
    hub.report("helper", "idle")

    taken = hub.post("/v1/help/h1/take").json()["help"]
    helped = hub.post("/v1/help/h1/assign", {"helper": "helper"}).json()["help"]
    until = "2100-01-01T00:00:00"
    aside = hub.post("/v1/help/h1/snooze", {"until": until}).json()["help"]
    done = hub.post("/v1/help/h1/answer", {"text": "left"}).json()["help"]
    again = hub.post("/v1/help/h1/answer", {"text": "right"})

    assert (taken["state"], taken["by"]) == ("taken", "operator")
    assert helped["helper"] == "helper"
    assert aside["snoozed_until"] == "2100-01-01T00:00:00+00:00"
    assert (done["state"], done["answer"]) == ("answered", "left")
    assert again.status_code == 409
    answered = hub.get("/v1/help", params={"agent": "asker", "state": "answered"})
    assert ids(answered.json()["helps"]) == ["h1"]


def test_a_request_can_be_resolved(hub: RunningHub) -> None:
    hub.report("solves", "blocked", message="no disk", id="h2")

    done = hub.post("/v1/help/h2/resolve", {"note": "disk bought"}).json()["help"]

    assert (done["state"], done["note"]) == ("resolved", "disk bought")


def test_a_broadcast_is_previewed_sent_and_followed(fresh: RunningHub) -> None:
    for agent in ("a1", "a2", "a3"):
        fresh.report(agent, "idle")
    fresh.report("b1", "busy")
    where = "state:idle"

    preview = fresh.post("/v1/broadcasts/preview", {"where": where}).json()
    made = fresh.post("/v1/broadcasts", {"text": "hi", "where": where}).json()
    fresh.get("/v1/agents/a2/mailbox")

    path = f"/v1/broadcasts/{made['broadcast']['id']}"
    first = fresh.get(path, params={"limit": 2}).json()
    rest = fresh.get(path, params={"after": first["next"]}).json()
    ledger = first["deliveries"] + rest["deliveries"]
    assert preview == {"count": 3, "agents": ["a1", "a2", "a3"]}
    assert first["broadcast"]["recipients"] == 3
    assert first["broadcast"]["sent"] == 1
    assert [(row["agent"], row["state"]) for row in ledger] == [
        ("a1", "queued"),
        ("a2", "sent"),
        ("a3", "queued"),
    ]


def test_deliveries_are_asked_by_thing_or_by_agent(hub: RunningHub) -> None:
    hub.report("lists", "idle")
    hub.post("/v1/tasks", {"agent": "lists", "id": "L1"})

    by_ref = hub.get("/v1/deliveries", params={"ref": "L1"}).json()
    by_agent = hub.get("/v1/deliveries", params={"agent": "lists"}).json()
    neither = hub.get("/v1/deliveries")

    assert by_ref["deliveries"] == by_agent["deliveries"]
    assert neither.status_code == 422
    assert "ref or agent" in neither.json()["detail"]


def test_an_idempotency_key_has_one_effect(hub: RunningHub) -> None:
    hub.report("once", "idle")
    key = {"idempotency-key": "k-once"}

    replies = [
        hub.post("/v1/tasks", {"agent": "once"}, headers=key).json() for _ in range(2)
    ]

    assert replies[0] == replies[1]
    assert len(hub.get("/v1/tasks", params={"agent": "once"}).json()["tasks"]) == 1


# --- the log ---


def test_the_log_is_read_by_cursor_and_subject(hub: RunningHub) -> None:
    for word in ("idle", "busy", "blocked"):
        hub.report("logged", word)
    params = {"agent": "logged", "subject": "agent.*", "limit": 2}

    first = hub.get("/v1/events", params=params).json()
    rest = hub.get("/v1/events", params={**params, "after": first["next"]}).json()

    subjects = [one["subject"] for one in (*first["events"], *rest["events"])]
    assert subjects == ["agent.idle", "agent.busy", "agent.blocked"]


def stream(hub: RunningHub, **options: Any) -> AbstractContextManager[httpx.Response]:
    headers = {"accept": "text/event-stream", **options.pop("headers", {})}
    return hub.http.stream("GET", "/v1/events", headers=headers, **options)


def events_of(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def test_the_log_is_followed_from_the_past_into_the_present(hub: RunningHub) -> None:
    hub.report("followed", "idle")
    params = {"agent": "followed"}

    with stream(hub, params=params) as reply:
        events = events_of(reply.iter_lines())
        past = next(events)
        with httpx.Client(base_url=hub.url, headers=hub.http.headers) as other:
            said = {"report": "busy"}
            other.post("/v1/agents/followed/status", json=said).raise_for_status()
        live = next(events)

    assert reply.headers["content-type"].startswith("text/event-stream")
    assert (past["subject"], live["subject"]) == ("agent.idle", "agent.busy")


def test_following_resumes_after_the_last_event_seen(hub: RunningHub) -> None:
    hub.report("resumed", "idle")
    hub.report("resumed", "busy")
    seen = hub.get("/v1/events", params={"agent": "resumed"}).json()["events"][0]
    last = {"last-event-id": str(seen["cursor"])}

    with stream(hub, params={"agent": "resumed"}, headers=last) as reply:
        event = next(events_of(reply.iter_lines()))

    assert event["subject"] == "agent.busy"


def test_only_the_subjects_that_are_asked_for_are_followed(hub: RunningHub) -> None:
    params = {"subject": "*.blocked", "agent": "chosen"}

    with stream(hub, params=params) as reply:
        events = events_of(reply.iter_lines())
        with httpx.Client(base_url=hub.url, headers=hub.http.headers) as other:
            for word in ("idle", "blocked", "busy", "completed", "blocked"):
                said = {"report": word}
                other.post("/v1/agents/chosen/status", json=said).raise_for_status()
        found = [next(events)["subject"] for _ in range(2)]

    assert found == ["agent.blocked"] * 2


def test_a_malformed_pattern_is_refused_before_anything_is_followed(
    hub: RunningHub,
) -> None:
    with stream(hub, params={"subject": "agent.b*"}) as reply:
        detail = json.loads(reply.read())["detail"]

    assert reply.status_code == 422
    assert "only for whole segments" in detail


# --- health and description ---


def test_health_and_readiness_need_no_token(hub: RunningHub) -> None:
    bare = {"authorization": ""}

    health = hub.get("/healthz", headers=bare).json()
    ready = hub.get("/readyz", headers=bare).json()

    assert health["hub"] == "swarmtui"
    assert ready["ready"] is True


def test_metrics_are_prometheus_text(hub: RunningHub) -> None:
    hub.report("measured", "blocked")

    reply = hub.get("/metrics")

    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'swarmtui_agents{state="blocked"}' in reply.text
    assert "swarmtui_events_total" in reply.text


def test_the_description_has_every_path(hub: RunningHub) -> None:
    document = hub.get("/openapi.json").json()

    assert "/agent/idle" in document["paths"]
    assert "/v1/agents/{agent}/status" in document["paths"]


# --- refusals ---


@pytest.mark.parametrize(
    ("asked", "status", "code", "tells"),
    [
        (("GET", "/v1/agents/nobody", None), 404, "not_found", "'nobody'"),
        (("GET", "/v1/tasks/none", None), 404, "not_found", "/v1/tasks"),
        (("GET", "/v1/help/none", None), 404, "not_found", "/v1/help"),
        (("GET", "/v1/broadcasts/none", None), 404, "not_found", "/v1/broadcasts"),
        (("GET", "/v1/nothing", None), 404, "not_found", "/openapi.json"),
        (("POST", "/v1/agents", {}), 405, "method_not_allowed", ""),
        (("GET", "/v1/agents?q=stat:idle", None), 422, "bad_filter", "state"),
        (("GET", "/v1/agents?limit=0", None), 422, "invalid", "limit cannot be '0'"),
        (("GET", "/v1/events?after=x", None), 422, "invalid", "after cannot be 'x'"),
        (("POST", "/v1/tasks", {}), 422, "invalid", "add a title or a body"),
        (("POST", "/v1/tasks", {"agent": "a", "needs": []}), 422, "invalid", "one of"),
        (("POST", "/v1/tasks", []), 422, "invalid", "not an object"),
        (("POST", "/v1/tasks", {"agent": "nobody"}), 404, "not_found", "'nobody'"),
        (("POST", "/v1/broadcasts", {"text": " "}), 422, "invalid", "empty"),
        (("POST", "/v1/help/none/take", {}), 404, "not_found", "'none'"),
        (("POST", "/v1/agents/a/status", {"report": "x"}), 422, "invalid", "report"),
        (
            ("POST", "/v1/agents/a/status", {"report": "busy", "cost": -1}),
            422,
            "invalid",
            "negative",
        ),
    ],
)
def test_a_refusal_is_a_problem_that_says_what_helps(
    hub: RunningHub,
    asked: tuple[str, str, object],
    status: int,
    code: str,
    tells: str,
) -> None:
    method, path, body = asked

    reply = hub.http.request(method, path, json=body)

    problem = reply.json()
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"urn:swarmtui:problem:{code}"
    assert tells in problem["detail"]


def test_what_was_settled_long_ago_is_still_shown(start: Start) -> None:
    hub = start("--store", "memory", "--agent-rate", "100000", "--agent-burst", "99999")
    hub.report("old", "idle")
    for number in range(1005):
        hub.post("/v1/tasks", {"agent": "old", "id": f"T{number}"})
        hub.report("old", "completed", task=f"T{number}")

    task = hub.get("/v1/tasks/T0").json()["task"]

    assert task["state"] == "done"
