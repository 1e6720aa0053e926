"""What the screens show, counted from what the hub pushed."""

from datetime import timedelta

from agentkit.coordinator import Heard
from agentkit.mirror import RUNS, SLACK
from agentkit.protocol import TaskDone
from agentkit.rows import Agent, HelpRequest, Run
from swarmtui.model import TRAFFIC, Batch, Model, first_names
from tests.unit.swarmtui.conftest import NOW, agent, request, task


def loaded(*agents: Agent, helps: tuple[HelpRequest, ...] = ()) -> Model:
    model = Model()
    model.apply(
        Batch(
            reset=True,
            agents={one.id: one for one in agents},
            helps={one.id: one for one in helps},
        )
    )
    return model


def done(cursor: int) -> Heard:
    return Heard(cursor, TaskDone(at=NOW, agent="a", task="T1"), 10, 0.5)


def test_a_model_is_not_loaded_before_the_first_snapshot() -> None:
    model = Model()
    model.apply(Batch(agents={"a": agent("a")}))
    assert not model.loaded

    model.apply(Batch(reset=True))

    assert model.loaded


def test_agents_are_counted_by_the_state_they_show() -> None:
    model = loaded(agent("a"), agent("b", status="busy"), agent("c", lost=True))

    assert +model.counts == {"idle": 1, "busy": 1, "lost": 1}


def test_an_agent_that_changes_moves_between_the_counts() -> None:
    model = loaded(agent("a"))

    model.apply(Batch(agents={"a": agent("a", status="busy")}))

    assert +model.counts == {"busy": 1}


def test_a_snapshot_forgets_what_is_not_in_it() -> None:
    model = loaded(agent("a"), helps=(request("h1"),))

    delta = model.apply(Batch(reset=True, agents={"b": agent("b")}))

    assert delta.reset
    assert list(model.agents) == ["b"]
    assert not model.helps
    assert not model.calling
    assert +model.counts == {"idle": 1}


def test_a_delta_names_what_changed_and_whether_anybody_joined() -> None:
    model = loaded(agent("a"))

    changed = model.apply(Batch(agents={"a": agent("a", status="busy")}))
    joined = model.apply(Batch(agents={"b": agent("b")}))

    assert changed.agents == {"a"}
    assert not changed.joined
    assert joined.joined


def test_a_model_does_not_grow_with_runs_that_have_ended() -> None:
    model = loaded()
    runs = {
        f"r{number}": Run(
            id=f"r{number}",
            plan="p",
            machine="main",
            state="done" if number else "running",
            created=NOW,
            stage="end",
            version=number,
        )
        for number in range(RUNS + SLACK + 2)
    }

    delta = model.apply(Batch(runs=runs))

    assert len(model.runs) == RUNS + 1
    assert {"r0", [*runs][-1]} <= model.runs.keys()
    assert runs.keys() == delta.runs


def test_only_a_request_nobody_has_taken_calls() -> None:
    model = loaded(helps=(request("h1"), request("h2", state="taken")))
    assert model.calling == {"h1"}

    model.apply(Batch(helps={"h1": request("h1", state="answered")}))

    assert not model.calling


def test_the_desk_is_sorted_by_standing_then_severity_then_age() -> None:
    early = NOW - timedelta(hours=1)
    model = loaded(
        helps=(
            request("young"),
            request("taken", state="taken", severity="critical"),
            request("old", opened=early),
            request("high", severity="high"),
            request("escalated", escalated=True),
            request("past", state="resolved", settled=NOW),
        )
    )

    open_ones = [one.id for one in model.desk()]

    assert open_ones == ["escalated", "high", "old", "young", "taken"]


def test_the_next_call_goes_round() -> None:
    early = NOW - timedelta(hours=1)
    model = loaded(helps=(request("first", opened=early), request("second")))

    ids = [
        call.id
        for at in ("", "first", "second", "gone")
        if (call := model.next_call(at)) is not None
    ]

    assert ids == ["first", "second", "first", "first"]


def test_nobody_calls_in_an_empty_swarm() -> None:
    assert Model().next_call() is None


def test_candidates_are_ranked_by_match_then_idleness_then_waiting() -> None:
    wanted = request("h1", asker="asker", wanted=("video", "ndi"))
    model = loaded(
        agent("asker", capabilities=("video", "ndi")),
        agent("busy", status="busy", capabilities=("video", "ndi")),
        agent("late", ticket=9, capabilities=("video", "ndi")),
        agent("early", ticket=2, capabilities=("video", "ndi")),
        agent("half", ticket=1, capabilities=("video",)),
        agent("none", ticket=3, capabilities=("sql",)),
        agent("gone", lost=True, capabilities=("video", "ndi")),
        agent("stuck", status="blocked", capabilities=("video", "ndi")),
    )

    ranked = [(one.agent.id, one.match) for one in model.candidates(wanted)]

    assert ranked == [("early", 1.0), ("late", 1.0), ("busy", 1.0), ("half", 0.5)]


def test_when_nothing_is_wanted_everybody_can_help() -> None:
    model = loaded(agent("a"), agent("b"))

    assert [one.agent.id for one in model.candidates(request("h1"))] == ["b"]


def test_a_suggested_task_is_not_in_use() -> None:
    model = loaded()
    model.apply(Batch(tasks={"T2": task("T2", "a"), "T3.1": task("T3.1", "a")}))

    assert model.suggest_task() == "T4"


def test_the_traffic_keeps_the_newest_events() -> None:
    model = loaded()
    for start in range(0, TRAFFIC + 10, 10):
        batch = Batch()
        batch.events.extend(done(cursor) for cursor in range(start, start + 10))
        model.apply(batch)

    cursors = [heard.cursor for heard in model.traffic]

    assert cursors == list(range(10, TRAFFIC + 10))


def test_names_that_do_not_fit_are_counted() -> None:
    assert list(first_names(["one", "two", "three", "four"], 12)) == [
        "one",
        "two",
        "and 2 more",
    ]
    assert list(first_names(["a-name-longer-than-the-room"], 5)) == [
        "a-name-longer-than-the-room"
    ]
