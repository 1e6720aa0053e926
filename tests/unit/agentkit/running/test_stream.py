"""What is found in a stream, however it is cut."""

from base64 import b64encode
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.running.stream import (
    LIMIT,
    SHOWN,
    Bell,
    Notice,
    Reader,
    Signal,
    Title,
    is_answer,
)

SAID: list[tuple[bytes, list[Signal]]] = [
    (b"plain text\r\n", []),
    (b"\x07", [Bell()]),
    (b"a\x07b\x07", [Bell(), Bell()]),
    (b"\x1b]0;codex\x07", [Title("codex")]),
    (b"\x1b]2;codex\x1b\\", [Title("codex")]),
    (b"\x1b]0;\x07", [Title("")]),
    (b"\x1b]1;icon\x07", []),
    (b"\x1b]0;codex\x07\x07", [Title("codex"), Bell()]),
    ("\x1b]0;⠙ codex\x07".encode(), [Title("⠙ codex")]),
    (b"\x1b]0;a;b\x07", [Title("a;b")]),
    (b"\x1b]9;done\x07", [Notice("done")]),
    (b"\x1b]9;12 tests failed\x07", [Notice("12 tests failed")]),
    (b"\x1b]9;4;1;50\x07", []),
    (b"\x1b]9;4;0;\x1b\\", []),
    (b"\x1b]9;\x07", []),
    (b"\x1b]777;notify;Claude;needs you\x07", [Notice("Claude: needs you")]),
    (b"\x1b]777;precmd\x07", []),
    (b"\x1b]99;;hello\x1b\\", [Notice("hello")]),
    (
        b"\x1b]99;i=1:d=0;Claude\x1b\\\x1b]99;i=1:p=body;now\x1b\\",
        [Notice("Claude: now")],
    ),
    (b"\x1b]99;i=1:p=?;\x1b\\", []),
    (b"\x1b]99;e=1;" + b64encode("grüß".encode()) + b"\x1b\\", [Notice("grüß")]),
    (b"\x1b]99;e=1;no base64!\x1b\\", []),
    # a string of another kind may have bells in it, and is not ended by them
    (b"\x1bP1;2|\x07\x07\x1b\\\x07", [Bell()]),
    (b"\x1b_G\x07;\x1b\\", []),
    # wrapped for tmux
    (b"\x1bPtmux;\x1b\x1b]9;look\x07\x1b\\", [Notice("look")]),
    # cancelled, and cut off
    (b"\x1b]0;gone\x18\x07", [Bell()]),
    (b"\x1b]0;a\x1b]0;b\x07", [Title("a"), Title("b")]),
    (b"\x1b\x1b\x1b]0;a\x07", [Title("a")]),
    (b"\x1b[31mred\x1b[0m\x07", [Bell()]),
    # nothing of it moves a cursor anywhere else
    (b"\x1b]0;a\tb\r\nc\x08d\x07", [Title("a b cd")]),
    ("\x1b]0;a\u202eb\x07".encode(), [Title("ab")]),
    (b"\x1b]0;\xff\xfebad\x07", [Title("bad")]),
    (b"\x1b]0;" + b"x" * 5000 + b"\x07", [Title("x" * SHOWN)]),
    (b"\x1b]52;c;" + b"QUJD" * 50_000 + b"\x07\x07", [Bell()]),
]


@pytest.mark.parametrize(("stream", "signals"), SAID)
def test_what_a_program_says_is_found(stream: bytes, signals: list[Signal]) -> None:
    assert Reader().feed(stream) == signals


@pytest.mark.parametrize(("stream", "signals"), SAID)
def test_it_is_found_byte_by_byte(stream: bytes, signals: list[Signal]) -> None:
    reader = Reader()
    found = [
        signal
        for at in range(len(stream))
        for signal in reader.feed(stream[at : at + 1])
    ]

    assert found == signals


PIECES = st.sampled_from(
    [
        *(b"\x1b", b"]", b"\x07", b"\\", b"\x18", b"P", b"_", b"0;", b"9;", b"99;"),
        *(b"777;notify;", b"i=1:d=0;", b"i=1;", b"p=body;", b"e=1;", b"text", b"\n"),
        *("⠙ codex".encode(), "é".encode(), b"\xff", b"4;1", b"[31m", b"x" * 300),
    ]
)
STREAMS = st.lists(PIECES, max_size=60).map(b"".join)


@given(STREAMS, st.data())
def test_however_a_stream_is_cut_it_says_the_same(
    stream: bytes, data: st.DataObject
) -> None:
    places = st.lists(st.integers(0, len(stream)), max_size=20)
    cuts = [0, *sorted(data.draw(places)), len(stream)]
    reader = Reader()
    found = []
    for start, end in pairwise(cuts):
        found += reader.feed(stream[start:end])
        assert reader.kept <= 4 * LIMIT

    assert found == Reader().feed(stream)


@given(st.lists(st.one_of(STREAMS, st.binary(max_size=5000)), max_size=20))
def test_whatever_comes_no_more_than_a_little_is_kept(parts: list[bytes]) -> None:
    reader = Reader()
    for part in parts:
        for signal in reader.feed(part):
            text = "" if isinstance(signal, Bell) else signal.text
            assert len(text) <= SHOWN
            assert text.isprintable()
        assert reader.kept <= 4 * LIMIT


def test_a_command_that_never_ends_does_not_grow() -> None:
    reader = Reader()
    reader.feed(b"\x1b]0;")
    for _ in range(100):
        reader.feed(b"x" * 10_000)

    assert reader.kept <= LIMIT


@pytest.mark.parametrize(
    ("part", "answer"),
    [
        (b"\x1b[?62;c", True),
        (b"\x1b[12;40R", True),
        (b"\x1b]11;rgb:0000/0000/0000\x1b\\", True),
        (b"\x1b[?62;c\x1b[12;40R", True),
        (b"\x1b[A", False),
        (b"\x1b[1;5C", False),
        (b"\x1b[3~", False),
        (b"y\r", False),
        (b"\x1b", False),
        (b"\x1b[?62;cy", False),
    ],
)
def test_what_a_terminal_answers_is_told_from_what_is_typed(
    part: bytes, answer: bool
) -> None:
    assert is_answer(part) is answer
