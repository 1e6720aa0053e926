"""Runs whose hub starts anew in the middle of things go on as if it had not."""

from collections import Counter
from random import Random
from typing import Any

import pytest

from agentkit.protocol import (
    CancelRun,
    Claim,
    Complete,
    Fail,
    ItemStarted,
    Launch,
    Logged,
)
from server.core import turns
from tests.simulation.play import Play

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
                self.play.do(Complete(**lease))


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
    works.do()

    assert play.retry("R") is None
    assert "keeps no checkpoints" in play.refused
