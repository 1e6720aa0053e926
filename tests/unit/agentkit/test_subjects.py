"""What a pattern stands for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import Invalid
from agentkit.subjects import matches

WORD = st.sampled_from(["a", "b", "c"])
SUBJECT = st.lists(WORD, min_size=1, max_size=5)
PATTERN = st.lists(
    st.one_of(WORD, st.sampled_from(["*", "**"])), min_size=1, max_size=5
)


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [
        ("agent.busy", "agent.busy"),
        ("agent.*", "agent.busy"),
        ("*.busy", "agent.busy"),
        ("agent.**", "agent.busy"),
        ("agent.**", "agent.task.subtask.done"),
        ("agent.*.response", "agent.a1.response"),
        ("**", "agent"),
        ("**", "agent.task.done"),
        ("**.done", "agent.task.done"),
        ("agent.**.done.**", "agent.a.done.done.b"),
    ],
)
def test_a_pattern_matches(pattern: str, subject: str) -> None:
    assert matches(pattern, subject)


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [
        ("agent.*", "agent"),
        ("agent.*", "agent.task.done"),
        ("agent.**", "agent"),
        ("agent.**", "agentic.flow.x"),
        ("agent.busy", "agent.Busy"),
        ("agent.busy", "agent.busy.now"),
        ("*", "agent.busy"),
        ("**.**", "agent"),
    ],
)
def test_a_pattern_does_not_match(pattern: str, subject: str) -> None:
    assert not matches(pattern, subject)


@pytest.mark.parametrize("pattern", ["", ".", "agent.", ".busy", "a..b"])
def test_an_empty_segment_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid, match="empty segment"):
        matches(pattern, "agent.busy")


@pytest.mark.parametrize("pattern", ["agent.b*", "***", "*.**x"])
def test_a_star_beside_other_characters_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid, match="whole segments"):
        matches(pattern, "agent.busy")


@given(PATTERN, SUBJECT)
def test_the_matcher_agrees_with_the_definition(
    pattern: list[str], subject: list[str]
) -> None:
    assert matches(".".join(pattern), ".".join(subject)) == defined(pattern, subject)


def defined(pattern: list[str], subject: list[str]) -> bool:
    """Say the definition, word for word, however slow it is."""
    if not pattern or not subject:
        return not pattern and not subject
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        return any(defined(rest, subject[n:]) for n in range(1, len(subject) + 1))
    return first in ("*", subject[0]) and defined(rest, subject[1:])


def test_many_double_stars_stay_quick_to_match() -> None:
    assert not matches(".".join(["**"] * 30 + ["x"]), ".".join(["a"] * 200))
