"""CloudEvents on the webhook endpoints, as the official package makes them."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings.http import (
    HTTPMessage,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.v1.event import CloudEvent

from server.auth import Keys
from tests.integration.conftest import RunningHub, launch

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
STRUCTURED = "application/cloudevents+json"

Form = Callable[[CloudEvent], HTTPMessage]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    running = launch(tmp_path_factory.mktemp("hub"))
    yield running
    running.stop()


@pytest.fixture
def a1(request: pytest.FixtureRequest) -> str:
    """The name of an agent of the test's own."""
    return str(request.node.name)


@pytest.fixture(params=[to_structured_event, to_binary_event])
def form(request: pytest.FixtureRequest) -> Form:
    made: Form = request.param
    return made


def event(number: str, data: Any, **attributes: Any) -> CloudEvent:
    told = {
        "id": number, "source": "/tests", "type": "dev.agent.status",
        "specversion": "1.0", "time": NOON, **attributes,
    }  # fmt: skip
    return CloudEvent({name: value for name, value in told.items() if value}, data)


def send(hub: RunningHub, path: str, message: HTTPMessage) -> httpx.Response:
    return hub.http.post(path, content=message.body, headers=message.headers)


def status(hub: RunningHub, agent: str) -> Any:
    return hub.get("/status").json()["agents"][agent]


def said(agent: str, **fields: Any) -> dict[str, Any]:
    told = {"session_id": agent, "status": "busy", "timestamp": "2026-11-21T13:00:00"}
    return {**told, **fields}


def test_the_payload_is_the_data(hub: RunningHub, form: Form, a1: str) -> None:
    answer = send(hub, "/agent/busy", form(event(a1, said(a1, last_task="T1"))))

    row = status(hub, a1)
    assert (answer.status_code, answer.json()) == (200, {"status": "received"})
    assert (row["last_task"], row["timestamp"]) == ("T1", "2026-11-21T13:00:00")


def test_data_may_say_what_it_is(hub: RunningHub, form: Form, a1: str) -> None:
    plain, other = (
        send(
            hub,
            "/agent/busy",
            form(event(f"{a1} {kind}", said(a1), datacontenttype=kind)),
        )
        for kind in ("application/json", "application/vnd.swarm+json")
    )

    assert (plain.status_code, other.status_code) == (200, 200)


def test_subject_and_time_fill_in_what_the_data_leaves_out(
    hub: RunningHub, form: Form, a1: str
) -> None:
    said = event(a1, {"status": "idle"}, subject=f"{a1} ü")

    answer = send(hub, "/agent/idle", form(said))

    assert answer.json()["message"] == f"Agent {a1} ü marked as idle"
    assert status(hub, f"{a1} ü")["timestamp"].startswith("2026-11-21T12:00:00")


def test_an_event_that_is_sent_again_has_no_second_effect(
    hub: RunningHub, form: Form, a1: str
) -> None:
    for _ in range(3):
        answer = send(hub, "/agent/completed", form(event(a1, said(a1))))
    other = send(
        hub, "/agent/completed", form(event(a1, said(a1), source="/elsewhere"))
    )

    assert answer.status_code == other.status_code == 200
    assert len(hub.get(f"/v1/agents/{a1}/history").json()["events"]) == 2


def test_the_same_event_may_be_told_to_two_endpoints(
    hub: RunningHub, form: Form, a1: str
) -> None:
    for path in ("/agent/busy", "/agent/idle"):
        send(hub, path, form(event(a1, said(a1))))

    assert status(hub, a1)["status"] == "idle"


def test_a_task_is_assigned_to_the_subject(
    hub: RunningHub, form: Form, a1: str
) -> None:
    hub.report(a1, "idle")

    answer = send(hub, "/task/assign", form(event(a1, {"id": f"T {a1}"}, subject=a1)))

    assert answer.json()["agent"] == a1
    assert hub.get(f"/v1/tasks/T {a1}").json()["task"]["target"] == a1


def test_a_broadcast_is_sent_once(hub: RunningHub, form: Form, a1: str) -> None:
    hub.report(a1, "idle")
    said = event(a1, {"message": f"hello {a1}"})

    answers = [send(hub, "/broadcast", form(said)) for _ in range(2)]

    sent = hub.get("/v1/events?subject=broadcast.sent&limit=1000").json()["events"]
    told = [each for each in sent if each["data"]["text"] == f"hello {a1}"]
    assert answers[0].json() == answers[1].json()
    assert len(told) == 1


def test_data_may_be_base64(hub: RunningHub, a1: str) -> None:
    data = base64.b64encode(json.dumps(said(a1)).encode()).decode()
    told = {"specversion": "1.0", "id": a1, "source": "/", "type": "t"}

    answer = hub.http.post(
        "/agent/busy",
        content=json.dumps({**told, "data_base64": data}),
        headers={"content-type": STRUCTURED},
    )

    assert answer.json() == {"status": "received"}


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"id": ""}, "the event's id is ''"),
        ({"source": None}, "the event's source is None"),
        ({"type": 3}, "the event's type is 3"),
        ({"subject": []}, "the event's subject is []"),
        ({"specversion": "0.3"}, "CloudEvents 0.3: send 1.0"),
        ({"data_base64": "?"}, "is not base64"),
        ({"data_base64": 3}, "is not base64"),
    ],
)
def test_what_is_no_event_is_refused(
    hub: RunningHub, told: dict[str, Any], why: str
) -> None:
    good = {"specversion": "1.0", "id": "1", "source": "/", "type": "t"}

    answer = hub.http.post(
        "/agent/busy",
        content=json.dumps({**good, **told}),
        headers={"content-type": STRUCTURED},
    )

    assert answer.status_code == 422
    assert why in answer.json()["detail"][0]["msg"]


@pytest.mark.parametrize("body", ["", "[]", "{", "3"])
def test_what_is_no_object_is_no_event(hub: RunningHub, body: str) -> None:
    answer = hub.http.post(
        "/agent/busy", content=body, headers={"content-type": STRUCTURED}
    )

    assert answer.status_code == 422
    assert "no event as JSON" in answer.json()["detail"][0]["msg"]


def test_several_events_at_once_are_refused(hub: RunningHub) -> None:
    answer = hub.http.post(
        "/agent/busy",
        content="[]",
        headers={"content-type": "application/cloudevents-batch+json"},
    )

    assert answer.status_code == 415
    assert "in its own request" in answer.json()["detail"]


def test_data_without_what_it_takes_is_refused_as_ever(
    hub: RunningHub, form: Form, a1: str
) -> None:
    answer = send(hub, "/agent/busy", form(event(a1, {"session_id": a1})))

    missing = [each["loc"] for each in answer.json()["detail"]]
    assert (answer.status_code, missing) == (422, [["body", "status"]])


def test_the_subject_is_held_to_the_token(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    hub = launch(tmp_path_factory.mktemp("hub"), "--seed-api", "token")
    own = Keys.load(hub.home).derive("agent:a1")
    answers = []
    for agent in ("a1", "a2"):
        message = to_binary_event(event(agent, {"status": "busy"}, subject=agent))
        headers = {**message.headers, "authorization": f"Bearer {own}"}
        answers.append(
            hub.http.post("/agent/busy", content=message.body, headers=headers)
        )
    hub.stop()

    assert [each.status_code for each in answers] == [200, 403]
