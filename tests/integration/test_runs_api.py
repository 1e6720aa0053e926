"""Runs over HTTP and over the watchers' WebSocket, end to end."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from agentkit import Coordinator
from agentkit.errors import NotFound, StillRunning
from agentkit.progress import RunView
from agentkit.settings import Endpoint
from server.auth import Keys
from tests.integration import plans
from tests.integration.conftest import RunningHub, Start
from tests.integration.plans import (
    claim,
    complete,
    fail,
    fan,
    launch,
    nested,
    view,
    work,
)


@pytest.fixture(autouse=True)
def nothing_waits(hub: RunningHub) -> Iterator[None]:
    """Leave nothing to do for the next test."""
    yield
    for run in hub.get("/v1/runs?state=running").json()["runs"]:
        hub.post(f"/v1/runs/{run['id']}/cancel", {})


@pytest.fixture
def endpoint(hub: RunningHub) -> Endpoint:
    return Endpoint(hub.url, hub.token)


def states(items: list[dict[str, Any]]) -> list[str]:
    return [item["state"] for item in items]


def items(hub: RunningHub, run: str, **query: Any) -> dict[str, Any]:
    reply = hub.get(f"/v1/runs/{run}/items", params=query)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def resume_from(hub: RunningHub, address: str, **fields: Any) -> dict[str, Any]:
    reply = hub.post("/v1/runs", {"resume_from": address, **fields})
    assert reply.status_code == 201, reply.text
    found: dict[str, Any] = reply.json()["run"]
    return found


# --- launched ---


def test_launching_answers_at_once_and_the_output_is_in_order(hub: RunningHub) -> None:
    reply = hub.post("/v1/runs", {"plan": fan(), "input": {"items": [3, 1, 2]}})
    run = reply.json()["run"]
    work(hub)

    found = view(hub, run["id"])

    assert reply.status_code == 201
    assert run["state"] == "running"
    assert [event["subject"] for event in reply.json()["events"]] == ["run.launched"]
    assert found["run"]["state"] == "done"
    assert found["run"]["output"] == {"outputs": [{"n": 6}, {"n": 2}, {"n": 4}]}
    assert (found["plan"], found["progress"], found["eta"]) == ("main", 1.0, None)
    assert found["run"]["by"] == "operator"


def test_the_same_id_is_the_same_run(hub: RunningHub, me: str) -> None:
    launch(hub, fan(), id=me, input={"items": [1]})
    again = hub.post("/v1/runs", {"plan": fan(), "id": me, "input": {"items": [1]}})
    other = hub.post("/v1/runs", {"plan": nested(), "id": me})

    assert again.status_code == 201
    assert again.json()["run"]["id"] == me
    assert again.json()["events"] == []
    assert other.status_code == 409


def test_the_same_key_is_the_same_run(hub: RunningHub, me: str) -> None:
    wish = {"plan": fan(), "input": {"items": [1]}}
    headers = {"Idempotency-Key": me}

    first, second = (
        hub.post("/v1/runs", wish, headers=headers).json() for _ in range(2)
    )

    assert first == second | {"run": first["run"]}
    assert second["run"]["id"] == first["run"]["id"]
    assert len(claim(hub, most=10)) == 1


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({}, "the plan is missing: add it, as a document, or resume_from"),
        ({"resume_from": "r", "input": {}}, "input is given with resume_from"),
        ({"resume_from": "swarm://r/result"}, "no address of a checkpoint"),
        ({"plan": []}, "plan cannot be []"),
        ({"plan": {"name": "x"}}, "machines"),
        ({"plan": fan(), "machine": "none"}, "has no machine 'none': it has main"),
        ({"plan": fan(), "id": "a/b"}, "has '/' in it"),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_sentence(
    hub: RunningHub, wish: dict[str, Any], told: str
) -> None:
    reply = hub.post("/v1/runs", wish)

    assert reply.status_code == 422
    assert told in reply.json()["detail"]


def test_a_large_plan_is_taken_and_a_larger_one_is_not(hub: RunningHub) -> None:
    text = "x" * (3 << 20)
    run = launch(hub, fan(), input={"items": [], "text": text})
    refused = hub.post("/v1/runs", {"plan": fan(), "input": {"text": text * 3}})
    elsewhere = hub.post("/v1/tasks", {"title": "T", "body": {"text": text}})

    assert view(hub, run)["run"]["state"] == "done"
    assert (refused.status_code, elsewhere.status_code) == (413, 413)


# --- looked at ---


def test_a_run_tells_how_far_it_is(hub: RunningHub) -> None:
    run = launch(hub, fan(), input={"items": [1, 2, 3, 4]})
    first, second, *_ = claim(hub, most=2)
    complete(hub, first)
    fail(hub, second, "no")

    found = view(hub, run)

    row = found["run"]
    assert (row["total"], row["done"], row["failed"], row["active"]) == (4, 1, 1, 2)
    assert found["progress"] == 0.5
    assert 0 < found["eta"] < 60


def test_runs_below_count_with_what_is_done_of_them(hub: RunningHub) -> None:
    run = launch(hub, nested(), input={"parts": [[1, 2], [3, 4, 5, 6]]})
    for task in claim(hub, most=3):
        complete(hub, task)

    found = view(hub, run)
    tree = hub.get(f"/v1/runs/{run}/tree").json()

    shown = {child["run"]["item"]: child for child in tree["children"]}
    assert found["children"] == {"done": 1, "running": 1}
    assert found["progress"] == tree["progress"] == (1 + 0.25) / 2
    assert [shown[number]["progress"] for number in (0, 1)] == [1.0, 0.25]
    assert shown[0]["run"]["output"] is None
    assert tree["whole"]


def test_runs_below_come_in_the_order_in_which_they_were_begun(
    hub: RunningHub,
) -> None:
    plan = nested()
    states = plan["machines"]["main"]["states"]
    states["again"] = states["work"] | {"type": ""}
    states["work"] = states["work"] | {"transitions": [{"to": "again"}]}
    run = launch(hub, plan, input={"parts": [[1], [2], [3]]})
    work(hub)

    tree = hub.get(f"/v1/runs/{run}/tree").json()

    assert [child["run"]["item"] for child in tree["children"]] == [0, 1, 2, 0, 1, 2]
    begun = [child["run"]["created"] for child in tree["children"]]
    assert begun == sorted(begun)


def test_items_come_in_order_and_in_pages(hub: RunningHub) -> None:
    run = launch(hub, fan(), input={"items": [1, 2, 3, 4, 5]})
    work(hub, 2, 4)

    first = items(hub, run, visit=1, limit=2)
    rest = items(hub, run, visit=1, after=first["next"])
    failed = items(hub, run, visit=1, state="failed")["items"]

    assert states(first["items"]) == ["done", "failed"]
    assert [item["index"] for item in rest["items"]] == [2, 3, 4]
    assert rest["next"] is None
    assert [item["error"]["_error"] for item in failed] == ["2 is bad", "4 is bad"]


def test_items_of_before_a_retry_are_not_shown(hub: RunningHub) -> None:
    parts = "{{ context.outputs[1].parts|default([1, 2, 3]) }}"
    again = {
        "foreach": parts,
        "agent": "worker",
        "input": {"n": "{{ item }}"},
        "transitions": [{"to": "last"}],
    }
    last = {"agent": "worker", "input": {"n": 9}, "transitions": [{"to": "done"}]}
    document = fan(transitions=[{"to": "again"}])
    document["machines"]["main"]["states"] |= {"again": again, "last": last}
    run = launch(hub, document, input={"items": [1, 2]})

    def shown(visit: int) -> int:
        return len(items(hub, run, visit=visit)["items"])

    work(hub, 2)  # which fails, so that there are three parts
    first = [shown(visit) for visit in (1, 2, 3)]
    hub.post(f"/v1/runs/{run}/retry-failed", {"visit": 1}).raise_for_status()
    went_back = [shown(visit) for visit in (1, 2, 3)]
    (task,) = claim(hub)
    complete(hub, task, parts=[4])
    there = [shown(visit) for visit in (1, 2, 3)]
    (task,) = claim(hub)
    complete(hub, task)
    beyond = [shown(visit) for visit in (1, 2, 3)]

    assert (first, went_back) == ([2, 3, 1], [2, 0, 0])
    assert (there, beyond) == ([2, 1, 0], [2, 1, 1])


def test_items_that_are_large_come_in_more_pages(fresh: RunningHub) -> None:
    run = launch(fresh, fan(), input={"items": list(range(150))})
    while tasks := claim(fresh, most=100):
        for task in tasks:
            complete(fresh, task, text="x" * 60_000)

    first = items(fresh, run, visit=1, limit=1000)
    rest = items(fresh, run, visit=1, limit=1000, after=first["next"])

    found = [item["index"] for item in (*first["items"], *rest["items"])]
    assert found == list(range(150))
    assert len(first["items"]) == 139
    assert rest["next"] is None


def test_runs_are_listed_without_those_below_others(hub: RunningHub) -> None:
    run = launch(hub, nested(), input={"parts": [[1]]})
    work(hub)

    newest = hub.get("/v1/runs?limit=1").json()
    below = hub.get("/v1/runs", params={"parent": run}).json()["runs"]
    before = hub.get("/v1/runs", params={"before": newest["next"]}).json()["runs"]
    done = hub.get("/v1/runs?state=done").json()["runs"]

    assert [row["id"] for row in newest["runs"]] == [run]
    assert [row["parent"] for row in below] == [run]
    assert below[0]["output"] is None
    assert run not in {row["id"] for row in before}
    assert run in {row["id"] for row in done}
    assert hub.get("/v1/runs?state=odd").status_code == 422


def test_a_plan_is_kept_with_its_document(hub: RunningHub) -> None:
    run = view(hub, launch(hub, fan()))["run"]

    found = hub.get(f"/v1/plans/{run['plan']}").json()["plan"]

    assert found["document"] == fan()
    assert hub.get("/v1/plans/none").status_code == 404


@pytest.mark.parametrize("what", ["", "/items", "/tree", "/checkpoints"])
def test_a_run_that_is_not_there_is_not_found(hub: RunningHub, what: str) -> None:
    reply = hub.get(f"/v1/runs/none{what}")

    assert reply.status_code == 404
    assert reply.json()["detail"] == "no run 'none' is known: swarmtui runs lists them"


# --- changed ---


def test_a_run_is_called_off_and_goes_on(hub: RunningHub) -> None:
    run = launch(hub, fan(), input={"items": [1, 2, 3]})
    complete(hub, *claim(hub))

    gone = hub.post(f"/v1/runs/{run}/cancel", {"reason": "why not"}).json()["run"]
    left = claim(hub, most=10)
    again = hub.post(f"/v1/runs/{run}/cancel", {})
    resumed = hub.post(f"/v1/runs/{run}/resume", {}).json()["run"]
    tasks = claim(hub, most=10)

    assert (gone["state"], gone["reason"]) == ("cancelled", "why not")
    assert left == []
    assert again.status_code == 409
    assert resumed["state"] == "running"
    assert [task["body"]["item"] for task in tasks] == [1, 2]


def test_resuming_what_is_done_changes_nothing(hub: RunningHub) -> None:
    run = launch(hub, fan(), input={"items": []})

    reply = hub.post(f"/v1/runs/{run}/resume", {}).json()

    assert (reply["run"]["state"], reply["events"]) == ("done", [])


def test_only_what_failed_is_done_again(hub: RunningHub) -> None:
    run = launch(hub, fan(), input={"items": [1, 2, 3]})
    work(hub, 2)
    before = view(hub, run)["run"]["output"]

    reply = hub.post(f"/v1/runs/{run}/retry-failed", {})
    (task,) = claim(hub, most=10)
    complete(hub, task, n=4)

    after = view(hub, run)["run"]
    assert reply.json()["run"]["state"] == "running"
    assert before["outputs"][1] == {"_error": "2 is bad", "_error_type": "TaskFailed"}
    assert after["output"] == {"outputs": [{"n": 2}, {"n": 4}, {"n": 6}]}


def test_where_nothing_failed_nothing_is_retried(hub: RunningHub) -> None:
    run = launch(hub, fan(), input={"items": []})

    reply = hub.post(f"/v1/runs/{run}/retry-failed", {})

    assert reply.status_code == 409
    assert "nothing to retry" in reply.json()["detail"]


def test_a_run_below_another_is_let_go_on_with_that(hub: RunningHub) -> None:
    run = launch(hub, nested(), input={"parts": [[1]]})
    (child,) = hub.get("/v1/runs", params={"parent": run}).json()["runs"]
    hub.post(f"/v1/runs/{run}/cancel", {})

    resumed = hub.post(f"/v1/runs/{child['id']}/resume", {})
    launched = hub.post("/v1/runs", {"plan": fan(), "id": child["id"]})

    assert resumed.status_code == launched.status_code == 409
    assert f"part of run '{run}'" in resumed.json()["detail"]
    assert f"part of run '{run}'" in launched.json()["detail"]


def test_a_new_run_begins_at_a_checkpoint_and_the_old_one_stays(
    hub: RunningHub, me: str
) -> None:
    run = launch(hub, fan(), input={"items": [1, 2]})
    work(hub)
    old = view(hub, run)["run"]

    marks = hub.get(f"/v1/runs/{run}/checkpoints").json()["checkpoints"]
    first = resume_from(hub, f"swarm://{run}/checkpoint/0", id=me)
    again = resume_from(hub, f"swarm://{run}/checkpoint/0", id=me)
    begun = claim(hub, most=10)
    newest = resume_from(hub, run)

    assert [mark["number"] for mark in marks] == [1, 0]
    assert [mark["stage"] for mark in marks] == ["done", "work"]
    assert first["resumed_from"] == f"swarm://{run}/checkpoint/0"
    assert first["id"] == again["id"] == me
    assert [task["run"] for task in begun] == [me, me]
    assert view(hub, newest["id"])["run"]["output"] == old["output"]
    assert view(hub, run)["run"] == old


def test_a_new_run_may_follow_another_plan_from_there(hub: RunningHub) -> None:
    run = launch(hub, fan(), input={"items": [1]})
    work(hub)
    mended = fan()
    mended["machines"]["main"]["states"]["done"]["output"] = {"mended": True}

    again = resume_from(hub, run, plan=mended)
    strange = hub.post("/v1/runs", {"resume_from": run, "plan": plans.odd()})

    assert view(hub, again["id"])["run"]["output"] == {"mended": True}
    assert strange.status_code == 422
    assert "it is another plan that the checkpoint is of" in strange.json()["detail"]


@pytest.mark.parametrize("address", ["none", "swarm://none/checkpoint/0"])
def test_a_checkpoint_that_is_not_there_is_not_found(
    hub: RunningHub, address: str
) -> None:
    assert hub.post("/v1/runs", {"resume_from": address}).status_code == 404


def test_a_run_has_only_the_checkpoints_it_has(hub: RunningHub) -> None:
    run = launch(hub, fan(), input={"items": []})

    reply = hub.post("/v1/runs", {"resume_from": f"swarm://{run}/checkpoint/99"})

    assert reply.status_code == 404
    assert "has no checkpoint 99" in reply.json()["detail"]


# --- who may ---


def test_an_agent_sees_the_run_that_it_has_a_task_of(hub: RunningHub, me: str) -> None:
    run = launch(hub, fan(), input={"items": [1]})
    token = Keys.load(hub.home).derive(f"agent:{me}")
    headers = {"Authorization": f"Bearer {token}"}

    before = hub.get(f"/v1/runs/{run}", headers=headers).status_code
    claim(hub, agent=me)
    seen = hub.get(f"/v1/runs/{run}", headers=headers)
    launched = hub.post("/v1/runs", {"plan": fan()}, headers=headers)

    assert (before, seen.status_code, launched.status_code) == (403, 200, 403)
    assert seen.json()["run"]["id"] == run


async def test_a_viewer_looks_and_launches_nothing(hub: RunningHub) -> None:
    run = launch(hub, fan(), input={"items": []})
    token = Keys.load(hub.home).derive("viewer")

    async with hub.open("/v1/coordinator", token) as line:
        await line.say("hello")
        await line.hear("welcome")
        await line.hear_snapshot()
        seen = await line.request("run", id=run)
        refused = await line.request("launch", plan=fan())

    assert seen["result"][0]["run"]["id"] == run
    assert (refused["ok"], refused["code"]) == (False, "not_allowed")


# --- over the WebSocket ---


async def test_watchers_are_pushed_runs_without_those_below_and_without_output(
    hub: RunningHub,
) -> None:
    async with hub.watch() as line:
        run = launch(hub, nested(), input={"parts": [[1]]})
        turn = await line.hear("turn")
    work(hub)
    async with hub.watch() as line:
        rows = {row["id"]: row for row in line.snapshot["runs"]}

    assert [row["id"] for row in turn["runs"]] == [run]
    assert {event["subject"] for event in turn["events"]} >= {
        "run.launched",
        "run.entered",
        "item.started",
    }
    assert rows[run]["state"] == "done"
    assert all(row["parent"] == "" for row in rows.values())
    assert all(row["output"] is None for row in rows.values())


async def test_a_coordinator_launches_waits_and_looks(endpoint: Endpoint) -> None:
    async with Coordinator(endpoint) as swarm:
        run = await swarm.launch(fan(), {"items": []}, key="K")
        same = await swarm.launch(fan(), {"items": []}, key="K")
        row = await swarm.wait_run(run, 10)

        assert run == same
        assert (row.state, row.output) == ("done", {"outputs": []})
        assert swarm.runs[run].state == "done"
        assert (await swarm.plan(row.plan)).document == fan()
        assert [mark.number for mark in await swarm.checkpoints(run)] == [1, 0]
        assert run in {one.id for one in await swarm.list_runs()}
        with pytest.raises(NotFound, match="no run 'none' is known"):
            await swarm.wait_run("none", 10)


async def test_a_run_that_does_not_end_is_waited_for_no_longer_than_said(
    hub: RunningHub, endpoint: Endpoint
) -> None:
    async with Coordinator(endpoint) as swarm:
        run = await swarm.launch(fan(), {"items": [1, 2]})
        told: list[RunView] = []
        with pytest.raises(StillRunning, match="has not ended within"):
            await swarm.wait_run(run, 0.2, told=told.append, every=0.05)
        gone = await swarm.cancel_run(run, reason="enough")
        back = await swarm.resume_run(run)
        waiting = asyncio.create_task(swarm.wait_run(run, 20))
        await asyncio.to_thread(work, hub, 2)
        row = await waiting
        failed = await swarm.items(run, visit=1, state="failed")
        retried = await swarm.retry_failed(run)

    assert len(told) >= 2
    assert {one.run.id for one in told} == {run}
    assert (gone.state, gone.reason, back.state) == ("cancelled", "enough", "running")
    assert row.state == "done"
    assert [item.error["_error"] for item in failed] == ["2 is bad"]
    assert retried.state == "running"


async def test_a_plan_larger_than_a_frame_may_be_is_launched(
    endpoint: Endpoint,
) -> None:
    async with Coordinator(endpoint) as swarm:
        text = "x" * (3 << 20)
        run = await swarm.launch(fan(), {"items": [], "text": text})
        row = await swarm.wait_run(run, 10)
        tree = await swarm.tree(run)

    assert row.state == "done"
    assert tree.run.id == run


async def test_whoever_waits_outlives_the_hub(start: Start) -> None:
    hub = start()
    run = launch(hub, fan(), input={"items": [1]})
    async with Coordinator(Endpoint(hub.url, hub.token)) as swarm:
        waiting = asyncio.create_task(swarm.wait_run(run, 30))
        await asyncio.to_thread(hub.stop)
        again = await asyncio.to_thread(start, "--port", str(hub.port))
        await asyncio.to_thread(work, again)

        row = await waiting

    assert row.output == {"outputs": [{"n": 2}]}


def test_metrics_count_runs_and_items(fresh: RunningHub) -> None:
    launch(fresh, fan(), input={"items": [1, 2, 3]})
    plans.work(fresh, 2)
    launch(fresh, fan(), input={"items": [1]})

    text = fresh.get("/metrics").text

    for sample in (
        'swarmtui_runs{state="done"} 1.0',
        'swarmtui_runs{state="running"} 1.0',
        "swarmtui_runs_launched_total 2.0",
        "swarmtui_items_started_total 4.0",
        "swarmtui_items_done_total 2.0",
        "swarmtui_items_failed_total 1.0",
    ):
        assert f"\n{sample}\n" in text, sample
