"""What cannot be told as JSON that everybody reads is found before it is said."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.bodies import DEEPEST, GREATEST, SMALLEST, check
from server.wire.values import is_plain

LARGEST = 1000

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def nested(levels: int) -> Any:
    value: Any = None
    for _ in range(levels):
        value = [value]
    return {"value": value}


@given(values)
def test_the_hub_takes_whatever_passes(value: Any) -> None:
    body = {"value": value}
    try:
        check("it", body, LARGEST)
    except ValueError:
        return

    assert is_plain(json.loads(json.dumps(body)))


@pytest.mark.parametrize("number", [SMALLEST, GREATEST, 0.5, -1e300])
def test_numbers_of_64_bits_pass(number: float) -> None:
    assert check("it", {"n": number}, LARGEST) == {"n": number}


@pytest.mark.parametrize("number", [SMALLEST - 1, GREATEST + 1, 10**40])
def test_larger_numbers_do_not(number: int) -> None:
    with pytest.raises(ValueError, match=f"{number} has more than 64 bits"):
        check("it", {"n": number}, LARGEST)


def test_as_many_levels_pass_as_the_hub_takes() -> None:
    deepest = nested(DEEPEST - 2)

    assert check("it", deepest, LARGEST) == deepest
    assert is_plain(deepest)
    with pytest.raises(ValueError, match="it has more than 200 levels"):
        check("it", nested(DEEPEST), LARGEST)


def test_the_size_is_that_of_its_json() -> None:
    fits = {"text": "x" * (LARGEST - len('{"text":""}'))}

    assert check("it", fits, LARGEST) == fits
    with pytest.raises(ValueError, match="it has 1,001 bytes of JSON, more than 1,000"):
        check("it", {"text": f"{fits['text']}x"}, LARGEST)


@pytest.mark.parametrize("body", ["a text", 7, [1], None])
def test_only_a_mapping_is_a_body(body: object) -> None:
    with pytest.raises(TypeError, match="give a mapping or None"):
        check("it", body, LARGEST)
