"""What A2A agents push becomes what the hub shows, once and in order."""

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest

from server.auth import Keys
from tests.integration.conftest import RunningHub, Start

CAPTURED = Path(__file__).parents[1] / "fixtures" / "agents" / "a2a-push-1.3.0.jsonl"

HEADER = "X-A2A-Notification-Token"

Push: TypeAlias = Callable[..., Any]


def stamp(second: int) -> str:
    return f"2026-11-20T21:01:{second:02}Z"


def status(state: str, second: int | None = None, text: str = "") -> dict[str, Any]:
    says = {"messageId": f"m{second}", "parts": [{"text": text}]}
    return {
        "state": state,
        **({} if second is None else {"timestamp": stamp(second)}),
        **({"message": says} if text else {}),
    }


def update(state: str, second: int | None = None, text: str = "") -> dict[str, Any]:
    word = f"TASK_STATE_{state.upper().replace('-', '_')}"
    return {"statusUpdate": {"taskId": "t", "status": status(word, second, text)}}


def post(hub: RunningHub, agent: str, body: Any, token: str, **query: str) -> Any:
    return httpx.post(
        f"{hub.url}/a2a/push/{agent}",
        json=body,
        params=query,
        headers={HEADER: token},
        trust_env=False,
    )


def token_of(hub: RunningHub, agent: str) -> str:
    return Keys.load(hub.home).derive(f"agent:{agent}")


@pytest.fixture
def push(hub: RunningHub, me: str) -> Push:
    """Push as the agent; return what it was made of."""

    def pushed(body: Any, **query: str) -> Any:
        reply = post(hub, me, body, token_of(hub, me), **query)
        assert reply.status_code == 200, reply.text
        assert reply.json()["agent"] == me
        return reply.json()["report"]

    return pushed


def row(hub: RunningHub, agent: str) -> Any:
    return hub.get(f"/v1/agents/{agent}").json()["agent"]


def history(hub: RunningHub, agent: str) -> list[str]:
    found = hub.get(f"/v1/agents/{agent}/history").json()["events"]
    return [event["subject"] for event in reversed(found)]


def leased(hub: RunningHub, agent: str) -> Any:
    """Give an agent a task that it claims."""
    task = f"T-{agent}"
    hub.report(agent, "idle")
    hub.post("/v1/tasks", {"agent": agent, "id": task}).raise_for_status()
    claimed = hub.post("/v1/claims", {"agent": agent, "task": task}).json()
    return claimed["tasks"][0]


# --- what becomes of it --------------------------------------------------------------


def test_what_an_agent_of_the_sdk_pushed_goes_from_busy_to_completed(
    hub: RunningHub, me: str, push: Push
) -> None:
    bodies = [json.loads(line)["body"] for line in CAPTURED.read_text().splitlines()]

    reports = [push(body) for body in bodies]

    assert reports == [None, "busy", None, "completed"]
    assert history(hub, me) == ["agent.busy", "agent.completed"]
    found = row(hub, me)
    assert (found["status"], found["message"]) == ("idle", "done")
    assert (found["completed"], found["via"]) == (1, "a2a")
    assert found["task"] == bodies[0]["task"]["id"]


@pytest.mark.parametrize(
    ("state", "after"),
    [
        ("working", "busy"),
        ("input-required", "blocked"),
        ("auth-required", "blocked"),
        ("completed", "idle"),
        ("failed", "blocked"),
        ("canceled", "idle"),
        ("rejected", "idle"),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "0.3"])
def test_each_state_makes_of_the_agent_what_it_says(  # noqa: PLR0917
    hub: RunningHub, push: Push, me: str, version: str, state: str, after: str
) -> None:
    old = {"id": "t", "contextId": "c", "kind": "task"}
    push(
        update(state, 1, "why?")
        if version == "1.0"
        else {**old, "status": status(state, 1, "why?")}
    )

    found = row(hub, me)
    assert (found["status"], found["message"]) == (after, "why?")
    helps = hub.get("/v1/help").json()["helps"]
    asked = [one["question"] for one in helps if one["agent"] == me]
    assert asked == (["why?"] if after == "blocked" else [])


@pytest.mark.parametrize("state", ["submitted", "unknown"])
def test_a_state_that_says_nothing_of_the_agent_leaves_it(
    hub: RunningHub, me: str, push: Push, state: str
) -> None:
    hub.report(me, "busy", task="x")

    assert push({"id": "t", "status": status(state, 1)}) is None
    assert row(hub, me)["status"] == "busy"


def test_a_question_is_over_when_the_agent_goes_on(
    hub: RunningHub, me: str, push: Push
) -> None:
    push(update("input-required", 1, "which?"))
    push(update("working", 2, "I see"))

    assert history(hub, me)[-2:] == ["agent.busy", "help.resolved"]


def test_a_state_without_words_is_explained(
    hub: RunningHub, me: str, push: Push
) -> None:
    push(update("input-required", 1))

    assert row(hub, me)["message"] == "it needs an answer to go on"


# --- once, and in order --------------------------------------------------------------

COURSE = (
    update("working", 1, "a"),
    update("input-required", 2, "b"),
    update("working", 3, "c"),
    update("completed", 4, "d"),
)


@pytest.mark.parametrize("order", list(permutations(range(4)))[::3])
def test_in_whichever_order_they_come_the_newest_stays(
    hub: RunningHub, me: str, push: Push, order: tuple[int, ...]
) -> None:
    for number in (*order, *order):
        push(COURSE[number])

    found = row(hub, me)
    assert (found["status"], found["message"], found["completed"]) == ("idle", "d", 1)


def test_the_same_in_another_way_is_the_same(
    hub: RunningHub, me: str, push: Push
) -> None:
    whole = update("working", 1, "a")["statusUpdate"]
    old = {"id": "t", "status": {**whole["status"], "state": "working"}}

    assert push({"statusUpdate": whole}) == "busy"
    assert push(old) is None
    assert push({"task": {**old, "status": whole["status"]}}) is None
    assert history(hub, me) == ["agent.busy"]


def test_without_stamps_they_count_as_they_come(
    hub: RunningHub, me: str, push: Push
) -> None:
    states = ["working", "input-required", "working", "working", "completed", "working"]

    reports = [push(update(state)) for state in states]

    assert reports == ["busy", "blocked", "busy", None, "completed", None]


def test_a_restart_of_the_hub_forgets_no_order(start: Start, me: str) -> None:
    first = start()
    token = token_of(first, me)
    for number in (0, 1, 2):
        post(first, me, COURSE[number], token)
    before = history(first, me)
    first.stop()
    hub = start()

    found = [post(hub, me, COURSE[number], token).status_code for number in (2, 1, 0)]

    assert found == [200, 200, 200]
    assert history(hub, me) == before
    assert row(hub, me)["status"] == "busy"


# --- work of the hub -----------------------------------------------------------------


def test_what_is_assigned_is_begun_and_done_by_pushes(
    hub: RunningHub, me: str, push: Push
) -> None:
    hub.report(me, "idle")
    hub.post("/v1/tasks", {"agent": me, "id": f"T-{me}"}).raise_for_status()

    push(update("working", 1), **{"for": f"T-{me}"})
    begun = hub.get(f"/v1/tasks/T-{me}").json()["task"]["state"]
    push(update("completed", 2), **{"for": f"T-{me}"})

    assert begun == "working"
    assert hub.get(f"/v1/tasks/T-{me}").json()["task"]["state"] == "done"


@pytest.mark.parametrize("state", ["completed", "failed", "canceled", "rejected"])
def test_a_lease_is_ended_by_its_holder_alone(
    hub: RunningHub, me: str, push: Push, state: str
) -> None:
    task = leased(hub, me)

    assert push(update(state, 1, "well"), **{"for": task["id"]}) == "busy"
    assert row(hub, me)["message"] == f"{state}: well"
    done = {"agent": me, "fence": task["fence"], "result": {"n": 1}}
    hub.post(f"/v1/tasks/{task['id']}/complete", done).raise_for_status()
    found = row(hub, me)
    assert (found["status"], found["completed"]) == ("idle", 1)


@pytest.mark.parametrize("state", ["working", "completed", "canceled", "failed"])
def test_what_comes_when_the_work_is_the_agents_no_more_changes_nothing(
    hub: RunningHub, me: str, push: Push, state: str
) -> None:
    task = leased(hub, me)
    hub.post(f"/v1/tasks/{task['id']}/cancel", {}).raise_for_status()
    before = history(hub, me)

    assert push(update(state, 1), **{"for": task["id"]}) is None
    assert push(update(state, 1), **{"for": "nobody-knows"}) is None
    assert history(hub, me) == before


# --- who may -------------------------------------------------------------------------


def test_a_token_may_stand_in_either_header(hub: RunningHub, me: str) -> None:
    path = f"{hub.url}/a2a/push/{me}"
    token = token_of(hub, me)
    for headers in (
        {HEADER: token},
        {"Authorization": f"Bearer {token}"},
        {HEADER: token, "Authorization": "Basic eDp5"},
        {"Authorization": f"Bearer {hub.token}"},
    ):
        reply = httpx.post(path, json=COURSE[0], headers=headers, trust_env=False)
        assert reply.status_code == 200, reply.text


@pytest.mark.parametrize(
    ("token", "code"), [("", 401), ("sekrit", 401), ("other", 403), ("viewer", 403)]
)
def test_nobody_else_gets_in(hub: RunningHub, me: str, token: str, code: int) -> None:
    keys = Keys.load(hub.home)
    known = {"other": keys.derive("agent:other"), "viewer": keys.derive("viewer")}

    reply = post(hub, me, COURSE[0], known.get(token, token))

    assert reply.status_code == code
    assert hub.get(f"/v1/agents/{me}").status_code == 404


def test_that_header_opens_no_other_door(hub: RunningHub) -> None:
    reply = httpx.get(
        f"{hub.url}/v1/agents", headers={HEADER: hub.token}, trust_env=False
    )

    assert reply.status_code == 401


# --- garbage -------------------------------------------------------------------------


GARBAGE = {
    "nothing": (b"", 422, "nothing that A2A has: send"),
    "half": (b"{", 422, "not JSON"),
    "a list": (b"[]", 422, "not an object: send"),
    "no state": (b'{"task":{"id":"t"}}', 422, "task.status is missing: add it"),
    "no such state": (
        b'{"task":{"id":"t","status":{"state":"asleep"}}}',
        422,
        "none of A2A: send",
    ),
    "a bell": (
        b'{"task":{"id":"a\\u0007","status":{"state":"working"}}}',
        422,
        "task.id cannot be",
    ),
    "a word": (b'{"task":"t"}', 422, "task cannot be 't'"),
    "an envelope": (b'{"jsonrpc":"2.0","result":{}}', 422, "nothing that A2A has"),
    "deep": (b"[" * 100_000, 422, "not JSON"),
    "long": (b'{"x":"' + b"a" * (1 << 20) + b'"}', 413, "shorten it"),
}


@pytest.mark.parametrize(("body", "code", "says"), GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_refused_in_one_sentence(
    hub: RunningHub, me: str, body: bytes, code: int, says: str
) -> None:
    reply = hub.http.post(
        f"/a2a/push/{me}", content=body, headers={"Content-Type": "application/json"}
    )

    assert reply.status_code == code, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert says in reply.json()["detail"]


def test_a_task_may_come_with_all_that_it_led_to(
    hub: RunningHub, me: str, push: Push
) -> None:
    whole = {
        "id": "t",
        "contextId": None,
        "kind": "task",
        "status": {"state": "completed", "timestamp": stamp(1), "message": None},
        "artifacts": [{"artifactId": "a", "parts": [{"kind": "data", "data": {}}]}],
        "history": [{"role": "user", "parts": [{"kind": "text", "text": "x" * 9000}]}],
        "metadata": {"n": 1e300},
    }

    assert push(whole) == "completed"


def test_the_media_type_of_a2a_is_taken(hub: RunningHub, me: str) -> None:
    body = json.dumps(COURSE[0]).encode()

    reply = hub.http.post(
        f"/a2a/push/{me}",
        content=body,
        headers={"Content-Type": "application/a2a+json"},
    )

    assert reply.json()["report"] == "busy"
