"""Runs whose hub starts anew in the middle of things go on as if it had not."""

from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from agentkit.errors import Conflict
from agentkit.protocol import (
    CancelRun,
    Claim,
    Complete,
    Fail,
    ItemStarted,
    Launch,
    Logged,
    ResumeRun,
    Tick,
)
from server.core import turns
from server.core.turns import carry_out
from server.recall import recall
from tests.simulation.play import Play
from tests.simulation.storage import at_once

FIRST = {"agent": "first", "input": {"n": "{{ input.n }}"}}
SECOND = {"agent": "second", "input": {"n": "{{ input.n }}"}}
STEPS: dict[str, Any] = {
    "states": {
        "one": {"type": "initial", **FIRST, "transitions": [{"to": "two"}]},
        "two": {**SECOND, "transitions": [{"to": "end"}]},
        "end": {"type": "final"},
    }
}
MAIN: dict[str, Any] = {
    "machines": {"steps": "steps"},
    "states": {
        "all": {
            "type": "initial",
            "machine": "steps",
            "foreach": "input.numbers",
            "input": {"n": "{{ item }}"},
            "concurrency": 1,
            "transitions": [{"to": "end"}],
        },
        "end": {"type": "final"},
    },
}
PLAN = {"name": "p", "main": "main", "machines": {"main": MAIN, "steps": STEPS}}

END: dict[str, Any] = {"end": {"type": "final"}}
AHEAD: dict[str, Any] = {"transitions": [{"to": "end"}]}
THREE = {"agent": "first", "foreach": "[1, 2, 3]", **AHEAD}
NESTED: dict[str, Any] = {
    "name": "p",
    "main": "main",
    "machines": {
        "main": {"states": {"initial": {"machine": "below", **AHEAD}, **END}},
        "below": {"states": {"initial": THREE, **END}},
    },
}


def counting(**settings: Any) -> dict[str, Any]:
    """Return a plan of three stages that count; items of the first may fail."""
    count = {"output_to_context": {"n": "{{ context.n + 1 }}"}}
    three = {"foreach": "[1, 2, 3]", "input": {"n": "{{ item }}"}}
    states = {
        "one": {
            "type": "initial",
            "transitions": [{"to": "two"}],
            **count,
        },
        "two": {"agent": "second", **three, "transitions": [{"to": "three"}], **count},
        "three": {
            "agent": "first",
            "foreach": "context.list",
            "input": {"n": 0},
            "transitions": [{"to": "end"}],
            **count,
        },
        "end": {"type": "final", "output": {"n": "{{ context.n }}"}},
    }
    context = {"n": 0, "list": "{{ input.list }}"}
    machine = {"context": context, "states": states, **settings}
    return {"name": "p", "main": "main", "machines": {"main": machine}}


class Works:
    """A hub whose one worker fails what it is told to."""

    def __init__(self) -> None:
        self.play = Play(Random(0))
        self.leads: dict[str, Any] = {}
        """What every task leads to."""
        self.fails = {"second"}
        self.begun: Counter[str] = Counter()

    def do(self, most: int = 1000) -> None:
        """Do tasks until there are no more, or so many."""
        able = ("first", "second")
        while most and (
            found := self.play.do(Claim(agent="ada", capabilities=able, tasks=1))
        ):
            most -= 1
            fence = found[-1].cursor
            task = self.play.swarm.tasks[found[-1].event.task]  # type: ignore[union-attr]
            lease: dict[str, Any] = {"agent": "ada", "task": task.id, "fence": fence}
            self.begun[task.body["agent"]] += 1
            if task.body["agent"] in self.fails:
                self.play.do(Fail(**lease, final=True))
            else:
                self.play.do(Complete(**lease, result=self.leads))


def begun(events: list[Logged] | None) -> list[int]:
    assert events is not None
    return [event.index for _, event in events if isinstance(event, ItemStarted)]


def test_runs_below_that_wait_to_go_on_are_not_begun_anew() -> None:
    works = Works()
    play = works.play
    play.do(Launch(id="R", plan=PLAN, input={"numbers": [1, 2, 3]}))
    works.do()
    assert play.run("R").state == "done"
    works.fails.clear()

    again = play.retry("R")
    play.restart()
    works.do()

    assert begun(again)[0] == 0
    assert play.run("R").failed == 0
    assert works.begun == {"first": 3, "second": 6}


def test_a_run_that_went_back_knows_what_it_knew_then() -> None:
    works = Works()
    play = works.play
    play.do(Launch(id="R", plan=counting(), input={"list": [1, 2]}))
    works.do()
    assert play.outcome("R") == ("", {"n": 3})
    works.fails.clear()

    play.retry("R")
    play.restart()
    works.do(most=1)
    play.restart()
    works.do()

    assert play.outcome("R") == ("", {"n": 3})
    assert works.begun == {"first": 4, "second": 6}


def test_what_is_still_to_be_called_off_is_called_off_by_the_next_hub(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play = Works().play
    play.do(Launch(id="R", plan=counting(), input={"list": []}))
    monkeypatch.setattr(turns, "SPARE", 1)
    play.do(CancelRun(id="R"))
    assert play.run("R").active == 2

    play.restart()
    play.settle_down()

    assert play.run("R").active == 0
    assert {task.state for task in play.rows.tasks.values()} == {"cancelled"}


def test_a_run_that_could_not_enter_a_stage_goes_back_to_the_one_before() -> None:
    works = Works()
    play = works.play
    play.do(Launch(id="R", plan=counting(), input={"list": "nothing to go through"}))
    works.do()
    assert play.outcome("R")[0] == "ExpressionError"

    again = play.retry("R")

    assert begun(again) == [0, 1, 2]
    assert play.run("R").stage == "two"


def test_without_checkpoints_a_run_goes_back_to_its_last_stage_alone() -> None:
    works = Works()
    play = works.play
    plan = counting(persistence={"enabled": False})
    play.do(Launch(id="R", plan=plan, input={"list": [1]}))
    play.now += timedelta(seconds=1)
    works.do()

    assert play.retry("R") is None
    assert "keeps no checkpoints" in play.refused


def test_runs_below_that_wait_to_go_on_stay_when_another_run_is_brought_back() -> None:
    works = Works()
    play = works.play
    for key in ("R", "S"):
        play.do(Launch(id=key, plan=PLAN, input={"numbers": [1, 2, 3]}))
        works.do()
    works.fails.clear()

    play.retry("R")
    play.retry("S")
    works.do()

    assert [play.run(key).state for key in ("R", "S")] == ["done", "done"]
    assert works.begun == {"first": 6, "second": 12}


def test_no_run_goes_on_while_parts_of_it_are_called_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play = Works().play
    play.do(Launch(id="R", plan=NESTED, input={}))
    monkeypatch.setattr(turns, "SPARE", 1)
    play.do(CancelRun(id="R"))
    assert (play.run("R").active, play.run("R.1").active) == (0, 3)
    read = at_once(recall(play.disk, play.swarm, ResumeRun(id="R")))
    play.do(Tick())

    if read is not None:
        play.swarm.recall(read)
    with pytest.raises(Conflict, match="try again in a moment"):
        carry_out(play.swarm, ResumeRun(id="R"), play.now)

    play.settle_down()
    assert play.run("R.1").active == 0
    assert play.do(ResumeRun(id="R"))


def test_what_failed_is_still_there_when_a_run_could_not_enter_a_stage_twice() -> None:
    works = Works()
    play = works.play
    play.do(Launch(id="R", plan=counting(), input={"list": "nothing to go through"}))
    works.do()
    play.do(ResumeRun(id="R"))
    assert play.outcome("R")[0] == "ExpressionError"

    assert begun(play.retry("R")) == [0, 1, 2]


def test_a_stage_that_once_had_more_items_is_done_again_with_those_it_has_now() -> None:
    states = {
        "one": {
            "type": "initial",
            "agent": "first",
            "foreach": "[1]",
            "output_to_context": {"list": "{{ output[0].list | default([1, 2, 3]) }}"},
            "transitions": [{"to": "two"}],
        },
        "two": {"agent": "second", "foreach": "context.list", **AHEAD},
        **END,
    }
    plan = {"name": "p", "main": "main", "machines": {"main": {"states": states}}}
    works = Works()
    play = works.play
    works.fails = {"first"}
    play.do(Launch(id="R", plan=plan, input={}))
    works.do()
    assert works.begun == {"first": 1, "second": 3}
    works.fails, works.leads = {"second"}, {"list": [1]}
    play.now += timedelta(seconds=1)
    play.retry("R")
    works.do()
    works.fails.clear()

    assert begun(play.retry("R")) == [0]
    works.do()

    assert works.begun == {"first": 2, "second": 5}
    assert play.run("R").state == "done"
