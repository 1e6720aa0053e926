"""A swarm with one tireless worker, and plans put together in a line."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from agentkit.protocol import (
    CancelRun,
    Claim,
    Complete,
    Event,
    Fail,
    Launch,
    Notify,
    ResumeRun,
    RetryRun,
    RunLaunched,
    TaskLeased,
    Tick,
)
from agentkit.rows import Item, Run, Task
from server.core import Rules, Swarm, Tables
from tests.unit.server.core.conftest import World

Machine = Mapping[str, Any]
Does = Callable[[Any], Any]
"""What the worker makes of an input; an exception is a failure."""

DONE: Machine = {"type": "final", "output": {"got": "{{ context.got }}"}}
TASKS = {"tasks": ["a", "b", "c", "d"]}


def plan(stage: Machine, **others: Machine) -> Machine:
    """Return a plan of one machine that does a stage and tells what it led to.

    Args:
        stage: what it does.
        others: machines that it may call.
    """
    first = {
        "type": "initial",
        "output_to_context": {"got": "{{ output }}"},
        "transitions": [{"to": "done"}],
        **stage,
    }
    main = {"context": {"got": None}, "states": {"work": first, "done": DONE}}
    return document(main=main, **others)


def document(**machines: Machine) -> Machine:
    """Return a plan of machines, of which `main` is the one that is run."""
    alias = {name: name for name in machines}
    return {
        "name": "a plan",
        "main": "main",
        "machines": {
            name: {"context": {}, "machines": alias, **machine}
            for name, machine in machines.items()
        },
    }


class Runs(World):
    """One swarm with runs, its time, and a worker that can do everything."""

    def __init__(self, rules: Rules | None = None) -> None:
        super().__init__(rules)
        self.handled: list[Any] = []
        """What the worker was given, in order."""
        self.do(Notify(agent="w", report="idle", capabilities=("worker", "other")))

    def launch(self, plan: Machine, input: Any = TASKS, **fields: Any) -> str:  # noqa: A002
        """Launch a plan and return the id of its run."""
        wish = Launch(id=fields.pop("id", ""), plan=plan, input=input, **fields)
        events = self.do(wish)
        return next(event.run for event in events if isinstance(event, RunLaunched))

    def claim(self) -> Task | None:
        """Let the worker claim one task."""
        events = self.do(Claim(agent="w"))
        leased = [event.task for event in events if isinstance(event, TaskLeased)]
        return self.swarm.tasks[leased[0]] if leased else None

    def settle(self, task: Task, does: Does) -> list[Event]:
        """Let the worker do what it has claimed."""
        given = task.body["input"]
        self.handled.append(given)
        mine: Any = {"agent": "w", "task": task.id, "fence": task.fence}
        try:
            result = does(given)
        except Exception as error:  # noqa: BLE001 - the failure is what is tested
            reason = f"{type(error).__name__}: {error}"
            return self.do(Fail(reason=reason, final=True, **mine))
        return self.do(Complete(result={"r": result}, **mine))

    def work(self, does: Does = lambda value: value, most: int = 1000) -> None:
        """Let the worker do whatever there is, one after the other."""
        for _ in range(most):
            task = self.claim()
            if task is None:
                return
            self.settle(task, does)

    def later(self, **span: float) -> list[Event]:
        """Let time pass."""
        self.wait(**span)
        return self.do(Tick())

    def run(self, key: str) -> Run:
        return self.swarm.runs.rows[key]

    def items(self, key: str) -> dict[int, Item]:
        return self.swarm.runs.items.get(key, {})

    def cancel(self, key: str) -> list[Event]:
        return self.do(CancelRun(id=key, reason="enough", by="me"))

    def resume(self, key: str) -> list[Event]:
        return self.do(ResumeRun(id=key, by="me"))

    def retry(self, key: str, visit: int) -> list[Event]:
        return self.do(RetryRun(id=key, visit=visit, by="me"))

    def keep(self) -> None:
        """Keep everything that was ever written, as a store does."""
        self.stored = Tables()
        for name, rows in self.swarm.take():
            getattr(self.stored, name).update(rows)


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def swarm(runs: Runs) -> Swarm:
    return runs.swarm
