"""The filters, tests and methods of expressions: those of Jinja2, over JSON values.

Each takes the budget, the value, then its own arguments, and gives a JSON value or
`Missing`. None calls anything that it was given but filters and tests by name.
"""

from collections.abc import Callable
from functools import partial
from math import ceil, floor
from typing import Any, Final, TypeAlias

from agentkit.plans.values import (
    Budget,
    ExpressionError,
    Missing,
    as_json,
    as_text,
    is_number,
    kind,
    number,
    ordered,
    pick,
    same,
)

Work: TypeAlias = Callable[..., Any]


def _text(budget: Budget, value: Any) -> str:
    if isinstance(value, str):
        return budget.read(value)
    raise ExpressionError(f"{kind(value)} is no text; turn it into one with string")


def _items(budget: Budget, value: Any) -> list[Any]:
    """Return the elements of a list, the keys of an object, or the signs of a text."""
    if not isinstance(value, list | tuple | dict | str):
        raise ExpressionError(f"{kind(value)} has no elements; give a list")
    budget.spend(len(value))
    return list(value)


def _attribute(value: Any, path: Any) -> Any:
    """Return what a path such as ``owner.name`` leads to."""
    for name in path.split(".") if isinstance(path, str) else [path]:
        value = pick(value, int(name) if str(name).isdecimal() else name)
    return value


def _needed(value: Any) -> Any:
    if isinstance(value, Missing):
        raise value.error()
    return value


def _plucked(budget: Budget, value: Any, path: Any) -> list[Any]:
    """Return the elements, or what a path leads to in each."""
    items = _items(budget, value)
    return items if path is None else [_needed(_attribute(one, path)) for one in items]


def contains(budget: Budget, whole: Any, part: Any) -> bool:
    """Whether a list has an element, an object a key, or a text another."""
    match whole:
        case str():
            budget.read(whole)
            return _text(budget, part) in whole
        case dict():
            budget.spend(1)
            return isinstance(part, str) and part in whole
        case list() | tuple():
            return any(same(part, one, budget) for one in whole)
    raise ExpressionError(f"{kind(whole)} holds nothing; give a list after in")


def _default(_budget: Budget, value: Any, other: Any = "", boolean: Any = False) -> Any:
    return other if isinstance(value, Missing) or (boolean and not value) else value


def _length(_budget: Budget, value: Any) -> int:
    if isinstance(value, list | tuple | dict | str):
        return len(value)
    raise ExpressionError(f"{kind(value)} has no length; give a list")


def _first(budget: Budget, value: Any) -> Any:
    return next(iter(_items(budget, value)), Missing("there is no first of nothing"))


def _last(budget: Budget, value: Any) -> Any:
    return next(reversed(_items(budget, value)), Missing("there is no last of nothing"))


def _join(budget: Budget, value: Any, d: Any = "", attribute: Any = None) -> str:
    between = _text(budget, d)
    texts = [as_text(one, budget) for one in _plucked(budget, value, attribute)]
    budget.spend(len(texts) * (1 + len(between) // 16))
    return between.join(texts)


def _replace(budget: Budget, value: Any, old: Any, new: Any) -> str:
    text, old, new = (_text(budget, one) for one in (value, old, new))
    if not old:
        raise ExpressionError("replace looks for an empty text; say what to replace")
    budget.spend(text.count(old) * (1 + len(new) // 16))
    return text.replace(old, new)


def _split(budget: Budget, value: Any, sep: Any = None) -> list[str]:
    text = _text(budget, value)
    if sep is None:
        budget.spend(len(text))
        return text.split()
    if not _text(budget, sep):
        raise ExpressionError("split has an empty separator; say where to split")
    budget.spend(text.count(sep))
    return text.split(sep)


def _trim(budget: Budget, value: Any, chars: Any = None) -> str:
    return _text(budget, value).strip(None if chars is None else _text(budget, chars))


def _truth(work: Callable[[str, str], bool]) -> Work:
    def test(budget: Budget, value: Any, part: Any) -> bool:
        return work(_text(budget, value), _text(budget, part))

    return test


def _turned(work: Callable[[str], str]) -> Work:
    return lambda budget, value: work(_text(budget, value))


def _figure(value: Any) -> Any:
    if is_number(value):
        return value
    raise ExpressionError(f"{kind(value)} is no number; turn it into one with int")


def _round(
    _budget: Budget, value: Any, precision: Any = 0, method: Any = "common"
) -> Any:
    if method not in ("common", "ceil", "floor"):
        raise ExpressionError("round knows common, ceil and floor; choose one")
    if not isinstance(precision, int) or not 0 <= precision <= 15:
        raise ExpressionError("round takes 0 to 15 places; choose as many")
    if method == "common":
        return number(round(_figure(value), precision))
    work = ceil if method == "ceil" else floor
    return number(work(_figure(value) * 10**precision) / 10**precision)


def _int(budget: Budget, value: Any, default: Any = 0) -> Any:
    try:
        if isinstance(value, str):
            return number(int(budget.read(value)[:100]))
        return number(int(value))
    except (TypeError, ValueError):
        pass
    try:
        return number(int(float(value)))
    except (TypeError, ValueError, OverflowError):
        return default


def _float(budget: Budget, value: Any, default: Any = 0.0) -> Any:
    try:
        return number(float(budget.read(value) if isinstance(value, str) else value))
    except (TypeError, ValueError, OverflowError):
        return default


def _ranked(case_sensitive: Any) -> Callable[[Any], Any]:
    """Return what values are sorted and told apart by."""

    def rank(value: Any) -> Any:
        value = ordered(value)
        return value if case_sensitive or is_number(value) else value.lower()

    return rank


def _ranks(
    budget: Budget, value: Any, case_sensitive: Any, attribute: Any
) -> list[tuple[Any, Any]]:
    """Return each element with what it is sorted by: numbers, or texts."""
    items = _items(budget, value)
    rank = _ranked(case_sensitive)
    keys = [rank(one) for one in _plucked(budget, items, attribute)]
    budget.spend(sum(len(key) for key in keys if isinstance(key, str)) // 16)
    budget.spend(len(keys) * len(keys).bit_length() // 8)
    if len({isinstance(key, str) for key in keys}) > 1:
        raise ExpressionError("numbers and texts have no common order; convert some")
    return list(zip(keys, items, strict=True))


def _key(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def _sort(
    budget: Budget,
    value: Any,
    reverse: Any = False,
    case_sensitive: Any = False,
    attribute: Any = None,
) -> list[Any]:
    pairs = _ranks(budget, value, case_sensitive, attribute)
    return [one for _, one in sorted(pairs, key=_key, reverse=bool(reverse))]


def _extreme(choose: Callable[..., tuple[Any, Any]], what: str) -> Work:
    def work(
        budget: Budget, value: Any, case_sensitive: Any = False, attribute: Any = None
    ) -> Any:
        pairs = _ranks(budget, value, case_sensitive, attribute)
        if not pairs:
            return Missing(f"there is no {what} of nothing")
        return choose(pairs, key=_key)[1]

    return work


def _unique(
    budget: Budget, value: Any, case_sensitive: Any = False, attribute: Any = None
) -> list[Any]:
    items = _items(budget, value)
    kept: dict[Any, Any] = {}
    for one, by in zip(items, _plucked(budget, items, attribute), strict=True):
        if isinstance(by, list | tuple | dict):
            mark: Any = (as_json(by, budget),)
        else:
            mark = by.lower() if isinstance(by, str) and not case_sensitive else by
        kept.setdefault(mark, one)
    return list(kept.values())


def _sum(budget: Budget, value: Any, attribute: Any = None, start: Any = 0) -> Any:
    total = _figure(start)
    for one in _plucked(budget, value, attribute):
        total = number(total + _figure(one))
    return total


def _reverse(budget: Budget, value: Any) -> Any:
    items = _items(budget, value)[::-1]
    return "".join(items) if isinstance(value, str) else items


def _pairs(budget: Budget, value: Any) -> list[list[Any]]:
    _items(budget, _object(value))
    return [[key, one] for key, one in value.items()]


def _object(value: Any) -> Any:
    if isinstance(value, dict):
        return value
    raise ExpressionError(f"{kind(value)} is no object; give one with keys")


def _values(budget: Budget, value: Any) -> list[Any]:
    _items(budget, _object(value))
    return list(value.values())


def _keys(budget: Budget, value: Any) -> list[Any]:
    return _items(budget, _object(value))


def _get(_budget: Budget, value: Any, key: Any, default: Any = None) -> Any:
    found = pick(_object(value), key)
    return default if isinstance(found, Missing) else found


def _batch(budget: Budget, value: Any, linecount: Any) -> list[list[Any]]:
    items = _items(budget, value)
    if not isinstance(linecount, int) or linecount < 1:
        raise ExpressionError("a batch has at least one element; say how many")
    return [items[at : at + linecount] for at in range(0, len(items), linecount)]


def _named(what: str, name: Any, table: dict[str, Work]) -> Work:
    if isinstance(name, str) and name in table:
        return table[name]
    raise ExpressionError(f"there is no {what} {name!r}; there are {', '.join(table)}")


def _applied(what: str, work: Work, *args: Any, **named: Any) -> Any:
    try:
        return _needed(work(*args, **named))
    except TypeError:
        raise ExpressionError(f"the {what} has wrong arguments; see its use") from None


def _map(
    budget: Budget,
    value: Any,
    name: Any = None,
    *args: Any,
    attribute: Any = None,
    default: Any = None,
    **named: Any,
) -> list[Any]:
    items = _items(budget, value)
    if attribute is not None:
        found = (_attribute(one, attribute) for one in items)
        if default is not None:
            return [default if isinstance(one, Missing) else one for one in found]
        return [_needed(one) for one in found]
    budget.spend(2 * len(items))
    work = partial(_applied, f"filter {name!r}", _named("filter", name, FILTERS))
    return [work(budget, one, *args, **named) for one in items]


def _kept(wanted: bool, by_attribute: bool) -> Work:
    def work(budget: Budget, value: Any, *args: Any) -> list[Any]:
        path, *test = args if by_attribute else (None, *args)
        items = _items(budget, value)
        holds = _condition(budget, test)
        return [
            one
            for one in items
            if holds(one if path is None else _attribute(one, path)) is wanted
        ]

    return work


def _condition(budget: Budget, test: list[Any]) -> Callable[[Any], bool]:
    if not test:
        return lambda one: bool(_needed(one))
    name, *args = test
    work = _named("test", name, TESTS)
    takes_missing = name in ("defined", "undefined")

    def holds(one: Any) -> bool:
        budget.spend(1)
        given = one if takes_missing else _needed(one)
        return bool(_applied(f"test {name!r}", work, budget, given, *args))

    return holds


FILTERS: Final[dict[str, Work]] = {
    "abs": lambda _budget, value: number(abs(_figure(value))),
    "batch": _batch,
    "capitalize": _turned(str.capitalize),
    "count": _length,
    "d": _default,
    "default": _default,
    "dump": lambda _budget, value: value,
    "first": _first,
    "float": _float,
    "int": _int,
    "items": _pairs,
    "join": _join,
    "last": _last,
    "length": _length,
    "list": _items,
    "lower": _turned(str.lower),
    "map": _map,
    "max": _extreme(max, "largest"),
    "min": _extreme(min, "smallest"),
    "reject": _kept(wanted=False, by_attribute=False),
    "rejectattr": _kept(wanted=False, by_attribute=True),
    "replace": _replace,
    "reverse": _reverse,
    "round": _round,
    "select": _kept(wanted=True, by_attribute=False),
    "selectattr": _kept(wanted=True, by_attribute=True),
    "sort": _sort,
    "string": lambda budget, value: as_text(value, budget),
    "sum": _sum,
    "title": _turned(str.title),
    "tojson": lambda budget, value: as_json(value, budget),
    "trim": _trim,
    "unique": _unique,
    "upper": _turned(str.upper),
}


def _is(*types: type) -> Work:
    return lambda _budget, value: isinstance(value, types)


def _divisible(_budget: Budget, value: Any, by: Any) -> bool:
    return bool(_figure(value) % _figure(by) == 0)


def _compared(order: Callable[[Any, Any], bool]) -> Work:
    def test(_budget: Budget, value: Any, other: Any) -> bool:
        if isinstance(ordered(value), str) != isinstance(ordered(other), str):
            raise ExpressionError(
                f"{kind(value)} and {kind(other)} have no order; convert one of them"
            )
        return order(value, other)

    return test


def _equal(budget: Budget, value: Any, other: Any) -> bool:
    return same(value, other, budget)


def _unequal(budget: Budget, value: Any, other: Any) -> bool:
    return not same(value, other, budget)


_LESS = _compared(lambda one, other: bool(one < other))
_MORE = _compared(lambda one, other: bool(one > other))
_AT_MOST = _compared(lambda one, other: bool(one <= other))
_AT_LEAST = _compared(lambda one, other: bool(one >= other))

TESTS: Final[dict[str, Work]] = {
    "!=": _unequal,
    "<": _LESS,
    "<=": _AT_MOST,
    "==": _equal,
    ">": _MORE,
    ">=": _AT_LEAST,
    "boolean": _is(bool),
    "defined": lambda _budget, value: not isinstance(value, Missing),
    "divisibleby": _divisible,
    "eq": _equal,
    "equalto": _equal,
    "even": lambda budget, value: _divisible(budget, value, 2),
    "false": lambda _budget, value: value is False,
    "float": _is(float),
    "ge": _AT_LEAST,
    "greaterthan": _MORE,
    "gt": _MORE,
    "in": lambda budget, value, whole: contains(budget, whole, value),
    "integer": lambda _budget, value: (
        isinstance(value, int) and not isinstance(value, bool)
    ),
    "iterable": _is(list, tuple, dict, str),
    "le": _AT_MOST,
    "lessthan": _LESS,
    "lt": _LESS,
    "mapping": _is(dict),
    "ne": _unequal,
    "none": lambda _budget, value: value is None,
    "number": _is(int, float),
    "odd": lambda _budget, value: bool(_figure(value) % 2 == 1),
    "sequence": _is(list, tuple, dict, str),
    "string": _is(str),
    "true": lambda _budget, value: value is True,
    "undefined": lambda _budget, value: isinstance(value, Missing),
}

METHODS: Final[dict[str, Work]] = {
    "endswith": _truth(str.endswith),
    "get": _get,
    "items": _pairs,
    "keys": _keys,
    "lower": _turned(str.lower),
    "replace": _replace,
    "split": _split,
    "startswith": _truth(str.startswith),
    "strip": _trim,
    "upper": _turned(str.upper),
    "values": _values,
}
"""What can be called on a value, as in ``context.counts.get('a', 0)``."""
