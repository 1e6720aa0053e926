"""Which values go with a subject, checked against the definition."""

import tracemalloc
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agentkit.errors import Invalid
from agentkit.subjects import Trie, matches

PATTERNS = [
    ".".join(words)
    for length in range(1, 5)
    for words in product(("a", "b", "*", "**"), repeat=length)
]
SUBJECTS = [
    ".".join(words) for length in range(1, 6) for words in product("ab", repeat=length)
]
LENGTH = 4
"""Segments up to which every pair is tried alone."""


def trie_of(*pairs: tuple[str, str]) -> Trie[str]:
    trie: Trie[str] = Trie()
    for pattern, value in pairs:
        trie.add(pattern, value)
    return trie


def defined(pattern: str, subject: str) -> bool:
    """Say the definition, word for word, however slow it is."""
    return _defined(pattern.split("."), subject.split("."))


def _defined(pattern: list[str], subject: list[str]) -> bool:
    if not pattern or not subject:
        return not pattern and not subject
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        return any(_defined(rest, subject[n:]) for n in range(1, len(subject) + 1))
    return first in ("*", subject[0]) and _defined(rest, subject[1:])


def test_every_short_pattern_alone_agrees_with_the_definition() -> None:
    short = [s for s in SUBJECTS if s.count(".") < LENGTH]
    pairs = list(product(PATTERNS, short))
    alone = {pattern: trie_of((pattern, pattern)) for pattern in PATTERNS}

    wrong = [
        (pattern, subject)
        for pattern, subject in pairs
        if not (
            bool(alone[pattern].match(subject))
            == matches(pattern, subject)
            == defined(pattern, subject)
        )
    ]

    assert len(pairs) == 10_200
    assert wrong == []


@pytest.mark.parametrize("subject", SUBJECTS)
def test_all_short_patterns_together_agree_with_the_definition(subject: str) -> None:
    found = EVERYTHING.match(subject)

    assert found == tuple(p for p in PATTERNS if defined(p, subject))
    assert EVERYTHING.match(subject) == found


EVERYTHING = trie_of(*((pattern, pattern) for pattern in PATTERNS))


class Changes(RuleBasedStateMachine):
    """Pairs come and go; the model is a list of them in the order of their adding."""

    def __init__(self) -> None:
        super().__init__()
        self.trie: Trie[int] = Trie()
        self.pairs: list[tuple[str, int]] = []

    pattern = st.sampled_from(PATTERNS)
    value = st.integers(0, 3)

    @rule(pattern=pattern, value=value)
    def add(self, pattern: str, value: int) -> None:
        self.trie.add(pattern, value)
        if (pattern, value) not in self.pairs:
            self.pairs.append((pattern, value))

    @rule(pattern=pattern, value=value)
    def remove_any(self, pattern: str, value: int) -> None:
        known = (pattern, value) in self.pairs
        assert self.trie.remove(pattern, value) is known
        if known:
            self.pairs.remove((pattern, value))

    @rule(data=st.data())
    def remove_one(self, data: st.DataObject) -> None:
        if self.pairs:
            pair = data.draw(st.sampled_from(self.pairs))
            assert self.trie.remove(*pair)
            self.pairs.remove(pair)

    @rule(subject=st.sampled_from(SUBJECTS))
    def match(self, subject: str) -> None:
        fitting = [value for pattern, value in self.pairs if defined(pattern, subject)]
        assert self.trie.match(subject) == tuple(dict.fromkeys(fitting))

    @invariant()
    def it_knows_its_pairs(self) -> None:
        patterns = sorted(self.trie.patterns())
        assert len(self.trie) == len(self.pairs)
        assert patterns == sorted({pattern for pattern, _ in self.pairs})


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(
    st.dictionaries(st.sampled_from(PATTERNS), st.integers(0, 3), max_size=6),
    st.sampled_from(SUBJECTS),
)
def test_the_values_found_are_those_of_the_patterns_that_match(
    added: dict[str, int], subject: str
) -> None:
    trie: Trie[int] = Trie()
    for pattern, value in added.items():
        trie.add(pattern, value)

    fitting = [value for pattern, value in added.items() if matches(pattern, subject)]
    assert trie.match(subject) == tuple(dict.fromkeys(fitting))


def test_values_come_in_the_order_of_their_adding() -> None:
    trie = trie_of(("**", "first"), ("agent.busy", "second"), ("agent.*", "third"))

    assert trie.match("agent.busy") == ("first", "second", "third")


def test_a_value_that_several_patterns_lead_to_is_found_once() -> None:
    trie = trie_of(("agent.*", "one"), ("agent.busy", "two"), ("**", "one"))

    assert trie.match("agent.busy") == ("one", "two")


def test_a_pair_that_is_added_twice_is_there_once() -> None:
    trie = trie_of(("agent.*", "one"), ("agent.*", "one"))

    assert len(trie) == 1
    assert trie.remove("agent.*", "one")
    assert trie.match("agent.busy") == ()


def test_one_of_two_equal_patterns_stays_when_the_other_is_removed() -> None:
    trie = trie_of(("agent.*", "one"), ("agent.*", "two"))
    trie.remove("agent.*", "one")

    assert trie.match("agent.busy") == ("two",)


def test_what_is_not_there_cannot_be_removed() -> None:
    trie = trie_of(("agent.busy.now", "one"))

    assert not trie.remove("agent.busy", "one")
    assert not trie.remove("agent.busy.now", "two")
    assert not trie.remove("help.asked", "one")
    assert len(trie) == 1


def test_what_was_remembered_is_forgotten_with_a_change() -> None:
    trie = trie_of(("agent.*", "one"))
    trie.match("agent.busy")
    trie.add("agent.busy", "two")
    both = trie.match("agent.busy")
    trie.remove("agent.*", "one")

    assert both == ("one", "two")
    assert trie.match("agent.busy") == ("two",)


def test_more_subjects_than_are_remembered_are_matched_all_the_same() -> None:
    trie = trie_of(("agent.*.busy", "one"))
    subjects = [f"agent.a{number}.busy" for number in range(3000)]

    assert all(trie.match(subject) == ("one",) for subject in subjects * 2)


def test_a_star_in_a_subject_is_a_letter_like_any_other() -> None:
    trie = trie_of(("agent.busy", "no"), ("agent.*", "yes"), ("agent.**", "too"))

    assert trie.match("agent.*") == trie.match("agent.**") == ("yes", "too")


def test_a_malformed_pattern_is_refused_and_leaves_nothing() -> None:
    trie: Trie[str] = Trie()
    for pattern in ("agent.b*", "agent..busy", ""):
        with pytest.raises(Invalid):
            trie.add(pattern, "one")
        with pytest.raises(Invalid):
            trie.remove(pattern, "one")

    assert len(trie) == 0
    assert list(trie.patterns()) == []


def test_double_stars_in_a_row_take_no_more_than_their_number_of_steps() -> None:
    trie: Trie[int] = Trie()
    for stars in range(1, 100):
        trie.add(".".join(["**"] * stars + ["x"]), stars)
    subject = ".".join("a" * 200)

    assert trie.match(subject) == ()
    assert trie.match(f"{subject}.x") == tuple(range(1, 100))


def test_memory_is_given_back_when_patterns_are_removed() -> None:
    trie = trie_of(("agent.stays", "one"))
    memory: list[int] = []

    def come_and_go(name: str) -> None:
        patterns = [f"agent.{name}{number}.**.task.*" for number in range(3000)]
        for change in (trie.add, trie.remove):
            memory.append(tracemalloc.get_traced_memory()[0])
            for pattern in patterns:
                change(pattern, "two")

    tracemalloc.start()
    for name in ("first", "again", "still"):
        come_and_go(name)
    tracemalloc.stop()

    _, _, before, full, after, _ = memory
    assert after - before < (full - before) / 20
    assert list(trie.patterns()) == ["agent.stays"]
