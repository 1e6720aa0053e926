"""Expressions and templates: how a plan says what goes where.

Both are read once and asked often. They are pure: the same scope gives the same value.
Whatever they are given, they end soon, in little memory, with a JSON value or an
`ExpressionError`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from agentkit.plans.evaluation import Scope, Value, build, names, picks
from agentkit.plans.grammar import Piece, parse, pieces
from agentkit.plans.values import (
    Budget,
    Cost,
    ExpressionError,
    Missing,
    as_text,
    measure,
)

SHOWN: Final = 60
"""How many characters of an expression an error repeats."""

DEEPEST: Final = 100
"""How deep lists and objects of a template may be nested."""

_FAULTS: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What Python says of values that do not fit together."""


class _Compiled(NamedTuple):
    """An expression that has been read."""

    value: Value
    names: frozenset[str]
    picks: bool


@lru_cache(maxsize=1024)
def _compiled(text: str) -> _Compiled:
    tree = parse(text)
    return _Compiled(build(tree), names(tree), picks(tree))


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _evaluated(text: str, compiled: _Compiled, scope: Scope, budget: Budget) -> Any:
    try:
        value = compiled.value(scope, budget)
        if isinstance(value, Missing):
            raise value.error()
    except ExpressionError as error:
        raise ExpressionError(f"{_shown(text)}: {error}") from None
    except _FAULTS as error:
        told = str(error) or type(error).__name__
        raise ExpressionError(f"{_shown(text)}: {told}; correct it") from None
    return value


def _read(text: str, column: int = 0) -> _Compiled:
    try:
        return _compiled(text)
    except ExpressionError as error:
        at = error.column + column if error.column else 0
        raise ExpressionError(f"{_shown(text)}: {error}", column=at) from None
    except _FAULTS as error:
        raise ExpressionError(f"{_shown(text)}: {error}; correct it") from None


def _bare(text: str) -> Piece:
    """Return what is inside of ``{{ … }}`` when that is all, else the text."""
    if not text.lstrip().startswith("{{"):
        return Piece(text, True, 1)
    whole = [one for one in pieces(text) if one.is_expression or one.text.strip()]
    if len(whole) > 1:
        raise ExpressionError(
            f"{_shown(text)}: there is text beside {{{{ … }}}}; write one expression"
        )
    return whole[0]


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression, bare or as ``{{ … }}``: ``context.tasks|length > 3``.

    Raises:
        ExpressionError: it cannot be read; the error has the column.
    """

    text: str
    _compiled: _Compiled = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        piece = _bare(self.text)
        compiled = _read(piece.text, piece.column - 1)
        object.__setattr__(self, "_compiled", compiled)

    @property
    def names(self) -> frozenset[str]:
        """Return the names that it looks up in its scope."""
        return self._compiled.names

    def value(self, scope: Scope, cost: Cost | None = None) -> Any:
        """Return what it gives for a scope of JSON values.

        A part of the scope is given as it is, not copied.

        Args:
            scope: the names that it may look up.
            cost: what it takes is added to it.

        Raises:
            ExpressionError: it has no value for this scope, or one that is too large.
        """
        budget, cost = Budget(), cost or Cost()
        try:
            found = _evaluated(self.text, self._compiled, scope, budget)
        finally:
            cost.add(budget)
        if not self._compiled.picks:
            cost.add_bytes(_measured(self.text, found))
        return found


def _measured(text: str, value: Any) -> int:
    try:
        return measure(value)
    except ExpressionError as error:
        raise ExpressionError(f"{_shown(text)}: {error}") from None


Render: TypeAlias = Callable[[Scope, Budget], Any]


class _Part(NamedTuple):
    """A part of a template that has expressions, read."""

    render: Render
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Template:
    """JSON with expressions in its texts.

    A text that is one ``{{ … }}`` gives the value with its type; in a longer text the
    values are written out, texts as they are and all else as JSON. Keys are kept.

    Raises:
        ExpressionError: an expression cannot be read.
    """

    source: Any
    _part: _Part | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_part", _template(self.source, DEEPEST))

    @property
    def names(self) -> frozenset[str]:
        """Return the names that it looks up in its scope."""
        return frozenset() if self._part is None else self._part.names

    def render(self, scope: Scope, cost: Cost | None = None) -> Any:
        """Return it with every expression replaced by its value for a scope.

        Args:
            scope: the names that it may look up.
            cost: what it takes is added to it.

        Raises:
            ExpressionError: an expression has no value, or the whole is too large.
        """
        if self._part is None:
            return self.source
        budget, cost = Budget(), cost or Cost()
        try:
            made = self._part.render(scope, budget)
        finally:
            cost.add(budget)
        cost.add_bytes(measure(made))
        return made


def _template(source: Any, room: int) -> _Part | None:
    """Return how a value is rendered; None when it is just itself."""
    if not room:
        raise ExpressionError(f"it is nested deeper than {DEEPEST}; make it flatter")
    match source:
        case str():
            return _text(source)
        case list() | tuple():
            parts = [(one, _template(one, room - 1)) for one in source]
            return _list(parts, _names([part for _, part in parts]))
        case dict():
            named = {
                key: (one, _template(one, room - 1)) for key, one in source.items()
            }
            return _object(named, _names([part for _, part in named.values()]))
    return None


def _names(parts: list[_Part | None]) -> frozenset[str] | None:
    found = [part.names for part in parts if part is not None]
    return frozenset().union(*found) if found else None


def _rendered(one: Any, part: _Part | None, scope: Scope, budget: Budget) -> Any:
    return one if part is None else part.render(scope, budget)


def _list(
    parts: list[tuple[Any, _Part | None]], used: frozenset[str] | None
) -> _Part | None:
    if used is None:
        return None

    def render(scope: Scope, budget: Budget) -> list[Any]:
        return [_rendered(one, part, scope, budget) for one, part in parts]

    return _Part(render, used)


def _object(
    parts: dict[str, tuple[Any, _Part | None]], used: frozenset[str] | None
) -> _Part | None:
    if used is None:
        return None

    def render(scope: Scope, budget: Budget) -> dict[str, Any]:
        return {
            key: _rendered(one, part, scope, budget)
            for key, (one, part) in parts.items()
        }

    return _Part(render, used)


def _text(text: str) -> _Part | None:
    if "{{" not in text and "{%" not in text:
        return None
    found = [piece for piece in pieces(text) if piece.is_expression or piece.text]
    if not any(piece.is_expression for piece in found):
        return None
    read = [_piece(piece) for piece in found]
    used = _names(read) or frozenset()
    if len(read) == 1 and read[0] is not None:
        return read[0]

    def render(scope: Scope, budget: Budget) -> str:
        return "".join(
            as_text(_rendered(piece.text, part, scope, budget), budget)
            for piece, part in zip(found, read, strict=True)
        )

    return _Part(render, used)


def _piece(piece: Piece) -> _Part | None:
    if not piece.is_expression:
        return None
    text = piece.text
    compiled = _read(text, piece.column - 1)
    return _Part(
        lambda scope, budget: _evaluated(text, compiled, scope, budget),
        compiled.names,
    )


def weight(text: str) -> int:
    """Return what reading a text takes: its characters, and 16 for each expression."""
    found = list(pieces(text)) if "{{" in text else [Piece(text, True, 1)]
    return sum(len(one.text) + 16 for one in found if one.is_expression)
