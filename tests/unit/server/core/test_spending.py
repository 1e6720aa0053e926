"""What agents spend, and who gets no more work today."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit import codec
from agentkit.errors import Conflict, Invalid, NotFound
from agentkit.protocol import (
    AgentOverspent,
    AgentSpent,
    Assign,
    Claim,
    Command,
    Complete,
    Enqueue,
    Event,
    Notify,
    Requeue,
    SendBroadcast,
    Sent,
    Spend,
    Start,
    Tick,
)
from agentkit.rows import Agent, Task, spent_today
from server.core import Rules, Swarm
from tests.unit.server.core.conftest import START, World

BUDGET = 5.0


@pytest.fixture
def thrifty(make_world: Callable[[Rules], World]) -> World:
    """A swarm in which an agent may spend 5 dollars a day, with one agent."""
    world = make_world(Rules(budget=BUDGET))
    world.do(Notify(agent="a", report="idle"))
    return world


def agent(world: World, key: str = "a") -> Agent:
    return world.swarm.agents[key]


def spend(world: World, cost: float = 0.0, **tokens: Any) -> list[Event]:
    return world.do(Spend(agent="a", cost=cost, **tokens))


def subjects(events: list[Event]) -> list[str]:
    return [event.subject for event in events]


def restart(world: World, budget: float) -> list[str]:
    """Let another hub go on, with another budget."""
    world.swarm = Swarm.load(world.swarm.cursor, rows(world), Rules(budget=budget))
    return world.subjects(Start(version="1"))


def rows(world: World) -> Any:
    swarm = world.swarm
    tables = swarm.take()
    tables.agents, tables.tasks = dict(swarm.agents), dict(swarm.tasks)
    tables.deliveries = {(row.agent, row.seq): row for row in swarm.deliveries()}
    return tables


# --- what is counted -----------------------------------------------------------------


def test_what_telemetry_tells_adds_up(thrifty: World) -> None:
    spend(thrifty, 0.1, tokens_in=10, tokens_out=5)
    (spent,) = spend(thrifty, 0.2, tokens_in=1)

    row = agent(thrifty)
    assert isinstance(spent, AgentSpent)
    assert (row.cost, row.spent, row.metered) == (0.3, 0.3, 0.3)
    assert (row.tokens_in, row.tokens_out) == (11, 5)
    assert (spent.added, spent.cost, spent.spent) == (0.2, 0.3, 0.3)
    assert (spent.tokens_in, spent.tokens_out) == (11, 5)


def test_what_an_agent_tells_itself_adds_up_too(thrifty: World) -> None:
    spend(thrifty, 0.1, told=True, tokens_in=10, tokens_out=5)
    (spent,) = spend(thrifty, 0.2, told=True, tokens_in=1)

    row = agent(thrifty)
    assert isinstance(spent, AgentSpent)
    assert (row.cost, row.spent, row.told, row.metered) == (0.3, 0.3, 0.3, 0)
    assert (row.tokens_in, row.tokens_out) == (11, 5)
    assert (spent.added, spent.cost, spent.told) == (0.2, 0.3, True)


@pytest.mark.parametrize("first", [True, False], ids=["told", "metered"])
def test_of_two_counts_of_tokens_the_larger_counts_and_never_the_sum(
    thrifty: World, first: bool
) -> None:
    spend(thrifty, 2, told=first, tokens_in=10, tokens_out=1)
    spend(thrifty, 3, told=not first, tokens_in=4, tokens_out=6)

    row = agent(thrifty)
    assert (row.tokens_in, row.tokens_out) == (10, 6)
    assert (row.cost, row.spent) == (3, 3)


def test_what_a_row_of_before_has_of_tokens_was_metered(thrifty: World) -> None:
    thrifty.swarm.put_agent(replace(agent(thrifty), tokens_in=100, tokens_out=10))

    spend(thrifty, told=True, tokens_in=7)
    spend(thrifty, tokens_in=1)

    assert (agent(thrifty).tokens_in, agent(thrifty).tokens_out) == (101, 10)


def test_what_is_told_with_a_number_counts_once_and_uses_it(thrifty: World) -> None:
    told: dict[str, Any] = {"told": True, "spool": "s", "tokens_in": 3}

    spend(thrifty, 1, **told, seq=1)
    again = spend(thrifty, 1, **told, seq=1)
    nothing = spend(thrifty, told=True, spool="s", seq=2)
    spend(thrifty, 6, **told, seq=3)

    assert (again, subjects(nothing)) == ([], ["agent.spent"])
    assert (agent(thrifty).cost, agent(thrifty).tokens_in) == (7, 6)
    assert agent(thrifty).over_budget


def test_what_cannot_be_counted_holds_up_nothing_behind_it(thrifty: World) -> None:
    refused = spend(thrifty, -1, told=True, spool="s", seq=1)
    spend(thrifty, 1, told=True, spool="s", seq=2)

    assert subjects(refused) == ["report.refused"]
    assert agent(thrifty).cost == 1


def test_telemetry_is_a_sign_of_life(thrifty: World) -> None:
    thrifty.wait(minutes=10)

    spend(thrifty, 1)

    assert agent(thrifty).heard == thrifty.now
    assert agent(thrifty).status == "idle"


def test_nothing_used_is_nothing_said(thrifty: World) -> None:
    assert spend(thrifty) == []


def test_an_agent_that_is_not_known_cannot_spend(thrifty: World) -> None:
    with pytest.raises(NotFound, match="no agent 'b'"):
        thrifty.do(Spend(agent="b", cost=1))


@pytest.mark.parametrize(
    "used",
    [
        {"cost": -0.1},
        {"cost": float("nan")},
        {"cost": float("inf")},
        {"tokens_in": -1},
        {"tokens_out": 10**13},
    ],
)
def test_what_cannot_be_used_is_refused(thrifty: World, used: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="send what was used since"):
        thrifty.do(Spend(agent="a", **used))


def test_a_total_that_is_told_counts_by_its_rise(thrifty: World) -> None:
    for total in (1.0, 1.5, 0.5, 0.75):
        thrifty.do(Notify(agent="a", report="busy", cost=total))

    assert agent(thrifty).spent == 1.75
    assert agent(thrifty).cost == 0.75


def test_the_cost_of_a_task_that_is_done_counts_too(thrifty: World) -> None:
    thrifty.do(Enqueue(id="T1"))
    thrifty.do(Claim(agent="a"))
    fence = thrifty.swarm.tasks["T1"].fence

    events = thrifty.do(Complete(agent="a", task="T1", fence=fence, cost=6.0))

    assert agent(thrifty).spent == 6.0
    assert "agent.overspent" in subjects(events)


@pytest.mark.parametrize(
    ("told", "metered", "expected"), [(3.0, 2.0, 3.0), (2.0, 3.0, 3.0)]
)
@pytest.mark.parametrize("first", ["told", "metered"])
def test_of_two_counts_of_the_same_the_larger_counts_and_never_the_sum(
    thrifty: World, told: float, metered: float, expected: float, first: str
) -> None:
    wishes: dict[str, Command] = {
        "told": Notify(agent="a", report="busy", cost=told),
        "metered": Spend(agent="a", cost=metered),
    }
    for kind in sorted(wishes, key=lambda kind: kind != first):
        thrifty.do(wishes[kind])

    assert agent(thrifty).spent == expected
    assert agent(thrifty).cost == expected


def test_a_report_that_leaves_its_cost_at_nothing_takes_nothing_back(
    thrifty: World,
) -> None:
    spend(thrifty, 3)

    thrifty.do(Notify(agent="a", report="busy", cost=0.0))

    assert (agent(thrifty).cost, agent(thrifty).spent) == (3, 3)


def test_what_was_told_on_another_day_is_not_counted_again(thrifty: World) -> None:
    spend(thrifty, 3)
    thrifty.wait(days=1)
    for total in (1.0, 1.5):
        thrifty.do(Notify(agent="a", report="busy", cost=total))

    assert (agent(thrifty).cost, agent(thrifty).spent) == (3, 1.5)


def test_a_cost_of_before_counts_by_its_rise_alone(thrifty: World) -> None:
    row = replace(agent(thrifty), cost=40.0)
    thrifty.swarm.put_agent(row)

    thrifty.do(Notify(agent="a", report="busy", cost=41.0))
    spend(thrifty, 0.5)

    assert (agent(thrifty).cost, agent(thrifty).spent) == (41, 1)


def test_each_day_is_counted_anew(thrifty: World) -> None:
    spend(thrifty, 3)
    thrifty.do(Notify(agent="a", report="busy", cost=2.0))
    thrifty.wait(days=1)
    before = spent_today(agent(thrifty), thrifty.now)

    spend(thrifty, 1)

    assert before == 0
    assert agent(thrifty).spent_on == "2026-01-02"
    assert spent_today(agent(thrifty), thrifty.now) == 1
    assert agent(thrifty).cost == 4


def test_the_day_is_that_of_utc() -> None:
    evening = datetime(2026, 1, 1, 23, tzinfo=UTC)
    row = Agent(
        id="a", status="idle", since=evening, heard=evening, joined=evening,
        spent_on="2026-01-01", spent=2.0,
    )  # fmt: skip
    elsewhere = evening.astimezone(tz=datetime.now().astimezone().tzinfo)

    assert spent_today(row, elsewhere) == 2.0
    assert spent_today(row, evening + timedelta(hours=1)) == 0.0


# --- the budget ----------------------------------------------------------------------


def test_who_reaches_the_budget_is_told_of_once_a_day(thrifty: World) -> None:
    first = spend(thrifty, 4.99)
    (_, over) = spend(thrifty, 0.01)
    more = spend(thrifty, 1)

    assert subjects(first) == subjects(more) == ["agent.spent"]
    assert isinstance(over, AgentOverspent)
    assert (over.spent, over.budget) == (5.0, BUDGET)
    assert agent(thrifty).over_budget


def test_without_a_budget_nobody_is_over_it(world: World) -> None:
    world.do(Notify(agent="a", report="idle"))

    assert subjects(spend(world, 1e6)) == ["agent.spent"]


def test_the_first_report_of_an_agent_may_be_its_last_for_today(
    thrifty: World,
) -> None:
    events = thrifty.do(Notify(agent="b", report="completed", cost=9.0))

    assert subjects(events) == ["agent.completed", "agent.overspent"]
    assert agent(thrifty, "b").over_budget


def test_who_is_over_budget_finds_nothing_to_claim(thrifty: World) -> None:
    spend(thrifty, BUDGET)
    thrifty.do(Enqueue(id="T1"))

    assert thrifty.do(Claim(agent="a")) == []
    assert subjects(thrifty.do(Claim(agent="b"))) == ["task.leased"]


def test_who_is_over_budget_is_refused_a_task_by_name(thrifty: World) -> None:
    spend(thrifty, BUDGET)
    thrifty.do(Enqueue(id="T1"))

    with pytest.raises(Conflict, match=r"spent 5\.00 dollars of its budget of 5\.00"):
        thrifty.do(Claim(agent="a", task="T1"))


def test_what_an_agent_has_it_may_finish(thrifty: World) -> None:
    thrifty.do(Enqueue(id="T1"))
    thrifty.do(Claim(agent="a"))
    spend(thrifty, BUDGET)

    again = thrifty.do(Claim(agent="a", task="T1"))
    fence = thrifty.swarm.tasks["T1"].fence
    done = thrifty.do(Complete(agent="a", task="T1", fence=fence))

    assert subjects(again) == ["task.leased"]
    assert "task.done" in subjects(done)


def mail(world: World) -> list[str]:
    box = world.swarm.mail.get("a", {})
    return [box[seq].ref for seq in sorted(box)]


def test_what_is_assigned_waits_outside_the_mailbox(thrifty: World) -> None:
    spend(thrifty, BUDGET)

    thrifty.do(Assign(agent="a", id="T1"))
    thrifty.do(SendBroadcast(id="B1", text="hello"))

    assert mail(thrifty) == ["B1"]
    assert thrifty.swarm.tasks["T1"].state == "queued"
    assert thrifty.swarm.waiting("a") == 2


def test_what_was_not_handed_out_yet_is_held_back(thrifty: World) -> None:
    thrifty.do(Assign(agent="a", id="T1"))
    thrifty.do(Assign(agent="a", id="T2"))
    first = thrifty.swarm.tasks["T1"].seq
    thrifty.do(Sent(deliveries=(("a", first),)))

    spend(thrifty, BUDGET)

    assert mail(thrifty) == ["T1"]


def test_what_begins_anew_is_held_back_as_well(thrifty: World) -> None:
    thrifty.do(Assign(agent="a", id="T1"))
    thrifty.do(Claim(agent="a"))
    spend(thrifty, BUDGET)

    thrifty.do(Requeue(id="T1"))

    assert mail(thrifty) == []


def test_with_the_next_day_there_is_work_again(thrifty: World) -> None:
    spend(thrifty, BUDGET)
    thrifty.do(Assign(agent="a", id="T1"))
    thrifty.do(Enqueue(id="T2"))
    due = thrifty.swarm.deadline
    thrifty.now = START + timedelta(days=1)

    events = thrifty.do(Tick())

    assert due == thrifty.now
    assert subjects(events) == ["agent.solvent", "task.ready"]
    assert mail(thrifty) == ["T1"]
    assert not agent(thrifty).over_budget
    assert agent(thrifty).spent == 0
    assert subjects(thrifty.do(Claim(agent="a", tasks=2))) == ["task.leased"] * 2
    assert thrifty.do(Tick()) == []


def test_what_is_spent_before_the_day_was_ended_belongs_to_it(thrifty: World) -> None:
    spend(thrifty, BUDGET)
    thrifty.now = START + timedelta(days=1)

    spend(thrifty, BUDGET)
    thrifty.do(Tick())

    assert not agent(thrifty).over_budget
    assert spent_today(agent(thrifty), thrifty.now) == 0


def test_a_budget_that_was_raised_counts_from_the_next_start(thrifty: World) -> None:
    spend(thrifty, BUDGET)
    thrifty.do(Assign(agent="a", id="T1"))

    assert restart(thrifty, 6.0) == ["hub.started", "agent.solvent", "task.ready"]
    assert agent(thrifty).spent == BUDGET
    assert subjects(spend(thrifty, 1)) == ["agent.spent", "agent.overspent"]


def test_a_budget_that_was_lowered_counts_from_the_next_start(thrifty: World) -> None:
    spend(thrifty, 3)

    assert restart(thrifty, 2.0) == ["hub.started", "agent.overspent"]
    assert restart(thrifty, 2.0) == ["hub.started"]


def test_a_budget_that_was_taken_away_counts_from_the_next_start(
    thrifty: World,
) -> None:
    spend(thrifty, BUDGET)

    assert restart(thrifty, 0.0) == ["hub.started", "agent.solvent"]


def test_a_hub_that_starts_on_another_day_begins_that_day(thrifty: World) -> None:
    spend(thrifty, BUDGET)
    thrifty.wait(days=3)

    assert restart(thrifty, BUDGET) == ["hub.started", "agent.solvent"]
    assert agent(thrifty).spent_on == "2026-01-04"


def test_rows_of_before_read_on() -> None:
    said = {"since": START, "heard": START, "joined": START}
    old_agent = {"id": "a", "status": "idle", "cost": 2.5, **said}
    text = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in old_agent.items()
    }

    row = codec.decode(Agent, text)
    task = codec.decode(
        Task, {"id": "T1", "state": "queued", "created": START.isoformat()}
    )

    assert (row.cost, row.spent, row.spent_on, row.over_budget) == (2.5, 0, "", False)
    assert (row.tokens_in, row.tokens_out, task.hops) == (0, 0, 0)


# --- whatever comes ------------------------------------------------------------------

moves = st.lists(
    st.tuples(
        st.sampled_from(["told", "said", "metered", "claim", "assign", "tick", "busy"]),
        st.floats(0, 4).map(lambda cost: round(cost, 2)),
        st.sampled_from([0, 1, 6, 30]),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(moves)
def test_whatever_comes_the_day_is_counted_right_and_no_one_works_beyond_it(
    moves: list[tuple[str, float, int]],
) -> None:
    world = World(Rules(budget=BUDGET))
    world.do(Notify(agent="a", report="idle"))
    told = total = 0.0
    for number, (move, cost, hours) in enumerate(moves):
        world.wait(hours=hours)
        while world.swarm.deadline and world.swarm.deadline <= world.now:
            world.do(Tick())
        was = agent(world)
        match move:
            case "told":
                told += cost
                world.do(Notify(agent="a", report="busy", cost=told))
            case "said":
                told += cost
                world.do(Spend(agent="a", cost=cost, told=True))
            case "metered":
                total += cost
                world.do(Spend(agent="a", cost=cost))
            case "claim":
                world.do(Enqueue(id=f"Q{number}"))
                leased = world.do(Claim(agent="a"))
                assert not (leased and was.over_budget)
            case "assign":
                world.do(Assign(agent="a", id=f"T{number}"))
            case "tick":
                world.do(Tick())
            case "busy":
                world.do(Notify(agent="a", report="busy"))
        now = agent(world)
        assert now.metered == pytest.approx(total)
        assert now.told == pytest.approx(told)
        assert now.cost >= was.cost or move == "told"
        assert now.spent == max(now.spent_told, now.spent_metered)
        assert now.over_budget == (spent_today(now, world.now) >= BUDGET)
        held_back = [
            task
            for task in world.swarm.tasks.values()
            if task.target and task.state == "queued" and not task.seq
        ]
        assert now.over_budget or not held_back
