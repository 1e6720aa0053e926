"""Messages between agents, calls and their answers."""

from datetime import timedelta
from typing import Any

import pytest

from agentkit.errors import Conflict, Invalid, NotAllowed, NotFound
from agentkit.protocol import (
    Assign,
    Claim,
    Done,
    Enqueue,
    GiveUp,
    Link,
    MessageSent,
    Notify,
    ReportRefused,
    Retry,
    Send,
    SendBroadcast,
    Sent,
    Tick,
    Unlink,
)
from server.core import Rules, Swarm


@pytest.fixture
def trio(world: Any) -> Any:
    world.do(Notify(agent="a", report="idle", capabilities=("video", "text")))
    world.do(Notify(agent="render.1", report="idle", capabilities=("video",)))
    world.do(Notify(agent="render.2", report="idle", capabilities=("video",)))
    return world


def recipients(world: Any, to: str, sender: str = "a", **fields: Any) -> Any:
    (sent,) = world.do(Send(agent=sender, to=to, text="hello", **fields))
    return sent.recipients


@pytest.mark.parametrize("to", ["render.1", "render.1@swarm"])
def test_a_message_reaches_the_agent_that_it_names(trio: Any, to: str) -> None:
    (sent,) = trio.do(Send(agent="a", to=to, text="hello", body={"n": 1}))

    seq = trio.swarm.cursor
    row = trio.swarm.mail["render.1"][seq]
    message = trio.swarm.broadcasts[sent.message]
    assert (row.kind, row.ref, sent.message) == ("message", message.id, f"m{seq}")
    assert (message.sender, message.to, message.text) == ("a", to, "hello")
    assert (message.body, message.recipients) == ({"n": 1}, 1)


def test_an_id_with_an_at_is_an_address_too(trio: Any) -> None:
    trio.do(Notify(agent="bob@host", report="idle"))

    assert recipients(trio, "bob@host") == ("bob@host",)
    assert recipients(trio, "bob@host@swarm") == ("bob@host",)


@pytest.mark.parametrize(
    ("to", "text"),
    [
        ("nobody", "no agent 'nobody' is known"),
        ("nobody@swarm", "no agent 'nobody' is known"),
        ("a@elsewhere", "in swarm 'elsewhere' and this is 'swarm'"),
        ("cap:audio", "has the capability 'audio'"),
        ("cap:text", "has the capability 'text'"),
    ],
)
def test_an_address_that_is_nobodys_is_refused(trio: Any, to: str, text: str) -> None:
    with pytest.raises(NotFound, match=text):
        trio.do(Send(agent="a", to=to, text="hello"))


@pytest.mark.parametrize("to", ["", "@swarm", "x" * 300, "a..*", "render*"])
def test_what_is_no_address_is_refused(trio: Any, to: str) -> None:
    with pytest.raises(Invalid):
        trio.do(Send(agent="a", to=to, text="hello"))


def test_a_capability_means_the_idle_agent_that_waits_longest(trio: Any) -> None:
    assert recipients(trio, "cap:video") == ("render.1",)
    assert recipients(trio, "cap:video@swarm", sender="") == ("a",)

    trio.do(Notify(agent="render.1", report="busy"))

    assert recipients(trio, "cap:video") == ("render.2",)


def test_of_the_idle_one_that_has_no_room_is_passed_over(make_world: Any) -> None:
    world = make_world(Rules(max_mailbox=1))
    for agent in ("first", "second"):
        world.do(Notify(agent=agent, report="idle", capabilities=("video",)))

    found = [recipients(world, "cap:video", sender="") for _ in range(2)]

    assert found == [("first",), ("second",)]


def test_of_busy_agents_the_one_with_the_least_mail_gets_it(trio: Any) -> None:
    for agent in ("render.1", "render.2"):
        trio.do(Notify(agent=agent, report="busy"))

    chosen = [recipients(trio, "cap:video") for _ in range(4)]

    assert chosen == [("render.1",), ("render.2",), ("render.1",), ("render.2",)]


def test_a_lost_agent_is_able_to_do_nothing(trio: Any) -> None:
    trio.do(Link(agent="render.1"))
    trio.do(Notify(agent="render.2", report="busy"))
    trio.do(Unlink(agent="render.1"))
    trio.wait(seconds=331)
    trio.do(Tick())

    assert recipients(trio, "cap:video") == ("render.2",)


def test_a_pattern_reaches_all_that_it_matches_but_the_sender(trio: Any) -> None:
    assert recipients(trio, "render.*") == ("render.1", "render.2")
    assert recipients(trio, "render.*@swarm", sender="render.1") == ("render.2",)
    assert recipients(trio, "**") == ("render.1", "render.2")
    assert recipients(trio, "*", sender="") == ("a",)
    assert recipients(trio, "nothing.*") == ()


def test_a_full_mailbox_refuses_one_and_is_left_out_of_many(make_world: Any) -> None:
    world = make_world(Rules(max_mailbox=1))
    for agent in ("a", "b", "c"):
        world.do(Notify(agent=agent, report="idle", capabilities=("x",)))
    world.do(Send(agent="a", to="b", text="first"))

    with pytest.raises(Conflict, match="mailbox of b is full"):
        world.do(Send(agent="a", to="b", text="second"))
    (sent,) = world.do(Send(agent="a", to="*", text="to all"))
    with pytest.raises(Conflict, match="mailboxes of all"):
        world.do(Send(agent="a", to="cap:x", text="to one"))

    assert (sent.recipients, sent.left_out) == (("c",), 1)
    assert world.swarm.broadcasts[sent.message].left_out == 1


def test_agents_leave_half_of_a_mailbox_to_tasks_and_people(make_world: Any) -> None:
    world = make_world(Rules(max_mailbox=4))
    for agent in ("a", "b"):
        world.do(Notify(agent=agent, report="idle"))
    for _ in range(2):
        world.do(Send(agent="a", to="b", text="hello"))

    with pytest.raises(Conflict, match=r"no room for a message .*: 2 messages"):
        world.do(Send(agent="a", to="b", text="hello"))
    (sent,) = world.do(Send(agent="a", to="**", text="hello"))
    assert (sent.recipients, sent.left_out) == ((), 1)
    assert world.do(Send(agent="", to="b", text="hello"))
    assert world.do(Assign(agent="b", id="T"))

    world.do(Done(agent="b", seq=next(iter(world.swarm.mail["b"]))))
    assert recipients(world, "b") == ("b",)


def test_what_waits_in_a_mailbox_is_weighed(make_world: Any) -> None:
    world = make_world(Rules(mailbox_bytes=2000))
    for agent in ("a", "b"):
        world.do(Notify(agent=agent, report="idle"))
    body = {"text": "x" * 880}
    first = world.do(Send(agent="a", to="b", body=body)) and world.swarm.cursor

    with pytest.raises(Conflict, match="no room for a message of 891 bytes"):
        world.do(Send(agent="a", to="b", body=body))
    assert world.do(Send(agent="", to="b", body=body, by="me"))
    world.do(Done(agent="b", seq=first))
    with pytest.raises(Conflict, match="891 bytes wait in it"):
        world.do(Send(agent="a", to="b", body=body))
    world.do(Done(agent="b", seq=world.swarm.cursor - 1))
    assert world.do(Send(agent="a", to="b", body=body))


def test_a_swarm_that_is_loaded_weighs_the_same(trio: Any) -> None:
    for body in ({"n": 1}, {"n": 22}, {}):
        trio.do(Send(agent="a", to="render.*", text="hello", body=body))
    trio.do(Done(agent="render.1", seq=next(iter(trio.swarm.mail["render.1"]))))
    piles = trio.swarm.piles

    loaded = Swarm.load(trio.swarm.cursor, trio.swarm.take())

    assert (loaded.piles.bytes, loaded.piles.talk) == (piles.bytes, piles.talk)
    assert piles.talk == {"render.1": 2, "render.2": 3}
    assert piles.bytes["render.2"] == 3 * len("hello") + len('{"n":1}{"n":22}')


def test_an_answer_is_let_into_a_full_mailbox(make_world: Any) -> None:
    world = make_world(Rules(max_mailbox=2))
    for agent in ("a", "b"):
        world.do(Notify(agent=agent, report="idle"))
    world.do(Send(agent="a", to="b", call="c1", body={"method": "add"}))
    for _ in range(2):
        world.do(Send(agent="", to="a", text="hello"))

    (sent,) = world.do(Send(agent="b", to="", answers="c1", body={"result": 3}))

    assert sent.recipients == ("a",)
    assert world.swarm.call("c1").answered == ("b",)


def test_nobody_uses_up_the_ids_of_others(trio: Any) -> None:
    for agent in ("render.1", "a", ""):
        wish = Send(agent=agent, to="render.2", id="x", text=f"from {agent}")
        assert trio.do(wish)
        assert not trio.do(wish)

    rows = trio.swarm.broadcasts
    assert {key: row.sender for key, row in rows.items()} == {
        "x": "render.1",
        "x@a": "a",
        "x@": "",
    }
    with pytest.raises(Invalid, match="choose one without an @"):
        trio.do(Send(agent="render.1", to="render.2", id="x@a", text="hello"))
    with pytest.raises(Conflict, match="was another"):
        trio.do(Send(agent="a", to="render.2", id="x", text="another"))


def test_a_message_sent_twice_is_sent_once(trio: Any) -> None:
    wish = Send(agent="a", to="render.1", id="x", text="hello", body={"n": 1})
    trio.do(wish)

    again = trio.do(wish)
    with pytest.raises(Conflict, match="was another"):
        trio.do(Send(agent="a", to="render.1", id="x", text="bye"))
    with pytest.raises(Conflict, match="was another"):
        trio.do(Send(agent="a", to="render.2", id="x", text="hello", body={"n": 1}))

    assert not again
    assert len(trio.swarm.mail["render.1"]) == 1


def test_a_numbered_message_is_taken_in_order_and_refused_with_a_code(
    trio: Any,
) -> None:
    def send(seq: int, to: str) -> Any:
        return trio.do(Send(agent="a", to=to, text="hello", spool="s", seq=seq))

    (first,) = send(1, "render.1")
    again = send(1, "render.1")
    (second,) = send(2, "nobody")
    with pytest.raises(Conflict, match="send them in order"):
        send(4, "render.1")

    assert isinstance(first, MessageSent)
    assert not again
    assert isinstance(second, ReportRefused)
    assert second.code == "not_found"
    assert trio.swarm.spools["a", "s"].accepted == 2


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "the message is empty"),
        ({"text": "x" * 20_000}, "20,000 characters"),
        ({"body": {"x": "x" * 262_144}}, "262,152 bytes as JSON"),
        ({"text": "x", "agent": "a\x1b"}, "control characters"),
        ({"text": "x", "id": "m7"}, "the hub itself gives"),
        ({"text": "x", "call": "c", "answers": "d"}, "a call or an answer"),
        ({"text": "x", "call": "c\n"}, "control characters"),
        ({"text": "x", "answers": "\x1b"}, "control characters"),
    ],
)
def test_a_message_that_will_not_do_is_refused(
    trio: Any, fields: Any, text: str
) -> None:
    with pytest.raises(Invalid, match=text):
        trio.do(Send(**{"agent": "a", "to": "render.1", **fields}))


def test_only_a_call_expires(trio: Any) -> None:
    with pytest.raises(Invalid, match="is no call"):
        trio.do(Send(agent="a", to="render.1", text="x", expires=trio.now))


def test_the_ledger_of_a_message_counts_like_that_of_a_broadcast(trio: Any) -> None:
    trio.do(Send(agent="a", to="render.*", id="x", text="hello"))
    seq = trio.swarm.cursor

    trio.do(Sent(deliveries=(("render.1", seq), ("render.2", seq))))
    trio.do(Done(agent="render.1", seq=seq))

    message = trio.swarm.broadcasts["x"]
    assert (message.recipients, message.sent, message.done) == (2, 2, 1)


def test_whoever_sends_was_heard(trio: Any) -> None:
    trio.wait(seconds=60)
    trio.do(Send(agent="a", to="render.1", text="hello"))

    assert trio.swarm.agents["a"].heard == trio.now


def test_an_agent_that_was_never_heard_of_may_send_but_not_call(trio: Any) -> None:
    assert recipients(trio, "a", sender="new") == ("a",)
    with pytest.raises(NotFound, match="'new' is known, so an answer has nowhere"):
        trio.do(Send(agent="new", to="a", text="x", call="c"))


# --- calls ---------------------------------------------------------------------------


@pytest.fixture
def called(trio: Any) -> Any:
    trio.do(Send(agent="a", to="render.1", id="x", body={"method": "go"}, call="c1"))
    return trio


def answer(agent: str, call: str = "c1", **fields: Any) -> Send:
    return Send(agent=agent, to="", answers=call, body={"result": 1}, **fields)


def test_an_answer_goes_to_the_caller_whatever_its_address_says(called: Any) -> None:
    called.do(Send(agent="render.1", to="render.2", answers="c1", body={"result": 1}))

    (row,) = called.swarm.mail["a"].values()
    message = called.swarm.broadcasts[row.ref]
    assert (message.sender, message.to, message.answers) == ("render.1", "a", "c1")
    assert called.swarm.broadcasts["x"].answered == ("render.1",)


def test_a_call_is_answered_once(called: Any) -> None:
    called.do(answer("render.1"))

    again = called.do(answer("render.1"))
    (numbered,) = called.do(answer("render.1", spool="s", seq=1))

    assert not again
    assert numbered.code == "conflict"
    assert len(called.swarm.mail["a"]) == 1


def test_only_who_got_a_call_answers_it(called: Any) -> None:
    for stranger in ("render.2", "a", ""):
        with pytest.raises(NotAllowed, match="only who gets a call"):
            called.do(answer(stranger))


def test_an_answer_may_come_after_the_call_was_handled(called: Any) -> None:
    called.do(Done(agent="render.1", seq=called.swarm.cursor))

    assert called.subjects(answer("render.1")) == ["message.sent"]


def test_each_of_several_answers_once(trio: Any) -> None:
    trio.do(Send(agent="a", to="render.*", text="?", call="c1"))

    for agent in ("render.2", "render.1", "render.2"):
        trio.do(answer(agent))

    assert len(trio.swarm.mail["a"]) == 2


@pytest.fixture
def forgetful(make_world: Any) -> Any:
    world = make_world(Rules(keep_settled=1))
    world.do(Notify(agent="a", report="idle"))
    world.do(Notify(agent="b", report="idle"))
    return world


def handle(world: Any, **message: Any) -> None:
    world.do(Send(agent="a", to="b", text="?", **message))
    world.do(Done(agent="b", seq=world.swarm.cursor))


def test_a_call_is_known_until_it_is_answered_whatever_else_is_said(
    forgetful: Any,
) -> None:
    handle(forgetful, call="c1")
    for _ in range(5):
        handle(forgetful)

    assert forgetful.subjects(answer("b")) == ["message.sent"]

    for _ in range(5):
        handle(forgetful)
    assert forgetful.swarm.call("c1") is None


def test_of_calls_that_nobody_answers_the_oldest_is_forgotten(forgetful: Any) -> None:
    handle(forgetful, call="c1")
    handle(forgetful, call="c2")

    world = forgetful
    with pytest.raises(Conflict, match="no call 'c1' is known"):
        world.do(answer("b"))


def test_a_call_needs_somebody_to_answer_it_and_somebody_to_tell(trio: Any) -> None:
    with pytest.raises(NotFound, match="is 0 agents"):
        trio.do(Send(agent="a", to="none.*", text="?", call="c1"))
    with pytest.raises(Invalid, match="a person has no mailbox"):
        trio.do(Send(agent="", to="a", text="?", call="c1"))


def test_the_id_of_a_call_is_used_once(called: Any) -> None:
    with pytest.raises(Conflict, match="'c1' was made before"):
        called.do(Send(agent="render.2", to="a", text="?", call="c1"))


def test_a_call_that_expired_is_not_handed_out(trio: Any) -> None:
    soon = trio.now + timedelta(seconds=5)
    trio.do(Send(agent="a", to="render.1", id="x", text="?", call="c", expires=soon))
    seq = trio.swarm.cursor

    assert trio.swarm.deadline == soon
    trio.wait(seconds=5)
    (dead,) = trio.do(Tick())

    assert (dead.seq, dead.reason) == (seq, "nobody waits for its answer any more")
    assert trio.swarm.broadcasts["x"].dead == 1
    assert trio.swarm.deadline is None


def test_a_call_that_expired_leaves_nothing_behind_in_the_mailbox(trio: Any) -> None:
    soon = trio.now + timedelta(seconds=5)
    trio.do(Send(agent="a", to="render.1", text="?", call="c", expires=soon))
    seq = trio.swarm.cursor
    trio.wait(seconds=5)
    trio.do(Tick())

    assert not trio.swarm.mail
    assert not trio.swarm.dead_deliveries
    with pytest.raises(NotFound, match="waits or is dead"):
        trio.do(Retry(agent="render.1", seq=seq))


def test_a_call_that_was_given_up_is_not_sent_again_when_it_has_expired(
    trio: Any,
) -> None:
    soon = trio.now + timedelta(seconds=5)
    trio.do(Send(agent="a", to="render.1", text="?", call="c", expires=soon))
    seq = trio.swarm.cursor
    trio.do(GiveUp(agent="render.1", seq=seq, reason="no"))
    trio.wait(seconds=5)

    with pytest.raises(Conflict, match="carries a call that expired"):
        trio.do(Retry(agent="render.1", seq=seq))


def test_a_call_that_was_handed_out_is_left_to_its_agent(trio: Any) -> None:
    soon = trio.now + timedelta(seconds=5)
    trio.do(Send(agent="a", to="render.1", text="?", call="c", expires=soon))
    trio.do(Sent(deliveries=(("render.1", trio.swarm.cursor),)))
    trio.wait(seconds=5)

    assert not trio.do(Tick())
    assert trio.subjects(answer("render.1", "c")) == ["message.sent"]


def test_a_call_that_comes_too_late_is_refused(trio: Any) -> None:
    with pytest.raises(Conflict, match="make it again"):
        trio.do(Send(agent="a", to="render.1", text="?", call="c", expires=trio.now))


def test_a_broadcast_does_not_take_an_id_of_the_hubs_messages(trio: Any) -> None:
    with pytest.raises(Invalid, match="the hub itself gives"):
        trio.do(SendBroadcast(id="m9", text="hello"))


def test_who_claims_is_able_to_do_what_it_says(trio: Any) -> None:
    trio.do(Enqueue(id="T1", title="x"))
    trio.do(Claim(agent="new", capabilities=("audio",)))

    assert recipients(trio, "cap:audio") == ("new",)
