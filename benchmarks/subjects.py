"""Who wants a subject: the trie against a look at every pattern in turn.

    uv run benchmarks/subjects.py [--patterns 1000 10000 100000] [--quick]

Patterns as a swarm has them: most are one agent's, some are for a kind of message from
everybody, a few for nearly everything. The reference has them as compiled regular
expressions, and tries each. Both are asked about the same subjects and must find the
same. *Fresh* subjects come up once, so nothing is remembered; *known* ones are a
thousand that come up again and again. Rounds are interleaved; figures are medians.

Of more than 10,000 patterns the reference tries 10,000, and its time is scaled up: to
compile more takes longer than all the rest.
"""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle, islice
from random import Random
from statistics import median
from time import perf_counter
from typing import NamedTuple, TypeAlias

import figures

from agentkit.subjects import REMEMBERED, Trie

TRIED = 10_000
"""Patterns that the reference tries at most."""

BARS = {1_000: 50, 10_000: 200}
"""How many times the reference's rate, by number of patterns."""

SHAPES = {
    "agent.{agent}.{word}": 40,
    "agent.{agent}.*": 30,
    "agent.{agent}.**": 20,
    "flow.*.{agent}.{word}": 9,
    "*.{agent}.**.{word}": 0.8,
    "{kind}.*.{word}": 0.1,
    "**.{word}": 0.05,
    "{kind}.**": 0.05,
}
"""What patterns look like, and how many of a hundred do."""

SUBJECTS = {"agent.{agent}.{word}": 80, "flow.{flow}.{agent}.{word}": 20}

KINDS = ("agent", "flow", "task", "help", "tool")
WORDS = ("idle", "busy", "blocked", "completed", "help", "progress", "asked", "done")

Match: TypeAlias = Callable[[str], Sequence[int]]


class Rates(NamedTuple):
    """Subjects a second."""

    fresh: float
    known: float
    linear: float


class Case(NamedTuple):
    """What was measured with so many patterns."""

    patterns: int
    hits: float
    """Values found for a subject, on average."""
    adding: float
    """Seconds to add one pattern."""
    rates: Rates


def written(shapes: Mapping[str, float], agents: int, random: Random) -> Iterator[str]:
    """Yield texts of these shapes about so many agents, for ever."""
    while True:
        for shape in random.choices(list(shapes), list(shapes.values()), k=1000):
            yield shape.format(
                agent=f"a{random.randrange(agents)}",
                flow=f"f{random.randrange(agents)}",
                kind=random.choice(KINDS),
                word=random.choice(WORDS),
            )


def distinct(texts: Iterator[str], count: int) -> list[str]:
    """Return so many texts, all different."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[next(texts)] = None
    return list(found)


def expression(pattern: str) -> re.Pattern[str]:
    """Return the regular expression for a pattern."""
    parts = {"*": r"[^.]+", "**": r"[^.]+(?:\.[^.]+)*"}
    words = (parts.get(word) or re.escape(word) for word in pattern.split("."))
    return re.compile(r"\.".join(words))


def linear(patterns: Sequence[str]) -> Match:
    """Return a function that tries every pattern."""
    tests = [(expression(pattern).fullmatch, at) for at, pattern in enumerate(patterns)]
    return lambda subject: [at for test, at in tests if test(subject)]


def rate(match: Match, subjects: Iterator[str], seconds: float) -> float:
    """Return how many subjects a second are matched, after at least `seconds`."""
    done, start = 0, perf_counter()
    while True:
        for subject in islice(subjects, 8):
            match(subject)
        done += 8
        if (took := perf_counter() - start) >= seconds:
            return done / took


def measure(count: int, options: Namespace) -> Case:
    """Match with so many patterns, both ways.

    Raises:
        SystemExit: the two do not find the same.
    """
    random = Random(options.seed)
    patterns = list(islice(written(SHAPES, count, random), count))
    trie: Trie[int] = Trie()
    start = perf_counter()
    for at, pattern in enumerate(patterns):
        trie.add(pattern, at)
    adding = (perf_counter() - start) / count
    tried = linear(patterns[:TRIED])
    scale = min(count, TRIED) / count
    fresh = distinct(written(SUBJECTS, count, random), 20 * REMEMBERED)
    known = fresh[:1000]
    for subject in known[:50]:
        if [at for at in trie.match(subject) if at < TRIED] != tried(subject):
            raise SystemExit(f"{subject} is not matched alike: seed {options.seed}")
    hits = sum(len(trie.match(subject)) for subject in fresh) / len(fresh)
    rounds = [
        Rates(
            rate(trie.match, cycle(fresh), options.seconds),
            rate(trie.match, cycle(known), options.seconds),
            rate(tried, cycle(known), options.seconds) * scale,
        )
        for _ in range(options.rounds)
    ]
    return Case(count, hits, adding, Rates(*map(median, zip(*rounds, strict=True))))


HEAD = (
    *("patterns", "found each", "trie, fresh/s", "trie, known/s", "linear/s"),
    *("fresh is", "known is", "added in µs"),
)


def row(case: Case) -> list[str]:
    """Lay out one number of patterns."""
    rates = case.rates
    return [
        f"{case.patterns:,}",
        f"{case.hits:.1f}",
        f"{rates.fresh:,.0f}",
        f"{rates.known:,.0f}",
        f"{rates.linear:,.1f}",
        f"{rates.fresh / rates.linear:,.0f} x",
        f"{rates.known / rates.linear:,.0f} x",
        f"{case.adding * 1e6:.1f}",
    ]


def arguments() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--patterns", type=int, nargs="+", default=[1_000, 10_000, 100_000]
    )
    parser.add_argument("--seconds", type=float, default=0.4, help="for each figure")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a small, short run")
    options = parser.parse_args()
    if options.quick:
        options.patterns, options.seconds, options.rounds = [*BARS], 0.1, 1
    return options


def main() -> None:
    """Measure, and print the table and the verdicts."""
    options = arguments()
    print(figures.machine())
    cases = [measure(count, options) for count in options.patterns]
    print(figures.table(HEAD, [row(case) for case in cases]), end="\n\n")
    for case in cases:
        if bar := BARS.get(case.patterns):
            claim = f"{bar} x linear with {case.patterns:,} patterns, none remembered"
            holds = case.rates.fresh >= bar * case.rates.linear
            print(figures.verdict(claim, holds=holds))


if __name__ == "__main__":
    main()
