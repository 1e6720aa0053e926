"""The fewest subscriptions at a broker that bring all that some patterns match.

A broker's own patterns mean something else from broker to broker, and one that sends an
event for each of two that overlap sends it twice. So what is asked of it is in one of
three forms that all brokers know, none within another: a subject, everything below a
subject (``agent.a1.**``), or everything (``**``). What comes is a superset; the trie
of the subscriptions decides.
"""

from collections import Counter
from collections.abc import Iterator
from time import monotonic
from typing import Final

from agentkit.subjects import prefix_of, read_pattern

OVERLAP: Final = 5.0
"""Seconds for which copies may come after what is listened to was changed."""

REMEMBERED: Final = 4096
"""Events of which copies are known."""


class Cover:
    """What to ask of a broker for the patterns that were added."""

    def __init__(self) -> None:
        self.needed: set[str] = set()
        self._wishes: Counter[str] = Counter()

    def add(self, pattern: str) -> None:
        """Count a pattern in; `needed` follows."""
        wish = superset(pattern)
        self._wishes[wish] += 1
        if self._wishes[wish] > 1 or self._is_covered(wish):
            return
        self.needed.difference_update(_within(wish, self.needed))
        self.needed.add(wish)

    def remove(self, pattern: str) -> None:
        """Count out a pattern that was added; `needed` follows."""
        wish = superset(pattern)
        self._wishes[wish] -= 1
        if self._wishes[wish]:
            return
        del self._wishes[wish]
        if wish in self.needed:
            self.needed.discard(wish)
            bared = _within(wish, set(self._wishes))
            self.needed.update(each for each in bared if not self._is_covered(each))

    def _is_covered(self, wish: str) -> bool:
        return any(wider in self._wishes for wider in _wider(wish))


class Copies:
    """Knows an event that came already, by another of two ways that overlapped.

    While a wide subscription replaces narrower ones, both bring the same events. An
    event that somebody publishes twice comes twice by the same way, and is no copy.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._ways: dict[str, str] = {}

    def expect(self) -> None:
        """Look for copies from now on, until `OVERLAP` is over."""
        self._until = monotonic() + OVERLAP

    def has(self, key: str, way: str) -> bool:
        """Say whether the event of a key came by another way before."""
        if not way or monotonic() > self._until:
            self._ways.clear()
            return False
        first = self._ways.setdefault(key, way)
        if len(self._ways) > REMEMBERED:
            del self._ways[next(iter(self._ways))]
        return first != way


def superset(pattern: str) -> str:
    """Return the narrowest of the three forms that has all that a pattern matches."""
    prefix = prefix_of(pattern)
    if len(prefix) == len(read_pattern(pattern)):
        return pattern
    return ".".join((*prefix, "**"))


def _wider(wish: str) -> Iterator[str]:
    """Yield the forms that a form is within."""
    segments = wish.split(".")
    for length in range(len(segments) - (segments[-1] == "**")):
        yield ".".join((*segments[:length], "**"))


def _within(wish: str, others: set[str]) -> set[str]:
    """Return which of others a form has within it."""
    if not wish.endswith("**"):
        return set()
    start = wish.removesuffix("**")
    return {each for each in others if each.startswith(start) and each != wish}
