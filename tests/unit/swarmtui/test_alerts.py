"""Quiet by default."""

from agentkit.coordinator import Heard
from agentkit.protocol import HelpAsked, TaskDone
from swarmtui.alerts import HOLD, Gate, calls, summary, title
from tests.unit.swarmtui.conftest import NOW


def asked(agent: str) -> Heard:
    event = HelpAsked(
        at=NOW,
        agent=agent,
        help="h",
        kind="help",
        question="why?",
        severity="normal",
        choices=(),
        wanted=(),
        task="",
    )
    return Heard(1, event, 10, 0.5)


def test_only_calls_for_a_person_ring() -> None:
    call = asked("a")

    assert calls([Heard(2, TaskDone(at=NOW, agent="a", task="T"), 1, 0.1), call]) == [
        call
    ]


def test_one_call_is_told_in_full_and_many_are_counted() -> None:
    assert summary([asked("a")]) == "a asked: “why?”"
    assert summary([asked("a"), asked("b")]) == "2 agents need you"


def test_the_title_says_how_many_need_you() -> None:
    assert [title(calling) for calling in (0, 1, 2)] == [
        "swarmtui",
        "1 needs you · swarmtui",
        "2 need you · swarmtui",
    ]


def test_what_comes_too_soon_gathers_until_the_gate_opens() -> None:
    gate = Gate()
    gate.add([asked("a")])
    first = gate.take(10.0)
    gate.add([asked("b"), asked("c")])

    too_soon = gate.take(10.0 + HOLD / 2)
    later = gate.take(10.0 + HOLD)

    assert (len(first), len(too_soon), len(later)) == (1, 0, 2)
    assert gate.take(99.0) == []
