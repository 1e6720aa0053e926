"""How often agents hand work on before a person has to give it."""

from collections.abc import Callable

import pytest

from agentkit.errors import Conflict
from agentkit.protocol import Assign, Claim, Enqueue, Notify, Send
from server.core import Rules
from tests.unit.server.core.conftest import World


def undertake(world: World, agent: str, task: str, call: str = "") -> int:
    world.do(Assign(agent=agent, id=task, by=agent, undertaken=True, call=call))
    return world.swarm.tasks[task].hops


def met(world: World, *agents: str) -> None:
    for agent in agents:
        world.do(Notify(agent=agent, report="idle"))


def test_what_people_give_was_handed_on_by_nobody(world: World) -> None:
    met(world, "a")
    world.do(Assign(agent="a", id="T1", by="a"))
    world.do(Enqueue(id="T2"))

    assert [world.swarm.tasks[key].hops for key in ("T1", "T2")] == [0, 0]


def test_what_an_agent_gives_itself_goes_back_to_what_it_has(world: World) -> None:
    met(world, "a")

    alone = undertake(world, "a", "T1")
    world.do(Claim(agent="a", task="T1"))
    within = undertake(world, "a", "T2")
    world.do(Claim(agent="a", task="T2"))
    deeper = undertake(world, "a", "T3")

    assert [alone, within, deeper] == [0, 1, 2]


def test_what_a_call_leads_to_goes_back_to_what_the_caller_has(world: World) -> None:
    met(world, "a", "b", "c")
    world.do(Enqueue(id="T1"))
    world.do(Claim(agent="a"))
    world.do(Send(agent="a", to="b", text="do it", call="c1"))

    called = undertake(world, "b", "T2", call="c1")
    another = undertake(world, "c", "T3", call="c1")

    assert [called, another] == [1, 0]


def test_two_agents_cannot_keep_each_other_at_work(
    make_world: Callable[[Rules], World],
) -> None:
    world = make_world(Rules(max_hops=3))
    met(world, "a", "b")
    world.do(Enqueue(id="T0"))
    world.do(Claim(agent="a"))
    agents = ["a", "b"]
    for hop in range(1, 4):
        caller, called = agents
        world.do(Send(agent=caller, to=called, text="do it", call=f"c{hop}"))
        assert undertake(world, called, f"T{hop}", call=f"c{hop}") == hop
        world.do(Claim(agent=called, task=f"T{hop}"))
        agents.reverse()
    world.do(Send(agent=agents[0], to=agents[1], text="do it", call="c4"))

    with pytest.raises(Conflict, match="a person has to give this task"):
        undertake(world, agents[1], "T4", call="c4")


def test_what_an_agent_queues_goes_back_to_what_it_has(
    make_world: Callable[[Rules], World],
) -> None:
    world = make_world(Rules(max_hops=1))
    met(world, "a", "b")
    world.do(Enqueue(id="T0", by="operator", giver="a"))
    world.do(Claim(agent="a"))
    world.do(Enqueue(id="T1", by="operator", giver="a"))
    world.do(Claim(agent="b"))
    tasks = [world.swarm.tasks[key] for key in ("T0", "T1")]

    assert [(task.hops, task.by) for task in tasks] == [(0, "a"), (1, "a")]
    for wish in (Enqueue(id="T2", giver="b"), Assign(agent="a", id="T2", giver="b")):
        with pytest.raises(Conflict, match="the work of b was handed on 2 times"):
            world.do(wish)
    world.do(Assign(agent="a", id="T2", by="operator"))  # a person may


def test_said_again_what_was_undertaken_is_no_hop_more(world: World) -> None:
    met(world, "a")
    undertake(world, "a", "T1")
    world.do(Claim(agent="a", task="T1"))

    assert undertake(world, "a", "T1") == 0
