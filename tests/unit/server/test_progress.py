"""How far a run is, by the stages of its plan and the items of the one it is at."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agentkit.plans import compile_plan
from agentkit.rows import Run
from server.progress import Step, measure, progress

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WORK = {"agent": "worker"}
FINAL = {"type": "final"}


def steps(**stages: dict[str, Any]) -> dict[str, Step]:
    """Return where the stages of a machine lie; each names where it leads."""
    states: dict[str, Any] = {}
    for name, stage in stages.items():
        ways = [{"to": way} for way in stage.pop("to", ())]
        states[name] = {**stage, **({"transitions": ways} if ways else FINAL)}
    states[next(iter(states))]["type"] = "initial"
    machine = {"context": {}, "agents": {}, "machines": {}, "states": states}
    document = {"name": "p", "main": "p", "machines": {"p": machine}}
    return dict(measure(compile_plan(document))["p"])


def run(**fields: Any) -> Run:
    given = {"state": "running", "entered": True, **fields}
    return Run(id="r", plan="p", machine="p", stage="s", created=NOON, **given)


def test_stages_without_work_do_not_count() -> None:
    found = steps(
        begin={"to": ["one"]}, one={**WORK, "to": ["two"]}, two={**WORK, "to": ["end"]},
        end={},
    )  # fmt: skip

    assert found == {
        "begin": Step(0, False, 2),
        "one": Step(0, True, 1),
        "two": Step(1, True, 0),
        "end": Step(2, False, 0),
    }


def test_the_shortest_way_counts() -> None:
    found = steps(
        write={**WORK, "to": ["check"]},
        check={**WORK, "to": ["end", "mend"]},
        mend={**WORK, "to": ["check"]},
        end={},
    )

    assert found["check"] == Step(1, True, 0)
    assert found["mend"] == Step(2, True, 1)
    assert found["end"] == Step(2, False, 0)


def test_half_of_the_second_of_two_stages_is_three_quarters() -> None:
    two = Step(1, True, 0)

    assert progress(run(total=10, done=4, failed=1), two) == 0.75
    assert progress(run(total=10, done=4), two, parts=1.0) == 0.75
    assert progress(run(entered=False, total=10, done=10), two) == 0.5


def test_what_failed_is_to_be_done_yet_once_the_run_has_ended() -> None:
    one = Step(0, True, 0)

    assert progress(run(total=4, done=1, failed=2), one) == 0.75
    assert progress(run(state="cancelled", total=4, done=1, failed=2), one) == 0.25


@pytest.mark.parametrize("step", [Step(0, False, 0), Step(3, True, 9)])
def test_what_is_done_is_all_done(step: Step) -> None:
    assert progress(run(state="done"), step) == 1.0


def test_a_plan_without_work_is_at_its_beginning_until_it_is_done() -> None:
    assert progress(run(), Step(0, False, 0)) == 0.0
