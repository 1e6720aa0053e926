import json
from datetime import UTC, datetime
from typing import Any

import pytest

from agentkit.coordinator import Heard
from agentkit.errors import BadFilter
from agentkit.protocol import (
    AgentConnected,
    AgentLost,
    AgentReported,
    BroadcastSent,
    DeliveryAcked,
    DeliverySent,
    Event,
    HelpAnswered,
    HelperAssigned,
    HelpResolved,
    TaskAssigned,
)
from agentkit.rows import Report
from swarmtui.traffic import Message, Tally, compile_traffic, route

AT = datetime(2026, 11, 21, 20, 41, 7, tzinfo=UTC)


def report(agent: str = "a1", word: Report = "busy", **given: Any) -> AgentReported:
    known: dict[str, Any] = {
        "task": "T1",
        "message": "",
        "capabilities": ("video",),
        "cost": 1.0,
        "completed": 2,
        "reported_at": "",
        "waiting_since": None,
        "via": "ws",
    }
    return AgentReported(at=AT, agent=agent, report=word, **(known | given))


def message(event: Event, size: int = 212, ms: float = 0.4) -> Message:
    return Message(Heard(7, event, size, ms))


@pytest.mark.parametrize(
    ("event", "went"),
    [
        (report(), ("in", "a1", "hub")),
        (AgentConnected(at=AT, agent="a1", capabilities=()), ("in", "a1", "hub")),
        (DeliveryAcked(at=AT, agent="a1", upto=3), ("in", "a1", "hub")),
        (
            TaskAssigned(at=AT, agent="a1", task="T", title="", body={}, by="ann"),
            ("out", "ann", "a1"),
        ),
        (
            HelperAssigned(at=AT, agent="a1", help="h", helper="a2", note="", by=""),
            ("out", "hub", "a2"),
        ),
        (
            BroadcastSent(
                at=AT, broadcast="b", text="", where="", by="ann", recipients=("a", "b")
            ),
            ("out", "ann", "2 agents"),
        ),
        (DeliverySent(at=AT, deliveries=(("a1", 1), ("a1", 2))), ("out", "hub", "a1")),
        (
            DeliverySent(at=AT, deliveries=(("a1", 1), ("a2", 1))),
            ("out", "hub", "2 agents"),
        ),
        (AgentLost(at=AT, agent="a1"), ("hub", "hub", "a1")),
        (
            HelpResolved(at=AT, agent="a1", help="h", note="", by="ann"),
            ("hub", "ann", "a1"),
        ),
        (
            HelpResolved(at=AT, agent="a1", help="h", note="", by="a1"),
            ("hub", "a1", "desk"),
        ),
    ],
)
def test_every_message_has_a_way_and_two_ends(
    event: Event, went: tuple[str, str, str]
) -> None:
    assert route(event) == went


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("subject:agent.**", ["busy", "help"]),
        ("subject:agent.busy,help.answered", ["busy", "answer"]),
        ("!subject:agent.*", ["answer"]),
        ("agent:web-*", ["help"]),
        ("agent:ann", ["answer"]),
        ("way:out", ["answer"]),
        ("way:in size>1k", ["help"]),
        ("size<=212", ["busy", "answer"]),
        ("ms>5", ["help"]),
        ("deadlock", ["help"]),
        ("DEADLOCK way:out", []),
        ("", ["busy", "help", "answer"]),
    ],
)
def test_a_filter_chooses_messages(text: str, found: list[str]) -> None:
    messages = {
        "busy": message(report()),
        "help": message(
            report("web-1", "help", message="a deadlock"), size=2048, ms=12.0
        ),
        "answer": message(
            HelpAnswered(at=AT, agent="a1", help="h", text="yes", by="ann"), size=99
        ),
    }
    chosen = compile_traffic(text)

    assert [
        name for name, one in messages.items() if chosen is None or chosen(one)
    ] == found


@pytest.mark.parametrize(
    ("text", "reason", "span"),
    [
        ("subjct:agent.*", "did you mean subject?", (0, 14)),
        ("x colour:red", "use subject, agent, way, size, ms", (2, 12)),
        ("subject:agent.b*", "only for whole segments", (0, 16)),
        ("way:sideways", "use in, out or hub", (0, 12)),
        ("size>big", "'big' is not a number", (0, 8)),
        ("ms:5", "write ms>5", (0, 4)),
        ("agent:", "there is nothing after agent:", (0, 6)),
        ("subject>3", "takes a colon", (0, 9)),
    ],
)
def test_a_term_that_cannot_be_read_is_named_with_the_remedy(
    text: str, reason: str, span: tuple[int, int]
) -> None:
    with pytest.raises(BadFilter, match="cannot be read") as caught:
        compile_traffic(text)

    assert reason.strip() in str(caught.value)
    assert (caught.value.start, caught.value.end) == span  # type: ignore[attr-defined]


def test_a_message_is_exported_as_the_frame_that_went_over_the_wire() -> None:
    frame = json.loads(message(report()).line)

    assert frame["cursor"] == 7
    assert frame["subject"] == "agent.busy"
    assert frame["data"]["capabilities"] == ["video"]
    assert (frame["bytes"], frame["ms"]) == (212, 0.4)


def test_a_message_is_shown_as_json_with_a_line_for_each_field() -> None:
    shown = message(report(message="line\nbreak")).pretty()

    assert json.loads(shown) == json.loads(message(report(message="line\nbreak")).line)
    assert '    "capabilities": ["video"],' in shown.splitlines()


def test_ends_from_agents_are_safe_to_draw() -> None:
    assert message(report("a\x1b[2J1")).ends == "a1 → hub"


def test_rates_are_told_over_the_last_seconds_without_the_running_one() -> None:
    tally = Tally()
    for count in (4, 2, 0, 9):
        tally.pace([message(report())] * count)
        tally.second()
    tally.pace([message(report())] * 100)

    assert tally.rate("agent.busy").rate == 15 / 4
    assert tally.rate("via ws", peers=3).rate == 15 / 4
    assert tally.rate("via http").rate == 0


def test_what_came_before_the_view_was_opened_counts_but_has_no_rate() -> None:
    tally = Tally()
    tally.add([message(report()), message(report(word="idle"))])
    tally.second()

    assert list(tally.subjects()) == ["agent.busy", "agent.idle"]
    assert [(one.total, one.rate) for one in tally.subjects().values()] == [
        (1, 0.0),
        (1, 0.0),
    ]
