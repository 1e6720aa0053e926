"""What agents say does nothing where it is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.alerts.plain import SAID, name, plain


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("blue or green?", "blue or green?"),
        ("two\r\nlines\tand  blanks ", "two lines and blanks"),
        ("\x1b[31mred\x1b[0m and \x9b1mbold", "red and bold"),
        ("\x1b]0;title\x07here\x00", "0;titlehere"),
        ("right\u202eto left\u2069", "rightto left"),
        ("half a pair \ud800", "half a pair"),
        ("a < b", "a \N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK} b"),
        ("at 5 @ home", "at 5 @ home"),
        ("a[1] (not a link)", "a[1] (not a link)"),
    ],
)
def test_text_becomes_one_harmless_line(said: str, told: str) -> None:
    assert plain(said) == told


@pytest.mark.parametrize(
    "mention",
    ["@everyone", "@here", "<@U1>", "<!channel>", "<!subteam^S1>", "<@&77>", "@room"],
)
def test_a_mention_names_nobody(mention: str) -> None:
    told = plain(f"ask {mention} now")

    assert mention not in told
    assert "@e" not in told
    assert "<" not in told


def test_a_link_does_not_hide_where_it_leads() -> None:
    told = plain("see [the docs](https://elsewhere.example)")

    assert "](" not in told
    assert "https://elsewhere.example" in told


def test_what_is_long_is_cut() -> None:
    assert plain("x" * 1000) == "x" * (SAID - 1) + "…"
    assert len(name("y" * 1000)) == 80


@given(st.text())
def test_whatever_is_said_is_one_short_line_without_markup(said: str) -> None:
    told = plain(said)

    assert "\n" not in told
    assert "\x1b" not in told
    assert "<" not in told
    assert "](" not in told
    assert len(told) <= 2 * SAID
    told.encode()
