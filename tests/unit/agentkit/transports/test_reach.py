"""Whatever is subscribed to, a broker is asked for enough, and for nothing twice."""

from collections.abc import Iterator
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from agentkit.subjects import matches
from agentkit.transports.reach import Change, Reach, Reaches, reach_of, within

WORDS = ("a", "b")
SUBJECTS = [".".join(words) for n in (1, 2, 3) for words in product(WORDS, repeat=n)]
PATTERNS = [
    ".".join(words)
    for n in (1, 2, 3)
    for words in product((*WORDS, "*", "**"), repeat=n)
]


def holds(reach: Reach, subject: str) -> bool:
    words = tuple(subject.split("."))
    if not reach.below:
        return words == reach.prefix
    size = len(reach.prefix)
    return len(words) > size and words[:size] == reach.prefix


def bringing(reaches: set[Reach], subject: str) -> Iterator[Reach]:
    return (reach for reach in reaches if holds(reach, subject))


def test_a_reach_holds_all_that_its_pattern_matches() -> None:
    missed = [
        (pattern, subject)
        for pattern, subject in product(PATTERNS, SUBJECTS)
        if matches(pattern, subject) and not holds(reach_of(pattern), subject)
    ]

    assert missed == []


def test_a_pattern_without_a_wildcard_reaches_one_subject() -> None:
    assert reach_of("mailbox.a1") == Reach(("mailbox", "a1"), below=False)


def test_a_wider_pattern_takes_the_place_of_narrower_ones() -> None:
    reaches = Reaches()
    reaches.add("agent.a.*")
    reaches.add("task.done")

    change = reaches.add("agent.**")

    assert change == Change(
        (Reach(("agent",), below=True),), (Reach(("agent", "a"), below=True),)
    )


def test_a_narrower_pattern_costs_the_broker_nothing() -> None:
    reaches = Reaches()
    reaches.add("**")

    assert reaches.add("agent.a.busy") == Change()


def test_when_the_wider_goes_the_narrower_is_asked_for_first() -> None:
    reaches = Reaches()
    for pattern in ("agent.**", "agent.a.*", "agent.a.busy"):
        reaches.add(pattern)

    change = reaches.remove("agent.**")

    assert change == Change(
        (Reach(("agent", "a"), below=True),), (Reach(("agent",), below=True),)
    )


def test_equal_patterns_are_left_when_the_last_one_goes() -> None:
    reaches = Reaches()
    reaches.add("a.*")
    reaches.add("a.*")

    assert reaches.remove("a.*") == Change()
    assert reaches.remove("a.*") == Change((), (Reach(("a",), below=True),))


@given(st.lists(st.tuples(st.sampled_from(PATTERNS), st.booleans()), max_size=30))
def test_each_subject_that_is_wanted_is_brought_exactly_once(
    steps: list[tuple[str, bool]],
) -> None:
    reaches = Reaches()
    there: list[str] = []
    broker: set[Reach] = set()
    for pattern, removing in steps:
        if removing and pattern in there:
            there.remove(pattern)
            change = reaches.remove(pattern)
        else:
            there.append(pattern)
            change = reaches.add(pattern)
        broker |= set(change.ask)
        for subject in SUBJECTS:
            brought = list(bringing(broker, subject))
            counted = [reach for reach in brought if not within(reach, broker)]
            wanted = any(matches(one, subject) for one in there)
            assert len(counted) == 1 if wanted else len(counted) <= 1
        broker -= set(change.leave)

        assert broker == reaches.asked
        for subject in SUBJECTS:
            wanted = any(matches(one, subject) for one in there)
            assert len(list(bringing(broker, subject))) <= 1
            assert not wanted or any(bringing(broker, subject))
