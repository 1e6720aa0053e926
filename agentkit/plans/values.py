"""What expressions work on: JSON values, and how much work they may make.

Nothing here trusts a value to be small: lists and objects may hold one another many
times over, so that a few thousand objects in memory stand for gigabytes of JSON.
Whatever walks a value pays for each step from a `Budget`.
"""

import json
from math import isfinite
from typing import Any, ClassVar, Final

from agentkit.errors import SwarmError

LARGEST: Final = 8 * 1024 * 1024
"""How many bytes of JSON an expression or a template may give."""

STEPS: Final = 1_000_000
"""How much work one evaluation may make: a step is an element, or 16 characters."""

CHARACTERS: Final = 16
"""How many characters count as one step."""

SMALLEST_INT: Final = -(2**63)
LARGEST_INT: Final = 2**64 - 1
"""Integers beyond these are no JSON that every reader understands."""


class ExpressionError(SwarmError):
    """An expression cannot be read, or has no value for what it was given.

    Attributes:
        column: where in its text it cannot be read, from 1; 0 where that is unknown.
    """

    code: ClassVar[str] = "expression_error"
    exit_code: ClassVar[int] = 2
    http_status: ClassVar[int] = 422

    def __init__(self, text: str, *, column: int = 0) -> None:
        super().__init__(text)
        self.column = column


class Budget:
    """The steps that one evaluation has left."""

    __slots__ = ("left",)

    def __init__(self, steps: int = STEPS) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Pay for work that is about to be done.

        Raises:
            ExpressionError: there are not so many steps left.
        """
        self.left -= steps
        if self.left < 0:
            raise ExpressionError(
                f"it takes more than {STEPS:,} steps; work on fewer or smaller values"
            )

    def read(self, text: str) -> str:
        """Pay for a text that is read or made; return it."""
        self.spend(1 + len(text) // CHARACTERS)
        return text


class Cost:
    """The steps that several evaluations took, added up."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps = 0

    def add(self, budget: Budget) -> None:
        """Count what was spent of a budget."""
        self.steps += STEPS - budget.left

    def add_bytes(self, size: int) -> None:
        """Count a value that was walked, or written out as JSON."""
        self.steps += size // CHARACTERS


class Missing:
    """Stands for a value that is not there; only ``default`` and tests take it."""

    __slots__ = ("told",)

    def __init__(self, told: str) -> None:
        self.told = told

    def error(self) -> ExpressionError:
        """Return what is raised when the value is needed after all."""
        return ExpressionError(f"{self.told}; give it with default(…), or correct it")


_KINDS: Final[dict[type, str]] = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    tuple: "a list",
    dict: "an object",
}


def kind(value: Any) -> str:
    """Return what JSON calls the type of a value."""
    return _KINDS.get(type(value)) or f"a {type(value).__name__}"


def is_number(value: Any) -> bool:
    """Whether arithmetic takes a value; booleans count, as in Python."""
    return isinstance(value, int | float)


def number(value: Any) -> Any:
    """Return a number that came out of arithmetic.

    Raises:
        ExpressionError: JSON has no such number.
    """
    if isinstance(value, int):
        if SMALLEST_INT <= value <= LARGEST_INT:
            return value
        raise ExpressionError("an integer has more than 64 bits; divide, or use floats")
    if isinstance(value, float) and isfinite(value):
        return value
    raise ExpressionError(f"{value} is no number of JSON; keep to finite ones")


def measure(value: Any) -> int:
    """Return how many bytes a value takes as JSON, escapes not counted.

    Raises:
        ExpressionError: it is larger than `LARGEST`, or not JSON.
    """
    size = 0
    todo = [value]
    while todo:
        size += _own_size(todo.pop(), todo)
        if size > LARGEST:
            raise ExpressionError(
                f"it gives more than {LARGEST // 2**20} MiB of JSON; keep large values "
                "as results, and pass their addresses on"
            )
    return size


def _own_size(value: Any, todo: list[Any]) -> int:
    """Return the size of a value without its elements, which are added to `todo`."""
    match value:
        case str():
            return _text_size(value)
        case dict():
            todo.extend(value.values())
            return 2 + sum(map(_key_size, value))
        case list() | tuple():
            todo.extend(value)
            return 2 + len(value)
        case None | bool():
            return 5
        case int() | float():
            return len(str(number(value)))
    raise ExpressionError(f"it gives {kind(value)}, which is not JSON")


def _text_size(text: str) -> int:
    if text.isascii():
        return len(text) + 2
    try:
        return len(text.encode()) + 2
    except UnicodeEncodeError:
        raise ExpressionError("a text has half a character; leave it out") from None


def _key_size(key: Any) -> int:
    if not isinstance(key, str):
        raise ExpressionError(f"a key is {kind(key)}; the keys of JSON are texts")
    return _text_size(key) + 2


def pay_for(value: Any, budget: Budget) -> None:
    """Spend what it takes to walk a value as deep as it goes."""
    todo = [value]
    while todo:
        one = todo.pop()
        budget.spend(1)
        if isinstance(one, str):
            budget.read(one)
        elif isinstance(one, dict):
            for key in one:
                budget.read(str(key))
            todo.extend(one.values())
        elif isinstance(one, list | tuple):
            todo.extend(one)


def as_text(value: Any, budget: Budget) -> str:
    """Return a text as it is, anything else as JSON."""
    return budget.read(value) if isinstance(value, str) else as_json(value, budget)


def as_json(value: Any, budget: Budget) -> str:
    """Return a value as JSON."""
    pay_for(value, budget)
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def same(left: Any, right: Any, budget: Budget) -> bool:
    """Whether two values are equal, as deep as they go."""
    budget.spend(1)
    match left, right:
        case dict(), dict():
            return len(left) == len(right) and all(
                key in right and same(one, right[key], budget)
                for key, one in left.items()
            )
        case ((list() | tuple()), (list() | tuple())):
            return len(left) == len(right) and all(
                same(one, other, budget) for one, other in zip(left, right, strict=True)
            )
        case str(), str():
            budget.read(left)
            return left == right
        case (list() | tuple() | dict(), _) | (_, list() | tuple() | dict()):
            return False
    return bool(left == right)


def ordered(value: Any) -> Any:
    """Return a value that `<` and sorting take.

    Raises:
        ExpressionError: it is neither a number nor a text.
    """
    if is_number(value) or isinstance(value, str):
        return value
    raise ExpressionError(f"{kind(value)} has no order; compare numbers or texts")


def pick(value: Any, name: Any) -> Any:
    """Return an element by its key or index; `Missing` when it is not there."""
    match value:
        case Missing():
            return value
        case dict():
            if isinstance(name, str) and name in value:
                return value[name]
        case list() | tuple() | str() if isinstance(name, int):
            if -len(value) <= name < len(value):
                return value[name]
            return Missing(f"there is no element {name} among {len(value)}")
    return Missing(f"there is no {_shown(name)} in {kind(value)}")


def _shown(name: Any) -> str:
    return repr(name) if isinstance(name, str | int) else kind(name)
