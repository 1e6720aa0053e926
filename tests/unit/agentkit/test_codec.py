"""Records to JSON and back."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.codec import (
    EVENTS,
    decode,
    decode_event,
    dumps,
    encode,
    encode_event,
)
from agentkit.protocol import AgentReported, Event, Logged
from agentkit.rows import Row

aware = st.datetimes(timezones=st.just(UTC))
plain = st.dictionaries(
    st.text(), st.none() | st.booleans() | st.integers() | st.text(), max_size=3
)
st.register_type_strategy(datetime, aware)
ROWS = get_args(Row)


def records(kinds: tuple[type, ...]) -> st.SearchStrategy[Any]:
    return st.one_of(*(st.builds(kind, **objects(kind)) for kind in kinds))


def objects(kind: type) -> dict[str, st.SearchStrategy[Any]]:
    hints = get_type_hints(kind)
    loose = (Any, Mapping[str, Any])
    return {name: plain for name, hint in hints.items() if hint in loose}


@given(records(ROWS))
def test_a_row_survives_the_wire(row: Any) -> None:
    assert decode(type(row), json.loads(dumps(row))) == row


@given(st.integers(1), records(get_args(Event)))
def test_an_event_survives_the_wire(cursor: int, event: Any) -> None:
    logged = Logged(cursor, event)

    assert decode_event(json.loads(dumps(encode_event(logged)))) == logged


def test_every_event_has_a_subject_of_its_own() -> None:
    plain = [kind for kind in get_args(Event) if kind is not AgentReported]

    assert len(EVENTS) == len(plain) + 5
    assert all(EVENTS[kind.subject] is kind for kind in plain)
    assert {s for s, kind in EVENTS.items() if kind is AgentReported} == {
        "agent.idle",
        "agent.busy",
        "agent.blocked",
        "agent.completed",
        "agent.help",
    }


def test_unknown_keys_are_left_out_and_missing_ones_are_told() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    data = encode(EVENTS["agent.lost"](at=at, agent="a"))  # type: ignore[call-arg]

    assert decode(EVENTS["agent.lost"], {**data, "news": 1}) == decode(
        EVENTS["agent.lost"], data
    )
    with pytest.raises(TypeError, match="agent"):
        decode(EVENTS["agent.lost"], {"at": at.isoformat()})


def test_an_unknown_subject_is_told() -> None:
    with pytest.raises(KeyError, match=r"agent\.sings"):
        decode_event({"cursor": 1, "subject": "agent.sings", "data": {}})


def test_what_has_no_form_in_json_is_refused() -> None:
    with pytest.raises(TypeError, match="set has no form in JSON"):
        dumps({"a": {1, 2}})


def test_what_is_not_unicode_becomes_a_question_mark() -> None:
    assert dumps({"text": "é\udcff\ud83d"}) == '{"text":"é??"}'
