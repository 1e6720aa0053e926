"""The webhook endpoints answer as IF.notify's own server does, byte for byte."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from tests.integration.conftest import RunningHub, Start

NOON = "2025-11-12T13:00:00"


def said(agent: str, **fields: Any) -> dict[str, Any]:
    return {"session_id": agent, "status": "idle", "timestamp": NOON, **fields}


def seed(name: str) -> ModuleType:
    """Load a module of IF.notify, exactly as its document has it."""
    path = Path(__file__).parent / "seed" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_idle_is_answered_with_the_place_in_the_queue(fresh: RunningHub) -> None:
    first = fresh.post("/agent/idle", said("a1"))
    second = fresh.post("/agent/idle", said("a2"))

    assert first.text == (
        '{"status":"received","message":"Agent a1 marked as idle","queue_position":1}'
    )
    assert second.json()["queue_position"] == 2


def test_an_agent_is_in_the_queue_once(fresh: RunningHub) -> None:
    fresh.post("/agent/idle", said("a1"))
    fresh.post("/agent/completed", said("a1"))
    again = fresh.post("/agent/idle", said("a1"))

    status = fresh.get("/status").json()
    assert again.json()["queue_position"] == 1
    assert status["idle_queue"] == ["a1"]
    assert (status["total_agents"], status["idle_agents"]) == (1, 1)


def test_completed_is_answered_like_idle(fresh: RunningHub) -> None:
    fresh.post("/agent/busy", said("a1", last_task="T1"))

    reply = fresh.post("/agent/completed", said("a1", last_task="T1"))

    assert reply.text == (
        '{"status":"received","message":"Agent a1 marked as idle","queue_position":1}'
    )


def test_who_has_a_lease_left_is_marked_as_busy_and_has_no_place(
    fresh: RunningHub,
) -> None:
    fresh.post("/agent/idle", said("waits"))
    fresh.post("/v1/tasks", {"id": "T1"})
    fresh.post("/v1/claims", {"agent": "a1"})

    reply = fresh.post("/agent/completed", said("a1", last_task="T0"))

    assert reply.text == (
        '{"status":"received","message":"Agent a1 marked as busy","queue_position":0}'
    )
    status = fresh.get("/status").json()
    assert status["idle_queue"] == ["waits"]
    assert status["agents"]["a1"]["last_task"] == "T1"


@pytest.mark.parametrize(
    ("report", "answer"),
    [
        ("busy", '{"status":"received"}'),
        ("blocked", '{"status":"received","action":"escalating"}'),
    ],
)
def test_busy_and_blocked_leave_the_queue(
    fresh: RunningHub, report: str, answer: str
) -> None:
    fresh.post("/agent/idle", said("a1"))

    reply = fresh.post(f"/agent/{report}", said("a1"))

    assert reply.text == answer
    assert fresh.get("/status").json()["idle_queue"] == []


def test_helpers_are_idle_cover_half_and_are_not_the_asker(fresh: RunningHub) -> None:
    fresh.post("/agent/idle", said("half", capabilities=["video", "ndi"]))
    fresh.post("/agent/idle", said("less", capabilities=["ndi"]))
    fresh.post("/agent/idle", said("asker", capabilities=["video"]))
    fresh.post("/agent/idle", said("works", capabilities=["video"]))
    fresh.post("/agent/busy", said("works"))
    wanted = ["video", "ndi", "sdi", "srt"]

    reply = fresh.post("/agent/help", said("asker", capabilities=wanted))

    assert reply.text == '{"status":"received","helpers_found":1,"helpers":["half"]}'


def test_who_wants_nothing_is_helped_by_every_idle_agent(fresh: RunningHub) -> None:
    fresh.post("/agent/idle", said("a1"))
    fresh.post("/agent/idle", said("a2", capabilities=["video"]))

    reply = fresh.post("/agent/help", said("a3"))

    assert reply.json()["helpers"] == ["a1", "a2"]


def test_status_has_the_nine_fields_in_order(fresh: RunningHub) -> None:
    waiting = "2025-11-12T12:58:30Z"
    fresh.post(
        "/agent/idle",
        said(
            "a1",
            timestamp="2025-11-12T13:00:00Z",
            last_task="P0.1.2",
            capabilities=["video", "ndi"],
            cost_spent=12.5,
            tasks_completed=3,
            waiting_since=waiting,
        ),
    )

    assert fresh.get("/status").text == (
        '{"total_agents":1,"idle_agents":1,"agents":{"a1":{"session_id":"a1",'
        '"status":"idle","timestamp":"2025-11-12T13:00:00Z","last_task":"P0.1.2",'
        '"capabilities":["video","ndi"],"cost_spent":12.5,"tasks_completed":3,'
        f'"waiting_since":"{waiting}","message":null}}}},"idle_queue":["a1"]}}'
    )


@pytest.mark.parametrize(
    ("given", "echoed"),
    [
        ("2025-11-12T13:00:00", "2025-11-12T13:00:00"),
        ("2025-11-12T13:00:00.5", "2025-11-12T13:00:00.500000"),
        ("2025-11-12T13:00:00+00:00", "2025-11-12T13:00:00Z"),
        ("2025-11-12T13:00:00+02:00", "2025-11-12T13:00:00+02:00"),
        (1731416400, "2024-11-12T13:00:00Z"),
    ],
)
def test_a_time_is_echoed_as_pydantic_writes_it(
    hub: RunningHub, given: object, echoed: str
) -> None:
    hub.post("/agent/busy", said("clock", timestamp=given))

    assert hub.get("/status").json()["agents"]["clock"]["timestamp"] == echoed


def test_what_is_absent_keeps_its_known_value(hub: RunningHub) -> None:
    hub.post(
        "/agent/busy", said("keeper", last_task="T1", cost_spent=2.5, tasks_completed=4)
    )

    hub.post("/agent/blocked", said("keeper", message="no disk"))

    record = hub.get("/status").json()["agents"]["keeper"]
    assert record["last_task"] == "T1"
    assert (record["cost_spent"], record["tasks_completed"]) == (2.5, 4)
    assert (record["status"], record["message"]) == ("blocked", "no disk")


def test_the_endpoint_decides_the_status(hub: RunningHub) -> None:
    hub.post("/agent/busy", said("liar", status="idle"))

    assert hub.get("/status").json()["agents"]["liar"]["status"] == "busy"


def test_unknown_keys_are_ignored(hub: RunningHub) -> None:
    assert hub.post("/agent/busy", said("extra", colour="blue")).status_code == 200


# --- tasks and broadcasts ---


async def test_an_assigned_task_is_delivered(hub: RunningHub) -> None:
    task = {"id": "T1", "files": ["a", "b"]}
    async with hub.agent("worker") as line:
        reply = hub.post("/task/assign?session_id=worker", task)
        mail = await line.hear("mail")

    assert reply.text == (
        '{"status":"assigned","agent":"worker","task":{"id":"T1","files":["a","b"]}}'
    )
    assert (mail["kind"], mail["ref"], mail["body"]) == ("task", "T1", task)


def test_a_task_without_an_id_gets_one(hub: RunningHub) -> None:
    hub.post("/agent/idle", said("a-task"))

    reply = hub.post("/task/assign?session_id=a-task", {"title": "look"})

    key = reply.json()["task"]["id"]
    assert hub.get(f"/v1/tasks/{key}").json()["task"]["title"] == "look"


def test_a_task_for_nobody_is_answered_with_200(hub: RunningHub) -> None:
    reply = hub.post("/task/assign?session_id=nobody", {"id": "T1"})

    assert (reply.status_code, reply.text) == (200, '{"error":"Agent not found"}')


def test_agent_and_task_may_both_stand_in_the_body(hub: RunningHub) -> None:
    hub.post("/agent/idle", said("a-body"))

    reply = hub.post("/task/assign", {"session_id": "a-body", "task": {"id": "T9"}})

    assert reply.text == '{"status":"assigned","agent":"a-body","task":{"id":"T9"}}'


async def test_a_broadcast_reaches_everybody(fresh: RunningHub) -> None:
    fresh.post("/agent/idle", said("posts"))
    async with fresh.agent("listens") as line:
        reply = fresh.post("/broadcast?message=stop%20now")
        mail = await line.hear("mail")

    assert reply.text == '{"status":"broadcast","recipients":2}'
    assert (mail["kind"], mail["body"]) == ("broadcast", {"text": "stop now"})


def test_a_broadcast_may_stand_in_the_body(hub: RunningHub) -> None:
    assert hub.post("/broadcast", {"message": "hi"}).json()["status"] == "broadcast"


# --- refusals, as FastAPI words them ---

MISSING = {"type": "missing", "msg": "Field required"}


def test_missing_fields_are_listed(hub: RunningHub) -> None:
    reply = hub.post("/agent/idle", {})

    assert reply.status_code == 422
    assert reply.json() == {
        "detail": [
            {**MISSING, "loc": ["body", name], "input": {}}
            for name in ("session_id", "status", "timestamp")
        ]
    }


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", {**MISSING, "loc": ["body"], "input": None}),
        (
            b"{bad",
            {
                "type": "json_invalid",
                "loc": ["body", 1],
                "msg": "JSON decode error",
                "input": {},
                "ctx": {"error": "Expecting property name enclosed in double quotes"},
            },
        ),
        (
            b"[]",
            {
                "type": "model_attributes_type",
                "loc": ["body"],
                "msg": "Input should be a valid dictionary or object to extract "
                "fields from",
                "input": [],
            },
        ),
    ],
)
def test_a_body_that_is_no_notification_is_refused(
    hub: RunningHub, body: bytes, detail: dict[str, Any]
) -> None:
    headers = {"content-type": "application/json"}

    reply = hub.http.post("/agent/idle", content=body, headers=headers)

    assert (reply.status_code, reply.json()) == (422, {"detail": [detail]})


def test_a_body_in_no_known_encoding_is_refused(hub: RunningHub) -> None:
    headers = {"content-type": "application/json"}

    reply = hub.http.post(
        "/agent/idle", content=b'{"session_id":"\xff"}', headers=headers
    )

    assert reply.status_code == 400
    assert reply.json() == {"detail": "There was an error parsing the body"}


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("cost_spent", -1, "greater_than_equal"),
        ("cost_spent", "much", "float_parsing"),
        ("tasks_completed", -1, "greater_than_equal"),
        ("tasks_completed", 1.5, "int_from_float"),
        ("session_id", "x" * 257, "string_too_long"),
        ("session_id", "a\x1b[31m", "string_pattern_mismatch"),
        ("session_id", "", "string_too_short"),
        ("session_id", 7, "string_type"),
        ("timestamp", "yesterday", "datetime_from_date_parsing"),
        ("capabilities", "video", "list_type"),
    ],
)
def test_a_bad_value_is_refused(
    hub: RunningHub, field: str, value: object, kind: str
) -> None:
    reply = hub.post("/agent/busy", {**said("bad"), field: value})

    (error,) = reply.json()["detail"]
    assert reply.status_code == 422
    assert (error["type"], error["loc"]) == (kind, ["body", field])
    assert error["input"] == value


def test_a_cost_that_is_no_number_is_refused(hub: RunningHub) -> None:
    body = b'{"session_id":"bad","status":"x","timestamp":0,"cost_spent":NaN}'
    headers = {"content-type": "application/json"}

    reply = hub.http.post("/agent/busy", content=body, headers=headers)

    assert reply.status_code == 422
    assert reply.json()["detail"][0]["type"] == "finite_number"


def test_a_message_that_is_too_long_is_refused(hub: RunningHub) -> None:
    reply = hub.post("/agent/busy", said("bad", message="x" * 20_000))

    assert reply.status_code == 422
    assert "16,384" in reply.json()["detail"][0]["msg"]


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("/task/assign", None, [["query", "session_id"], ["body"]]),
        ("/task/assign", {"id": "T1"}, [["query", "session_id"]]),
        ("/task/assign?session_id=a", None, [["body"]]),
        ("/broadcast", None, [["query", "message"]]),
    ],
)
def test_what_is_missing_is_named(
    hub: RunningHub, path: str, body: object, where: list[list[str]]
) -> None:
    reply = hub.post(path, body) if body else hub.http.post(path)

    assert reply.status_code == 422
    assert reply.json() == {
        "detail": [{**MISSING, "loc": loc, "input": None} for loc in where]
    }


def test_a_task_must_be_an_object(hub: RunningHub) -> None:
    reply = hub.post("/task/assign?session_id=a", [1])

    assert reply.json()["detail"] == [
        {
            "type": "dict_type",
            "loc": ["body"],
            "msg": "Input should be a valid dictionary",
            "input": [1],
        }
    ]


def test_a_wrong_method_and_a_wrong_path_are_told_as_fastapi_does(
    hub: RunningHub,
) -> None:
    method, path = hub.get("/agent/idle"), hub.get("/nowhere")

    assert (method.status_code, method.text) == (405, '{"detail":"Method Not Allowed"}')
    assert method.headers["allow"] == "POST"
    assert (path.status_code, path.text) == (404, '{"detail":"Not Found"}')


# --- who may ---


def test_the_endpoints_may_ask_for_a_token(start: Start) -> None:
    hub = start("--store", "memory", "--seed-api", "token")
    bare = {"authorization": ""}

    refused = hub.post("/agent/idle", said("a1"), headers=bare)
    taken = hub.post("/agent/idle", said("a1"))

    assert (refused.status_code, taken.status_code) == (401, 200)
    assert "Authorization: Bearer" in refused.json()["detail"]


def test_the_endpoints_may_be_closed(start: Start) -> None:
    hub = start("--store", "memory", "--seed-api", "off")

    assert hub.post("/agent/idle", said("a1")).status_code == 404


# --- IF.notify's own clients ---


def test_the_agent_client_of_if_notify_works_unmodified(fresh: RunningHub) -> None:
    client = seed("agent_client").AgentClient("s1", ["video"], fresh.url)

    assert client.notify_idle()["queue_position"] == 1
    assert client.notify_busy("T1") == {"status": "received"}
    assert client.notify_completed("T1")["queue_position"] == 1
    assert client.notify_blocked("no disk")["action"] == "escalating"
    assert client.request_help("which disk?")["helpers"] == []
    record = fresh.get("/status").json()["agents"]["s1"]
    assert (record["status"], record["tasks_completed"]) == ("help", 1)


def test_the_coordinator_monitor_of_if_notify_works_unmodified(
    fresh: RunningHub,
) -> None:
    fresh.post("/agent/busy", said("s1", last_task="T1", cost_spent=2.5))
    fresh.post("/agent/idle", said("s2"))
    monitor = seed("coordinator_monitor").CoordinatorMonitor(fresh.url)
    console = Console(width=140)

    with console.capture() as capture:
        console.print(monitor.display_dashboard())

    shown = capture.get()
    assert "BUSY" in shown
    assert "$2.50" in shown
    assert "TOTAL: 2" in shown
