"""What comes in: shapes, and the sentences about what will not do."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from agentkit.errors import Invalid
from agentkit.protocol import (
    Assign,
    Cancel,
    Enqueue,
    Notify,
    Requeue,
    Retry,
    SendBroadcast,
    Snooze,
)
from server.wire import (
    AGENT_FRAME,
    NOTIFICATION,
    STATUS,
    WISHES,
    echo,
    notify_of,
    sentence,
    valid,
)

NOON = datetime(2025, 11, 12, 13, tzinfo=UTC)


def test_a_notification_becomes_a_command() -> None:
    said = NOTIFICATION.validate_json(
        b'{"session_id":"a1","status":"idle","timestamp":"2025-11-12T13:00:00Z",'
        b'"last_task":"T1","capabilities":["video"],"cost_spent":1.5,'
        b'"tasks_completed":3,"waiting_since":"2025-11-12T12:00:00"}'
    )

    assert notify_of("completed", said) == Notify(
        agent="a1",
        report="completed",
        task="T1",
        capabilities=("video",),
        cost=1.5,
        completed=3,
        reported_at="2025-11-12T13:00:00Z",
        waiting_since="2025-11-12T12:00:00",
    )


def test_what_a_notification_leaves_out_is_none() -> None:
    said = NOTIFICATION.validate_json(
        b'{"session_id":"a1","status":"x","timestamp":"2025-11-12T13:00:00"}'
    )

    wish = notify_of("busy", said)

    assert (wish.task, wish.capabilities, wish.cost, wish.completed) == (None,) * 4


@given(st.datetimes(timezones=st.none() | st.timezones()))
def test_a_time_is_echoed_as_pydantic_writes_it(time: datetime) -> None:
    offset = time.utcoffset()
    if offset is not None:
        # A wire has offsets of whole minutes.
        minutes = round(offset / timedelta(minutes=1))
        time = time.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    written = TypeAdapter(datetime).dump_json(time).decode().strip('"')

    assert echo(time) == written


def test_a_frame_keeps_what_it_names_and_drops_the_rest() -> None:
    frame = AGENT_FRAME.validate_json(
        b'{"type":"notify","seq":1,"report":"busy","task":null,"agent":"x","via":"y"}'
    )

    assert frame == {"type": "notify", "seq": 1, "report": "busy", "task": None}


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("[", "this is not JSON"),
        ("[]", "the message cannot be []"),
        ("{}", "'type'"),
        ('{"type":"dance"}', "'dance'"),
        ('{"type":"ack"}', "upto is missing: add it"),
        ('{"type":"ack","upto":-1}', "upto cannot be -1: the least is 0, so choose"),
        (
            '{"type":"claim","id":1,"tasks":0}',
            "tasks cannot be 0: the least is 1, so choose",
        ),
        ('{"type":"claim","id":1,"lease":NaN}', "lease cannot be nan"),
        ('{"type":"complete","seq":1,"task":"T1"}', "fence is missing: add it"),
        ('{"type":"fail","seq":0,"task":"T1","fence":1}', "seq cannot be 0"),
        ('{"type":"dead","seq":1}', "reason is missing: add it"),
        ('{"type":"notify","seq":1,"report":"asleep"}', "'asleep'"),
        ('{"type":"notify","seq":1,"report":"busy","cost":NaN}', "cost cannot be nan"),
        ('{"type":"notify","seq":1,"report":"busy","task":7}', "task cannot be 7"),
    ],
)
def test_one_sentence_tells_what_is_wrong(text: str, tells: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        AGENT_FRAME.validate_json(text)

    told = sentence(refusal.value)
    assert tells in told
    assert "\n" not in told


@pytest.mark.parametrize("name", ["nonsense", "7", "x@a1", "7@", ""])
def test_what_is_no_delivery_is_told_how_one_is_called(name: str) -> None:
    with pytest.raises(Invalid) as refusal:
        WISHES["retry"].read({"id": name}, "me")

    assert str(refusal.value) == (
        f"id cannot be {name!r}: a delivery is called by its number, @ and its agent, "
        "as in 12@a1, and swarmtui deliveries --dead lists those that are dead"
    )


def test_a_long_value_is_told_in_short() -> None:
    with pytest.raises(Invalid) as refusal:
        valid(STATUS, {"agent": "a1", "report": "x" * 1000})

    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("word", "fields", "command"),
    [
        ("assign", {"agent": "a1"}, Assign(agent="a1", id="", by="me")),
        (
            "enqueue",
            {"title": "x", "needs": ["video"], "not_before": "2025-11-12T13:00:00"},
            Enqueue(id="", title="x", needs=("video",), not_before=NOON, by="me"),
        ),
        ("cancel", {"id": "T1"}, Cancel(id="T1", by="me")),
        ("requeue", {"id": "T1"}, Requeue(id="T1", by="me")),
        ("retry", {"id": "5@a@b"}, Retry(agent="a@b", seq=5, by="me")),
        ("broadcast", {"text": "hi"}, SendBroadcast(id="", text="hi", by="me")),
        (
            "snooze",
            {"help": "h1", "until": "2025-11-12T13:00:00"},
            Snooze(help="h1", until=NOON, by="me"),
        ),
        (
            "snooze",
            {"help": "h1", "until": "2025-11-12T15:00:00+02:00"},
            Snooze(help="h1", until=NOON, by="me"),
        ),
    ],
)
def test_a_wish_becomes_its_command(
    word: str, fields: dict[str, Any], command: object
) -> None:
    assert WISHES[word].read(fields, "me") == command


def test_nobody_says_who_they_are_in_a_wish() -> None:
    wish = WISHES["take"].read({"help": "h1", "by": "somebody else"}, "me")

    assert wish.by == "me"


@pytest.mark.parametrize("word", WISHES)
def test_every_wish_names_what_it_misses(word: str) -> None:
    with pytest.raises(Invalid, match="is missing: add "):
        WISHES[word].read({}, "me")
