"""Patterns over subjects: ``agent.busy`` is a subject, ``agent.*`` a pattern.

``*`` stands for exactly one segment, ``**`` for one or more, both only as whole
segments. Case counts and everything else is literal. What brokers would take for a
wildcard of their own, or could not carry, is in neither: ``>``, whitespace and control
characters. A name that has them becomes a segment by `as_segment`.

There is one matcher, `Trie`; `matches` is it for a single pattern.
"""

import re
from collections.abc import Hashable, Iterator
from functools import lru_cache, partial, reduce
from itertools import takewhile
from typing import Any, Final, Generic, TypeVar
from urllib.parse import unquote

from agentkit.errors import Invalid

WILDCARDS: Final = ("*", "**")

LONGEST: Final = 512
"""Characters in a subject or pattern."""

REMEMBERED: Final = 1024
"""Subjects whose matches a trie keeps, and patterns and subjects that are kept read."""

_UNFIT: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff>]")
_ENCODED: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff>.*%]")

T = TypeVar("T", bound=Hashable)


class Trie(Generic[T]):
    """Which values go with a subject, by the patterns that they were added under.

    A match costs steps in the number of segments and of the nodes that they lead to,
    however many patterns there are, and however ``**`` follows on ``**``. Matches are
    remembered until the next change. It is for one thread.
    """

    __slots__ = ("_added", "_find", "_root", "_size")

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._find = lru_cache(REMEMBERED)(partial(_find, self._root))
        self._added = 0
        self._size = 0

    def __len__(self) -> int:
        """Return the number of pairs of pattern and value."""
        return self._size

    def add(self, pattern: str, value: T) -> None:
        """Let a value go with what a pattern matches; a second time changes nothing.

        Raises:
            Invalid: the pattern is malformed; see `read_pattern`.
        """
        values = _grow(self._root, read_pattern(pattern)).values
        if value in values:
            return
        values[value] = self._added
        self._added += 1
        self._size += 1
        self._find.cache_clear()

    def remove(self, pattern: str, value: T) -> bool:
        """Undo `add`, and say whether there was anything to undo."""
        segments = read_pattern(pattern)
        path = [self._root]
        for segment in segments:
            node = path[-1].children.get(segment)
            if node is None:
                return False
            path.append(node)
        if path[-1].values.pop(value, None) is None:
            return False
        _prune(path, segments)
        self._size -= 1
        self._find.cache_clear()
        return True

    def match(self, subject: str) -> tuple[T, ...]:
        """Return the values that go with a subject (`read_subject`), each one once.

        They are in the order in which the first of their patterns that match it were
        added.
        """
        return self._find(subject)

    def patterns(self) -> Iterator[str]:
        """Yield every pattern that has a value, once; meanwhile nothing may change."""
        stack = [(node, word) for word, node in self._root.children.items()]
        while stack:
            node, pattern = stack.pop()
            if node.values:
                yield pattern
            stack += [(n, f"{pattern}.{word}") for word, n in node.children.items()]


def matches(pattern: str, subject: str) -> bool:
    """Say whether a subject is one that the pattern stands for.

    Raises:
        Invalid: the pattern is malformed; see `read_pattern`.
    """
    return any(node.values for node in _reached(_alone(pattern), subject))


def prefix_of(pattern: str) -> tuple[str, ...]:
    """Return the segments before the first wildcard: every match begins with them.

    Raises:
        Invalid: the pattern is malformed; see `read_pattern`.
    """
    return tuple(takewhile(lambda word: word not in WILDCARDS, read_pattern(pattern)))


@lru_cache(REMEMBERED)
def read_pattern(pattern: str) -> tuple[str, ...]:
    """Return the segments of a pattern.

    Raises:
        Invalid: as for `read_subject`, but a whole segment may be ``*`` or ``**``.
    """
    segments = _split("pattern", pattern)
    for segment in segments:
        if "*" in segment and segment not in WILDCARDS:
            raise Invalid(
                f"the pattern {pattern!r} has {segment!r}, but * and ** stand only for "
                "whole segments, as in agent.* or agent.**"
            )
    return segments


@lru_cache(REMEMBERED)
def read_subject(subject: str) -> tuple[str, ...]:
    """Return the segments of a subject that every transport can carry.

    Raises:
        Invalid: a segment is empty, a character is ``*``, ``>``, whitespace or a
            control, or there are more than `LONGEST` characters.
    """
    segments = _split("subject", subject)
    if "*" in subject:
        raise Invalid(
            f"the subject {subject!r} has a *, which only patterns have: name one "
            "subject, and write %2A where the star is part of a name"
        )
    return segments


def as_segment(name: str) -> str:
    """Return a name, such as an agent's id, as exactly one segment of a subject.

    An ordinary name stays as it is. Dots, ``*``, ``>``, ``%``, whitespace and control
    characters are written as in a URL: ``a.b`` becomes ``a%2Eb``.

    Raises:
        Invalid: the name is empty.
    """
    if not name:
        raise Invalid("an empty name is no segment of a subject: give it a character")
    return _ENCODED.sub(_percent, name)


def from_segment(segment: str) -> str:
    """Return the name that `as_segment` made the segment of.

    Raises:
        Invalid: it makes it of no name, so that two segments are never one name.
    """
    try:
        name = unquote(segment, errors="surrogatepass")
    except UnicodeDecodeError:
        name = ""
    if not name or as_segment(name) != segment:
        raise Invalid(
            f"the segment {segment[:LONGEST]!r} stands for no name: write a dot as "
            "%2E, a percent sign as %25 and other letters as they are"
        )
    return name


# --- The trie -------------------------------------------------------------------------


class _Node(Generic[T]):
    """Where a series of segments leads to, and who wants what ends there."""

    __slots__ = ("children", "many", "values", "wild")

    def __init__(self, *, many: bool = False) -> None:
        self.children: dict[str, _Node[T]] = {}
        self.values: dict[T, int] = {}
        """The number of its adding for each value."""
        self.wild: tuple[_Node[T], ...] = ()
        """Those of the children that any segment leads to."""
        self.many = many
        """Whether it is a ``**``, which any more segments lead back to."""

    def grow(self, word: str) -> "_Node[T]":
        """Return the child of a segment, made if it is not there."""
        if word not in self.children:
            self.children[word] = _Node(many=word == "**")
            self._note_wild()
        return self.children[word]

    def drop(self, word: str) -> None:
        """Take the child of a segment away."""
        del self.children[word]
        self._note_wild()

    def _note_wild(self) -> None:
        children = self.children
        self.wild = tuple(children[word] for word in WILDCARDS if word in children)


def _grow(root: _Node[T], segments: tuple[str, ...]) -> _Node[T]:
    """Return the node of the segments, made if it is not there."""
    return reduce(_Node.grow, segments, root)


def _prune(path: list[_Node[T]], segments: tuple[str, ...]) -> None:
    """Take away the nodes at the end of a path that lead nowhere any more."""
    while len(path) > 1 and not path[-1].children and not path[-1].values:
        path.pop()
        path[-1].drop(segments[len(path) - 1])


def _reached(root: _Node[T], subject: str) -> set[_Node[T]]:
    """Return the nodes that a subject leads to, all ways of reading it at once."""
    nodes = {root}
    for segment in subject.split("."):
        after: set[_Node[T]] = set()
        for node in nodes:
            if segment in node.children:
                after.add(node.children[segment])
            if node.wild:
                after.update(node.wild)
            if node.many:
                after.add(node)
        nodes = after
    return nodes


def _find(root: _Node[T], subject: str) -> tuple[T, ...]:
    """Return the values at the nodes that a subject leads to, in order, once each."""
    found = [node.values for node in _reached(root, subject) if node.values]
    if len(found) > 1:
        pairs = sorted((at, value) for values in found for value, at in values.items())
        return tuple(dict.fromkeys(value for _, value in pairs))
    return tuple(found[0]) if found else ()


@lru_cache(REMEMBERED)
def _alone(pattern: str) -> _Node[bool]:
    """Return the root of a trie of one pattern."""
    root: _Node[bool] = _Node()
    _grow(root, read_pattern(pattern)).values[True] = 0
    return root


# --- Spelling -------------------------------------------------------------------------


def _split(kind: str, text: str) -> tuple[str, ...]:
    """Return the segments of a subject or pattern, all but its stars checked."""
    if len(text) > LONGEST:
        raise Invalid(
            f"the {kind} {text[:40] + '…'!r} has {len(text):,} characters: "
            f"use at most {LONGEST}"
        )
    segments = tuple(text.split("."))
    if not all(segments):
        raise Invalid(
            f"the {kind} {text!r} has an empty segment: write words with one dot "
            "between them, as in agent.busy"
        )
    if found := _UNFIT.search(text):
        raise Invalid(f"the {kind} {text!r} has {found[0]!r}: {_remedy(found)}")
    return segments


def _remedy(unfit: re.Match[str]) -> str:
    if unfit[0] == ">":
        return "write ** for one or more segments, and %3E where it is part of a name"
    return f"leave it out, or write {_percent(unfit)} where it is part of a name"


def _percent(letter: re.Match[Any]) -> str:
    return "".join(f"%{b:02X}" for b in letter[0].encode(errors="surrogatepass"))
