"""Quiet by default."""

from agentkit.coordinator import Heard
from agentkit.protocol import HelpEscalated, TaskDone
from swarmtui.alerts import HOLD, Gate, Targets, calls, loud, summary, title
from tests.unit.swarmtui.conftest import NOW, asked


def test_only_calls_for_a_person_ring() -> None:
    call = asked("a", "why?")

    assert calls([Heard(2, TaskDone(at=NOW, agent="a", task="T"), 1, 0.1), call]) == [
        call
    ]


def test_who_is_blocked_is_heard_when_it_lasts_too_long() -> None:
    question, blocker = asked("a", "why?"), asked("b", "no disk", kind="blocked")
    escalated = Heard(3, HelpEscalated(at=NOW, agent="b", help="h-b"), 1, 0.1)

    assert loud([question, blocker, escalated]) == [question, escalated]


def test_one_call_is_told_in_full_and_many_are_counted() -> None:
    assert summary([asked("a", "why?")]) == "a asked: “why?”"
    assert summary([asked("a", "why?"), asked("b", "why?")]) == "2 agents need you"


def test_the_title_says_how_many_need_you() -> None:
    assert [title(calling) for calling in (0, 1, 2)] == [
        "swarmtui",
        "1 needs you · swarmtui",
        "2 need you · swarmtui",
    ]


def test_what_comes_too_soon_gathers_until_the_gate_opens() -> None:
    gate = Gate()
    gate.add([asked("a", "why?")])
    first = gate.take(10.0)
    gate.add([asked("b", "why?"), asked("c", "why?")])

    too_soon = gate.take(10.0 + HOLD / 2)
    later = gate.take(10.0 + HOLD)

    assert (len(first), len(too_soon), len(later)) == (1, 0, 2)
    assert gate.take(99.0) == []


def test_a_target_that_stops_taking_alerts_is_told_once_and_so_is_its_return() -> None:
    targets = Targets()
    slack, mail = {"slack://…": "it answered 403"}, {"mailto://a.b": "it hangs"}

    told = [targets.news(now) for now in ({}, slack, slack, slack | mail, mail, {})]

    assert told == [
        "",
        "alerts do not reach slack://…: it answered 403",
        "",
        "alerts do not reach mailto://a.b: it hangs",
        "alerts reach slack://… again",
        "alerts reach mailto://a.b again",
    ]
