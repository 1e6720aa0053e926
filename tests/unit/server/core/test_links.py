"""Whose WebSocket is open, and who stayed away too long."""

from datetime import timedelta
from typing import Any

import pytest

from agentkit.protocol import Link, Notify, Start, Tick, Unlink
from agentkit.rows import presence


def test_an_unknown_agent_that_connects_waits_for_work(world: Any) -> None:
    world.do(Link(agent="a", capabilities=("x",)))

    agent = world.swarm.agents["a"]
    assert (agent.status, agent.linked, agent.capabilities) == ("idle", True, ("x",))
    assert list(world.swarm.idle) == ["a"]
    assert world.swarm.helpers("b", ("x",)) == ["a"]


def test_connecting_changes_no_status_and_keeps_known_capabilities(
    world: Any,
) -> None:
    world.do(Notify(agent="a", report="busy", task="T", capabilities=("x",)))

    world.do(Link(agent="a"))

    agent = world.swarm.agents["a"]
    assert (agent.status, agent.task, agent.capabilities) == ("busy", "T", ("x",))


def test_presence_follows_the_link_and_then_the_silence(world: Any) -> None:
    world.do(Link(agent="a"))
    told = [presence(world.swarm.agents["a"], world.now)]

    world.wait(hours=3)
    told.append(presence(world.swarm.agents["a"], world.now))
    world.do(Unlink(agent="a", reason="no pong"))
    told.append(presence(world.swarm.agents["a"], world.now))
    world.wait(seconds=300)
    told.append(presence(world.swarm.agents["a"], world.now))
    world.wait(seconds=30)
    world.do(Tick())
    told.append(presence(world.swarm.agents["a"], world.now))

    assert told == ["live", "live", "late", "silent", "lost"]


def test_an_agent_that_only_posts_is_never_lost_by_silence(world: Any) -> None:
    world.do(Notify(agent="a", report="busy"))
    told = []

    for quiet in (0, 30, 270, 100_000):
        world.wait(seconds=quiet)
        told.append(presence(world.swarm.agents["a"], world.now))

    assert told == ["live", "late", "silent", "silent"]
    assert world.swarm.deadline is None
    assert world.do(Tick()) == []


def test_lost_comes_once_after_lease_and_grace(world: Any) -> None:
    world.do(Link(agent="a"))
    world.do(Unlink(agent="a"))
    assert world.swarm.deadline == world.now + timedelta(seconds=330)

    world.wait(seconds=329)
    early = world.subjects(Tick())
    world.wait(seconds=1)
    due = world.subjects(Tick())

    assert (early, due, world.subjects(Tick())) == ([], ["agent.lost"], [])
    assert world.swarm.counts == {"idle": 0, "lost": 1}
    assert not list(world.swarm.idle)
    assert world.swarm.deadline is None


@pytest.mark.parametrize(
    "sign_of_life", [Link(agent="a"), Notify(agent="a", report="idle")]
)
def test_a_lost_agent_that_is_heard_again_is_back_at_the_end_of_the_queue(
    world: Any, sign_of_life: Any
) -> None:
    world.do(Link(agent="a"))
    world.do(Unlink(agent="a"))
    world.wait(seconds=330)
    world.do(Tick())
    world.do(Notify(agent="b", report="idle"))

    world.do(sign_of_life)

    assert not world.swarm.agents["a"].lost
    assert list(world.swarm.idle) == ["b", "a"]


def test_a_report_from_elsewhere_gives_an_unlinked_agent_more_time(
    world: Any,
) -> None:
    world.do(Link(agent="a"))
    world.do(Unlink(agent="a"))
    world.wait(seconds=200)

    world.do(Notify(agent="a", report="busy"))
    world.wait(seconds=200)

    assert world.do(Tick()) == []
    assert presence(world.swarm.agents["a"], world.now) == "late"


def test_leaving_twice_is_told_once(world: Any) -> None:
    world.do(Link(agent="a"))

    assert world.subjects(Unlink(agent="a")) == ["agent.disconnected"]
    assert world.do(Unlink(agent="a")) == []
    assert world.do(Unlink(agent="nobody")) == []


def test_a_hub_that_starts_gives_everybody_time_to_come_back(world: Any) -> None:
    world.do(Link(agent="a"))
    world.do(Notify(agent="poster", report="busy"))
    world.wait(hours=1)

    world.do(Start(version="1"))

    assert not world.swarm.agents["a"].linked
    assert world.swarm.deadline == world.now + timedelta(seconds=330)
    assert world.swarm.agents["poster"].unlinked is None
