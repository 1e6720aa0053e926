"""Who needs a person, and what persons do about it."""

from datetime import timedelta
from itertools import product
from typing import Any, get_args

import pytest

from agentkit.errors import Conflict, Invalid, NotFound
from agentkit.protocol import (
    Answer,
    AssignHelper,
    Notify,
    Resolve,
    Snooze,
    Take,
    Tick,
)
from agentkit.rows import HelpState, Report
from server.core.transitions import HELP


@pytest.fixture
def asked(world: Any) -> Any:
    world.do(Notify(agent="a", report="help", message="which?", capabilities=("db",)))
    return world


def test_an_answer_goes_to_the_asker(asked: Any) -> None:
    asked.do(Answer(help="h2", text="the left one", by="me"))

    request = asked.swarm.helps["h2"]
    (delivery,) = asked.swarm.mail["a"].values()
    assert (request.state, request.answer, request.by) == (
        "answered",
        "the left one",
        "me",
    )
    assert (delivery.kind, delivery.ref, delivery.state) == ("answer", "h2", "queued")


def test_a_question_is_answered_once(asked: Any) -> None:
    asked.do(Answer(help="h2", text="the left one", by="me"))

    with pytest.raises(Conflict, match="it was answered by me"):
        asked.do(Answer(help="h2", text="the right one", by="you"))


def test_an_empty_answer_is_refused(asked: Any) -> None:
    with pytest.raises(Invalid, match="the answer is empty"):
        asked.do(Answer(help="h2", text="  "))


def test_an_unknown_request_is_not_found(asked: Any) -> None:
    with pytest.raises(NotFound, match="swarmtui help-desk"):
        asked.do(Take(help="h99"))


def test_taking_over_is_allowed(asked: Any) -> None:
    asked.do(Take(help="h2", by="me"))
    asked.do(Take(help="h2", by="you"))

    assert asked.swarm.helps["h2"].by == "you"
    assert asked.swarm.helps["h2"].state == "taken"


def test_a_helper_is_told(asked: Any) -> None:
    asked.do(Notify(agent="b", report="idle"))

    asked.do(AssignHelper(help="h2", helper="b", note="go", by="me"))

    assert asked.swarm.helps["h2"].helper == "b"
    assert [row.kind for row in asked.swarm.mail["b"].values()] == ["helper"]


def test_nobody_is_sent_to_help_itself(asked: Any) -> None:
    with pytest.raises(Invalid, match="choose another agent"):
        asked.do(AssignHelper(help="h2", helper="a"))


def test_helpers_are_idle_able_and_not_the_asker(world: Any) -> None:
    reports: list[tuple[str, Report, tuple[str, ...]]] = [
        ("asker", "idle", ("db", "sql")),
        ("half", "idle", ("db", "css")),
        ("busy", "busy", ("db", "sql")),
        ("none", "idle", ("css",)),
        ("full", "idle", ("sql", "db", "css")),
    ]
    for agent, report, capabilities in reports:
        world.do(Notify(agent=agent, report=report, capabilities=capabilities))

    assert world.swarm.helpers("asker", ("db", "sql")) == ["half", "full"]
    assert world.swarm.helpers("asker", ()) == ["half", "none", "full"]
    assert world.swarm.helpers("asker", ("db", "sql", "x")) == ["full"]


def test_a_snoozed_request_comes_back_when_its_time_has_come(asked: Any) -> None:
    until = asked.now + timedelta(minutes=10)
    asked.do(Snooze(help="h2", until=until, by="me"))
    assert asked.swarm.deadline == until

    asked.wait(minutes=9)
    early = asked.subjects(Tick())
    asked.wait(minutes=1)
    woken = asked.subjects(Tick())

    assert (early, woken) == ([], ["help.woken"])
    assert asked.swarm.helps["h2"].state == "open"
    assert asked.swarm.helps["h2"].snoozed_until is None
    assert asked.swarm.deadline is None


def test_nothing_is_snoozed_into_the_past(asked: Any) -> None:
    with pytest.raises(Invalid, match="has passed"):
        asked.do(Snooze(help="h2", until=asked.now))


def test_blocked_for_thirty_minutes_escalates_exactly_once(world: Any) -> None:
    world.do(Notify(agent="a", report="blocked", message="no key"))

    world.wait(minutes=29, seconds=59)
    early = world.subjects(Tick())
    world.wait(seconds=1)
    due = world.subjects(Tick())
    world.wait(hours=9)
    world.do(Notify(agent="a", report="blocked", message="still no key"))
    later = world.subjects(Tick())

    assert (early, due, later) == ([], ["help.escalated"], [])
    assert world.swarm.agents["a"].escalated
    newest = world.swarm.helps[world.swarm.agents["a"].help]
    assert (newest.severity, newest.escalated) == ("critical", True)


def test_an_escalation_clears_when_the_agent_moves_on(world: Any) -> None:
    world.do(Notify(agent="a", report="blocked"))
    world.wait(minutes=30)
    world.do(Tick())

    world.do(Notify(agent="a", report="busy"))

    assert not world.swarm.agents["a"].escalated
    assert world.swarm.helps["h2"].state == "resolved"
    assert world.swarm.deadline is None


def test_a_second_blocker_escalates_again(world: Any) -> None:
    for _ in range(2):
        world.do(Notify(agent="a", report="blocked"))
        world.wait(minutes=30)
        assert world.subjects(Tick()) == ["help.escalated"]
        world.do(Notify(agent="a", report="busy"))


@pytest.mark.parametrize(
    "settle", [Answer(help="h2", text="try this"), Resolve(help="h2")]
)
def test_still_blocked_after_an_answer_escalates_and_opens_again(
    world: Any, settle: Any
) -> None:
    world.do(Notify(agent="a", report="blocked", message="no key"))
    world.do(settle)

    world.wait(minutes=30)
    world.do(Tick())

    request = world.swarm.helps["h2"]
    assert (request.state, request.severity) == ("open", "critical")
    assert request.settled is None


def test_what_is_not_in_the_table_is_refused(world: Any) -> None:
    acts = {
        "answer": Answer(help="h2", text="x"),
        "take": Take(help="h2"),
        "snooze": Snooze(help="h2", until=world.now + timedelta(hours=1)),
        "resolve": Resolve(help="h2"),
        "assign": AssignHelper(help="h2", helper="b"),
    }
    reach = {
        "open": [],
        "taken": ["take"],
        "snoozed": ["snooze"],
        "answered": ["answer"],
        "resolved": ["resolve"],
    }
    assert set(reach) == set(get_args(HelpState))
    for state, wish in product(reach, acts):
        fresh = type(world)()
        fresh.do(Notify(agent="a", report="help"))
        fresh.do(Notify(agent="b", report="idle"))
        for step in reach[state]:
            fresh.do(acts[step])
        if (state, wish) in HELP:
            fresh.do(acts[wish])
            assert fresh.swarm.helps["h2"].state == HELP[state, wish]  # type: ignore[index]
        else:
            with pytest.raises(Conflict, match=f"cannot {wish} .* it was {state}"):
                fresh.do(acts[wish])


def test_what_is_woken_and_escalated_at_once_is_open(world: Any) -> None:
    world.do(Notify(agent="a", report="blocked", message="no key"))
    world.do(Snooze(help="h2", until=world.now + timedelta(minutes=30)))

    world.wait(minutes=30)

    assert world.subjects(Tick()) == ["help.woken", "help.escalated"]
    assert world.swarm.helps["h2"].state == "open"
