import json
from datetime import UTC, datetime, timedelta
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
    MessageSent,
    TaskAssigned,
)
from agentkit.rows import Report
from agentkit.traffic import Tapped
from swarmtui.rates import SUBJECTS, Tally
from swarmtui.routes import route
from swarmtui.traffic import SETTLE, InOrder, Message, Passed, Told, as_json
from swarmtui.traffic_filter import compile_traffic, tap_pattern

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
    return Told(Heard(7, event, size, ms))


def passed(subject: str = "build.web.done", **given: Any) -> Message:
    known: dict[str, Any] = {
        "at": AT,
        "link": "bus",
        "direction": "in",
        "source": "ci",
        "to": "2 connections",
        "size": 99,
        "ms": 0.1,
        "data": {"n": 1},
        "id": "9f",
    }
    return Passed(Tapped(subject=subject, **(known | given)))


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
        (
            MessageSent(at=AT, message="m", agent="a1", to="a2@x", recipients=("a2",)),
            ("in", "a1", "a2"),
        ),
        (
            MessageSent(
                at=AT, message="m", agent="", to="a*", recipients=("a1", "a2"), by="ann"
            ),
            ("out", "ann", "a*"),
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
        ("!subject:agent.*", ["answer", "done"]),
        ("agent.**", ["busy", "help"]),
        ("!agent.*", ["answer", "done"]),
        ('"agent.*"', []),
        ("link:bus", ["done"]),
        ("link:hub help.*", ["answer"]),
        ("agent:ci", ["done"]),
        ("agent:web-*", ["help"]),
        ("agent:ann", ["answer"]),
        ("way:out", ["answer"]),
        ("way:in size>1k", ["help"]),
        ("size<=212", ["busy", "answer", "done"]),
        ("ms>5", ["help"]),
        ("deadlock", ["help"]),
        ("DEADLOCK way:out", []),
        ("", ["busy", "help", "answer", "done"]),
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
        "done": passed(),
    }
    chosen = compile_traffic(text)

    assert [
        name for name, one in messages.items() if chosen is None or chosen(one)
    ] == found


@pytest.mark.parametrize(
    ("text", "reason", "span"),
    [
        ("subjct:agent.*", "did you mean subject?", (0, 14)),
        ("x colour:red", "use subject, agent, link, way, size, ms", (2, 12)),
        ("agent.b*", "only for whole segments", (0, 8)),
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


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("", "**"),
        ("deadlock", "**"),
        ("agent.**", "agent.**"),
        ("size>1k build.*.done deadlock", "build.*.done"),
        ("subject:agent.busy", "agent.busy"),
        ("subject:agent.busy,agent.idle", "**"),
        ("!agent.*", "**"),
        ("agent.b*", "**"),
        ("agent.b* help.*", "help.*"),
        ('"agent.*"', "**"),
        ('open "quote', "**"),
    ],
)
def test_the_hub_is_asked_for_the_pattern_that_must_match(
    text: str, pattern: str
) -> None:
    assert tap_pattern(text) == pattern


def test_events_and_messages_are_exported_in_one_shape() -> None:
    event, tapped = json.loads(message(report()).line), json.loads(passed().line)

    assert {*event} - {*tapped} == {"cursor"}
    assert {*tapped} - {*event} == {"id"}
    assert (event["link"], event["cursor"], event["subject"]) == (
        "hub",
        7,
        "agent.busy",
    )
    assert event["data"]["capabilities"] == ["video"]
    assert (event["size"], event["ms"]) == (212, 0.4)
    assert (tapped["link"], tapped["source"], tapped["id"]) == ("bus", "ci", "9f")
    assert tapped["data"] == {"n": 1}


def test_a_message_is_shown_as_json_over_many_lines() -> None:
    shown = message(report(message="line\nbreak — ünï")).pretty()

    assert json.loads(shown)["data"]["message"] == "line\nbreak — ünï"
    assert '    "capabilities": [' in shown.splitlines()
    assert "ünï" in shown


def test_data_in_any_script_is_readable() -> None:
    assert "ünï" in as_json({"text": "ünï"})


def test_of_data_that_is_too_long_the_beginning_is_shown() -> None:
    assert passed(data='{"text":"xxx').data == '{"text":"xxx'
    assert as_json('{"text":"xxx') == '{"text":"xxx…'


def test_ends_from_agents_are_safe_to_draw() -> None:
    assert message(report("a\x1b[2J1")).ends == "a1 → hub"
    assert passed(source="", to="a\x1b[2J1").ends == "- → a1"


# --- order ---------------------------------------------------------------------------


def at(seconds: float) -> Message:
    return passed(at=AT + timedelta(seconds=seconds))


def test_what_arrives_late_is_passed_on_in_the_order_of_time() -> None:
    order = InOrder()
    first, second, third = at(0.00), at(0.01), at(0.02)
    order.add([second], now=0.0)
    order.add([third, first], now=0.05)

    assert order.take(now=SETTLE / 2) == []
    assert order.take(now=SETTLE) == [first, second]
    assert order.take(now=0.05 + SETTLE) == [third]


def test_the_rest_is_in_order_as_well() -> None:
    order = InOrder()
    late, early = at(1), at(0)
    order.add([late, early], now=0.0)

    assert order.rest() == [early, late]
    assert order.rest() == []


# --- rates ---------------------------------------------------------------------------


def test_rates_are_told_over_the_last_seconds_without_the_running_one() -> None:
    tally = Tally()
    for count in (4, 2, 0, 9):
        tally.pace([message(report())] * count)
        tally.second()
    tally.pace([message(report())] * 100)

    assert tally.rate("agent.busy").rate == 15 / 4
    assert tally.rate("agent.idle").rate == 0


def test_what_came_before_the_view_was_opened_counts_but_has_no_rate() -> None:
    tally = Tally()
    tally.add([message(report()), message(report(word="idle"))])
    tally.second()

    assert list(tally.subjects()) == ["agent.busy", "agent.idle"]
    assert [(one.total, one.rate) for one in tally.subjects().values()] == [
        (1, 0.0),
        (1, 0.0),
    ]


def test_of_very_many_subjects_the_most_heard_are_counted() -> None:
    tally = Tally()
    tally.add([passed("heard.often")] * 3)
    for n in range(5 * SUBJECTS):
        tally.add([passed(f"once.{n}")])

    assert len(tally.totals) <= 2 * SUBJECTS
    assert tally.rate("heard.often").total == 3
    assert len(tally.subjects()) <= SUBJECTS
