"""What is asked of a broker for a set of patterns."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.subjects import matches
from agentkit.transports.cover import Copies, Cover, superset

WORDS = st.sampled_from(["a", "b", "*", "**"])
PATTERNS = st.lists(WORDS, min_size=1, max_size=4).map(".".join)
SUBJECTS = st.lists(st.sampled_from("ab"), min_size=1, max_size=5).map(".".join)


@pytest.mark.parametrize(
    ("pattern", "wide"),
    [
        ("a.b", "a.b"),
        ("a.*", "a.**"),
        ("a.*.b", "a.**"),
        ("a.b.**", "a.b.**"),
        ("*.a", "**"),
        ("**", "**"),
    ],
)
def test_a_superset_is_a_subject_or_all_below_one(pattern: str, wide: str) -> None:
    assert superset(pattern) == wide


@given(
    steps=st.lists(st.tuples(st.booleans(), PATTERNS), max_size=20),
    subjects=st.lists(SUBJECTS, min_size=1, max_size=10),
)
def test_each_wanted_subject_is_brought_by_exactly_one(
    steps: list[tuple[bool, str]], subjects: list[str]
) -> None:
    cover, patterns = Cover(), list[str]()
    for adds, pattern in steps:
        if adds:
            cover.add(pattern)
            patterns.append(pattern)
        elif pattern in patterns:
            cover.remove(pattern)
            patterns.remove(pattern)

        for subject in subjects:
            ways = [wide for wide in cover.needed if matches(wide, subject)]
            wanted = any(matches(pattern, subject) for pattern in patterns)
            assert len(ways) <= 1
            assert ways or not wanted
        assert cover.needed <= {superset(pattern) for pattern in patterns}
        for one, other in permutations(cover.needed, 2):
            assert not matches(one, other.replace("**", "x"))


def test_a_copy_is_what_came_by_another_way() -> None:
    copies = Copies()
    copies.expect()

    came = [copies.has("e1", "a.b"), copies.has("e1", "a.**"), copies.has("e1", "a.b")]

    assert came == [False, True, False]


def test_without_two_ways_nothing_is_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    copies = Copies()

    assert not copies.has("e1", "a.b")
    assert not copies.has("e1", "a.**")
    copies.expect()
    assert not copies.has("e2", "")
    assert not copies.has("e2", "")
