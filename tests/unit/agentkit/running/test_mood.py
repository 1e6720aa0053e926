"""What a program is about, by what it shows and when."""

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.running.mood import ECHO, PACE, RANG, SETTLING, Mood, Said
from agentkit.running.stream import Bell, Notice, Signal, Title

BUSY, IDLE = Said("busy"), Said("idle")


@pytest.fixture
def mood() -> Mood:
    return Mood(20, now=0)


def test_it_is_busy_from_the_start_and_that_is_known(mood: Mood) -> None:
    assert mood.due(5) is None
    assert mood.deadline == 20


def test_after_a_quiet_while_it_is_idle_and_with_output_busy_again(mood: Mood) -> None:
    mood.wrote(10)

    assert mood.due(29.9) is None
    assert mood.due(30) == IDLE
    assert mood.deadline == inf

    mood.wrote(50)

    assert mood.due(50) == BUSY


def test_without_the_timer_it_stays_busy() -> None:
    mood = Mood(0, now=0)

    assert mood.deadline == inf
    assert mood.due(1e9) is None


def test_what_is_typed_and_echoed_is_not_work(mood: Mood) -> None:
    mood.due(20)
    mood.typed(30)
    mood.wrote(30 + ECHO / 2)

    assert mood.due(40) is None

    mood.wrote(30 + ECHO)

    assert mood.due(40) == BUSY


def test_what_is_drawn_again_for_another_size_is_not_work(mood: Mood) -> None:
    mood.due(20)
    mood.resized(30)
    mood.wrote(30 + ECHO / 2)

    assert mood.due(40) is None


def test_titles_say_more_than_output(mood: Mood) -> None:
    mood.take(Title("✳ Claude Code"), 5)
    assert mood.due(5) == IDLE

    mood.wrote(10)
    assert mood.due(10) is None

    mood.take(Title("◐ Claude Code"), 15)
    assert mood.due(15) == BUSY
    assert mood.due(1000) is None
    assert mood.deadline == inf

    mood.take(Title("Claude Code"), 1000)
    assert mood.due(1000) == IDLE


def test_titles_that_say_nothing_leave_it_to_the_timer(mood: Mood) -> None:
    mood.take(Title("me@host: ~"), 5)

    assert mood.due(20) == IDLE


@pytest.mark.parametrize(
    ("signal", "asks"),
    [
        (Bell(), RANG),
        (Notice("needs you"), "needs you"),
        (Title("✋ Action Required"), "✋ Action Required"),
    ],
)
def test_a_call_asks_for_a_person(mood: Mood, signal: Signal, asks: str) -> None:
    mood.wrote(5)
    mood.take(signal, 5)

    assert mood.due(5) == Said("help", asks)


def test_a_call_is_over_when_somebody_types(mood: Mood) -> None:
    mood.take(Notice("needs you"), 5)
    mood.due(5)
    mood.typed(6)

    assert mood.due(6) == BUSY


def test_a_call_is_over_when_the_program_goes_on(mood: Mood) -> None:
    mood.take(Bell(), 5)
    mood.due(5)
    mood.wrote(5 + SETTLING / 2)
    assert mood.due(10) is None

    mood.wrote(5 + SETTLING)
    assert mood.due(10) == BUSY


def test_a_program_with_titles_goes_on_when_they_say_so(mood: Mood) -> None:
    mood.take(Title("✳ Claude Code"), 4)
    mood.take(Notice("needs you"), 5)
    mood.due(5)
    mood.wrote(10)
    mood.take(Title("✳ Claude Code, still"), 10)
    assert mood.due(10) is None

    mood.take(Title("◐ Claude Code"), 11)
    assert mood.due(11) == BUSY


def test_a_title_that_called_is_over_with_the_next(mood: Mood) -> None:
    mood.take(Title("✋ Action Required"), 5)
    mood.due(5)
    mood.take(Title("◇ Ready"), 6)

    assert mood.due(6) == IDLE


def test_a_bell_beside_a_notice_says_no_more(mood: Mood) -> None:
    mood.take(Notice("needs you"), 5)
    mood.take(Bell(), 5)

    assert mood.due(5) == Said("help", "needs you")


def test_a_bell_that_answers_a_key_calls_nobody(mood: Mood) -> None:
    mood.typed(5)
    mood.take(Bell(), 5 + ECHO / 2)

    assert mood.due(10) is None


def test_a_call_in_a_quiet_while_stays(mood: Mood) -> None:
    mood.take(Bell(), 5)

    assert mood.due(5) == Said("help", RANG)
    assert mood.due(500) is None


MOMENTS = st.lists(
    st.tuples(
        st.floats(0, 3),
        st.sampled_from(
            [
                *("wrote", "typed", "resized"),
                *(Bell(), Notice("a"), Notice("b"), Title("⠙ x"), Title("x")),
                Title("✋ x"),
            ]
        ),
    ),
    max_size=60,
)


@given(MOMENTS, st.sampled_from([0.0, 2.0]))
def test_changes_keep_their_distance_and_the_last_one_is_told(
    moments: list[tuple[float, str | Signal]], quiet: float
) -> None:
    mood = Mood(quiet, now=0)
    told = [(0.0, BUSY)]
    now = 0.0

    def wait(until: float) -> None:
        while mood.deadline <= until:
            at = max(mood.deadline, told[-1][0])
            said = mood.due(at)
            if said:
                told.append((at, said))

    for pause, what in moments:
        wait(now + pause)
        now += pause
        if isinstance(what, str):
            getattr(mood, what)(now)
        else:
            mood.take(what, now)
        if said := mood.due(now):
            told.append((now, said))
    wait(now + quiet + 2 * PACE)

    times = [at for at, _ in told]
    states = [said for _, said in told]
    assert all(b - a >= PACE * 0.999 for a, b in pairwise(times))
    assert all(a != b for a, b in pairwise(states))
    assert mood.due(now + 1000) is None
