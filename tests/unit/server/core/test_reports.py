"""What agents say of themselves, and what follows from it."""

from typing import Any

import pytest

from agentkit.errors import Conflict, Invalid
from agentkit.protocol import Assign, Notify, Resolve


@pytest.mark.parametrize(
    ("report", "status"),
    [
        ("idle", "idle"),
        ("busy", "busy"),
        ("blocked", "blocked"),
        ("completed", "idle"),
        ("help", "help"),
    ],
)
@pytest.mark.parametrize("before", ["idle", "busy", "blocked", "help", None])
def test_any_report_is_accepted_in_any_status(
    world: Any, before: Any, report: Any, status: str
) -> None:
    if before:
        world.do(Notify(agent="a", report=before))

    world.do(Notify(agent="a", report=report))

    assert world.swarm.agents["a"].status == status


def test_who_reports_idle_twice_waits_once_and_keeps_its_place(world: Any) -> None:
    for agent in ("a", "b", "a"):
        world.do(Notify(agent=agent, report="idle"))
        world.wait(seconds=1)

    assert list(world.swarm.idle) == ["a", "b"]
    assert world.swarm.counts["idle"] == 2


@pytest.mark.parametrize("report", ["busy", "blocked", "help"])
def test_who_does_not_wait_leaves_the_queue(world: Any, report: Any) -> None:
    world.do(Notify(agent="a", report="idle"))

    world.do(Notify(agent="a", report=report))

    assert not list(world.swarm.idle)


def test_completed_and_then_idle_is_one_place_in_the_queue(world: Any) -> None:
    world.do(Notify(agent="a", report="busy", task="T"))
    world.do(Notify(agent="b", report="idle"))

    world.do(Notify(agent="a", report="completed", task="T", completed=1))
    world.do(Notify(agent="a", report="idle", task="T", completed=1))

    assert list(world.swarm.idle) == ["b", "a"]
    assert world.swarm.agents["a"].completed == 1
    assert world.swarm.agents["a"].waiting_since is not None


def test_what_a_report_leaves_out_keeps_its_known_value(world: Any) -> None:
    world.do(
        Notify(
            agent="a",
            report="busy",
            task="T",
            cost=2.5,
            completed=3,
            capabilities=("x",),
            message="at it",
        )
    )

    world.do(Notify(agent="a", report="blocked", message="no key"))

    agent = world.swarm.agents["a"]
    assert (agent.task, agent.cost, agent.completed) == ("T", 2.5, 3)
    assert agent.capabilities == ("x",)
    assert agent.message == "no key"


def test_a_completion_without_a_count_counts_one(world: Any) -> None:
    world.do(Notify(agent="a", report="completed", completed=4))

    world.do(Notify(agent="a", report="completed"))

    assert world.swarm.agents["a"].completed == 5


def test_saying_the_same_again_does_not_restart_the_clock(world: Any) -> None:
    world.do(Notify(agent="a", report="busy", task="T1"))
    began, cause = world.now, world.swarm.agents["a"].cause
    world.wait(minutes=5)

    world.do(Notify(agent="a", report="busy", task="T2"))

    agent = world.swarm.agents["a"]
    assert (agent.since, agent.cause, agent.task) == (began, cause, "T2")
    assert agent.heard == world.now


def test_help_opens_a_request_with_a_short_id(world: Any) -> None:
    events = world.do(
        Notify(
            agent="a",
            report="help",
            message="which?",
            choices=("x", "y"),
            capabilities=("db",),
        )
    )

    request = world.swarm.helps["h2"]
    assert [event.subject for event in events] == ["agent.help", "help.asked"]
    assert (request.question, request.choices) == ("which?", ("x", "y"))
    assert (request.severity, request.wanted) == ("high", ("db",))
    assert world.swarm.agents["a"].help == "h2"


def test_asking_the_same_again_opens_nothing(world: Any) -> None:
    world.do(Notify(agent="a", report="help", message="which?"))

    events = world.do(Notify(agent="a", report="help", message="which?"))

    assert [event.subject for event in events] == ["agent.help"]
    assert len(world.swarm.helps) == 1


def test_asking_something_else_closes_the_first_question(world: Any) -> None:
    world.do(Notify(agent="a", report="help", message="which?"))

    events = world.do(Notify(agent="a", report="blocked", message="no key"))

    subjects = [event.subject for event in events]
    assert subjects == ["agent.blocked", "help.resolved", "help.asked"]
    assert world.swarm.helps["h2"].state == "resolved"
    assert world.swarm.helps[world.swarm.agents["a"].help].kind == "blocked"
    assert world.swarm.agents["a"].help == "h5"


def test_an_agent_that_moves_on_closes_its_question(world: Any) -> None:
    world.do(Notify(agent="a", report="help", message="which?"))

    world.do(Notify(agent="a", report="busy"))

    request = world.swarm.helps["h2"]
    assert (request.state, request.note) == ("resolved", "a reported busy")


def test_a_question_that_a_person_closed_stays_as_it_was(world: Any) -> None:
    world.do(Notify(agent="a", report="help", message="which?"))
    world.do(Resolve(help="h2", note="asked in person", by="me"))

    assert world.subjects(Notify(agent="a", report="busy")) == ["agent.busy"]
    assert world.swarm.helps["h2"].note == "asked in person"


def test_busy_with_an_assigned_task_starts_it_and_completed_ends_it(
    world: Any,
) -> None:
    world.do(Notify(agent="a", report="idle"))
    world.do(Assign(agent="a", id="T"))

    started = world.subjects(Notify(agent="a", report="busy", task="T"))
    done = world.subjects(Notify(agent="a", report="completed", task="T"))

    assert started == ["agent.busy", "task.started"]
    assert done == ["agent.completed", "task.done"]
    assert world.swarm.tasks["T"].state == "done"
    assert world.swarm.unread("a") == 0


def test_another_agents_task_is_not_touched(world: Any) -> None:
    world.do(Notify(agent="a", report="idle"))
    world.do(Assign(agent="a", id="T"))

    assert world.subjects(Notify(agent="b", report="completed", task="T")) == [
        "agent.completed"
    ]
    assert world.swarm.tasks["T"].state == "queued"


def test_a_numbered_report_takes_effect_once_and_in_order(world: Any) -> None:
    first = Notify(agent="a", report="busy", spool="s", seq=1)
    second = Notify(agent="a", report="completed", spool="s", seq=2)

    with pytest.raises(Conflict, match="report 2 of spool 's' came before report 1"):
        world.do(second)
    world.do(first)
    world.do(second)

    assert world.do(second) == []
    assert world.do(first) == []
    assert world.swarm.agents["a"].completed == 1


def test_a_numbered_report_that_is_refused_does_not_hold_up_the_next(
    world: Any,
) -> None:
    bad = Notify(agent="a", report="busy", cost=-1, spool="s", seq=1)

    events = world.do(bad)
    world.do(Notify(agent="a", report="idle", spool="s", seq=2))

    assert [event.subject for event in events] == ["report.refused"]
    assert "cannot be negative" in events[0].reason
    assert world.do(bad) == []
    assert world.swarm.agents["a"].status == "idle"


def test_spools_of_one_agent_are_counted_apart(world: Any) -> None:
    world.do(Notify(agent="a", report="busy", spool="s", seq=1))

    assert world.do(Notify(agent="a", report="idle", spool="t", seq=1))


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"agent": ""}, "the agent is empty"),
        ({"agent": "x" * 257}, "257 characters"),
        ({"agent": "a\x1b[2J"}, "control characters"),
        ({"agent": "a", "message": "x" * 20_000}, "20,000 characters"),
        ({"agent": "a", "cost": -0.01}, "cannot be negative"),
        ({"agent": "a", "completed": -1}, "cannot be negative"),
        ({"agent": "a", "capabilities": ("",)}, "the capability is empty"),
        ({"agent": "a", "capabilities": ("c",) * 65}, "65 capabilities"),
    ],
)
def test_a_malformed_report_is_refused_and_changes_nothing(
    world: Any, wish: dict[str, Any], text: str
) -> None:
    with pytest.raises(Invalid, match=text):
        world.do(Notify(report="busy", **wish))

    assert not world.swarm.agents
    assert world.swarm.cursor == 0


def test_the_help_request_of_another_agent_cannot_be_taken_over(world: Any) -> None:
    world.do(Notify(agent="a", report="help", id="q", message="mine"))

    with pytest.raises(Invalid, match="another agent's"):
        world.do(Notify(agent="b", report="help", id="q", message="also mine"))
