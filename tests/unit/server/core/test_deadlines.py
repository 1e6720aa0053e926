"""Deadlines against a dictionary of times."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from server.core.deadlines import Deadlines

START = datetime(2026, 1, 1, tzinfo=UTC)

times = st.none() | st.integers(0, 9).map(lambda after: START + timedelta(days=after))
changes = st.lists(st.tuples(st.sampled_from("abcdef"), times), max_size=300)


@given(changes, st.integers(0, 9), st.integers(1, 6))
def test_what_is_due_is_found_in_order_and_nothing_else(
    history: list[tuple[str, datetime | None]], day: int, limit: int
) -> None:
    deadlines, expected = Deadlines(), dict[str, datetime]()
    for key, at in history:
        deadlines.set(key, at)
        expected.pop(key, None)
        if at is not None:
            expected[key] = at
        now = START + timedelta(days=day)
        due = sorted((at, key) for key, at in expected.items() if at <= now)

        assert deadlines.due(now, limit) == [key for _, key in due[:limit]]
        assert deadlines.earliest == min(expected.values(), default=None)
        assert len(deadlines) == len(expected)
