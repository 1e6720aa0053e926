"""Events in words."""

from typing import Any, get_args

import pytest

from agentkit.codec import EVENTS, decode
from agentkit.protocol import (
    AgentOverspent,
    AgentReported,
    AgentSpent,
    Event,
    HelpAsked,
    MessageSent,
)
from swarmtui.telling import is_news, is_of_note, tell, whom, why_failed
from swarmtui.text import GLYPHS
from tests.unit.swarmtui.conftest import NOW

FIELDS: dict[str, Any] = {
    "at": NOW.isoformat(),
    "cost": 1.0,
    "until": NOW.isoformat(),
    "added": 0.5,
    "added_in": 0,
    "added_out": 0,
    "spent": 5.0,
    "budget": 4.0,
    "agent": "a1",
    "report": "busy",
    "capabilities": [],
    "recipients": ["a1", "a2"],
    "deliveries": [["a1", 1]],
    "choices": [],
    "wanted": [],
    "body": {},
    "kind": "help",
    "severity": "normal",
    "completed": 2,
    "upto": 3,
    "seq": 3,
    "waiting_since": None,
    "not_before": None,
    "expires": None,
    "needs": [],
    "result": {},
    "fence": 3,
    "lease": 60.0,
    "attempt": 2,
    "priority": 1,
    "max_attempts": 3,
    "cause": "failed",
    "left_out": 0,
    "progress": 0.4,
    "on": True,
    "input": {},
    "context": {},
    "changes": {},
    "document": {},
    "error": {"_error": "it broke", "_error_type": "TaskFailed"},
    "item": 0,
    "index": 4,
    "visit": 2,
    "total": 7,
    "depth": 1,
    "checkpoint": 2,
    "launched": [],
    "due": None,
    "size": 12,
}

OF_THEIR_OWN: dict[str, dict[str, Any]] = {
    "letter.dead": {"message": {"name": "job.made"}},
    "item.started": {"kind": "agent"},
}
"""Fields that mean something else in other events."""


def event_of(subject: str) -> Event:
    kind = EVENTS[subject]
    words = dict.fromkeys(kind.__dataclass_fields__, "word")
    known = {name: FIELDS.get(name, word) for name, word in words.items()}
    return decode(kind, {**known, **OF_THEIR_OWN.get(subject, {})})


@pytest.mark.parametrize("subject", EVENTS)
def test_every_event_has_a_word_and_a_known_colour(subject: str) -> None:
    told = tell(event_of(subject))

    assert told.word
    assert told.state in {"", *GLYPHS}


def test_no_event_is_left_out() -> None:
    assert {type(event_of(subject)) for subject in EVENTS} == set(get_args(Event))


def test_a_question_is_told_with_its_words() -> None:
    event = HelpAsked(
        at=NOW,
        agent="a1",
        help="h1",
        kind="blocked",
        question="which\none?",
        severity="normal",
        choices=(),
        wanted=(),
        task="",
    )

    assert tell(event) == ("blocked", "asked", "“which one?”")


def test_what_an_agent_writes_cannot_act_on_the_terminal() -> None:
    event = event_of("agent.busy")
    assert isinstance(event, AgentReported)
    hostile = decode(
        AgentReported,
        {**FIELDS, "task": "\x1b]0;gotcha\x07T1", "agent": "a\x1b[2J"}
        | dict.fromkeys(("message", "reported_at", "via"), ""),
    )

    assert "\x1b" not in tell(hostile).text
    assert whom(hostile) == "a"


def test_a_budget_that_is_spent_is_told_with_its_sums() -> None:
    event = AgentOverspent(at=NOW, agent="a1", spent=5.02, budget=5)

    assert is_news(event.subject)
    assert tell(event) == (
        "blocked",
        "overspent",
        "$5.02 of $5.00 today: no new work until tomorrow (UTC)",
    )


@pytest.mark.parametrize(
    ("added", "tokens", "told"),
    [
        (0.5, (0, 0), "$0.50, $5.00 today"),
        (0.0, (12_400, 310), "12k in, 310 out"),
        (0.5, (12_400, 310), "12k in, 310 out; $0.50, $5.00 today"),
    ],
)
def test_what_was_used_is_told_in_dollars_or_in_tokens(
    added: float, tokens: tuple[int, int], told: str
) -> None:
    sums: dict[str, Any] = {"cost": 9, "tokens_in": 1, "tokens_out": 1, "spent": 5.0}
    event = AgentSpent(
        at=NOW,
        agent="a1",
        added=added,
        added_in=tokens[0],
        added_out=tokens[1],
        **sums,
    )

    assert tell(event) == ("", "spent", told)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, ("", "message", "→ b: “hello”")),
        ({"call": "c1"}, ("", "call", "→ b: “hello”")),
        ({"answers": "c1", "text": ""}, ("", "answer", "→ b: {'n': 1}")),
        (
            {"to": "x.*", "recipients": ("b", "c")},
            ("", "message", "→ x.* (2): “hello”"),
        ),
        ({"to": "", "about": "T1"}, ("", "message", "→ b: “hello”")),
    ],
)
def test_a_message_is_told_with_whom_it_is_for(
    fields: dict[str, Any], told: tuple[str, str, str]
) -> None:
    said: dict[str, Any] = {"to": "b", "recipients": ("b",), "text": "hello"}
    said |= {"body": {"n": 1}, **fields}

    assert tell(MessageSent(at=NOW, message="m1", agent="a", **said)) == told
    assert is_of_note("message.sent")


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        ("run.launched", "word word at word by word"),
        ("run.entered", "word word, 7 items"),
        ("run.failed", "word: it broke"),
        ("item.started", "word #4 word, attempt 2"),
        ("item.failed", "word #4: it broke"),
        ("result.written", "word/word by word"),
    ],
)
def test_what_happens_to_a_run_is_told_with_its_id(subject: str, told: str) -> None:
    assert tell(event_of(subject)).text == told


@pytest.mark.parametrize("error", [{}, {"_error": ""}])
def test_a_failure_without_a_reason_says_so(error: dict[str, Any]) -> None:
    assert why_failed(error) == "it gave no reason"


@pytest.mark.parametrize(
    ("subject", "news"),
    [
        ("agent.busy", True),
        ("help.asked", True),
        ("delivery.sent", False),
        ("run.finished", True),
        ("item.done", False),
    ],
)
def test_steps_of_deliveries_are_no_news(subject: str, news: bool) -> None:
    assert is_news(subject) is news
