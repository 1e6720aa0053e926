from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmtui import text


@pytest.mark.parametrize(
    ("given_text", "drawn"),
    [
        ("plain text", "plain text"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPpayload\x1b\\after", "after"),
        ("\x9b2Jcleared", "cleared"),
        ("\x1bcreset", "reset"),
        ("line one\nline two\r\n\tthree", "line one line two   three"),
        ("right\u202eleft", "rightleft"),
        ("bell\x07 back\x08 null\x00", "bell back null"),
        ("[b]markup[/b]", "[b]markup[/b]"),
        ("héllo wörld 漢字 ✓", "héllo wörld 漢字 ✓"),
    ],
)
def test_text_from_an_agent_cannot_act_on_the_terminal(
    given_text: str, drawn: str
) -> None:
    assert text.safe(given_text) == drawn


@given(st.text())
def test_whatever_is_given_only_printable_text_is_drawn(anything: str) -> None:
    assert text.safe(anything).isprintable()


@given(st.text(), st.integers(1, 40), st.booleans())
def test_a_fitted_cell_takes_exactly_its_cells(
    anything: str, cells: int, right: bool
) -> None:
    assert text.width(text.fit(text.safe(anything), cells, right=right)) == cells


def test_what_is_too_long_ends_in_an_ellipsis() -> None:
    assert text.fit("session-00012-streaming", 10) == "session-0…"
    assert text.fit("漢字漢字", 4) == "漢 …"
    assert text.clip("short", 10) == "short"


@pytest.mark.parametrize(
    ("cells", "drawn"),
    [
        (30, "claude-shop-4e11f2@vm"),
        (20, "claude-shop-4e11f2"),
        (15, "claude-sh…e11f2"),
        (10, "claude…1f2"),
        (2, "c…"),
        (1, "…"),
    ],
)
def test_a_name_shows_its_ends(cells: int, drawn: str) -> None:
    assert text.name("claude-shop-4e11f2@vm", cells) == drawn


@given(st.text(), st.integers(1, 40))
def test_a_name_takes_no_more_than_its_cells(anything: str, cells: int) -> None:
    assert text.width(text.name(text.safe(anything), cells)) <= cells


def test_figures_are_set_to_the_right() -> None:
    assert text.fit("7", 4, right=True) == "   7"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (129_599, "35h"),
        (129_600, "1d"),
        (86_400 * 400, "400d"),
    ],
)
def test_a_duration_takes_at_most_four_cells(seconds: float, told: str) -> None:
    assert text.duration(seconds) == told
    assert text.duration(timedelta(seconds=seconds)) == told


def test_an_age_is_counted_from_now() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)

    assert text.ago(now - timedelta(minutes=46), now) == "46m"


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (timedelta(), "0s"),
        (timedelta(seconds=42), "42s"),
        (timedelta(minutes=3, seconds=5), "3m 5s"),
        (timedelta(hours=3, minutes=12, seconds=9), "3h 12m"),
        (timedelta(days=2, hours=0, minutes=59), "2d 0h"),
    ],
)
def test_uptime_has_two_units(span: timedelta, told: str) -> None:
    assert text.uptime(span) == told


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.0k"),
        (9_940, "9.9k"),
        (48_112, "48k"),
        (2_100_000, "2.1M"),
        (3e9, "3.0G"),
    ],
)
def test_a_short_number_keeps_its_unit(number: float, told: str) -> None:
    assert text.short(number) == told


@given(st.floats(0, 9e11))
def test_a_short_number_takes_at_most_five_cells(number: float) -> None:
    assert len(text.short(number)) <= 6


def test_money_loses_its_cents_from_a_thousand_on() -> None:
    assert text.money(19.551) == "$19.55"
    assert text.money(0) == "$0.00"
    assert text.money(1203.4) == "$1,203"


def test_milliseconds_have_the_digits_they_deserve() -> None:
    assert text.millis(0.42) == "0.4"
    assert text.millis(12.3) == "12"
    assert text.millis(1234) == "1,234"


def test_a_count_agrees_with_its_noun() -> None:
    assert text.plural(1, "agent") == "1 agent"
    assert text.plural(10_000, "agent") == "10,000 agents"


def test_a_state_is_glyph_and_word() -> None:
    assert [text.state(name) for name in text.STATES] == [
        "○ idle",
        "● busy",
        "■ blocked",
        "▲ help",
        "✓ done",
        "× lost",  # noqa: RUF001  # the sign, not the letter
    ]
