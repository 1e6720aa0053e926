"""What to ask a broker for: more than a pattern matches, but each message only once.

A broker's wildcards are not ours, and it sends a message once for each of its
subscriptions that fit. So a transport asks for what lies at or below the literal
beginning of each pattern, a `Reach`, and the trie decides. Of reaches that lie within
each other only the widest is asked for; while that changes, and two of them bring the
same message, only the widest counts.
"""

from collections import Counter
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from agentkit.subjects import prefix_of, read_pattern


class Reach(NamedTuple):
    """One subject, or every subject that lies below it."""

    prefix: tuple[str, ...]
    below: bool
    """Whether it is everything below the prefix, which itself is not part of it."""


class Change(NamedTuple):
    """What to tell the broker, in this order, so that nothing is missed meanwhile."""

    ask: tuple[Reach, ...] = ()
    leave: tuple[Reach, ...] = ()


def reach_of(pattern: str) -> Reach:
    """Return the least reach that holds whatever the pattern matches.

    Raises:
        Invalid: the pattern is malformed; see `agentkit.subjects.read_pattern`.
    """
    prefix = prefix_of(pattern)
    return Reach(prefix, len(prefix) < len(read_pattern(pattern)))


def within(reach: Reach, wider: AbstractSet[Reach]) -> bool:
    """Say whether a reach lies in another one of a set, other than itself."""
    return any(
        Reach(reach.prefix[:length], below=True) in wider
        for length in range(len(reach.prefix))
    )


class Reaches:
    """The reaches of all patterns of a transport, counted."""

    def __init__(self) -> None:
        self.asked: set[Reach] = set()
        """Those that the broker has to know: none lies within another."""
        self._counts: Counter[Reach] = Counter()

    def add(self, pattern: str) -> Change:
        """Count a pattern; return what that means for the broker."""
        reach = reach_of(pattern)
        self._counts[reach] += 1
        if reach in self.asked or within(reach, self.asked):
            return Change()
        left = self._under(reach, self.asked)
        self.asked = (self.asked - set(left)) | {reach}
        return Change((reach,), left)

    def remove(self, pattern: str) -> Change:
        """Undo one `add` of a pattern; return what that means for the broker."""
        reach = reach_of(pattern)
        self._counts[reach] -= 1
        if self._counts[reach] > 0:
            return Change()
        del self._counts[reach]
        if reach not in self.asked:
            return Change()
        under = self._under(reach, set(self._counts))
        shown = tuple(one for one in under if not within(one, set(under)))
        self.asked = (self.asked - {reach}) | set(shown)
        return Change(shown, (reach,))

    @staticmethod
    def _under(wide: Reach, reaches: AbstractSet[Reach]) -> tuple[Reach, ...]:
        """Return those that lie within one; nothing lies within a single subject."""
        if not wide.below:
            return ()
        return tuple(one for one in reaches if within(one, {wide}))
