"""The demo: the same play for the same seed, and something of everything at once."""

from collections import Counter
from itertools import accumulate, islice

import pytest

from agentkit.plans import compile_plan, read_plan
from swarmtui.demo.cast import LOST, ODDS, PLANS
from swarmtui.demo.play import PLANS as FOLDER
from swarmtui.demo.script import (
    BUDGET,
    ESCALATE_AFTER,
    FEWEST,
    MOST,
    OPENING,
    errands,
    life,
    parts,
)


def opening(agents: int, seed: int, seconds: float = 5.0) -> Counter[str]:
    """Count what is reported in the first seconds; `lost` is leaving without a word."""
    said: Counter[str] = Counter()
    for part in parts(agents, seed):
        acts = list(islice(life(part, agents, seed), 12))
        times = accumulate(act.after for act in acts)
        for at, act in zip(times, acts, strict=True):
            if at <= seconds:
                said[act.report or "lost"] += 1
                said["choices"] += bool(act.choices)
                said["escalated"] += (
                    act.report == "blocked" and at + ESCALATE_AFTER < seconds
                )
    return said


@pytest.mark.parametrize("agents", [FEWEST, 24, 500])
@pytest.mark.parametrize("seed", [1, 7, 99])
def test_the_first_five_seconds_hold_every_state(agents: int, seed: int) -> None:
    said = opening(agents, seed)

    wanted = ("idle", "busy", "blocked", "help", "lost", "choices", "escalated")
    assert [state for state in wanted if not said[state]] == []


def test_the_same_seed_gives_the_same_play() -> None:
    first, second = parts(24, 7), parts(24, 7)

    assert first == second
    assert [list(islice(life(one, 24, 7), 50)) for one in first] == [
        list(islice(life(one, 24, 7), 50)) for one in second
    ]
    assert list(islice(errands(7), 50)) == list(islice(errands(7), 50))


def test_another_seed_gives_another_play() -> None:
    assert parts(24, 7) != parts(24, 8)


def test_every_agent_has_a_name_of_its_own() -> None:
    names = {part.id for part in parts(MOST, 1)}

    assert len(names) == MOST


def test_a_lost_agent_reports_nothing_after_it_left() -> None:
    lost = [part for part in parts(24, 7) if part.lot == "lost"]

    assert [list(life(part, 24, 7))[-1].report for part in lost] == [None] * len(lost)


def test_a_large_swarm_is_mostly_quiet() -> None:
    cast = parts(10_000, 7)[:400]

    said = sum(
        at <= 60
        for part in cast
        for at in accumulate(act.after for act in islice(life(part, 10_000, 7), 1, 40))
    )

    assert said / len(cast) < 2, "reports a minute and agent"


def test_tasks_and_a_broadcast_are_sent_within_five_seconds() -> None:
    sent = list(islice(errands(7), 24))
    early = [
        errand.do
        for errand, at in zip(sent, accumulate(e.after for e in sent), strict=True)
        if at <= 5
    ]

    assert early.count("assign") >= 2
    assert "broadcast" in early


def test_no_two_errands_hand_out_the_same_task() -> None:
    sent = islice(errands(7), 200)
    ids = [errand.task for errand in sent if errand.do in ("assign", "enqueue")]

    assert len(set(ids)) == len(ids)


def test_one_agent_is_about_to_have_spent_its_budget() -> None:
    cast = parts(24, 7)
    costs = sorted(part.cost for part in cast)
    (poor,) = [part for part in cast if part.cost == costs[-1]]
    spent = sum(act.earns for act in islice(life(poor, 24, 7), 1))

    assert poor.lot == "busy"
    assert BUDGET - 1 < poor.cost < BUDGET <= round(poor.cost + spent, 2)
    assert costs[-2] < BUDGET / 3


@pytest.mark.parametrize("agents", [FEWEST, 24, 500])
def test_somebody_lives_on_the_work_queue(agents: int) -> None:
    assert any(part.is_hand for part in parts(agents, 7))


def test_the_work_queue_is_full_of_all_kinds_from_the_start() -> None:
    early = [one.work for one in islice(errands(7), 20) if one.work is not None]

    assert any(work.fails for work in early), "something will be dead"
    assert any(work.delay for work in early), "something waits for its time"
    assert any(work.priority > 0 for work in early)


def test_a_plan_is_run_from_the_start_and_others_follow() -> None:
    plans = [one.text for one in islice(errands(7), 60) if one.do == "launch"]
    early = [one.do for one in islice(errands(7), OPENING + 2)]

    assert "launch" in early
    assert set(plans) == set(PLANS)


@pytest.mark.parametrize("name", PLANS)
def test_the_plans_are_right_and_ask_for_what_the_hands_are_able_to_do(
    name: str,
) -> None:
    reading = read_plan(FOLDER / f"{name}.yml")
    flow = compile_plan(reading.document)
    stages = [
        one for machine in flow.machines.values() for one in machine.stages.values()
    ]

    assert reading.problems == ()
    assert {one.agent.needs for one in stages if one.agent} == {(ODDS,)}


def test_an_item_that_never_works_is_in_a_plan() -> None:
    texts = [path.read_text("utf-8") for path in FOLDER.glob("*.yml")]

    assert any(LOST in text for text in texts)
