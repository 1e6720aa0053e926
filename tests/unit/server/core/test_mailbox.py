"""Mailboxes: deliveries, broadcasts, tasks and how far they got."""

from typing import Any

import pytest

from agentkit.errors import BadFilter, Conflict, Invalid, NotFound
from agentkit.protocol import (
    Ack,
    Assign,
    Done,
    GiveUp,
    Notify,
    Retry,
    SendBroadcast,
    Sent,
)
from server.core import Rules


@pytest.fixture
def pair(world: Any) -> Any:
    world.do(Notify(agent="a", report="idle", capabilities=("video",)))
    world.do(Notify(agent="b", report="busy", capabilities=("audio",)))
    return world


def test_a_broadcast_reaches_everybody_or_whom_the_filter_chooses(pair: Any) -> None:
    pair.do(SendBroadcast(id="all", text="hello"))
    pair.do(SendBroadcast(id="some", text="hello", where="cap:video"))

    assert pair.swarm.broadcasts["all"].recipients == 2
    assert pair.swarm.broadcasts["some"].recipients == 1
    assert [row.ref for row in pair.swarm.mail["a"].values()] == ["all", "some"]
    assert [row.ref for row in pair.swarm.mail["b"].values()] == ["all"]


def test_a_bad_filter_or_an_empty_text_sends_nothing(pair: Any) -> None:
    with pytest.raises(BadFilter):
        pair.do(SendBroadcast(id="x", text="hello", where="sate:idle"))
    with pytest.raises(Invalid, match="the message is empty"):
        pair.do(SendBroadcast(id="x", text=" "))
    with pytest.raises(Invalid, match="20,000 characters"):
        pair.do(SendBroadcast(id="x", text="x" * 20_000))

    assert not pair.swarm.broadcasts


def test_a_broadcast_id_is_used_once(pair: Any) -> None:
    pair.do(SendBroadcast(id="x", text="hello"))

    with pytest.raises(Conflict, match="was sent before"):
        pair.do(SendBroadcast(id="x", text="hello again"))


def test_the_ledger_counts_what_came_at_least_so_far(pair: Any) -> None:
    pair.do(SendBroadcast(id="x", text="hello"))
    seq = pair.swarm.cursor
    seen = []

    for step in (
        Sent(deliveries=(("a", seq), ("b", seq))),
        Ack(agent="a", upto=seq),
        Done(agent="a", seq=seq),
        Done(agent="b", seq=seq),
    ):
        pair.do(step)
        row = pair.swarm.broadcasts["x"]
        seen.append((row.queued, row.sent, row.acked, row.done))

    assert seen == [(0, 2, 0, 0), (0, 2, 1, 0), (0, 2, 1, 1), (0, 2, 2, 2)]


def test_an_acknowledgement_is_cumulative_and_says_it_once(pair: Any) -> None:
    for number in range(3):
        pair.do(SendBroadcast(id=f"x{number}", text="hello"))

    second = sorted(pair.swarm.mail["a"])[1]
    first = pair.subjects(Ack(agent="a", upto=second))
    again = pair.subjects(Ack(agent="a", upto=second))

    assert (first, again) == (["delivery.acked"], [])
    assert pair.swarm.unread("a") == 1
    assert [row.state for row in pair.swarm.mail["a"].values()] == [
        "acked",
        "acked",
        "queued",
    ]


def test_nobody_acknowledges_what_was_never_queued(pair: Any) -> None:
    with pytest.raises(Invalid, match="the log ends at 2"):
        pair.do(Ack(agent="a", upto=3))


def test_an_unknown_agent_has_no_mailbox(pair: Any) -> None:
    with pytest.raises(NotFound, match="no agent 'z' is known"):
        pair.do(Ack(agent="z", upto=1))


def test_sending_again_counts_the_attempt_and_takes_nothing_back(pair: Any) -> None:
    pair.do(SendBroadcast(id="x", text="hello"))
    (seq,) = pair.swarm.mail["a"]
    pair.do(Sent(deliveries=(("a", seq),)))
    pair.do(Ack(agent="a", upto=seq))

    pair.do(Sent(deliveries=(("a", seq),)))

    row = pair.swarm.mail["a"][seq]
    assert (row.state, row.attempts) == ("acked", 2)
    assert pair.swarm.broadcasts["x"].acked == 1


def test_what_is_done_leaves_the_mailbox_and_stays_done(pair: Any) -> None:
    pair.do(SendBroadcast(id="x", text="hello"))
    seq = pair.swarm.cursor

    pair.do(Done(agent="a", seq=seq))

    assert "a" not in pair.swarm.mail
    assert pair.do(Done(agent="a", seq=seq)) == []
    assert pair.do(Sent(deliveries=(("a", seq),))) == []
    assert pair.swarm.unread("a") == 0


def test_a_task_shows_how_far_its_delivery_came(pair: Any) -> None:
    pair.do(Assign(agent="a", id="T", title="Paint it", body={"colour": "blue"}))
    seq = pair.swarm.tasks["T"].seq
    states = [pair.swarm.tasks["T"].state]

    for step in (
        Sent(deliveries=(("a", seq),)),
        Ack(agent="a", upto=seq),
        Notify(agent="a", report="busy", task="T"),
        Notify(agent="a", report="completed", task="T"),
    ):
        pair.do(step)
        states.append(pair.swarm.tasks["T"].state)

    assert states == ["queued", "sent", "acked", "working", "done"]
    assert pair.swarm.tasks["T"].body == {"colour": "blue", "id": "T"}


def test_a_task_is_done_only_when_its_agent_says_so(pair: Any) -> None:
    pair.do(Assign(agent="a", id="T"))

    with pytest.raises(Conflict, match="reports it completed"):
        pair.do(Done(agent="a", seq=pair.swarm.cursor))


def test_a_task_without_an_id_gets_one(pair: Any) -> None:
    (event,) = pair.do(Assign(agent="a", id=""))

    assert event.task == f"t{pair.swarm.cursor}"
    assert event.body == {"id": event.task}


def test_a_task_cannot_go_to_an_unknown_agent(pair: Any) -> None:
    with pytest.raises(NotFound, match="no agent 'z' is known"):
        pair.do(Assign(agent="z", id="T"))


def test_a_task_that_is_given_to_another_leaves_the_first_mailbox(pair: Any) -> None:
    pair.do(Assign(agent="a", id="T"))

    pair.do(Assign(agent="b", id="T"))

    assert "a" not in pair.swarm.mail
    assert pair.swarm.unread("a") == 0
    assert pair.swarm.tasks["T"].agent == "b"
    assert pair.swarm.tasks["T"].state == "queued"


def test_a_later_message_has_a_higher_number_and_none_touches_the_agents_row(
    pair: Any,
) -> None:
    before = dict(pair.swarm.agents)

    for number in range(3):
        pair.do(SendBroadcast(id=f"x{number}", text="hello"))

    assert list(pair.swarm.mail["a"]) == [3, 4, 5]
    assert pair.swarm.agents == before


def test_dead_mail_takes_no_room(make_world: Any) -> None:
    world = make_world(Rules(max_mailbox=1))
    world.do(Notify(agent="a", report="idle"))
    world.do(SendBroadcast(id="x", text="hello"))
    dead = world.swarm.cursor
    world.do(GiveUp(agent="a", seq=dead, reason="no"))

    world.do(SendBroadcast(id="y", text="hello"))

    assert world.swarm.broadcasts["y"].recipients == 1
    with pytest.raises(Conflict, match="the mailbox of a is full: 1 deliveries wait"):
        world.do(Retry(agent="a", seq=dead))
    world.do(Done(agent="a", seq=world.swarm.cursor))
    assert world.do(Retry(agent="a", seq=dead))


def test_what_is_not_acknowledged_is_known_without_looking(pair: Any) -> None:
    sent = []
    for key in "vwxyz":
        pair.do(SendBroadcast(id=key, text="hello"))
        sent.append(pair.swarm.cursor)
    first, second, third, fourth, fifth = sent
    pair.do(Sent(deliveries=(("a", first), ("a", second))))

    pair.do(Done(agent="a", seq=second))
    pair.do(GiveUp(agent="a", seq=fourth, reason="no"))
    before = list(pair.swarm.unacked["a"])
    pair.do(Ack(agent="a", upto=third))

    assert before == [first, third, fifth]
    assert list(pair.swarm.unacked["a"]) == [fifth]
    assert list(pair.swarm.unacked["b"]) == sent
    assert pair.do(Ack(agent="a", upto=fourth)) == []
