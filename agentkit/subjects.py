"""Patterns over subjects: ``agent.busy`` is a subject, ``agent.*`` a pattern.

``*`` stands for exactly one segment, ``**`` for one or more, both only as whole
segments. Case counts and everything else is literal.
"""

from functools import lru_cache

from agentkit.errors import Invalid


def matches(pattern: str, subject: str) -> bool:
    """Say whether a subject is one that the pattern stands for.

    Raises:
        Invalid: the pattern is malformed; see `read_pattern`.
    """
    wanted = read_pattern(pattern)
    given = subject.split(".")
    reached = {0}
    for segment in wanted:
        if not reached:
            return False
        reached = _advance(segment, given, reached)
    return len(given) in reached


@lru_cache(maxsize=1024)
def read_pattern(pattern: str) -> tuple[str, ...]:
    """Return the segments of a pattern.

    Raises:
        Invalid: a segment is empty, or has a ``*`` beside other characters.
    """
    segments = tuple(pattern.split("."))
    for segment in segments:
        if not segment:
            raise Invalid(
                f"the pattern {pattern!r} has an empty segment: write words with one "
                "dot between them, as in agent.busy"
            )
        if "*" in segment and segment not in ("*", "**"):
            raise Invalid(
                f"the pattern {pattern!r} has {segment!r}, but * and ** stand only for "
                "whole segments, as in agent.* or agent.**"
            )
    return segments


def _advance(segment: str, given: list[str], reached: set[int]) -> set[int]:
    """Return how many of the given segments may be used up after one more of ours."""
    end = len(given)
    if segment == "**":
        return set(range(min(reached) + 1, end + 1))
    return {
        at + 1
        for at in reached
        if at < end and (segment == "*" or segment == given[at])
    }
