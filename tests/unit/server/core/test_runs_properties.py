"""What holds of runs whatever the plan is, and whatever happens to it.

Plans, and what becomes of their items, are drawn at random; so is who works on them,
when the hub's memory is built anew from rows, and who calls runs off. The laws that are
broken on the way are told by `tests.simulation.run_laws`.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path as File
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from agentkit.protocol import CancelRun, ItemStarted, Launch, ResumeRun
from agentkit.rows import Checkpoint
from server.core import Tables, turns
from tests.simulation.plans import Document, Planner, fates
from tests.simulation.play import Play
from tests.simulation.reference import Path, Reference, Told, TooMuch, plain
from tests.simulation.storage import SQLiteDisk, at_once

LARGEST = 200
"""How many stages and items a plan takes at most."""

often = settings(
    max_examples=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass(frozen=True)
class Case:
    """A plan with what it is given, and the dice that decide what happens to it."""

    plan: Document
    given: dict[str, Any]
    salt: int
    seed: int
    spare: int
    """How many items a turn begins: with few a turn ends in the middle of things."""

    @property
    def reference(self) -> Reference:
        return self.with_salt(self.salt)

    def with_salt(self, salt: int) -> Reference:
        return Reference(self.plan, fates(salt))

    @property
    def told(self) -> Told:
        return self.reference.run("main", self.given)

    @contextmanager
    def play(self, *, wild: int = 0) -> Iterator[Play]:
        """Lend a hub that does little in one turn."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(turns, "SPARE", self.spare)
            play = Play(Random(self.seed), self.salt)
            play.wild = wild
            yield play


@st.composite
def cases(draw: Callable[[Any], Any]) -> Case:
    planner = Planner(draw(st.randoms(use_true_random=False)))
    case = Case(
        plan=planner.plan(),
        given=planner.input(),
        salt=draw(st.integers(0, 1000)),
        seed=draw(st.integers(0, 1 << 32)),
        spare=draw(st.sampled_from([1, 2, 5, 1024])),
    )
    try:
        Reference(case.plan, fates(case.salt), LARGEST).run("main", case.given)
    except TooMuch:
        reject()
    return case


def but_for(perhaps: set[Path], attempts: Counter[Path]) -> Counter[Path]:
    """Leave out what may have been begun or not, with all below."""
    sure: Counter[Path] = Counter()
    for path, times in attempts.items():
        if not any(path[:end] in perhaps for end in range(1, len(path) + 1)):
            sure[path] = times
    return sure


def many(outcomes: Iterable[Any]) -> list[str]:
    return sorted(json.dumps(outcome, sort_keys=True) for outcome in outcomes)


def checkpoints(play: Play, run: str) -> list[Checkpoint]:
    found: dict[tuple[str, int], Checkpoint] = play.rows.checkpoints
    mine = [row for (key, _), row in found.items() if key == run]
    return sorted(mine, key=lambda row: row.number)


def tree(play: Play, run: str) -> Tables:
    """Return the rows of a run and all below it, but for its plan: others use it."""
    return replace(at_once(play.disk.run_tree(run)), plans={})


# --- what a run leads to ---


@often
@given(cases())
def test_a_run_leads_to_what_its_plan_says_whoever_does_what_when(case: Case) -> None:
    reference = case.reference
    told = reference.run("main", case.given)
    with case.play() as play:
        run = play.launch(case.plan, case.given, "R")

        assert play.outcome("R") == told.outcome
        launched = [play.outcome(key) for key in play.courses.launched]
        assert many(launched) == many(each.outcome for each in reference.launched)
        result = play.rows.results["R", "result"]
        assert result.value == (run.error if run.state == "failed" else run.output)


@often
@given(cases())
def test_every_item_is_begun_once_at_each_attempt(case: Case) -> None:
    reference = case.reference
    reference.run("main", case.given)
    with case.play() as play:
        play.launch(case.plan, case.given, "R")

        begun = but_for(reference.perhaps, play.courses.attempts)
        assert begun == but_for(reference.perhaps, reference.attempts)


@often
@given(cases())
def test_each_checkpoint_holds_what_the_run_knew_there(case: Case) -> None:
    told = case.told
    with case.play() as play:
        play.launch(case.plan, case.given, "R")

        kept = [(row.stage, plain(row.context)) for row in checkpoints(play, "R")]
        knew = [(stage, plain(context)) for stage, context in told.checkpoints]
        if not case.plan["machines"]["main"]["persistence"]["enabled"]:
            knew = [knew[0], *knew[1:][-1:]]
        assert kept == knew


# --- what interrupts it ---


@often
@given(cases())
def test_what_is_called_off_and_goes_on_leads_to_the_same(case: Case) -> None:
    with case.play(wild=8) as play:
        play.launch(case.plan, case.given, "R")

        assert play.outcome("R") == case.told.outcome


@often
@given(cases(), st.integers(1, 60))
def test_nothing_goes_on_below_a_run_that_is_called_off(case: Case, when: int) -> None:
    with case.play() as play:
        play.do(Launch(id="R", plan=case.plan, input=case.given))
        for _ in range(when):
            play.step()
        assume(play.run("R").state == "running")
        play.do(CancelRun(id="R"))
        play.settle_down()

        below = tree(play, "R").runs
        live = [
            task
            for task in play.rows.tasks.values()
            if task.run in below and not task.is_settled
        ]
        assert not live
        assert {run.state for run in below.values()} <= {"done", "failed", "cancelled"}
        assert not any(run.active for run in below.values())


@often
@given(cases())
def test_runs_below_may_be_called_off_too_and_nothing_gets_stuck(case: Case) -> None:
    with case.play(wild=8) as play:
        play.anywhere = True

        play.launch(case.plan, case.given, "R")


@often
@given(cases())
def test_a_run_that_is_done_does_not_go_on(case: Case) -> None:
    with case.play() as play:
        run = play.launch(case.plan, case.given, "R")
        assume(run.state == "done")
        before = tree(play, "R")

        assert play.do(ResumeRun(id="R")) == []
        assert tree(play, "R") == before


# --- what begins again ---


@often
@given(cases(), st.randoms(use_true_random=False))
def test_a_fork_leads_to_what_the_rest_of_the_plan_says(
    case: Case, dice: Random
) -> None:
    with case.play(wild=2) as play:
        play.launch(case.plan, case.given, "R")
        play.wild = 0
        before = tree(play, "R")
        old = dice.choice(checkpoints(play, "R"))
        there: dict[str, Any] = {"stage": old.stage, "context": old.context}
        there["resumed_from"] = old.address
        play.launch(case.plan, case.given, "F", machine="main", **there)

        known = dict(old.context)
        rest = case.reference.fork("main", case.given, old.stage, known)
        assert play.outcome("F") == rest.outcome
        assert tree(play, "R") == before


@often
@given(cases())
def test_a_retry_does_what_failed_and_then_as_the_plan_says(case: Case) -> None:
    with case.play() as play:
        play.launch(case.plan, case.given, "R")
        visit = at_once(play.disk.latest_failed_visit("R"))
        if visit is None:
            return
        items = at_once(play.disk.items("R", visit=visit))
        play.salt = 0
        begun = play.retry("R")
        if begun is None:
            assert "keeps no checkpoints" in play.refused
            return
        play.play()

        again = {
            event.index
            for _, event in begun
            if isinstance(event, ItemStarted)
            and (event.run, event.visit) == ("R", visit)
        }
        assert again <= {item.index for item in items if item.state != "done"}
        if any(item.kind == "machine" for item in items):
            return  # what went on below is not begun anew
        stage, knew = case.told.checkpoints[visit - 1]
        been = visit - 1
        rest = case.with_salt(0).fork("main", case.given, stage, knew, been=been)
        assert play.outcome("R") == rest.outcome


# --- on the real store ---


@pytest.mark.parametrize("seed", range(25))
def test_the_real_store_brings_runs_back(seed: int, tmp_path: File) -> None:
    planner = Planner(Random(seed))
    plan, given = planner.plan(), planner.input()
    disk = SQLiteDisk(tmp_path / "hub.db")
    at_once(disk.open())
    play = Play(Random(seed), seed % 4, disk)
    play.wild, play.often = 6, 0.15

    play.launch(plan, given, "R")
    disk.die()

    told = Reference(plan, fates(seed % 4)).run("main", given)
    assert play.outcome("R") == told.outcome
