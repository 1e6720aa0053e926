"""Parts of a plan's document, asked for what they must be.

A part that is not what was asked for leaves a `Fault` behind and gives a harmless
value, so that one pass finds everything that is wrong.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar

from agentkit.plans.expressions import Expression, Template, weight
from agentkit.plans.values import ExpressionError, kind

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices that lead from a document to a part of it."""

Severity: TypeAlias = Literal["error", "warning"]
T = TypeVar("T")
Made = TypeVar("Made", Expression, Template)

LONGEST_NAME: Final = 256
"""How many characters a name in a plan may have."""

FAULTS: Final = 100
"""How many errors are told of one plan."""

COMPARED: Final = 40
"""How many names, and characters of each, are compared with one that is unknown."""

EXPRESSIONS: Final = 32_768
"""How many characters all expressions of a plan may have; each counts 16 more."""


class Fault(NamedTuple):
    """Something in a document that is wrong, or odd."""

    path: Path
    text: str
    """The value, the reason and the remedy."""
    severity: Severity
    column: int = 0
    """Where in the text at `path`, from 1; 0 is as a whole."""
    at_key: bool = False
    """It is the key that is wrong, not its value."""


class Enough(Exception):
    """There are as many errors as anybody reads."""


@dataclass(slots=True)
class Findings:
    """What is wrong in a document, in the order in which it was found.

    Raises:
        Enough: from `error`, when there are as many as were asked for.
    """

    most: int = FAULTS
    """How many errors to look for."""
    faults: list[Fault] = field(default_factory=list)
    errors: int = 0
    expressions: int = 0
    """How many characters of expressions were read."""

    def error(self, path: Path, text: str, column: int = 0, **more: bool) -> None:
        """Note what makes the plan unusable."""
        self.faults.append(Fault(path, text, "error", column, **more))
        self.errors += 1
        if self.errors >= self.most:
            raise Enough

    def warn(self, path: Path, text: str) -> None:
        """Note what is allowed, and most likely not meant."""
        self.faults.append(Fault(path, text, "warning"))


def nearest(name: Any, known: Sequence[str] | Mapping[str, Any]) -> str:
    """Return a remedy for a name that is not known."""
    short = [one for one in known if len(one) <= COMPARED][:COMPARED]
    near = get_close_matches(str(name)[:COMPARED], short, n=1)
    if near:
        return f"did you mean {near[0]!r}"
    names = ", ".join(short[:12])
    return f"there are: {names}" if names else "there is none yet"


@dataclass(frozen=True, slots=True)
class Part:
    """A value of the document, and where it is."""

    value: Any
    path: Path
    findings: Findings

    def error(self, text: str, column: int = 0) -> None:
        """Note what is wrong here."""
        self.findings.error(self.path, text, column)

    def warn(self, text: str) -> None:
        """Note what is odd here."""
        self.findings.warn(self.path, text)

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, Mapping) and self.value.get(key) is not None

    def at(self, key: str | int) -> "Part":
        """Return the part below a key; its value is None when there is none."""
        inside = self.value
        if isinstance(inside, Mapping):
            below = inside.get(key)
        else:
            below = inside[key] if isinstance(key, int) else None
        return Part(below, (*self.path, key), self.findings)

    def object(self) -> bool:
        """Whether it is an object with keys; null counts as an empty one."""
        if self.value is None:
            return False
        if not isinstance(self.value, Mapping):
            self.error(f"{kind(self.value)} stands here; give keys with values")
            return False
        odd = next((key for key in self.value if not isinstance(key, str)), None)
        if odd is not None:
            self.error(f"the key {odd!r} is {kind(odd)}; put it in quotes")
        return odd is None

    def only(self, known: Mapping[str, str], refused: Mapping[str, str]) -> None:
        """Note the keys that have no meaning here.

        Args:
            known: the keys that are understood.
            refused: keys that others understand, and why we do not.
        """
        for key in self.value if self.object() else ():
            if key in refused:
                told = refused[key]
            elif key not in known:
                told = f"there is no key {key!r} here; {nearest(key, known)}"
            else:
                continue
            self.findings.error((*self.path, key), told, at_key=True)

    def entries(self) -> Iterator[tuple[str, "Part"]]:
        """Yield the keys of an object with what is below them."""
        for key in self.value if self.object() else ():
            if not key or len(key) > LONGEST_NAME or not key.isprintable():
                self.error(f"the name {key[:40]!r} is no good; use a short, plain one")
            yield key, self.at(key)

    def elements(self) -> Iterator["Part"]:
        """Yield the elements of a list."""
        if isinstance(self.value, list | tuple):
            yield from (self.at(n) for n in range(len(self.value)))
        elif self.value is not None:
            self.error(f"{kind(self.value)} stands here; give a list")

    def text(self, default: str = "") -> str:
        """Return a text that is not empty."""
        if self.value is None:
            return default
        if isinstance(self.value, str) and self.value.strip():
            return self.value
        self.error(f"{_shown(self.value)} is no name; write a word")
        return default

    def name(self) -> str:
        """Return a text that must be there; empty when it is not."""
        if self.value is None:
            self.error("nothing stands here; write a name")
        return self.text()

    def choice(self, words: Sequence[T], default: T) -> T:
        """Return one of a few words."""
        if self.value is None:
            return default
        if self.value in words:
            return words[words.index(self.value)]
        allowed = ", ".join(str(word) for word in words if word)
        self.error(f"{_shown(self.value)} is not known; choose one of {allowed}")
        return default

    def flag(self, *, default: bool) -> bool:
        """Return true or false."""
        if self.value is None or isinstance(self.value, bool):
            return default if self.value is None else bool(self.value)
        self.error(f"{_shown(self.value)} is neither true nor false; write one of them")
        return default

    def whole(self, low: int, high: int) -> int | None:
        """Return an integer between two bounds; None when there is none."""
        value = self.value
        if value is None:
            return None
        if type(value) is int and low <= value <= high:
            return value
        self.error(
            f"{_shown(value)} is not allowed; give a whole number, {low:,} to {high:,}"
        )
        return None

    def number(self, low: float, high: float) -> float | None:
        """Return a number between two bounds; None when there is none."""
        value = self.value
        if value is None:
            return None
        if type(value) in (int, float) and low <= value <= high:
            return float(value)
        self.error(
            f"{_shown(value)} is not allowed; give a number, {low:g} to {high:g}"
        )
        return None

    def expression(self, names: frozenset[str]) -> Expression | None:
        """Return an expression that knows some names; None when there is none."""
        value = self.value
        if value is None:
            return None
        if isinstance(value, bool | int | float):
            value = str(value).lower()
        if not isinstance(value, str):
            self.error(f"{kind(value)} is no expression; write one, as {{{{ … }}}}")
            return None
        return self.read(Expression, value, names)

    def template(self, names: frozenset[str]) -> Template | None:
        """Return a template that knows some names; None when there is none.

        Only its texts are read, one by one, so that an error is told where it is.
        """
        if self.value is None:
            return None
        for leaf in self._texts():
            if leaf.read(Template, leaf.value, names) is None:
                return None
        return Template(self.value)

    def _texts(self) -> Iterator["Part"]:
        """Yield the texts with expressions, however deep."""
        todo = [self]
        while todo:
            part = todo.pop()
            if isinstance(part.value, str):
                if "{{" in part.value or "{%" in part.value:
                    yield part
            elif isinstance(part.value, Mapping):
                todo.extend(part.at(key) for key in reversed(part.value))
            elif isinstance(part.value, list | tuple):
                todo.extend(part.at(n) for n in reversed(range(len(part.value))))

    def read(
        self, make: Callable[[Any], Made], value: Any, names: frozenset[str]
    ) -> Made | None:
        """Return an expression or a template; None when it cannot be read."""
        try:
            self._count(weight(value))
            made = make(value)
        except ExpressionError as error:
            self.error(str(error), error.column)
            return None
        self._check_names(value, made.names, names)
        return made

    def _count(self, characters: int) -> None:
        self.findings.expressions += characters
        if self.findings.expressions > EXPRESSIONS:
            raise ExpressionError(
                f"all expressions have more than {EXPRESSIONS:,} characters; "
                "use fewer or shorter ones"
            )

    def _check_names(
        self, text: str, used: frozenset[str], names: frozenset[str]
    ) -> None:
        for name in sorted(used - names):
            found = re.search(rf"\b{re.escape(name)}\b", text)
            column = found.start() + 1 if found else 0
            known = sorted(names)
            self.error(f"there is no {name!r} here; {nearest(name, known)}", column)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else f"{value[:39]}…")
    return str(value).lower() if isinstance(value, bool | int | float) else kind(value)
