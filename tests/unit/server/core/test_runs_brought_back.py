"""Runs whose hub starts anew in the middle of things go on as if it had not."""

from collections import Counter
from random import Random
from typing import Any

from agentkit.protocol import Claim, Complete, Fail, ItemStarted, Launch, Logged
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
