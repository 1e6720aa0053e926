"""How far outboxes were accepted, and for how long that is known."""

from collections.abc import Callable
from typing import Any

import pytest

from agentkit.errors import Conflict
from agentkit.protocol import Notify
from agentkit.rows import Spool
from server.core import Rules, Swarm


def say(world: Any, spool: str, seq: int = 1, agent: str = "a") -> None:
    world.do(Notify(agent=agent, report="busy", spool=spool, seq=seq))


@pytest.fixture
def world(make_world: Callable[[Rules], Any]) -> Any:
    return make_world(Rules(keep_spools=2))


def test_a_spool_tells_when_it_was_last_used(world: Any) -> None:
    say(world, "s1")
    say(world, "s2")
    say(world, "s1", 2)

    assert world.swarm.spools["a", "s1"] == Spool(
        agent="a", spool="s1", accepted=2, version=world.swarm.cursor
    )


def test_the_spools_that_an_agent_used_last_stay_in_memory(world: Any) -> None:
    for spool, seq in (("s1", 1), ("s2", 1), ("s1", 2), ("s3", 1)):
        say(world, spool, seq)
    say(world, "s1", agent="b")

    assert set(world.swarm.spools) == {("a", "s1"), ("a", "s3"), ("b", "s1")}


def test_a_swarm_that_is_loaded_lets_go_of_the_same_spools(world: Any) -> None:
    for spool, seq in (("s1", 1), ("s2", 1), ("s1", 2)):
        say(world, spool, seq)
    rows = world.swarm.take()

    swarm = Swarm.load(world.swarm.cursor, rows, world.swarm.rules)
    world.swarm = swarm
    say(world, "s3")

    assert set(swarm.spools) == {("a", "s1"), ("a", "s3")}


def test_only_the_store_may_know_a_spool_once_others_were_let_go(world: Any) -> None:
    say(world, "s1")
    before = world.swarm.accepted("a", "s2")
    say(world, "s2")

    assert before == 0
    assert world.swarm.accepted("a", "s1") == 1
    assert world.swarm.accepted("a", "s3") is None


def test_a_spool_that_is_recalled_goes_on_where_it_was(world: Any) -> None:
    for spool in ("s1", "s2", "s3"):
        say(world, spool)
    world.swarm.take()

    world.swarm.recall(Spool(agent="a", spool="s1", accepted=1, version=1))
    repeated = world.do(Notify(agent="a", report="idle", spool="s1", seq=1))

    assert repeated == []
    assert not world.swarm.take()
    say(world, "s1", 2)
    assert world.swarm.spools["a", "s1"].accepted == 2


def test_what_was_recalled_late_does_not_set_a_spool_back(world: Any) -> None:
    say(world, "s1")
    old = world.swarm.spools["a", "s1"]
    say(world, "s1", 2)

    world.swarm.recall(old)

    assert world.swarm.spools["a", "s1"].accepted == 2


def test_a_spool_that_was_forgotten_begins_with_its_first_report(world: Any) -> None:
    for spool in ("s1", "s2", "s3"):
        say(world, spool)

    with pytest.raises(Conflict, match="report 2 of spool 's1' came before report 1"):
        say(world, "s1", 2)
