"""What expressions mean: each node of their tree becomes a function of ours.

The functions know a scope and a budget and nothing else: there is no way from them to
an attribute, a method or a module of Python. What is not in `_MAKERS`, `FILTERS`,
`TESTS` or `METHODS` cannot be said.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from inspect import signature
from operator import add, floordiv, ge, gt, le, lt, mod, mul, neg, pos, sub, truediv
from typing import Any, Final, TypeAlias

from jinja2 import nodes

from agentkit.plans.filters import FILTERS, METHODS, TESTS, contains
from agentkit.plans.values import (
    Budget,
    ExpressionError,
    Missing,
    as_text,
    is_number,
    kind,
    number,
    ordered,
    pick,
    same,
)

Scope: TypeAlias = Mapping[str, Any]
Value: TypeAlias = Callable[[Scope, Budget], Any]
"""Gives the value of a part of an expression, or `Missing`."""

WORDS: Final[dict[str, Any]] = {"null": None}
"""Names that always mean the same; Jinja2 knows true, false and none itself."""


def build(node: nodes.Node) -> Value:
    """Return what a node means.

    Raises:
        ExpressionError: it has a part that no plan may use.
    """
    make = _MAKERS.get(type(node))
    if make is None:
        said = type(node).__name__.lower()
        raise ExpressionError(f"{said!r} cannot stand in an expression; leave it out")
    return make(node)


def solid(node: nodes.Node) -> Value:
    """Return what a node means where a value is needed: never `Missing`."""
    inner = build(node)
    if isinstance(node, nodes.Const):
        return inner

    def value(scope: Scope, budget: Budget) -> Any:
        found = inner(scope, budget)
        if isinstance(found, Missing):
            raise found.error()
        return found

    return value


def picks(node: nodes.Node) -> bool:
    """Whether a node gives a part of its scope as it is, and makes nothing new."""
    match node:
        case nodes.Name():
            return True
        case nodes.Getattr():
            return picks(node.node)
        case nodes.Getitem():
            return isinstance(node.arg, nodes.Const) and picks(node.node)
    return False


def names(node: nodes.Node) -> frozenset[str]:
    """Return the names that the scope must have."""
    found = {node.name} if isinstance(node, nodes.Name) else set()
    found |= {name.name for name in node.find_all(nodes.Name)}
    return frozenset(found - WORDS.keys())


def _const(node: Any) -> Value:
    value = node.value
    if isinstance(value, str):
        Budget().read(value)
        if not _is_whole(value):
            raise ExpressionError("a text has half a character; leave it out")
    elif value is not None:
        number(value)
    return lambda _scope, _budget: value


def _is_whole(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def _name(node: Any) -> Value:
    name = node.name
    if name in WORDS:
        fixed = WORDS[name]
        return lambda _scope, _budget: fixed

    def value(scope: Scope, _budget: Budget) -> Any:
        if name in scope:
            return scope[name]
        return Missing(f"there is no {name!r} here")

    return value


def _getattr(node: Any) -> Value:
    inner, name = build(node.node), node.attr
    return lambda scope, budget: pick(inner(scope, budget), name)


def _getitem(node: Any) -> Value:
    inner = build(node.node)
    if isinstance(node.arg, nodes.Slice):
        return _slice(solid(node.node), node.arg)
    arg = solid(node.arg)
    return lambda scope, budget: pick(inner(scope, budget), arg(scope, budget))


def _slice(inner: Value, node: nodes.Slice) -> Value:
    bounds = [
        None if part is None else solid(part)
        for part in (node.start, node.stop, node.step)
    ]

    def value(scope: Scope, budget: Budget) -> Any:
        whole = inner(scope, budget)
        if not isinstance(whole, list | tuple | str):
            raise ExpressionError(f"{kind(whole)} cannot be cut; cut a list or a text")
        budget.spend(len(whole))
        return whole[slice(*(part and part(scope, budget) for part in bounds))]

    return value


def _list(node: Any) -> Value:
    parts = [solid(item) for item in node.items]

    def value(scope: Scope, budget: Budget) -> list[Any]:
        budget.spend(len(parts))
        return [part(scope, budget) for part in parts]

    return value


def _dict(node: Any) -> Value:
    parts = [(solid(pair.key), solid(pair.value)) for pair in node.items]

    def value(scope: Scope, budget: Budget) -> dict[str, Any]:
        budget.spend(len(parts))
        made = {}
        for key, one in parts:
            name = key(scope, budget)
            if not isinstance(name, str):
                raise ExpressionError(f"a key is {kind(name)}; the keys are texts")
            made[name] = one(scope, budget)
        return made

    return value


def _condition(node: Any) -> Value:
    test, then = solid(node.test), build(node.expr1)
    if node.expr2 is None:
        raise ExpressionError("an if has no else; say what it gives then")
    other = build(node.expr2)
    return lambda scope, budget: (
        then(scope, budget) if test(scope, budget) else other(scope, budget)
    )


def _and(node: Any) -> Value:
    left, right = solid(node.left), solid(node.right)
    return lambda scope, budget: left(scope, budget) and right(scope, budget)


def _or(node: Any) -> Value:
    left, right = solid(node.left), solid(node.right)
    return lambda scope, budget: left(scope, budget) or right(scope, budget)


def _not(node: Any) -> Value:
    inner = solid(node.node)
    return lambda scope, budget: not inner(scope, budget)


def _sign(change: Callable[[Any], Any]) -> Callable[[Any], Value]:
    def make(node: Any) -> Value:
        inner = solid(node.node)
        return lambda scope, budget: number(change(_figure(inner(scope, budget))))

    return make


def _figure(value: Any) -> Any:
    if is_number(value):
        return value
    raise ExpressionError(f"{kind(value)} is no number; turn it into one with int")


def _arithmetic(work: Callable[[Any, Any], Any]) -> Callable[[Any], Value]:
    def make(node: Any) -> Value:
        left, right = solid(node.left), solid(node.right)
        return lambda scope, budget: number(
            work(_figure(left(scope, budget)), _figure(right(scope, budget)))
        )

    return make


def _power(base: Any, exponent: Any) -> Any:
    """Raise to a power, as far as 64 bits go."""
    if isinstance(base, int) and isinstance(exponent, int) and abs(base) > 1:
        if exponent > 64:
            raise ExpressionError(f"the power {exponent} is too high; keep below 65")
        if exponent < -1100:
            return 0.0
    return base**exponent


def _add(node: Any) -> Value:
    left, right = solid(node.left), solid(node.right)

    def value(scope: Scope, budget: Budget) -> Any:
        match left(scope, budget), right(scope, budget):
            case str() as one, str() as other:
                return budget.read(one) + budget.read(other)
            case (list() | tuple()) as one, (list() | tuple()) as other:
                budget.spend(len(one) + len(other))
                return [*one, *other]
            case one, other if is_number(one) and is_number(other):
                return number(add(one, other))
            case one, other:
                raise ExpressionError(
                    f"{kind(one)} and {kind(other)} cannot be added; "
                    "join texts with ~, or convert one of them"
                )

    return value


def _concat(node: Any) -> Value:
    parts = [solid(part) for part in node.nodes]
    return lambda scope, budget: "".join(
        as_text(part(scope, budget), budget) for part in parts
    )


Comparison: TypeAlias = Callable[[Any, Any, Budget], bool]


def _by(order: Callable[[Any, Any], bool]) -> Comparison:
    def compare(left: Any, right: Any, budget: Budget) -> bool:
        if isinstance(ordered(left), str) != isinstance(ordered(right), str):
            raise ExpressionError(
                f"{kind(left)} and {kind(right)} have no order; convert one of them"
            )
        budget.spend(1)
        return order(left, right)

    return compare


_COMPARISONS: Final[dict[str, Comparison]] = {
    "eq": same,
    "ne": lambda left, right, budget: not same(left, right, budget),
    "lt": _by(lt),
    "lteq": _by(le),
    "gt": _by(gt),
    "gteq": _by(ge),
    "in": lambda left, right, budget: contains(budget, right, left),
    "notin": lambda left, right, budget: not contains(budget, right, left),
}


def _compare(node: Any) -> Value:
    first = solid(node.expr)
    rest = [(_COMPARISONS[part.op], solid(part.expr)) for part in node.ops]

    def value(scope: Scope, budget: Budget) -> bool:
        left = first(scope, budget)
        for holds, part in rest:
            right = part(scope, budget)
            if not holds(left, right, budget):
                return False
            left = right
        return True

    return value


def _filter(node: Any) -> Value:
    if node.node is None:
        raise ExpressionError("a filter has nothing to work on; write value|filter")
    work = _known("filter", node.name, FILTERS)
    takes_missing = node.name in ("default", "d")
    inner = (build if takes_missing else solid)(node.node)
    return _applied(f"filter {node.name!r}", work, inner, node)


def _test(node: Any) -> Value:
    work = _known("test", node.name, TESTS)
    takes_missing = node.name in ("defined", "undefined")
    inner = (build if takes_missing else solid)(node.node)
    return _applied(f"test {node.name!r}", work, inner, node)


def _call(node: Any) -> Value:
    target = node.node
    if not isinstance(target, nodes.Getattr):
        raise ExpressionError("nothing can be called but methods; use a filter")
    work = _known("method", target.attr, METHODS)
    return _applied(f"method {target.attr!r}", work, solid(target.node), node)


def _known(what: str, name: str, table: Mapping[str, Any]) -> Callable[..., Any]:
    if name in table:
        found: Callable[..., Any] = table[name]
        return found
    near = get_close_matches(name, table, n=1)
    hint = f"did you mean {near[0]!r}" if near else f"there are {', '.join(table)}"
    raise ExpressionError(f"there is no {what} {name!r}; {hint}")


def _applied(what: str, work: Callable[..., Any], inner: Value, node: Any) -> Value:
    """Return a filter, test or method with its arguments.

    Raises:
        ExpressionError: they are not those that it takes.
    """
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise ExpressionError(f"the {what} has * or **; name each argument")
    args = [solid(arg) for arg in node.args or ()]
    named = [(pair.key, solid(pair.value)) for pair in node.kwargs or ()]
    try:
        signature(work).bind(None, None, *args, **dict(named))
    except TypeError as error:
        raise ExpressionError(f"the {what} has wrong arguments: {error}") from None

    def value(scope: Scope, budget: Budget) -> Any:
        budget.spend(1)
        given = [arg(scope, budget) for arg in args]
        by_name = {name: arg(scope, budget) for name, arg in named}
        return work(budget, inner(scope, budget), *given, **by_name)

    return value


_MAKERS: Final[dict[type[nodes.Node], Callable[[Any], Value]]] = {
    nodes.Const: _const,
    nodes.Name: _name,
    nodes.Getattr: _getattr,
    nodes.Getitem: _getitem,
    nodes.List: _list,
    nodes.Tuple: _list,
    nodes.Dict: _dict,
    nodes.CondExpr: _condition,
    nodes.And: _and,
    nodes.Or: _or,
    nodes.Not: _not,
    nodes.Neg: _sign(neg),
    nodes.Pos: _sign(pos),
    nodes.Add: _add,
    nodes.Sub: _arithmetic(sub),
    nodes.Mul: _arithmetic(mul),
    nodes.Div: _arithmetic(truediv),
    nodes.FloorDiv: _arithmetic(floordiv),
    nodes.Mod: _arithmetic(mod),
    nodes.Pow: _arithmetic(_power),
    nodes.Concat: _concat,
    nodes.Compare: _compare,
    nodes.Filter: _filter,
    nodes.Test: _test,
    nodes.Call: _call,
}
"""What may stand in an expression, and what makes a function of it."""
