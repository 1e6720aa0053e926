"""Expressions that mean harm: they end soon, in little memory, with JSON or an error.

What they may take is counted in steps, so that no test asks a clock: without the count
most of these would run for hours, or until there is no memory left.
"""

import json
import random
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agentkit.plans import Expression, ExpressionError, Template
from agentkit.plans.filters import FILTERS, METHODS, TESTS
from agentkit.plans.values import LARGEST, STEPS

MEMORY = 200 * 2**20
"""Bytes: more than one evaluation ever has at once."""

SOME: dict[str, Any] = {
    "a": [1, 2, [3]],
    "b": "text with , and ; é",
    "c": {"x": 1, "items": [{"x": 1}, {"x": None}], "": ""},
    "n": 7,
    "f": -0.5,
    "t": True,
    "z": None,
}
LARGE: dict[str, Any] = {
    "s": "x" * 1_000_000,
    "l": list(range(100_000)),
    "o": [{"a": "y" * 50} for _ in range(10_000)],
}


@contextmanager
def within_bounds() -> Iterator[None]:
    """Fail when what is done inside takes much memory."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


LONG = [
    "l|map(attribute='q', default=l|map(attribute='q', default=l))|tojson",
    "l|map(attribute='q', default=l) == l|map(attribute='q', default=l|list)",
    "l|map(attribute='q', default=l)|unique",
    "l in l|map(attribute='q', default=l|reverse)",
    " or ".join(["s|reverse == 'x'"] * 40),
    " and ".join(["(l|sort|sort|sort)"] * 30),
    "s|list|sort|join|list|sort|join|list",
    "s.split('x')|map('string')|join(s)",
    "l|batch(1)|map('batch', 1)|map('map', 'tojson')|tojson",
    "9999999 ** 9 ** 9",
    "9 ** (0 - 999999999)",
    "1.5 ** 99999999",
    "l|sum * 9999999999 ** 3",
]
"""Expressions that take long, were they let."""

WIDE = [
    "s" + " ~ s" * 50,
    "[" + "s, " * 100 + "]",
    "[[s, s, s, s, s, s, s, s, s], [s, s, s, s, s, s, s, s, s]]",
    "s|replace('x', s)",
    "s|replace('x', 'y' ~ 'z')|replace('y', s)",
    "l|map('default', s)|join(s)",
    "l|map(attribute='q', default=s)|join",
    "o|map(attribute='a')|map('replace', 'y', s)|list",
    "s|upper|lower|title|capitalize|trim|string|tojson|tojson|tojson",
    "[l, l, l, l, l, l, l, l, l, l, l, l]|tojson|length",
]
"""Expressions that give much."""


def ends(text: str) -> None:
    try:
        found = Expression(text).value(LARGE)
    except ExpressionError:
        return
    assert len(json.dumps(found)) <= 2 * LARGEST


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:40])
def test_what_would_take_long_is_cut_short(text: str) -> None:
    ends(text)


@pytest.mark.parametrize("text", WIDE, ids=lambda text: text[:40])
def test_what_would_give_much_is_cut_short(text: str) -> None:
    with within_bounds():
        ends(text)


def test_a_template_of_many_large_values_is_refused() -> None:
    template = Template([f"{{{{ s }}}}{'' if n % 2 else ' '}" for n in range(50)])

    with within_bounds(), pytest.raises(ExpressionError):
        template.render(LARGE)


NESTED = [
    "(" * 2000 + "a" + ")" * 2000,
    "[" * 2000,
    "{'a':" * 800,
    "not " * 1000 + "a",
    "-" * 4000 + "1",
    "a" + ".a" * 2000,
    "a" + "[0]" * 1300,
    "a" + "|list" * 800,
    "a" + "+a" * 2000,
    "a" + " if a else a" * 340,
    "a" + " and a" * 680,
    "a" + "|map('map'" * 300,
    "a ~ " * 1000 + "a",
    "1" * 4000,
    "1_" * 2000 + "1",
    "1e" * 2000,
    "'" * 4001,
    "'\\" * 2000,
    "{" * 4000,
    "}" * 4000,
    " " * 5000,
    "\n" * 4000 + "a +",
    "a is " * 800 + "a",
    "a" * 1_000_000,
]


@pytest.mark.parametrize("text", NESTED, ids=lambda text: text[:20])
def test_deep_and_long_texts_are_refused(text: str) -> None:
    for make in (Expression, lambda text: Template(f"x {{{{ {text} }}}}")):
        with pytest.raises(ExpressionError):
            make(text)


def test_deep_values_are_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    for text in ("a == [a]", "a|tojson", "a|string", "[a]|unique", "a in a"):
        with pytest.raises(ExpressionError):
            Expression(text).value({"a": deep})
    del deep


@pytest.mark.parametrize("text", [r"'\|'", r"'\777'", r"'\N{BULLET}'", r"'a\x1'"])
def test_escapes_that_json_does_not_have_are_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="is no escape") as caught:
        Expression(text)
    assert caught.value.column == text.index("\\") + 1


def test_half_characters_never_get_out() -> None:
    with pytest.raises(ExpressionError, match="half a character"):
        Expression("a ~ 'b'").value({"a": "\ud800"})


def test_text_is_paid_for_by_what_is_made_of_it() -> None:
    with pytest.raises(ExpressionError, match=f"more than {STEPS:,} steps"):
        Expression("s|replace('x', s)").value(LARGE)


NAMES = st.sampled_from([*SOME, "gone", "null", "none", "true"])
LITERALS = st.one_of(
    st.integers(-(2**65), 2**65).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text("ab,;x\\'\"{}%\n \u00e9\u0130\ud7ff", max_size=6).map(repr),
    st.sampled_from(["'x'", "''", "0", "1", "'items'", "'upper'", "'x.y'", "'odd'"]),
)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arguments = st.lists(inner, max_size=3).map(", ".join)
    keyed = st.sampled_from(["attribute=", "default=", "reverse=", "start=", ""])
    given_ = st.tuples(keyed, arguments).map("".join)
    signs = ["+", "-", "*", "/", "//", "%", "**", "~", "and", "or", "in", "not in"]
    signs += ["==", "!=", "<", "<=", ">", ">="]
    return st.one_of(
        st.tuples(inner, st.sampled_from(signs), inner).map(" ".join),
        st.tuples(inner, st.sampled_from([*FILTERS]), given_).map(
            lambda one: f"({one[0]})|{one[1]}({one[2]})"
        ),
        st.tuples(inner, st.sampled_from([*FILTERS])).map(
            lambda one: f"({one[0]})|{one[1]}"
        ),
        st.tuples(inner, st.sampled_from([*METHODS]), arguments).map(
            lambda one: f"({one[0]}).{one[1]}({one[2]})"
        ),
        st.tuples(
            inner,
            st.sampled_from([one for one in TESTS if one.isalpha()]),
            st.one_of(st.just(""), inner.map("({})".format)),
        ).map(lambda one: f"({one[0]}) is {one[1]} {one[2]}"),
        st.tuples(inner, inner).map(lambda one: f"({one[0]})[{one[1]}]"),
        st.tuples(inner, inner, inner).map(
            lambda one: f"({one[0]})[{one[1]}:{one[2]}]"
        ),
        st.tuples(inner, NAMES).map(lambda one: f"({one[0]}).{one[1]}"),
        st.tuples(inner, inner, inner).map(
            lambda one: f"{one[0]} if {one[1]} else {one[2]}"
        ),
        arguments.map("[{}]".format),
        st.tuples(inner, inner).map(lambda one: f"{{{one[0]}: {one[1]}}}"),
        inner.map("not ({})".format),
        inner.map("-({})".format),
    )


WRITTEN = st.recursive(st.one_of(NAMES, LITERALS), _grown, max_leaves=12)
"""Expressions that mostly can be read."""

TORN = st.lists(
    st.one_of(
        WRITTEN,
        st.sampled_from(["{{", "}}", "{%", "(", ")", "[", "|", ".", "'", '"', "\\"]),
        st.text(max_size=4),
    ),
    max_size=8,
).map("".join)
"""Texts that mostly cannot."""


def is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(value[key]) for key in value)
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


@settings(deadline=None, max_examples=600)
@given(text=st.one_of(WRITTEN, TORN))
def test_only_json_or_an_expression_error_comes_out(text: str) -> None:
    before = json.dumps(SOME)
    makers: list[Callable[[], Any]] = [
        lambda: Expression(text).value(SOME),
        lambda: Template({"a": [text, f"{{{{ {text} }}}}"]}).render(SOME),
    ]
    for make in makers:
        try:
            found = make()
        except ExpressionError:
            continue
        assert is_plain(found)
        json.dumps(found, allow_nan=False).encode()
        assert json.dumps(make()) == json.dumps(found)
    assert json.dumps(SOME) == before


def words(told: str) -> st.SearchStrategy[str]:
    return st.sampled_from(told.split())


JINJA = ImmutableSandboxedEnvironment()
COMMON = st.recursive(
    st.one_of(
        st.sampled_from(["n", "f", "b", "a", "c", "c.x", "c['x']", "a[0]", "a[-1]"]),
        st.integers(-9, 9).map("({})".format),
        st.sampled_from(["'x'", "'Text'", "[1, 2, 3]", "['b', 'a', 'C']", "{'k': 1}"]),
    ),
    lambda inner: st.one_of(
        st.tuples(
            inner,
            st.sampled_from(
                [
                    "+",
                    "-",
                    "/",
                    "//",
                    "%",
                    "==",
                    "!=",
                    "<",
                    "<=",
                    ">",
                    ">=",
                    "and",
                    "in",
                ]
            ),
            inner,
        ).map(lambda one: f"({' '.join(one)})"),
        st.tuples(
            inner,
            words(
                "length first last upper lower title capitalize trim sort max min sum "
                "abs int float round list default(1) join(',') "
                "unique|list reverse|list items|list batch(2)|list"
            ),
        ).map(lambda one: f"({one[0]}|{one[1]})"),
        st.tuples(
            inner,
            words(
                "defined none number string mapping sequence odd even "
                "integer float boolean true false"
            ),
        ).map(lambda one: f"({one[0]} is {one[1]})"),
        st.tuples(inner, inner, inner).map(
            lambda one: f"({one[0]} if {one[1]} else {one[2]})"
        ),
    ),
    max_leaves=6,
)
"""Expressions that mean the same to Jinja2's own sandbox."""


def _as_json(value: Any) -> Any:
    """Return what Jinja2 gave, its iterators and tuples as lists."""
    if isinstance(value, dict):
        return {key: _as_json(one) for key, one in value.items()}
    if isinstance(value, str | int | float | None):
        return value
    return [_as_json(one) for one in value]


@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(text=COMMON)
def test_what_has_a_value_has_the_one_that_jinja_gives_it(text: str) -> None:
    try:
        ours = Expression(text).value(SOME)
    except ExpressionError:
        return
    try:
        theirs = JINJA.compile_expression(text, undefined_to_none=False)(**SOME)
        expected = _as_json(theirs)
    except (TemplateError, TypeError, ValueError, OverflowError) as error:
        assume("unhashable" not in str(error))  # we compare lists, too
        pytest.fail(f"Jinja2 refuses {text}, we give {ours!r}")

    assert ours == expected


@pytest.mark.parametrize("seed", range(3))
def test_torn_expressions_of_all_words_end(seed: int) -> None:
    dice = random.Random(seed)
    words = [*FILTERS, *TESTS, *METHODS, *SOME, *"()[]{}|.,:+-*/%~<>='\"", "{{", "}}"]
    for _ in range(2000):
        text = " ".join(dice.choices(words, k=dice.randint(1, 60)))
        try:
            found = Template("{{ " + text + " }}").render(SOME)
        except ExpressionError:
            continue
        assert is_plain(found), (seed, text)


def test_the_depth_of_the_caller_changes_nothing() -> None:
    text = "(" * 25 + "a" + " + a" * 25 + ")" * 25

    def below(depth: int) -> Any:
        return below(depth - 1) if depth else Expression(text).value({"a": 1})

    assert below(0) == below(sys.getrecursionlimit() // 3) == 26
