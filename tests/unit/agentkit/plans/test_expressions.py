"""What expressions and templates give."""

from typing import Any

import pytest

from agentkit.plans import Expression, ExpressionError, Template
from agentkit.plans.values import LARGEST

TASKS = [
    {"task": "sum", "cost": 3, "owner": {"name": "ann"}},
    {"task": "Add", "cost": 1.5, "owner": {"name": "bob"}},
]
SCOPE: dict[str, Any] = {
    "context": {
        "tasks": TASKS,
        "items": [3, 1, 2],
        "counts": {"a": 1, "b": 2},
        "name": "Ada",
        "none": None,
        "yes": True,
        "empty": [],
    },
    "input": {"limit": 2},
    "output": {"ok": True},
    "index": 4,
}


def value(text: str) -> Any:
    return Expression(text).value(SCOPE)


GIVES: list[tuple[str, Any]] = [
    ("context.tasks", TASKS),
    ("{{ context.tasks }}", TASKS),
    ("  {{context.tasks}}\n", TASKS),
    ("context['tasks'][0].cost", 3),
    ("context.tasks[-1].task", "Add"),
    ("context.tasks.1.task", "Add"),
    ("context.items", [3, 1, 2]),
    ("context.counts.items()", [["a", 1], ["b", 2]]),
    ("context.counts.get('c', 7)", 7),
    ("context.counts.keys()", ["a", "b"]),
    ("context.counts.values()|sum", 3),
    ("context.nothing|default('x')", "x"),
    ("context.nothing.deeper[2]|default([])", []),
    ("context.none|default('x')", None),
    ("context.none|default('x', true)", "x"),
    ("context.nothing is defined", False),
    ("context.none is none and context.none == null", True),
    ("true and not false", True),
    ("context.tasks|length > 1 and output.ok", True),
    ("1 < index <= 4", True),
    ("'sum' in context.tasks|map(attribute='task')", True),
    ("'b' not in context.counts", False),
    ("context.tasks|map(attribute='owner.name')|join(', ')", "ann, bob"),
    ("context.tasks|sort(attribute='task')|first", TASKS[1]),
    ("context.tasks|sort(attribute='cost', reverse=true)|last", TASKS[1]),
    ("context.tasks|selectattr('cost', '>', 2)|list|length", 1),
    ("context.tasks|rejectattr('nothing', 'defined')|length", 2),
    ("context.items|select('odd')|list", [3, 1]),
    ("context.items|map('string')|join('-')", "3-1-2"),
    ("context.items|sort", [1, 2, 3]),
    ("context.items|max + context.items|min", 4),
    ("[1, 1.0, 'a', 'A', [1], [1]]|unique", [1, "a", [1]]),
    ("context.items|batch(2)", [[3, 1], [2]]),
    ("context.items[1:]", [1, 2]),
    ("'abc'|reverse", "cba"),
    ("(1, 'a')", [1, "a"]),
    ("{'a': index, 'b': [index]}", {"a": 4, "b": [4]}),
    ("'many' if index > 3 else 'few'", "many"),
    ("context.empty or ['none']", ["none"]),
    ("7 // 2 + 7 % 2 + 2 ** 3 - -1", 13),
    ("7 / 2", 3.5),
    ("'12'|int + '1.5'|float", 13.5),
    ("'x'|int(9)", 9),
    ("2.567|round(1)", 2.6),
    ("-3|abs", 3),
    ("'a b c'.split()", ["a", "b", "c"]),
    ("'a,b'|replace(',', ';')|upper", "A;B"),
    ("context.name.startswith('A')", True),
    ("'n=' ~ index ~ context.none ~ context.yes ~ [1]", "n=4nulltrue[1]"),
    ("context.counts|tojson", '{"a": 1, "b": 2}'),
    ("context.counts|dump", {"a": 1, "b": 2}),
    (r"'\x41\u0042\n\'\\'", "AB\n'\\"),
    ("[1] + [2]", [1, 2]),
    ("'a' + 'b'", "ab"),
    ("index is divisibleby 2", True),
    ("context.tasks is iterable and context is mapping", True),
]


@pytest.mark.parametrize(("text", "expected"), GIVES, ids=lambda one: str(one)[:40])
def test_an_expression_gives(text: str, expected: Any) -> None:
    found = value(text)

    assert found == expected
    assert type(found) is type(expected)


REFUSES = [
    ("context.nothing", "there is no 'nothing' in an object"),
    ("context.tasks[7]", "there is no element 7 among 2"),
    ("nothing", "there is no 'nothing' here"),
    ("context.nothing or 1", "there is no 'nothing'"),
    ("context.nothing == 1", "there is no 'nothing'"),
    ("[context.nothing]", "there is no 'nothing'"),
    ("context.empty|first", "there is no first of nothing"),
    ("context.empty|max", "there is no largest of nothing"),
    ("context.tasks|map(attribute='nothing')", "there is no 'nothing'"),
    ("context.tasks + 1", "a list and a number cannot be added; join texts with ~"),
    ("'a' * 3", "a text is no number"),
    ("[1] * 3", "a list is no number"),
    ("'%d' % 3", "a text is no number"),
    ("1 < 'a'", "a number and a text have no order"),
    ("[1] < [2]", "a list has no order"),
    ("[1, 'a']|sort", "no common order"),
    ("1 / 0", "division by zero"),
    ("2 ** 65", "the power 65 is too high"),
    ("2 ** 64", "more than 64 bits"),
    ("(0 - 8) ** 0.5", "no number of JSON"),
    ("10.0 ** 400", "correct it"),
    ("1e999", "no number of JSON"),
    ("'nan'|float * 1 + ('1e999'|float('x'))", "'x'"),
    ("{1: 2}", "a key is a number"),
    ("'\\ud800'", "half a character"),
    ("1 if index", "an if has no else"),
    ("range(3)", "nothing can be called but methods"),
    ("context.items(1)", "wrong arguments"),
    ("context.name.format(1)", "there is no method 'format'"),
    ("context.name|attr('x')", "there is no filter 'attr'"),
    ("context.name|uper", "did you mean 'upper'"),
    ("index is oddly", "did you mean 'odd'"),
    ("context.name|upper(1)", "wrong arguments"),
    ("context.items|map('uper')", "there is no filter 'uper'"),
    ("context.items|map('round', 1, 2, 3)", "wrong arguments"),
    ("context.name|join(*context.items)", "name each argument"),
    ("context.items|batch(0)", "at least one"),
    ("{{ context.name }} x", "text beside"),
]


@pytest.mark.parametrize(("text", "told"), REFUSES, ids=lambda one: one[:40])
def test_an_expression_has_no_value(text: str, told: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        value(text)

    said = str(caught.value)
    assert told in said
    assert not said.endswith(".")


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("a +", 4),
        ("a b", 3),
        ("a $ b", 3),
        ("f(a", 4),
        ("{{ a + }}", 7),
        ("{{   a b }}", 8),
        ("'a", 1),
        ("{{ a", 3),
        ("", 1),
    ],
)
def test_what_cannot_be_read_is_told_with_its_column(text: str, column: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression(text)

    assert caught.value.column == column


def test_data_has_precedence_over_what_python_calls_its_methods() -> None:
    assert Expression("context.items").value({"context": {"items": 1}}) == 1
    assert Expression("context.keys|default(0)").value({"context": {}}) == 0


@pytest.mark.parametrize(
    "text",
    [
        "''.__class__.__mro__[1].__subclasses__()",
        "context['__class__']",
        "context|attr('__class__')",
        "context|map(attribute='__class__')",
        "context.tasks.__len__()",
        "'{0.__class__}'.format(context)",
        "'{0.__class__}'|format(context)",
        "cycler.__init__.__globals__",
        "self.__init__",
        "lipsum()",
        "namespace(a=1)",
        "joiner()",
        "dict(a=1)",
        "loop.index",
        "caller()",
        "context.tasks.append(1)",
        "context.counts.update({'a': 9})",
        "context.counts.clear()",
        "(context.tasks|list).pop()",
        "context|xmlattr",
        "context|pprint",
        "[1]|random",
        "'x'|center(99999999)",
        "'x'|indent(99999999)",
        "'x'|wordwrap(1)",
        "_('x')",
    ],
)
def test_nothing_leads_to_python(text: str) -> None:
    before = repr(SCOPE)

    with pytest.raises(ExpressionError):
        value(text)
    assert repr(SCOPE) == before


def test_a_part_of_the_scope_is_given_without_being_walked() -> None:
    huge = ["x" * (2 * LARGEST)]

    assert Expression("{{ context }}").value({"context": huge}) is huge


def test_a_template_keeps_types_and_interpolates_texts() -> None:
    template = Template(
        {
            "tasks": "{{ context.tasks }}",
            "text": "{{ context.name }} has {{ context.items }} and {{ context.yes }}",
            "list": ["{{ index }}", " {{ index }}", "{{- index }} ", 5, None],
            "plain": {"a": "{# kept #} } {"},
            "{{ key }}": "{{ '{{' }}",
        }
    )

    assert template.render(SCOPE) == {
        "tasks": TASKS,
        "text": "Ada has [3, 1, 2] and true",
        "list": [4, " 4", "4 ", 5, None],
        "plain": {"a": "{# kept #} } {"},
        "{{ key }}": "{{",
    }
    assert template.names == {"context", "index"}


def test_a_template_without_expressions_is_given_as_it_is() -> None:
    source = {"a": [1, {"b": "x"}]}

    assert Template(source).render({}) is source


def test_braces_and_quotes_in_an_expression_do_not_end_it() -> None:
    assert Template("{{ {'a': {'b': '}}'}} }}").render({}) == {"a": {"b": "}}"}}
    assert Template("it's {{ 'a' }}, isn't {{ \"it\" }}?").render({}) == (
        "it's a, isn't it?"
    )


@pytest.mark.parametrize("text", ["{% for a in b %}", "x {%- raw %} {{ a }}"])
def test_a_template_has_no_statements(text: str) -> None:
    with pytest.raises(ExpressionError, match="a plan has no statements"):
        Template(text)


def test_a_template_tells_which_expression_has_no_value() -> None:
    template = Template({"a": ["{{ context.name }}", "x {{ context.gone }} y"]})

    with pytest.raises(ExpressionError, match=r"^context\.gone: there is no 'gone'"):
        template.render(SCOPE)


def test_expressions_are_equal_by_their_text() -> None:
    assert Expression("a.b") == Expression("a.b")
    assert Expression("a.b") != Expression("a.c")
    assert len({Expression("a.b"), Expression("a.b")}) == 1
