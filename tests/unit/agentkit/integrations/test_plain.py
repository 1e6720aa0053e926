"""JSON without the module is the same JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.integrations import plain

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_it_writes_and_reads_what_json_does(value: Any) -> None:
    text = plain.written(value)

    assert text == json.dumps(value, separators=(",", ":"))
    assert plain.read(f" \n{text}\t") == json.loads(text)


@given(st.text())
def test_it_refuses_what_json_does(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - each says it in its own words
            plain.read(text)
    else:
        assert plain.read(text) == expected


@pytest.mark.parametrize("text", ["", "  ", "[1", "{} x", "[" * 100_000, "7", "[]"])
def test_only_an_object_is_an_object(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        plain.read_object(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_are_finite(value: float) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        plain.written(value)


def test_there_is_nothing_for_an_object() -> None:
    with pytest.raises(TypeError):
        plain.written(object())
