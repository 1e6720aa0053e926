"""The gate: so many an hour, and hardly any at night."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.alerts.facts import Alert
from server.alerts.gate import HOUR, Gate
from server.alerts.quiet import Quiet

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MIDNIGHT = NOON + timedelta(hours=12)
MORNING = NOON + timedelta(hours=19)
NIGHT = Quiet.read("22:00-07:00")
NIGHT = Quiet(NIGHT.begin, NIGHT.end, ZoneInfo("UTC"))
SECOND = timedelta(seconds=1)


def alert(key: str, *, urgent: bool = False) -> Alert:
    return Alert((key,), 1, "help", NOON, f"{key} needs help", "", urgent)


def keys(alerts: list[Alert]) -> list[str]:
    return [one.key[0] for one in alerts]


def filled(gate: Gate, *names: str, **fields: bool) -> Gate:
    for name in names:
        gate.add(alert(name, **fields))
    return gate


@pytest.fixture
def gate() -> Gate:
    return Gate(per_hour=2, quiet=NIGHT)


def test_what_comes_up_goes_once(gate: Gate) -> None:
    assert gate.due(NOON) is None
    filled(gate, "a")
    assert gate.due(NOON) == NOON

    assert keys(gate.take(NOON)) == ["a"]
    assert gate.take(NOON) == []
    assert gate.due(NOON) is None


def test_what_is_dropped_does_not_go(gate: Gate) -> None:
    filled(gate, "a", "b").drop(("a",))

    assert ("a",) not in gate
    assert keys(gate.take(NOON)) == ["b"]


def test_what_came_up_together_goes_together(gate: Gate) -> None:
    filled(gate, "a", "b")
    filled(gate, "c", urgent=True)

    assert len(gate) == 3
    assert keys(gate.take(NOON)) == ["a", "b", "c"]


def test_beyond_the_number_in_an_hour_the_rest_gathers(gate: Gate) -> None:
    filled(gate, "a").take(NOON)
    filled(gate, "b").take(NOON + 10 * SECOND)
    filled(gate, "c", "d")

    assert gate.take(NOON + 20 * SECOND) == []
    assert gate.due(NOON + 20 * SECOND) == NOON + HOUR
    assert gate.take(NOON + HOUR - SECOND) == []
    assert keys(gate.take(NOON + HOUR)) == ["c", "d"]
    filled(gate, "e")
    assert gate.due(NOON + HOUR) == NOON + HOUR + 10 * SECOND


def test_what_is_urgent_does_not_wait_for_the_rest(gate: Gate) -> None:
    for name in "ab":
        filled(gate, name).take(NOON)
    filled(gate, "c")
    filled(gate, "d", urgent=True)

    assert gate.due(NOON) == NOON
    assert keys(gate.take(NOON)) == ["d"]
    assert len(gate) == 1


def test_what_is_urgent_is_limited_too(gate: Gate) -> None:
    told = [
        filled(gate, str(number), urgent=True).take(MIDNIGHT) for number in range(4)
    ]

    assert [len(alerts) for alerts in told] == [1, 1, 0, 0]
    assert gate.due(MIDNIGHT) == MIDNIGHT + HOUR


def test_at_night_only_what_is_urgent_goes(gate: Gate) -> None:
    filled(gate, "a", "b", "c")
    filled(gate, "d", urgent=True)

    assert keys(gate.take(MIDNIGHT)) == ["d"]
    assert gate.take(MIDNIGHT) == []
    assert gate.due(MIDNIGHT) == MORNING


def test_in_the_morning_what_is_still_open_goes_at_once(gate: Gate) -> None:
    filled(gate, "a", "b", "c").drop(("b",))

    assert gate.take(MORNING - SECOND) == []
    assert keys(gate.take(MORNING)) == ["a", "c"]


def test_an_hour_that_is_used_up_into_the_night_waits_for_the_morning() -> None:
    gate = Gate(per_hour=1, quiet=NIGHT)
    evening = NOON + timedelta(hours=9, minutes=30)
    filled(gate, "a").take(evening)
    filled(gate, "b")

    assert gate.due(evening) == MORNING


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5000),
            st.sampled_from("abcdefgh"),
            st.sampled_from(["add", "urgent", "settle"]),
        )
    ),
    st.integers(1, 3),
)
def test_whenever_it_says_that_something_is_due_there_is_something(
    steps: list[tuple[int, str, str]], per_hour: int
) -> None:
    gate, now = Gate(per_hour, NIGHT), NOON
    sent: list[datetime] = []

    for seconds, key, what in steps:
        now += timedelta(seconds=seconds)
        if what == "settle":
            gate.drop((key,))
        else:
            gate.add(alert(key, urgent=what == "urgent"))
        due = gate.due(now)
        taken = gate.take(now)
        assert bool(taken) == (due is not None and due <= now)
        sent += [now] * bool(taken)

    for first in sent:
        assert sum(first <= at < first + HOUR for at in sent) <= 2 * per_hour
    while (due := gate.due(now)) is not None:
        now = max(now, due)
        assert gate.take(now)
