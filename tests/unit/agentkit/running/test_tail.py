"""The last line of what a program wrote, without what somebody typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.running.tail import KEPT, Tail, last_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"", ""),
        (b"one\r\ntwo\r\n\r\n  \r\n", "two"),
        (b"10 %\r20 %\r30 %", "30 %"),
        (b"\x1b[31merror:\x1b[0m no\r\n\x1b[?25h", "error: no"),
        (b"\x1b]0;title\x07said\r\n\x1b]0;\x1b\\", "said"),
        (b"\x1b(Bplain\r\n", "plain"),
        (b"caf\xc3\xa9 \x08\xff", "café �"),
        (b"a\tb", "a b"),
    ],
)
def test_the_last_line_is_plain(text: bytes, line: str) -> None:
    assert last_line(text) == line


def test_what_is_echoed_is_not_kept() -> None:
    tail = Tail()
    tail.wrote(b"name? ", 0)
    tail.typed(b"secret\r", 10)
    tail.wrote(b"secret\r\n", 10)

    assert tail.last_line() == ""

    tail.wrote(b"no such name\r\n", 10)

    assert tail.last_line() == "no such name"


def test_what_is_typed_key_by_key_is_not_kept() -> None:
    tail = Tail()
    tail.wrote(b"ready\r\nname? ", 0)
    for at, key in enumerate(b"secret\r"):
        tail.typed(bytes([key]), 10 + at)
        tail.wrote(bytes([key]) if key != 13 else b"\r\n", 10 + at)

    assert tail.last_line() == "ready"


def test_several_lines_at_once_are_not_kept() -> None:
    tail = Tail()
    tail.typed(b"one\rsecret\rrest", 10)
    tail.wrote(b"one\r\nsecret\r\nrest", 10)

    assert tail.last_line() == ""


def test_what_is_typed_into_running_output_is_not_kept() -> None:
    tail = Tail()
    tail.wrote(b"line 1\r\n", 10)
    tail.typed(b"secret", 10.1)
    tail.wrote(b"line 2\r\nsecretline 3\r\n", 10.2)
    tail.wrote(b"line 4\r\n", 11)

    assert tail.last_line() == "line 4"


def test_what_a_program_draws_is_not_kept_but_what_it_says_behind_it_is() -> None:
    tail = Tail()
    tail.wrote(b"$ ", 0)
    tail.wrote(b"\x1b[?1049h> secret", 1, drawing=True)
    tail.typed(b"q", 2, drawing=True)
    tail.wrote(b"> secret\x1b[?25h\x1b[?1049lfatal: no model\r\n", 2)

    assert tail.last_line() == "fatal: no model"


def test_of_what_a_program_drew_last_nothing_is_kept() -> None:
    tail = Tail()
    tail.wrote(b"> secret", 1, drawing=True)
    tail.wrote(b"> secret\r\n", 2)

    assert tail.last_line() == ""


@given(st.lists(st.binary(max_size=3000), max_size=20))
def test_no_more_than_a_little_is_kept(parts: list[bytes]) -> None:
    tail = Tail()
    for at, part in enumerate(parts):
        tail.wrote(part, at)

    assert len(tail._kept) <= KEPT
    assert tail.last_line().isprintable()
