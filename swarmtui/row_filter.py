"""A filter for rows of any kind: which keys it knows, and what is compared with them.

The language is the agents' (`agentkit.filters`)::

    state:leased need:python prio>2 tries>1 age>10m task:P0.* !a1 text
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar

from agentkit.filters import OPERATORS, UNITS, BadTerm, Term, parse

R = TypeVar("R")

AGE = "age"
"""The key that is compared with a time."""
STATE = "state"
"""The key whose words are known beforehand."""


class RowFilter(Generic[R]):
    """What can be said in a filter for one kind of rows.

    Args:
        texts: the keys that are compared with words, and where these are in a row.
        numbers: the keys that are compared by size; `AGE` is a time.
        states: what ``state:`` may be compared with.
        words: gives what plain words are looked for in.
    """

    def __init__(
        self,
        *,
        texts: Mapping[str, Callable[[R], Sequence[str]]],
        numbers: Mapping[str, Callable[[R, datetime], Any]],
        states: Sequence[str],
        words: Callable[[R], str],
    ) -> None:
        self._texts = texts
        self._numbers = numbers
        self._states = states
        self._words = words

    def compile(self, text: str) -> Callable[[R, datetime], bool] | None:
        """Read a filter; None lets everything through.

        Raises:
            BadFilter: a term cannot be read; the error is a `BadTerm` and says which.
        """
        tests = [self._test(term) for term in parse(text)]
        if not tests:
            return None
        return lambda row, now: all(test(row, now) for test in tests)

    def _test(self, term: Term) -> Callable[[R, datetime], bool]:
        if not term.key:
            test = self._bare(term.value.replace('"', "").lower())
        elif term.key in self._texts:
            test = self._text(term)
        elif term.key in self._numbers:
            test = self._number(term)
        else:
            reason = f"there is no key {term.key!r}"
            remedy = _nearest(term.key, (*self._texts, *self._numbers))
            raise _bad(term, f"{reason}; {remedy}")
        return (lambda row, now: not test(row, now)) if term.negated else test

    def _bare(self, typed: str) -> Callable[[R, datetime], bool]:
        return lambda row, _: typed in self._words(row).lower()

    def _text(self, term: Term) -> Callable[[R, datetime], bool]:
        if term.operator != ":":
            raise _bad(term, f"{term.key} takes a colon; write {term.key}:{term.value}")
        globs = [one for one in term.value.replace('"', "").split(",") if one]
        if not globs:
            raise _bad(term, f"there is nothing after {term.key}:; write a word there")
        if term.key == STATE:
            self._check_states(term, globs)
        look = self._texts[term.key]
        return lambda row, _: any(
            fnmatchcase(text, glob) for text in look(row) for glob in globs
        )

    def _check_states(self, term: Term, globs: Sequence[str]) -> None:
        for glob in globs:
            if not any(fnmatchcase(name, glob) for name in self._states):
                remedy = _nearest(glob, self._states)
                raise _bad(term, f"there is no state {glob!r}; {remedy}")

    def _number(self, term: Term) -> Callable[[R, datetime], bool]:
        compare = OPERATORS.get(term.operator)
        if compare is None:
            raise _bad(term, f"{term.key} is compared; write {term.key}>{term.value}")
        limit, look = _limit(term), self._numbers[term.key]
        return lambda row, now: compare(look(row, now), limit)


def _limit(term: Term) -> float | timedelta:
    unit = UNITS.get(term.value[-1:]) if term.key == AGE else None
    try:
        number = float(term.value[:-1] if unit else term.value)
        return number if term.key != AGE else timedelta(seconds=number * (unit or 1))
    except (ValueError, OverflowError):
        example = "age>10m" if term.key == AGE else f"{term.key}>1"
        raise _bad(term, f"{term.value!r} is not a number; write {example}") from None


def _nearest(word: str, known: Sequence[str]) -> str:
    near = get_close_matches(word, known, 1)
    return f"did you mean {near[0]}?" if near else f"use {', '.join(known)}"


def _bad(term: Term, reason: str) -> BadTerm:
    where = f"the filter term {term.text!r} at character {term.start + 1}"
    return BadTerm(f"{where} cannot be read: {reason}", term.start, term.end)
