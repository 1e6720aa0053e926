"""Work as coordinators hand it out."""

from datetime import timedelta

import pytest

from agentkit.errors import Conflict, Invalid
from agentkit.protocol import (
    Assign,
    Cancel,
    Claim,
    Command,
    Enqueue,
    Fail,
    GiveUp,
    Link,
    Requeue,
    Retry,
    SendBroadcast,
    Sent,
    TaskLeased,
    Tick,
)
from server.core import Rules, Swarm
from tests.unit.server.core.conftest import World


def test_what_is_for_later_waits_for_its_time(world: World) -> None:
    world.do(Link(agent="a"))
    at = world.now + timedelta(minutes=5)
    world.do(Assign(agent="a", id="T1", not_before=at))
    world.do(Enqueue(id="T2", not_before=at))

    assert world.swarm.deadline == at
    assert world.do(Claim(agent="a")) == []
    assert world.swarm.mail == {}
    world.now = at
    assert world.subjects(Tick()) == ["task.ready", "task.ready"]
    assert world.swarm.mail["a"][world.swarm.tasks["T1"].seq].ref == "T1"
    assert world.swarm.tasks["T2"].state == "queued"


def test_a_time_that_has_passed_is_now(world: World) -> None:
    world.do(Enqueue(id="T1", not_before=world.now - timedelta(days=1)))

    assert world.swarm.tasks["T1"].state == "queued"


def test_the_hub_names_what_nobody_named(world: World) -> None:
    world.do(Enqueue(id="", title="cut"))

    assert world.swarm.tasks["t1"].body == {"id": "t1"}


def test_an_id_is_used_once(world: World) -> None:
    world.do(Enqueue(id="T1"))

    with pytest.raises(Conflict, match="'T1' is there already and is queued"):
        world.do(Enqueue(id="T1"))


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        (Enqueue(id="T1", priority=2_000_000), "the priority 2000000 is beyond"),
        (Enqueue(id="T1", max_attempts=0), "max_attempts is 0: choose 1 to 1,000"),
        (Enqueue(id="T1", needs=("a\x1b",)), "has control characters"),
    ],
)
def test_what_cannot_be_queued_is_refused(
    world: World, wish: Enqueue, text: str
) -> None:
    with pytest.raises(Invalid, match=text):
        world.do(wish)


def test_what_is_cancelled_is_nobodys(world: World) -> None:
    world.do(Link(agent="a"))
    world.do(Assign(agent="a", id="T1"))

    world.do(Cancel(id="T1", reason="not needed"))

    assert world.swarm.tasks["T1"].state == "cancelled"
    assert world.swarm.mail == {}
    with pytest.raises(Conflict, match="is cancelled: there is nothing to cancel"):
        world.do(Cancel(id="T1"))


def test_a_dead_task_begins_anew_with_all_its_attempts(world: World) -> None:
    world.do(Link(agent="a"))
    world.do(Assign(agent="a", id="T1", max_attempts=1))
    seq = world.swarm.tasks["T1"].seq
    world.do(GiveUp(agent="a", seq=seq, reason="seven times"))
    assert (world.swarm.tasks["T1"].state, world.swarm.dead_deliveries) == ("dead", 1)

    world.do(Requeue(id="T1"))

    task = world.swarm.tasks["T1"]
    assert (task.state, task.attempts, task.reason) == ("queued", 0, "")
    assert list(world.swarm.mail["a"]) == [task.seq] != [seq]
    assert world.swarm.dead_deliveries == 0


def test_what_waits_is_not_requeued(world: World) -> None:
    world.do(Enqueue(id="T1"))

    with pytest.raises(Conflict, match="is queued: it waits to be claimed"):
        world.do(Requeue(id="T1"))


def test_a_dead_delivery_is_retried_as_a_new_one(world: World) -> None:
    world.do(Link(agent="a"))
    world.do(SendBroadcast(id="B", text="hello"))
    (seq,) = world.swarm.mail["a"]
    world.do(Sent(deliveries=(("a", seq),)))
    world.do(GiveUp(agent="a", seq=seq, reason="no"))
    cast = world.swarm.broadcasts["B"]
    assert (cast.sent, cast.acked, cast.done, cast.dead) == (1, 0, 0, 1)

    assert world.do(GiveUp(agent="a", seq=seq, reason="no")) == []
    world.do(Retry(agent="a", seq=seq))

    cast = world.swarm.broadcasts["B"]
    assert (cast.sent, cast.acked, cast.done, cast.dead) == (0, 0, 0, 0)
    assert [row.state for row in world.swarm.mail["a"].values()] == ["queued"]


def test_a_full_mailbox_takes_no_more() -> None:
    world = World(Rules(max_mailbox=2))
    for agent in ("a", "b"):
        world.do(Link(agent=agent))
    for key in ("T1", "T2"):
        world.do(Assign(agent="a", id=key))

    with pytest.raises(Conflict, match="the mailbox of a is full: 2 deliveries wait"):
        world.do(Assign(agent="a", id="T3"))
    world.do(SendBroadcast(id="B", text="hello"))

    cast = world.swarm.broadcasts["B"]
    assert (cast.recipients, cast.left_out) == (1, 1)


def test_what_is_for_later_takes_its_room_at_once() -> None:
    world = World(Rules(max_mailbox=2))
    for agent in ("a", "b"):
        world.do(Link(agent=agent))
    at = world.now + timedelta(minutes=5)
    world.do(Assign(agent="a", id="T1", not_before=at))
    world.do(Assign(agent="a", id="T2", not_before=at))

    with pytest.raises(Conflict, match="2 deliveries wait in it or are scheduled"):
        world.do(Assign(agent="a", id="T3", not_before=at))
    with pytest.raises(Conflict, match="the mailbox of a is full"):
        world.do(Assign(agent="a", id="T3"))
    world.do(SendBroadcast(id="B", text="hello"))

    cast = world.swarm.broadcasts["B"]
    assert (cast.recipients, cast.left_out) == (1, 1)


def test_what_was_for_later_is_counted_once_when_its_time_has_come() -> None:
    world = World(Rules(max_mailbox=2))
    world.do(Link(agent="a"))
    at = world.now + timedelta(minutes=5)
    world.do(Assign(agent="a", id="T1", not_before=at))

    world.now = at
    world.do(Tick())

    assert world.swarm.waiting("a") == 1
    assert world.do(Assign(agent="a", id="T2"))
    assert world.swarm.waiting("a") == 2


@pytest.mark.parametrize(
    "wish", [Cancel(id="T1"), Assign(agent="b", id="T1"), Requeue(id="T1")]
)
def test_what_is_no_longer_for_later_gives_its_room_back(
    world: World, wish: Command
) -> None:
    for agent in ("a", "b"):
        world.do(Link(agent=agent))
    at = world.now + timedelta(minutes=5)
    world.do(Assign(agent="a", id="T1", not_before=at))

    world.do(wish)

    in_mailbox = len(world.swarm.mail.get("a", ()))
    assert world.swarm.waiting("a") == in_mailbox
    assert not world.swarm.promised


def test_what_is_settled_begins_anew_only_where_there_is_room() -> None:
    world = World(Rules(max_mailbox=1))
    world.do(Link(agent="a"))
    world.do(Assign(agent="a", id="T1"))
    world.do(Cancel(id="T1"))
    world.do(Assign(agent="a", id="T2"))

    with pytest.raises(Conflict, match="the mailbox of a is full"):
        world.do(Requeue(id="T1"))
    world.do(Cancel(id="T2"))
    assert world.do(Requeue(id="T1"))


def test_an_attempt_that_waits_for_the_next_keeps_its_room() -> None:
    world = World(Rules(max_mailbox=1))
    world.do(Link(agent="a"))
    world.do(Assign(agent="a", id="T1"))
    (lease,) = world.do(Claim(agent="a"))
    assert isinstance(lease, TaskLeased)

    world.do(Fail(agent="a", task="T1", fence=lease.fence, reason="no"))

    assert world.swarm.tasks["T1"].state == "scheduled"
    with pytest.raises(Conflict, match="the mailbox of a is full"):
        world.do(Assign(agent="a", id="T2"))


def test_a_claim_takes_from_the_lanes_it_reaches_in_order() -> None:
    world = World()
    swarm: Swarm = world.swarm
    for number in range(300):
        world.do(Enqueue(id=f"T{number}", needs=(f"c{number % 3}",)))

    order = [
        event.task
        for _ in range(100)
        for event in world.do(Claim(agent="a", capabilities=("c1",)))
        if isinstance(event, TaskLeased)
    ]

    assert order == [f"T{number}" for number in range(1, 300, 3)]
    assert len(swarm.ready) == 200
