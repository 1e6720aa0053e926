"""A file of JSON keeps every byte that is not ours."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.integrations.json_text import merged, without

OURS = {"type": "command", "command": "ours"}
WANTED = {"hooks": {"Stop": [{"hooks": [OURS]}], "Start": [{"hooks": [OURS]}]}}


def ours(value: Any) -> bool:
    return bool(value.get("command") == "ours")


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{}\n",
        '{"a":1}',
        '{"a":1, "b" : [ ] , "c":{ "d" :null}}\n\n',
        '{\n    "model": "opus",   "x": [1,\n2]\n}',
        '{\r\n\t"model": "opus"\r\n}\r\n',
        '{"hooks": {}}',
        '{"hooks": {"Stop": []}, "z": "}{]["}',
        '{"hooks": {"Stop": [{"hooks": [{"command": "theirs"}]}]}}',
        '{\n  "hooks": {\n    "Stop": [\n      {"hooks": []}\n    ]\n  }\n}',
        '{"é": "\\u00e9\\"", "hooks": {"Other": [{"hooks": [{"command": "x"}]}]}}',
        '{"hooks": {"Stop": [1]}, "x": {}, "hooks": {}, "x": []}',
        '{"hooks": {"Stop": [], "a": 1, "Stop": [], "": 2, "": 3}}',
        '{"a": "\\ud800", "b": 1e400, "c": -0.0, "d": 123456789012345678901234567890}',
    ],
)
def test_what_was_put_in_is_taken_out_again(text: str) -> None:
    put = merged(text, WANTED)

    assert without(put, ours, text) == text
    assert json.loads(put)["hooks"]["Stop"][-1] == {"hooks": [OURS]}


def test_what_was_empty_before_us_may_go_or_stay() -> None:
    text = '{"hooks": {"Stop": []}, "z": 1}'
    put = merged(text, WANTED)

    assert without(put, ours) == '{"z": 1}'
    assert without(put, ours, text) == text


def test_lines_are_indented_as_the_file_has_it() -> None:
    text = '{\n\t"a": {\n\t\t"b": 1\n\t}\n}\n'

    assert merged(text, {"c": {"d": [1]}}) == (
        '{\n\t"a": {\n\t\t"b": 1\n\t},\n\t"c": {\n\t\t"d": [\n\t\t\t1\n\t\t]\n\t}\n}\n'
    )


def test_lines_end_as_the_file_has_it() -> None:
    put = merged('{\r\n  "a": 1\r\n}\r\n', WANTED)

    assert put.count("\n") == put.count("\r\n") > 10


def test_what_is_there_already_stays() -> None:
    assert merged('{"version": 2}', {"version": 1}) == '{"version": 2}'


def test_ours_goes_wherever_it_was_moved() -> None:
    text = json.dumps(
        {
            "hooks": {
                "Stop": [
                    {"matcher": "a", "hooks": [OURS, {"command": "theirs"}, OURS]},
                    {"matcher": "b", "hooks": [OURS]},
                    {"hooks": [{"command": "last"}]},
                ],
                "Start": [{"hooks": [OURS]}],
            }
        }
    )

    assert json.loads(without(text, ours)) == {
        "hooks": {
            "Stop": [
                {"matcher": "a", "hooks": [{"command": "theirs"}]},
                {"hooks": [{"command": "last"}]},
            ]
        }
    }


def test_an_empty_list_of_theirs_stays() -> None:
    text = '{"hooks": {"Stop": [{"hooks": []}], "Start": []}}'

    assert without(text, ours) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[]", "it is not an object"),
        ('{"a": 1,}', "Expecting|Illegal"),
        ('// mine\n{"a": 1}', "Expecting value"),
        ('{"hooks": []}', "hooks is not an object"),
        ('{"hooks": {"Stop": {}}}', "hooks.Stop is not an array"),
        ('{"hooks": null}', "hooks is not an object"),
        ("null", "it is not an object"),
        ("\ufeff{}", "it begins with a mark for the order of bytes"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "it goes too deep"),
        ('{"a": {"b": ' * 600 + "1" + "}}" * 600, "it goes too deep"),
        ('{"a": 1} {"b": 2}', "Extra data"),
    ],
)
def test_what_is_something_else_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        merged(text, WANTED)


names = st.text(max_size=5).filter(lambda name: name not in ("hooks", "command"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
    ),
    max_leaves=10,
)
events = st.dictionaries(
    st.sampled_from(["Stop", "Start", "Other"]),
    st.lists(st.just({"hooks": [{"command": "theirs"}]}), max_size=3),
)


@given(
    st.dictionaries(names, values, max_size=4),
    st.none() | events,
    st.sampled_from([None, 1, 2, "\t"]),
    st.booleans(),
)
def test_any_file_is_as_it_was(
    rest: dict[str, Any],
    hooks: dict[str, Any] | None,
    indent: int | str | None,
    ascii_only: bool,
) -> None:
    value = {**rest, **({} if hooks is None else {"hooks": hooks})}
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    put = merged(text, WANTED)

    assert without(put, ours, text) == text
    assert json.loads(put)["hooks"]["Start"][-1] == {"hooks": [OURS]}
    assert {**json.loads(put), "hooks": None} == {**value, "hooks": None}


@given(
    st.dictionaries(names, values, max_size=4),
    st.none() | events,
    st.sampled_from([1, 2, 4, "\t"]),
    st.booleans(),
)
def test_a_file_that_its_product_writes_anew_is_what_that_makes_of_it(
    rest: dict[str, Any],
    hooks: dict[str, Any] | None,
    indent: int | str,
    returns: bool,
) -> None:
    value = {**rest, **({} if hooks is None else {"hooks": hooks})}
    text = json.dumps(value)

    def anew(text: str) -> str:
        laid_out = json.dumps(json.loads(text), indent=indent, ensure_ascii=False)
        return laid_out.replace("\n", "\r\n") if returns else laid_out

    assert without(anew(merged(text, WANTED)), ours, text) == anew(text)
