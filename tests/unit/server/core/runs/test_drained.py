"""Whatever happens to runs and to what does their items, all come to their end.

Beside what `tests.simulation.play` lets happen, people call tasks of items off, begin
them anew and hand them to somebody, runs below others are called off and told to go on,
and between the moment at which a settled run is read to go on and that at which it does
the hub does other things.
"""

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit.protocol import (
    Assign,
    Cancel,
    Command,
    Complete,
    Enqueue,
    Launch,
    Notify,
    Requeue,
    Tick,
)
from agentkit.rows import Run, Task
from server.core import turns
from server.recall import recall
from server.store.log import LIVE
from tests.simulation.plans import Planner
from tests.simulation.play import SKILLS, WORKERS, Play
from tests.simulation.run_laws import Rows
from tests.simulation.storage import at_once

FIRST = WORKERS[0]


class Meddled(Play):
    """A hub whose runs nobody leaves in peace."""

    def __init__(self, dice: Random, salt: int) -> None:
        super().__init__(dice, salt)
        self.anywhere = True
        self.wild = 8
        self.meddling = 12
        """How many times yet somebody meddles with a task."""
        self.do(Notify(agent=FIRST, report="idle", capabilities=SKILLS))

    def step(self) -> None:
        if self.meddling and self.dice.random() < 0.1:
            self.meddling -= 1
            self._meddle()
        else:
            super().step()

    def _meddle(self) -> None:
        tasks = [task for task in self.rows.tasks.values() if task.run]
        if not tasks:
            return
        task = self.dice.choice(tasks)
        wishes: list[Command] = [
            Cancel(id=task.id, reason="nobody needs it"),
            Requeue(id=task.id),
            Assign(agent=FIRST, id=task.id, body=task.body, max_attempts=1000),
            Enqueue(id=f"{task.run}.{self.dice.randrange(1, 40)}", needs=("x",)),
        ]
        self.do(self.dice.choice(wishes))

    def _recall(self, command: Command) -> None:
        """Do something else between reading what a command needs and taking it in."""
        swarms = [swarm for swarm in (self.swarm, self._twin) if swarm is not None]
        found = [at_once(recall(self.disk, swarm, command)) for swarm in swarms]
        if any(found) and self.dice.random() < 0.5 and not self.is_quiet:
            self.do(Tick())
        for swarm, rows in zip(swarms, found, strict=True):
            if rows is not None:
                swarm.recall(rows)

    def _finish(self, task: Task, lease: dict[str, Any]) -> None:
        if task.run:
            super()._finish(task, lease)
        else:
            self.do(Complete(**lease))

    def _check(self, runs: dict[str, Run]) -> None:
        """Hold counters to items alone: what no item waits for may go on."""
        Rows(self.rows, self.courses.stage, self._accuse).check(runs, quiet=False)


@settings(
    max_examples=80,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 1 << 32),
    salt=st.integers(0, 1000),
    spare=st.sampled_from([1, 2, 5, 1024]),
)
def test_every_run_comes_to_its_end(seed: int, salt: int, spare: int) -> None:
    dice = Random(seed)
    planner = Planner(dice)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "SPARE", spare)
        play = Meddled(dice, salt)
        for key in ("R", "S"):
            play.do(Launch(id=key, plan=planner.plan(), input=planner.input()))
        play.play()

        assert [run for run in play.rows.runs.values() if LIVE[Run](run)] == []
