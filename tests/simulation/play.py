"""A run through the pure core, without any I/O: time, workers and the hub's memory.

Workers claim, complete and fail in any order, forget what they do, and come too late.
At any moment what the hub knows is built anew from the rows of its store, or a second
hub that was built so goes on beside the first and must do the same.
"""

from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, Final

from agentkit.errors import SwarmError
from agentkit.protocol import (
    CancelRun,
    Claim,
    Command,
    Complete,
    Fail,
    Launch,
    Logged,
    Nack,
    ResumeRun,
    RetryRun,
    Tick,
)
from agentkit.rows import Run, Task
from server.core import Rules, Swarm, Turn
from server.core.turns import carry_out
from server.recall import recall
from tests.simulation.plans import Document, fate
from tests.simulation.reference import plain
from tests.simulation.run_laws import Courses, Rows
from tests.simulation.storage import Disk, MemoryDisk, at_once
from tests.simulation.world import BEGINNING

RULES: Final = Rules(
    lease=timedelta(seconds=10),
    retry_first=timedelta(seconds=0.5),
    retry_most=timedelta(seconds=4),
    keep_settled=5,
)
WORKERS: Final = ("ada", "bob", "cyd")
SKILLS: Final = ("x", "y")
SOON: Final = timedelta(seconds=60)
"""How long everybody may do nothing when there is something to do."""
STEPS: Final = 20_000
"""How many things happen at most."""


@dataclass
class Held:
    """What a worker believes to have."""

    worker: str
    task: Task


class Play:
    """A hub's core and its store, with workers.

    Args:
        dice: decide what happens next.
        salt: makes the fates of items; see `plans.fate`.
        disk: where rows are; opened.
    """

    def __init__(self, dice: Random, salt: int = 0, disk: Disk | None = None) -> None:
        self.dice = dice
        self.salt = salt
        self.disk = disk or MemoryDisk()
        self.swarm = Swarm(RULES)
        self.now = BEGINNING
        self.broken: list[tuple[str, str]] = []
        self.courses = Courses(self._accuse)
        self.wild = 0
        """How many times yet a run is called off, or begun again."""
        self.anywhere = False
        """Whether that may be a run below another."""
        self.often = 0.03
        """How often the hub's memory is built anew."""
        self._twin: Swarm | None = None
        self._held: list[Held] = []

    def _accuse(self, law: str, what: str) -> None:
        self.broken.append((law, what))

    # --- turns ---

    def do(self, command: Command) -> list[Logged] | None:
        """Carry a command out and write what it leads to; None when it is refused."""
        self._recall(command)
        try:
            logged = carry_out(self.swarm, command, self.now)
        except SwarmError as refused:
            self._follow(command, None, Turn((), self.swarm.take()))
            self.refused = str(refused)
            return None
        turn = Turn(tuple(logged), self.swarm.take())
        at_once(self.disk.turn(lambda _: turn))
        self._follow(command, logged, turn)
        self.courses.walk(logged)
        self._check(turn.rows.runs)
        assert not self.broken, self.broken
        return logged

    def _recall(self, command: Command) -> None:
        """Bring back what the command needs, as the pump does."""
        for swarm in filter(None, (self.swarm, self._twin)):
            found = at_once(recall(self.disk, swarm, command))
            if found is not None:
                swarm.recall(found)

    def _follow(
        self, command: Command, logged: list[Logged] | None, turn: Turn
    ) -> None:
        """Hold the swarm that was built from rows to the one that was not."""
        if self._twin is None:
            return
        try:
            found = carry_out(self._twin, command, self.now)
        except SwarmError:
            found = None
        rows = self._twin.take()
        if (found, rows) != (logged, turn.rows):
            self._accuse("I8", f"{command}: {found} follows from rows, not {logged}")

    def _check(self, runs: dict[str, Run]) -> None:
        rows = Rows(self.rows, self.courses.stage, self._accuse)
        rows.check(runs, quiet=self.is_quiet)

    @property
    def rows(self) -> Any:
        """All rows there are."""
        return self.disk._rows  # type: ignore[attr-defined]

    def outcome(self, key: str) -> tuple[str, Any]:
        """Return the type of a run's error, and what it led to."""
        run = self.run(key)
        return str(run.error.get("_error_type", "")), plain(run.output)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is left to be followed up."""
        return not self.swarm.runs.stirred

    def reload(self) -> None:
        """Go on with what is on disk, or let another go on with that beside."""
        if self.is_quiet and self.dice.random() < 0.5:
            self._twin = self._load()
            self.do(Tick())  # Whatever was loaded is looked at once.
        else:
            self.restart()

    def restart(self) -> None:
        """Go on with what is on disk."""
        self.swarm, self._twin = self._load(), None
        self.do(Tick())

    def _load(self) -> Swarm:
        cursor, rows = at_once(self.disk.load())
        return Swarm.load(cursor, rows, RULES)

    # --- what happens ---

    def launch(self, plan: Document, given: dict[str, Any], key: str, **at: Any) -> Run:
        """Launch a plan and play until all of it has come to its end."""
        assert self.do(Launch(id=key, plan=plan, input=given, **at)) is not None
        self.play()
        return self.run(key)

    def run(self, key: str) -> Run:
        """Return a run."""
        found: Run = self.rows.runs[key]
        return found

    def play(self) -> None:
        """Let things happen until every run has come to its end."""
        for _ in range(STEPS):
            if self._is_over():
                return
            self.step()
        raise AssertionError(f"it goes on and on: {self._going()}")

    def settle_down(self) -> None:
        """Let whatever is left to be followed up come to its end, in no time."""
        while not self.is_quiet:
            self.do(Tick())

    def _is_over(self) -> bool:
        if self._going() or not self.is_quiet:
            return False
        if off := [run for run in self.rows.runs.values() if _is_off(run)]:
            self.wild -= 1
            for run in off:
                assert self.do(ResumeRun(id=run.id)), self.refused
            return False
        if self.wild > 0 and self.dice.random() < 0.7:
            self._disturb()
            return False
        return True

    def _going(self) -> list[Run]:
        return [run for run in self.rows.runs.values() if run.state == "running"]

    def step(self) -> None:
        """Let one thing happen."""
        chance = self.dice.random()
        if self.dice.random() < self.often:
            self.reload()
        elif chance < 0.06 and self.wild > 0:
            self._disturb()
        elif chance < 0.4 and self._is_ready:
            self._claim()
        elif chance < 0.9 and self._held:
            self._settle()
        elif not self._is_ready or chance > 0.95:
            self._wait()

    @property
    def _is_ready(self) -> bool:
        """Whether there is something to claim."""
        return bool(self.swarm.ready.best(WORKERS[0], SKILLS, 1))

    def _claim(self) -> None:
        worker = self.dice.choice(WORKERS)
        wish = Claim(agent=worker, tasks=self.dice.randrange(1, 4), capabilities=SKILLS)
        self.do(wish)
        mine = self.swarm.held.get(worker, ())
        known = {(held.task.id, held.task.fence) for held in self._held}
        for key in mine:
            task = self.swarm.tasks[key]
            if (key, task.fence) not in known:
                self._held.append(Held(worker, task))

    def _settle(self) -> None:
        held = self._held.pop(self.dice.randrange(len(self._held)))
        lease: dict[str, Any] = {
            "agent": held.worker,
            "task": held.task.id,
            "fence": held.task.fence,
        }
        chance = self.dice.random()
        if chance < 0.08:
            return  # Nothing is ever heard of it again.
        if chance < 0.16:
            self.do(Fail(**lease, reason="it stumbled"))
        elif chance < 0.22:
            self.do(Nack(**lease))
        else:
            self._finish(held.task, lease)
            if chance > 0.95:
                self._finish(held.task, lease)

    def _finish(self, task: Task, lease: dict[str, Any]) -> None:
        _, attempt = self.courses.refs[task.id]
        found = fate(self.salt, task.body)
        if attempt <= found.fails:
            self.do(Fail(**lease, reason="it cannot be done", final=True))
        else:
            self.do(Complete(**lease, result={"value": found.value}))

    def _wait(self) -> None:
        """Let time pass until something is due."""
        due = self.swarm.deadline
        busy = self._held or self._is_ready
        going = self._going()
        assert due or busy or not going, f"nothing will ever go on: {going}"
        if due and (not busy or due - self.now < SOON):
            self.now = max(self.now, due)
            self.do(Tick())

    def _disturb(self) -> None:
        """Call a run off, or let one go on."""
        self.wild -= 1
        runs = self.rows.runs.values()
        run = self.dice.choice([run for run in runs if self.anywhere or not run.parent])
        if run.state == "running":
            self.do(CancelRun(id=run.id, reason="nobody needs it"))
        elif self.dice.random() < 0.5:
            self.do(ResumeRun(id=run.id))
        else:
            self.retry(run.id)

    def retry(self, key: str) -> list[Logged] | None:
        """Do again what failed in a run; None when nothing had."""
        visit = at_once(self.disk.latest_failed_visit(key))
        return None if visit is None else self.do(RetryRun(id=key, visit=visit))


def _is_off(run: Run) -> bool:
    return run.state == "cancelled" and not run.parent
