"""What a pattern stands for, and how subjects and names in them are spelled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import Invalid
from agentkit.subjects import (
    LONGEST,
    as_segment,
    from_segment,
    matches,
    prefix_of,
    read_pattern,
    read_subject,
)

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


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("agent.a1.busy", ("agent", "a1", "busy")),
        ("agent.*.busy", ("agent",)),
        ("agent.a1.**", ("agent", "a1")),
        ("**.busy", ()),
        ("*", ()),
    ],
)
def test_a_prefix_ends_before_the_first_wildcard(
    pattern: str, prefix: tuple[str, ...]
) -> None:
    assert prefix_of(pattern) == prefix


@given(PATTERN, SUBJECT)
def test_every_match_begins_with_the_prefix(
    pattern: list[str], subject: list[str]
) -> None:
    prefix = prefix_of(".".join(pattern))

    if matches(".".join(pattern), ".".join(subject)):
        assert tuple(subject[: len(prefix)]) == prefix


def test_a_subject_is_read_as_its_segments() -> None:
    assert read_subject("agent.a%2E1.busy") == ("agent", "a%2E1", "busy")


@pytest.mark.parametrize(
    ("subject", "remedy"),
    [
        ("", "empty segment"),
        ("agent..busy", "empty segment"),
        ("agent.*", "%2A"),
        ("agent.b*", "%2A"),
        ("agent.>", "%3E"),
        ("agent.my agent.busy", "%20"),
        ("agent.a1.busy\n", "%0A"),
        ("agent.\x1b[31m.busy", "%1B"),
        ("agent.\u2028.busy", "%E2%80%A8"),
        ("agent.\ud800.busy", "%ED%A0%80"),
        ("a" * (LONGEST + 1), f"at most {LONGEST}"),
    ],
)
def test_a_subject_that_not_all_can_carry_is_refused(subject: str, remedy: str) -> None:
    with pytest.raises(Invalid, match=remedy) as caught:
        read_subject(subject)

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2 * LONGEST


@pytest.mark.parametrize(
    ("pattern", "remedy"),
    [
        ("agent.>", r"\*\*"),
        ("agent. .busy", "%20"),
        ("agent.**\0", "%00"),
        ("a." * LONGEST + "b", "at most"),
    ],
)
def test_a_pattern_that_no_subject_can_match_is_refused(
    pattern: str, remedy: str
) -> None:
    with pytest.raises(Invalid, match=remedy):
        read_pattern(pattern)


def test_the_longest_subject_is_read() -> None:
    assert read_subject("a" * LONGEST) == ("a" * LONGEST,)


@pytest.mark.parametrize("name", ["a1", "build-7_x@host:2", "Zoë", "工人", "a/b", "🦊"])
def test_an_ordinary_name_is_its_own_segment(name: str) -> None:
    assert as_segment(name) == name


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("a.b", "a%2Eb"),
        ("*", "%2A"),
        ("**", "%2A%2A"),
        (">", "%3E"),
        ("100%", "100%25"),
        ("my agent", "my%20agent"),
        ("tab\there", "tab%09here"),
        ("\u3000", "%E3%80%80"),
    ],
)
def test_a_name_with_other_characters_becomes_one_segment(
    name: str, segment: str
) -> None:
    assert as_segment(name) == segment
    assert from_segment(segment) == name


ANYTHING = st.text(st.characters(exclude_categories=()), min_size=1, max_size=20)


@given(ANYTHING)
def test_every_name_is_exactly_one_segment_and_comes_back(name: str) -> None:
    segment = as_segment(name)

    assert from_segment(segment) == name
    assert read_subject(segment) == read_pattern(segment) == (segment,)
    assert matches("agent.*.busy", f"agent.{segment}.busy")


@given(ANYTHING)
def test_no_two_segments_stand_for_one_name(segment: str) -> None:
    try:
        name = from_segment(segment)
    except Invalid:
        return
    assert as_segment(name) == segment


@pytest.mark.parametrize("segment", ["", "a%2eb", "a%41", "100%", "%FF", "a.b", "a b"])
def test_a_segment_that_is_not_spelled_the_one_way_stands_for_no_name(
    segment: str,
) -> None:
    with pytest.raises(Invalid, match="stands for no name"):
        from_segment(segment)


def test_an_empty_name_is_no_segment() -> None:
    with pytest.raises(Invalid, match="empty name"):
        as_segment("")
