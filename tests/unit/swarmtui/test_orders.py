"""What an order would do, before it is given."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from agentkit.errors import BadFilter
from agentkit.rows import Agent, Broadcast, Task, TaskState
from swarmtui.model import Batch, Model
from swarmtui.orders import (
    Progress,
    audience,
    hand_out,
    must_confirm,
    of_broadcast,
    only,
    progress,
    typed_duration,
    typed_time,
    why_present,
)
from tests.unit.swarmtui.conftest import NOW, agent, task


def model_of(*agents: Agent, tasks: tuple[Task, ...] = ()) -> Model:
    model = Model()
    model.apply(
        Batch(
            reset=True,
            agents={one.id: one for one in agents},
            tasks={one.id: one for one in tasks},
        )
    )
    return model


def test_one_agent_gets_the_task_under_its_own_id() -> None:
    plan = hand_out(model_of(agent("a")), ["a"], "T1")

    assert [(one.agent, one.task, one.conflict) for one in plan] == [("a", "T1", "")]


def test_several_agents_get_numbered_tasks() -> None:
    plan = hand_out(model_of(agent("a"), agent("b")), ["a", "b"], "T1")

    assert [one.task for one in plan] == ["T1.1", "T1.2"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (agent("a", status="busy", task="T9"), "is busy with T9"),
        (agent("a", status="busy"), "is busy"),
        (agent("a", status="help"), "waits for help"),
        (agent("a", lost=True), "is lost, gets it when it comes back"),
    ],
)
def test_what_stands_in_the_way_is_said(row: Agent, words: str) -> None:
    assert hand_out(model_of(row), ["a"], "T1")[0].conflict == words


def test_a_task_that_another_agent_has_would_move_over() -> None:
    model = model_of(agent("a"), agent("b"), tasks=(task("T1", "b"),))

    assert (
        hand_out(model, ["a"], "T1")[0].conflict == "T1 is with b, it would move over"
    )


def test_a_task_that_is_done_stands_in_nobodys_way() -> None:
    model = model_of(agent("a"), tasks=(task("T1", "b", state="done"),))

    assert hand_out(model, ["a"], "T1")[0].conflict == ""


def test_an_audience_is_what_the_filter_chooses() -> None:
    model = model_of(agent("a"), agent("b", status="busy"))

    assert [one.id for one in audience(model, "state:busy", NOW)] == ["b"]
    assert len(audience(model, "", NOW)) == 2


def test_an_audience_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(BadFilter):
        audience(model_of(), "nonsense:x", NOW)


def test_exactly_the_named_agents_are_chosen_whatever_their_names() -> None:
    names = ["a b", "c,d", "e*f", "g"]
    model = model_of(*(agent(name) for name in [*names, "eXf", "h"]))

    assert [one.id for one in audience(model, only(names), NOW)] == names


def test_more_than_fifty_recipients_must_be_confirmed() -> None:
    assert not must_confirm(50)
    assert must_confirm(51)


def test_progress_counts_what_came_at_least_so_far() -> None:
    tasks = [
        task("T1", "a", state="queued"),
        task("T2", "a", state="sent"),
        task("T3", "a", state="working"),
        task("T4", "a", state="done"),
    ]

    assert progress(tasks) == Progress(total=4, sent=3, acked=2, done=1)
    assert progress(tasks).queued == 1


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90s", timedelta(seconds=90)),
        (" 30m ", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
        ("0m", None),
        ("soon", None),
        ("5", None),
        ("-5m", None),
        ("", None),
    ],
)
def test_durations_are_a_number_and_a_unit(text: str, span: timedelta | None) -> None:
    assert typed_duration(text) == span


def test_presence_is_explained() -> None:
    quiet = agent("a", heard=NOW - timedelta(seconds=40))
    linked = replace(quiet, linked=True)
    away = replace(quiet, unlinked=NOW)

    assert why_present(quiet, NOW) == "late: it has said nothing for 40 s"
    assert why_present(linked, NOW) == "live: its WebSocket is open and answers pings"
    assert why_present(away, NOW).startswith("late: its WebSocket closed")
    assert why_present(replace(quiet, lost=True), NOW).startswith("lost: ")


def test_a_task_that_waits_for_anybody_is_said_to_do_so() -> None:
    model = model_of(agent("a"), tasks=(task("T1", ""),))

    assert "waits for whoever claims it" in hand_out(model, ["a"], "T1")[0].conflict


def test_what_is_dead_is_in_no_other_figure() -> None:
    states: tuple[TaskState, ...] = ("done", "dead", "cancelled", "leased", "queued")
    reached = progress(task(f"T{n}", "a", state=s) for n, s in enumerate(states))

    assert reached == Progress(total=5, sent=2, acked=2, done=1, dead=2)
    assert reached.queued == 1


def test_the_figures_of_a_broadcast_leave_out_who_gave_up() -> None:
    row = Broadcast(
        id="b", text="", where="", at=NOW, recipients=9, sent=8, acked=7, done=5, dead=1
    )

    assert of_broadcast(row) == Progress(total=9, sent=7, acked=6, done=5, dead=1)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("10m", NOW + timedelta(minutes=10)),
        ("+2h", NOW + timedelta(hours=2)),
        ("", None),
        ("+", None),
        ("soon", None),
        ("24:00", None),
        ("12:60", None),
    ],
)
def test_a_time_to_come_is_a_span_or_a_time_of_day(
    text: str, at: datetime | None
) -> None:
    assert typed_time(text, NOW) == at


def test_a_time_of_day_that_has_passed_is_meant_for_tomorrow() -> None:
    local = NOW.astimezone()
    later, earlier = (local + timedelta(minutes=m) for m in (5, -5))

    assert typed_time(f"{later:%H:%M}", NOW) == later
    assert typed_time(f"{earlier:%H:%M}", NOW) == earlier + timedelta(days=1)
