"""The commands about work as a person or a script has them."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pytest

from tests.integration.test_commands import Done, Terminal, run

Run: TypeAlias = Callable[..., Done]


@pytest.fixture(scope="module")
def swarm(hub: Any) -> Any:
    """A hub that knows two agents."""
    hub.report("api-1", "idle", capabilities=["python", "sql"])
    hub.report("web-1", "idle", capabilities=["css"])
    return hub


@pytest.fixture(scope="module")
def command(swarm: Any) -> Run:
    return lambda *args, **more: run(swarm.home, *args, **more)


def enqueue(hub: Any, task: str, **fields: Any) -> None:
    wish = {"id": task, "title": f"Do {task}", **fields}
    hub.post("/v1/tasks", wish).raise_for_status()


def claim(hub: Any, task: str, agent: str = "api-1") -> dict[str, Any]:
    wish = {"agent": agent, "task": task}
    (found,) = hub.post("/v1/claims", wish).json()["tasks"]
    return dict(found)


def task(hub: Any, key: str) -> dict[str, Any]:
    return dict(hub.get(f"/v1/tasks/{key}").json()["task"])


def fail(hub: Any, key: str) -> None:
    """Claim a task and let it fail for good."""
    fence = claim(hub, key)["fence"]
    wish = {"agent": "api-1", "fence": fence, "final": True, "reason": "no"}
    hub.post(f"/v1/tasks/{key}/fail", wish).raise_for_status()


def give_up(hub: Any, agent: str, text: str) -> str:
    """Tell an agent something that it gives up; return the name of the delivery."""
    hub.post("/v1/broadcasts", {"text": text, "where": f"id:{agent}"})
    seq = hub.get(f"/v1/agents/{agent}/mailbox").json()["mail"][-1]["seq"]
    dead = {"dead": [{"seq": seq, "reason": "it crashed 7 times"}]}
    hub.post(f"/v1/agents/{agent}/mailbox", dead).raise_for_status()
    return f"{seq}@{agent}"


# --- enqueue -------------------------------------------------------------------------


def test_a_task_is_queued_for_whoever_can_do_it(swarm: Any, command: Run) -> None:
    done = command(
        *("enqueue", "Draw the map", "--id", "E1", "--need", "python", "--need", "sql"),
        *("--priority", "5", "--max-attempts", "2", "--body", '{"branch": "main"}'),
    )

    assert (done.code, done.out, done.err) == (0, "E1\n", "")
    row = task(swarm, "E1")
    assert (row["title"], row["needs"]) == ("Draw the map", ["python", "sql"])
    assert (row["priority"], row["max_attempts"], row["state"]) == (5, 2, "queued")
    assert row["body"] == {"branch": "main", "id": "E1"}


@pytest.mark.parametrize("title", ["", " "])
@pytest.mark.parametrize("whom", [(), ("--agent", "web-1")])
def test_a_task_that_says_nothing_is_refused(
    command: Run, title: str, whom: tuple[str, ...]
) -> None:
    done = command("enqueue", title, *whom)

    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"swarmtui: invalid value for TITLE: {title!r} says nothing, and there is no "
        "--body; say what is to be done (see swarmtui enqueue --help)\n"
    )


def test_a_body_may_say_it_all(swarm: Any, command: Run) -> None:
    done = command("enqueue", "", "--id", "E9", "--body", '{"branch": "main"}')

    assert done.out == "E9\n"
    assert task(swarm, "E9")["title"] == ""


def test_a_task_is_tried_at_least_once(command: Run) -> None:
    done = command("enqueue", "Try it", "--max-attempts", "0")

    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "swarmtui: max_attempts cannot be 0: the least is 1, so choose a larger "
        "number\n"
    )


def test_what_is_no_delivery_is_not_retried(command: Run) -> None:
    done = command("retry", "nonsense")

    assert (done.code, done.out) == (2, "")
    assert "id cannot be 'nonsense': a delivery is called by" in done.err
    assert "swarmtui deliveries --dead" in done.err


def test_a_task_may_be_for_one_agent(swarm: Any, command: Run) -> None:
    done = command("enqueue", "Footer", "--agent", "web-1", "--json").data["enqueued"]

    row = task(swarm, done["task"])
    assert (row["target"], row["title"], row["state"]) == ("web-1", "Footer", "queued")


def test_the_hub_names_a_task_that_has_no_name(swarm: Any, command: Run) -> None:
    (key,) = command("enqueue", "Some work").out.split()

    assert task(swarm, key)["title"] == "Some work"


@pytest.mark.parametrize("text", ["10m", "+10m"])
def test_a_task_may_be_for_later(swarm: Any, command: Run, text: str) -> None:
    event = command("enqueue", "Later", "--not-before", text, "--json").data["enqueued"]

    wait = datetime.fromisoformat(event["not_before"]) - datetime.fromisoformat(
        event["at"]
    )
    assert timedelta(minutes=9) < wait <= timedelta(minutes=10)
    assert task(swarm, event["task"])["state"] == "scheduled"


def test_a_time_without_a_zone_is_of_this_machine(swarm: Any, command: Run) -> None:
    event = command(
        "enqueue", "x", "--not-before", "2100-01-01T12:00", "--json", TZ="UTC-3"
    ).data["enqueued"]

    assert event["not_before"] == "2100-01-01T09:00:00+00:00"


def test_with_the_same_key_nothing_else_is_queued(swarm: Any, command: Run) -> None:
    first = command("enqueue", "Once", "--key", "nightly-7").out
    again = command("enqueue", "Once", "--key", "nightly-7").out

    assert again == first
    rows = command("tasks", "Once", "--json").data["tasks"]
    assert [row["id"] for row in rows] == [first.strip()]


def test_a_need_that_nobody_has_may_be_a_slip(command: Run) -> None:
    slip = command("enqueue", "x", "--need", "pyhton")
    rare = command("enqueue", "x", "--need", "cobol")

    assert (slip.code, rare.code) == (0, 0)
    assert slip.err == "note: no agent has 'pyhton': did you mean python?\n"
    assert rare.err == "note: no agent that is known can do cobol yet: it waits\n"


# --- tasks ---------------------------------------------------------------------------


def test_tasks_are_listed_held_then_waiting_then_settled(fresh: Any) -> None:
    fresh.report("api-1", "idle")
    for key, priority in (("low", 0), ("high", 9), ("dead", 0), ("held", 0)):
        enqueue(fresh, key, priority=priority)
    fail(fresh, "dead")
    claim(fresh, "held")

    rows = run(fresh.home, "tasks", "--json").data["tasks"]

    assert [row["id"] for row in rows] == ["held", "high", "low", "dead"]


def test_tasks_are_chosen_by_group_state_and_filter(fresh: Any) -> None:
    fresh.report("api-1", "idle")
    for key in ("held", "dead", "waits"):
        enqueue(fresh, key)
    fail(fresh, "dead")
    claim(fresh, "held")

    def listed(*words: str) -> list[str]:
        rows = run(fresh.home, "tasks", "--json", *words).data["tasks"]
        return [row["id"] for row in rows]

    assert listed("--state", "ready") == ["waits"]
    assert listed("--state", "leased,dead") == ["held", "dead"]
    assert listed("state:dead") == ["dead"]
    assert listed("agent:api-1", "!state:dead") == ["held"]


def test_a_table_of_tasks_shows_whom_they_are_for_and_why(fresh: Any) -> None:
    enqueue(fresh, "dead", needs=["python"])
    fresh.report("api-1", "idle", capabilities=["python"])
    fail(fresh, "dead")

    line = run(fresh.home, "tasks").out.splitlines()[1]

    assert line.split()[:5] == ["†", "dead", "dead", "python", "api-1"]
    assert line.endswith("Do dead  no")


def test_more_tasks_than_a_page_are_all_listed(fresh: Any) -> None:
    for number in range(1005):
        enqueue(fresh, f"T{number:04}")

    rows = run(fresh.home, "tasks", "--jsonl").out.splitlines()

    assert len({json.loads(row)["id"] for row in rows}) == 1005
    told = run(fresh.home, "status", "--json").data
    assert told["tasks"] == {"queued": 1005}


# --- cancel, requeue, retry ----------------------------------------------------------


def test_a_task_is_called_off_and_whoever_has_it_loses_it(
    swarm: Any, command: Run
) -> None:
    enqueue(swarm, "C1")
    fence = claim(swarm, "C1")["fence"]

    done = command("cancel", "C1", "--reason", "not any more", "--json")

    assert done.data["cancelled"] == [{"task": "C1", "agent": "api-1"}]
    assert task(swarm, "C1")["reason"] == "not any more"
    late = swarm.post(
        "/v1/tasks/C1/complete", {"agent": "api-1", "fence": fence, "result": {}}
    )
    assert late.status_code == 409


def test_a_dead_task_begins_anew(swarm: Any, command: Run) -> None:
    enqueue(swarm, "R1")
    fail(swarm, "R1")

    assert command("requeue", "R1").code == 0
    assert (task(swarm, "R1")["state"], task(swarm, "R1")["attempts"]) == ("queued", 0)


def test_many_are_chosen_by_a_filter_and_named_before(swarm: Any, command: Run) -> None:
    for key in ("M1", "M2"):
        enqueue(swarm, key)
        fail(swarm, key)

    refused = command("requeue", "--where", "state:dead task:M*")
    done = command("requeue", "--where", "state:dead task:M*", "--yes", "--json")

    assert refused.code == 5
    assert "this goes to 2 tasks" in refused.err
    assert [row["task"] for row in done.data["requeued"]] == ["M1", "M2"]
    assert command("requeue", "--where", "state:dead task:M*").code == 4


def test_a_fan_out_over_tasks_names_the_count_and_asks(swarm: Any) -> None:
    for key in ("N1", "N2"):
        enqueue(swarm, key)
    asked = Terminal(swarm.home, "cancel", "--where", "id:N*")
    asked.until("?")
    asked.type("n\n")

    assert asked.end() == 130
    assert "Cancel 2 tasks: N1, N2?" in asked.said
    assert task(swarm, "N1")["state"] == "queued"


def test_what_is_refused_keeps_nothing_else_from_being_done(
    swarm: Any, command: Run
) -> None:
    enqueue(swarm, "K1")
    enqueue(swarm, "K2")

    done = command("cancel", "K1", "nope-7", "K2")

    assert done.code == 3
    assert "no task 'nope-7' is known" in done.err
    assert [task(swarm, key)["state"] for key in ("K1", "K2")] == 2 * ["cancelled"]
    assert command("cancel", "K1").code == 5
    none = command("cancel", "nope-8", "nope-9")
    assert (none.code, none.out) == (3, ""), "a table of nothing is not drawn"


def test_a_dead_delivery_is_listed_and_sent_once_more(swarm: Any, command: Run) -> None:
    name = give_up(swarm, "web-1", "heed this")

    (listed,) = command("deliveries", "--dead", "--agent", "web-1", "--json").data[
        "deliveries"
    ]
    assert (listed["id"], listed["reason"]) == (name, "it crashed 7 times")
    table = command("deliveries", "--dead").out
    assert name in table
    assert "it crashed 7 times" in table
    assert command("retry", name, "--json").data["retried"] == [
        {"delivery": name, "agent": "web-1"}
    ]
    again = swarm.get("/v1/agents/web-1/mailbox").json()["mail"][-1]
    assert again["body"] == {"text": "heed this"}
    assert command("retry", name).code == 3


def test_all_dead_deliveries_can_be_sent_once_more(swarm: Any, command: Run) -> None:
    names = [give_up(swarm, "api-1", text) for text in ("one", "two")]

    done = command("retry", "--where", "agent:api-1", "--yes", "--json")

    assert sorted(row["delivery"] for row in done.data["retried"]) == sorted(names)
    assert command("retry", "--where", "agent:api-1", "--yes").code == 4


# --- send ----------------------------------------------------------------------------


def test_a_message_goes_to_who_is_meant(swarm: Any, command: Run) -> None:
    done = command("send", "web-1", "hello", "--body", '{"n": 7}')
    skilled = command("send", "cap:css@swarm", "you can", "--json")

    mail = swarm.get("/v1/agents/web-1/mailbox?peek=true").json()["mail"]
    messages = [item["message"] for item in mail if item["kind"] == "message"]
    assert (done.code, done.out) == (0, f"{messages[-2]['id']}\n")
    assert "told 1 agent; see swarmtui deliveries" in done.err
    assert (messages[-2]["text"], messages[-2]["body"]) == ("hello", {"n": 7})
    assert skilled.data["sent"]["recipients"] == ["web-1"]


def test_a_message_to_many_is_agreed_to_first(swarm: Any, command: Run) -> None:
    swarm.report("render.1", "idle")
    swarm.report("render.2", "idle")

    refused = command("send", "render.*", "hello")
    done = command("send", "render.*", "hello", "--yes", "--json")

    assert refused.code != 0
    assert "--yes" in refused.err
    assert done.data["sent"]["recipients"] == ["render.1", "render.2"]


# --- what can go wrong ---------------------------------------------------------------

REFUSALS = [
    (["enqueue", "x", "--agent", "api-11"], 3, "did you mean api-1?"),
    (["enqueue", "x", "--agent", "zzzz"], 3, "no agent 'zzzz': see swarmtui agents"),
    (["answer", "zzzz", "blue"], 3, "see swarmtui help-desk"),
    (["enqueue", "x", "--agent", "api-1", "--need", "sql"], 2, "--agent or --need"),
    (["enqueue", "x", "--body", "[1]"], 2, "is not an object of JSON"),
    (["enqueue", "x", "--body", "{"], 2, "is not JSON"),
    (["enqueue", "x", "--not-before", "soon"], 2, "'soon' is no time"),
    (["enqueue", "x", "--max-attempts", "0"], 2, "max_attempts"),
    (["tasks", "--state", "redy"], 2, "did you mean ready?"),
    (["tasks", "stat:dead"], 2, "did you mean state?"),
    (["cancel"], 2, "--where FILTER"),
    (["cancel", "x", "--where", "y"], 2, "not both"),
    (["cancel", "nope-8"], 3, "no task 'nope-8' is known"),
    (["requeue", "--where", "zzzz"], 4, "chooses nothing"),
    (["requeue", "--where", "prio>"], 2, "prio"),
    (["retry", "--where", "zzzz"], 4, "see swarmtui deliveries --dead"),
    (["tasks", "state:dedd"], 2, "did you mean dead?"),
    (["retry", "5@nobody"], 3, "nobody"),
    (["retry", "5"], 2, "id cannot be '5'"),
    (["send", "zzzz", "hello"], 3, "no agent 'zzzz' is known"),
    (["send", "nothing.*", "hello", "--yes"], 4, "means nobody out of"),
    (["send", "api-1@other", "hello"], 3, "in swarm 'other' and this is 'swarm'"),
    (["send", "api-1"], 2, "says nothing"),
    (["deliveries"], 2, "--dead"),
    (["deliveries", "x", "--dead"], 2, "--dead"),
]


@pytest.mark.parametrize(("args", "code", "said"), REFUSALS)
def test_a_refusal_is_one_sentence_and_its_code(
    args: list[str], code: int, said: str, command: Run
) -> None:
    done = command(*args)

    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_task_that_is_misspelt_names_the_nearest(swarm: Any, command: Run) -> None:
    enqueue(swarm, "deploy-staging")

    done = command("cancel", "deploy-stagign")

    assert done.code == 3
    assert "did you mean deploy-staging?" in done.err
