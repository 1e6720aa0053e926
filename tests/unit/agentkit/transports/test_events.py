"""Events and letters, and their form in JSON."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import Invalid
from agentkit.transports import Event, Letter
from agentkit.transports.events import read_event
from agentkit.transports.letters import KEPT, Letters, in_one_line

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=10,
)


@given(data=st.dictionaries(st.text("abcé"), JSON))
def test_an_event_comes_back_as_it_was(data: dict[str, Any]) -> None:
    event = Event("a.b", data, source="me", only="x", letter="l1")

    assert Event.decode(event.encode()) == event


@given(payload=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_garbage_is_refused_as_such(payload: bytes) -> None:
    with pytest.raises(Invalid, match=r"event|subject"):
        Event.decode(payload)


@pytest.mark.parametrize(
    "data",
    [
        {"name": "a", "data": []},
        {"name": 7},
        {"name": "a.*"},
        {"name": "a", "at": "noon"},
        {"name": "a", "id": 5},
        {"data": {}},
        [],
        None,
    ],
)
def test_what_is_no_event_is_refused(data: object) -> None:
    with pytest.raises(Invalid):
        read_event(data)


def test_an_event_needs_no_more_than_a_name() -> None:
    event = read_event({"name": "a.b"})

    assert (event.name, event.data, len(event.id)) == ("a.b", {}, 32)
    assert event.at.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "hour"),
    [("2026-11-21T08:00:00", 8), ("2026-11-21T08:00:00+02:00", 6)],
)
def test_times_are_in_utc(text: str, hour: int) -> None:
    event = read_event({"name": "a", "at": text})

    assert event.at == datetime(2026, 11, 21, hour, tzinfo=UTC)
    assert event.at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("name", ["", "a..b", "a.*", "a >", "a\x1b"])
def test_an_event_of_no_subject_cannot_be_made(name: str) -> None:
    with pytest.raises(Invalid):
        Event(name)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", float("nan")])
def test_data_that_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(Invalid, match="no form in JSON"):
        Event("a", {"x": value}).encode()


def test_half_a_character_does_not_stop_an_event() -> None:
    event = Event("a", {"file": "caf\udce9"})

    assert Event.decode(event.encode()).data == {"file": "caf?"}


def test_a_requeued_event_is_told_from_the_first_publishing() -> None:
    first = Event("a")
    again = Event("a", id=first.id, letter="l1")

    assert first.key == first.id
    assert again.key != first.key


def a_letter(**changed: Any) -> Letter:
    fields = {
        "event": Event("a.b", {"n": 1}),
        "pattern": "a.*",
        "subscription": "box",
        "transport": "me",
        "reason": "ValueError: no",
        "attempts": 3,
    }
    return Letter(**{**fields, **changed})


def test_a_letter_comes_back_as_it_was() -> None:
    letter = a_letter(
        at=datetime(2026, 11, 21, 10, tzinfo=timezone(timedelta(hours=2)))
    )

    assert Letter.read(json.loads(json.dumps(letter.as_data()))) == letter


@pytest.mark.parametrize("data", [None, [], {}, {"id": "x"}, "x"])
def test_what_is_no_letter_is_refused(data: object) -> None:
    with pytest.raises(Invalid, match="no letter"):
        Letter.read(data)


def test_the_newest_letters_are_kept() -> None:
    letters = Letters()
    all_of_them = [a_letter() for _ in range(KEPT + 2)]

    for letter in all_of_them:
        letters.keep(letter)

    assert letters.all() == all_of_them[2:]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no\n  such order"), "ValueError: no such order"),
        (KeyError("x"), "KeyError: 'x'"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_a_reason_is_one_line(error: Exception, line: str) -> None:
    assert in_one_line(error) == line
