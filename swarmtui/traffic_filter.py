"""The filter for messages, and what of it the hub can do.

Plain Python, no Textual.
"""

from collections.abc import Callable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from operator import ge, gt, le, lt
from typing import TypeAlias

from agentkit.errors import BadFilter, Invalid
from agentkit.filters import BadTerm, Term, parse
from agentkit.subjects import Trie, read_pattern
from swarmtui.routes import ARROWS
from swarmtui.traffic import Message

Chosen: TypeAlias = Callable[[Message], bool]

KEYS = ("subject", "agent", "link", "way", "size", "ms")
HINT = "agent.** link:bus agent:web-* way:out size>1k ms>5 text"

EVERYTHING = "**"
"""The pattern of every subject."""

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": gt,
    ">=": ge,
    "<": lt,
    "<=": le,
}
_UNITS = {"k": 1e3, "m": 1e6}


def compile_traffic(text: str) -> Chosen | None:
    """Read a filter for messages; None lets every message through.

    Raises:
        BadFilter: a term cannot be read; the error is a `BadTerm` and says which.
    """
    tests = [_test(term) for term in parse(text)]
    if not tests:
        return None
    return lambda message: all(test(message) for test in tests)


def tap_pattern(text: str) -> str:
    """Return the pattern that covers what a filter lets through, for the hub's tap.

    It is the first pattern that must match, or every subject when there is none.
    """
    for term in _terms(text):
        patterns = _patterns(term)
        if len(patterns) == 1 and not term.negated:
            return patterns[0]
    return EVERYTHING


def _terms(text: str) -> list[Term]:
    try:
        return parse(text)
    except BadFilter:
        return []


def _patterns(term: Term) -> list[str]:
    """Return the patterns of a term that can be read, whether or not it has a key."""
    try:
        if term.key == "subject":
            patterns = _values(term)
        else:
            patterns = [term.value] if _is_pattern(term) else []
        for pattern in patterns:
            read_pattern(pattern)
    except (BadFilter, Invalid):
        return []
    return patterns


def _is_pattern(term: Term) -> bool:
    """Say whether a bare word is a pattern: only there a star means something."""
    return not term.key and "*" in term.value and '"' not in term.value


def _test(term: Term) -> Chosen:
    makers = {
        "subject": _subject,
        "agent": _agent,
        "link": _link,
        "way": _way,
        "": _subject if _is_pattern(term) else _words,
    }
    maker = makers.get(term.key) or (_number if term.key in ("size", "ms") else None)
    if maker is None:
        near = get_close_matches(term.key, KEYS, 1)
        remedy = f"did you mean {near[0]}?" if near else f"use {', '.join(KEYS)}"
        raise _bad(term, f"there is no key {term.key!r}; {remedy}")
    test = maker(term)
    return (lambda message: not test(message)) if term.negated else test


def _subject(term: Term) -> Chosen:
    patterns: Trie[str] = Trie()
    for pattern in _values(term) if term.key else [term.value]:
        try:
            patterns.add(pattern, pattern)
        except Invalid as error:
            raise _bad(term, str(error)) from error
    return lambda message: bool(patterns.match(message.subject))


def _agent(term: Term) -> Chosen:
    globs = _values(term)
    return lambda message: any(
        fnmatchcase(end, glob)
        for end in (message.sender, message.receiver)
        for glob in globs
    )


def _link(term: Term) -> Chosen:
    globs = _values(term)
    return lambda message: any(fnmatchcase(message.link, glob) for glob in globs)


def _way(term: Term) -> Chosen:
    ways = set(_values(term))
    if wrong := ways.difference(ARROWS):
        raise _bad(term, f"{min(wrong)!r} is no way; use in, out or hub")
    return lambda message: message.way in ways


def _number(term: Term) -> Chosen:
    compare = _COMPARE.get(term.operator)
    number, unit = term.value.rstrip("kKmM"), term.value[-1:].lower()
    try:
        limit = float(number) * _UNITS.get(unit, 1)
    except ValueError:
        raise _bad(term, f"{term.value!r} is not a number; write size>1k") from None
    if compare is None:
        raise _bad(term, f"{term.key} is compared; write {term.key}>{term.value}")
    if term.key == "size":
        return lambda message: compare(message.size, limit)
    return lambda message: compare(message.ms, limit)


def _words(term: Term) -> Chosen:
    wanted = term.value.replace('"', "").lower()
    return lambda message: wanted in message.line.lower()


def _values(term: Term) -> list[str]:
    if term.operator != ":":
        raise _bad(term, f"{term.key} takes a colon; write {term.key}:{term.value}")
    values = [value for value in term.value.replace('"', "").split(",") if value]
    if not values:
        raise _bad(term, f"there is nothing after {term.key}:; write a word there")
    return values


def _bad(term: Term, reason: str) -> BadTerm:
    where = f"the filter term {term.text!r} at character {term.start + 1}"
    return BadTerm(f"{where} cannot be read: {reason}", term.start, term.end)
