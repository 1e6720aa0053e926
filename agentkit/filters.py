"""The filter language, one for dashboard, command line and API.

A filter is terms between spaces, and an agent passes when all of them hold::

    state:busy,blocked cap:video cost>5 age>10m task:P0.* !lost text

``key:a,b`` holds for any of the values, ``!`` before a term turns it round, and a word
without a key is looked for in id, task, message and capabilities. ``*`` and ``?`` in a
value stand for any text and any character; text in double quotes is taken literally.
`TEXTS`, `WORDS` and `NUMBERS` are the keys. Values match with case, words without.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from fnmatch import translate
from functools import lru_cache
from operator import eq, ge, gt, le, lt
from typing import Any, TypeAlias, get_args

from agentkit.errors import BadFilter
from agentkit.rows import Agent, Presence, Status, presence, spent_today

Test: TypeAlias = Callable[[Agent, datetime], bool]

STATES: tuple[str, ...] = (*get_args(Status), "lost")
PRESENCES: tuple[str, ...] = get_args(Presence)

TEXTS: dict[str, Callable[[Agent], tuple[str, ...]]] = {
    "cap": lambda agent: agent.capabilities,
    "task": lambda agent: (agent.task,),
    "agent": lambda agent: (agent.id,),
    "id": lambda agent: (agent.id,),
    "via": lambda agent: (agent.via,),
}
"""Keys whose values are any text, and what they look at."""

WORDS: dict[str, tuple[tuple[str, ...], Callable[[Agent, datetime], str]]] = {
    "state": (STATES, lambda agent, _now: agent.state),
    "presence": (PRESENCES, presence),
    "budget": (
        ("within", "over"),
        lambda agent, _now: "over" if agent.over_budget else "within",
    ),
}
"""Keys whose values are among a few words, the words, and what they look at."""

NUMBERS: dict[str, Callable[[Agent, datetime], Any]] = {
    "cost": lambda agent, _now: agent.cost,
    "spent": spent_today,
    "tokens": lambda agent, _now: agent.tokens_in + agent.tokens_out,
    "done": lambda agent, _now: agent.completed,
    "age": lambda agent, now: now - agent.since,
    "heard": lambda agent, now: now - agent.heard,
}
"""Keys that are compared with a number, and what they look at."""

SPANS = frozenset({"age", "heard"})
"""Keys of those that are compared with a span of time."""

TIMED = SPANS | {"presence", "spent"}
"""Keys whose terms may come to hold, or cease to, by the passing of time alone."""

KEYS = (*WORDS, *TEXTS, *NUMBERS)

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">": gt,
    ">=": ge,
    "<": lt,
    "<=": le,
    "=": eq,
}

LONGEST = 4096
"""Characters in a filter; each agent is asked about each of its terms."""

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""Seconds in a span of time."""

MULTIPLES = {"": 1, "k": 1_000, "m": 1_000_000}
"""What a number of tokens may be told in."""

_TERM = re.compile(r'(?:"[^"]*(?:"|$)|[^\s"])+')
_KEYED = re.compile(r"([A-Za-z_-]+)(:|[<>=]=?)(.*)", re.DOTALL)
_ITEM = re.compile(r'"([^"]*)"|([^",]+)')
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)([a-z]?)", re.IGNORECASE)


class BadTerm(BadFilter):
    """A term that cannot be read, and where it stands in the filter."""

    def __init__(self, reason: str, start: int, end: int) -> None:
        super().__init__(reason)
        self.start = start
        self.end = end


@dataclass(frozen=True, slots=True)
class Term:
    """One term as it was written; `start` and `end` are offsets in the filter."""

    text: str
    start: int
    negated: bool
    key: str
    """Empty for a bare word."""
    operator: str
    value: str

    @property
    def end(self) -> int:
        """Where the term ends."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Filter:
    """A compiled filter: call it with an agent and the time."""

    text: str
    timed: bool
    """Whether time alone can change the answer; see `TIMED`."""
    tests: tuple[Test, ...]

    def __call__(self, agent: Agent, now: datetime) -> bool:
        """Say whether every term holds for the agent."""
        for test in self.tests:  # noqa: SIM110 - all() costs a generator per agent
            if not test(agent, now):
                return False
        return True


@lru_cache(maxsize=256)
def compile_filter(text: str) -> Filter:
    """Read a filter; the empty one lets everybody through.

    Raises:
        BadFilter: a term cannot be read; the error is a `BadTerm` and says which.
    """
    terms = parse(text)
    return Filter(
        text=text,
        timed=any(term.key in TIMED for term in terms),
        tests=tuple(_test(term) for term in terms),
    )


def parse(text: str) -> list[Term]:
    """Split a filter into its terms without asking what they mean.

    Raises:
        BadTerm: a quotation mark is left open, there is nothing after a ``!``, or the
            filter is too long.
    """
    if len(text) > LONGEST:
        raise BadTerm(
            f"the filter has {len(text):,} characters and {LONGEST:,} are allowed: "
            "shorten it",
            LONGEST,
            len(text),
        )
    return [_term(found[0], found.start()) for found in _TERM.finditer(text)]


def quote(value: str) -> str:
    """Return a value so written that a filter takes it literally.

    A quotation mark cannot stand within quotation marks: it becomes ``?``, which stands
    for any one character.
    """
    if '"' not in value:
        return f'"{value}"'
    return "?".join(re.sub(r"[\s,]", "?", part) for part in value.split('"'))


def _term(text: str, start: int) -> Term:
    if text.count('"') % 2:
        raise BadTerm(
            f'the quotation mark at character {start + 1} is not closed: add a "',
            start,
            start + len(text),
        )
    negated = text.startswith("!")
    body = text[1:] if negated else text
    if not body:
        raise BadTerm(
            f"the ! at character {start + 1} has no term after it: write it without a "
            "space between, as in !lost",
            start,
            start + 1,
        )
    if negated and body in STATES:
        return Term(text, start, negated, "state", ":", body)
    keyed = _KEYED.fullmatch(body)
    key, operator, value = keyed.groups() if keyed else ("", "", body)
    return Term(text, start, negated, key.lower(), operator, value)


def _test(term: Term) -> Test:
    if not term.key:
        test = _bare(_unquoted(term.value))
    elif term.key in NUMBERS:
        test = _number(term)
    elif term.key in WORDS:
        test = _word(term)
    elif term.key in TEXTS:
        test = _text(term)
    else:
        raise _unknown_key(term)
    return _not(test) if term.negated else test


def _bare(text: str) -> Test:
    wanted = text.lower()

    def holds(agent: Agent, _now: datetime) -> bool:
        return (
            wanted in agent.id.lower()
            or wanted in agent.task.lower()
            or wanted in agent.message.lower()
            or any(wanted in capability.lower() for capability in agent.capabilities)
        )

    return holds


def _word(term: Term) -> Test:
    words, look = WORDS[term.key]
    wanted = frozenset(value for value, _ in _values(term))
    for value in sorted(wanted.difference(words)):
        near = get_close_matches(value, words, 1)
        raise _bad(
            term, f"{value!r} is not a {term.key}", f"use {_either(near or words)}"
        )
    return lambda agent, now: look(agent, now) in wanted


def _text(term: Term) -> Test:
    look = TEXTS[term.key]
    values = _values(term)
    exact = frozenset(value for value, literal in values if literal)
    globs = [translate(value) for value, literal in values if not literal]
    if not globs:
        return lambda agent, _now: not exact.isdisjoint(look(agent))
    fits = re.compile("|".join(globs)).match

    def holds(agent: Agent, _now: datetime) -> bool:
        for text in look(agent):  # noqa: SIM110 - any() costs a generator per agent
            if fits(text) or text in exact:
                return True
        return False

    return holds


def _number(term: Term) -> Test:
    compare = OPERATORS.get(term.operator)
    if compare is None:
        raise _bad(term, f"{term.key} is compared with a number", f"write {term.key}>5")
    look, limit = NUMBERS[term.key], _limit(term)
    return lambda agent, now: compare(look(agent, now), limit)


def _limit(term: Term) -> float | timedelta:
    found = _AMOUNT.fullmatch(term.value)
    number, unit = (float(found[1]), found[2]) if found else (0.0, "?")
    if term.key in SPANS:
        return _span(term, number, unit)
    multiple = MULTIPLES.get(unit.lower()) if term.key == "tokens" or not unit else None
    if multiple is None:
        example = "1.5m, with k or m" if term.key == "tokens" else "5"
        remedy = f"write {term.key}>{example}"
        raise _bad(term, f"{term.value!r} is not a number", remedy)
    return number * multiple


def _span(term: Term, number: float, unit: str) -> timedelta:
    seconds = UNITS.get(unit or "s")
    if seconds is None:
        example = f"{term.key}>10m, with s, m, h or d"
        raise _bad(term, f"{term.value!r} is not a time", f"write {example}")
    try:
        return timedelta(seconds=number * seconds)
    except OverflowError:
        raise _bad(term, f"{term.value} is too long", f"write {term.key}>10m") from None


def _values(term: Term) -> list[tuple[str, bool]]:
    """Return the values of a term, and whether each is to be taken literally."""
    if term.operator != ":":
        raise _bad(
            term, f"{term.key} takes a colon", f"write {term.key}:{term.value or '…'}"
        )
    found = _ITEM.findall(term.value)
    values = [
        (quoted or bare, not bare or not re.search(r"[*?\[]", bare))
        for quoted, bare in found
    ]
    if not values:
        raise _bad(term, "it has no value", f"write {term.key}:VALUE")
    return values


def _not(test: Test) -> Test:
    return lambda agent, now: not test(agent, now)


def _unquoted(text: str) -> str:
    return text.replace('"', "")


def _unknown_key(term: Term) -> BadTerm:
    near = get_close_matches(term.key, KEYS, 1)
    remedy = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(KEYS)}"
    return BadTerm(
        f"the filter term {term.text!r} at character {term.start + 1} cannot be read: "
        f"there is no key {term.key!r}; {remedy}",
        term.start,
        term.end,
    )


def _bad(term: Term, reason: str, remedy: str) -> BadTerm:
    return BadTerm(
        f"the filter term {term.text!r} at character {term.start + 1} cannot be read: "
        f"{reason}; {remedy}",
        term.start,
        term.end,
    )


def _either(words: list[str] | tuple[str, ...]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
