"""Who does what and when: a play for any number of agents, the same for the same seed.

Nothing here runs or waits. `parts` casts the agents, `life` is what one of them does if
nobody interferes, `errands` is what the coordinator of the play does. `play` performs
it and lets the agents react to what reaches them from outside.

The first five seconds hold all there is to see: idle, busy, blocked and escalated,
help with choices, a lost agent, tasks and a broadcast.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count, cycle
from random import Random
from typing import Literal, TypeAlias

from agentkit.rows import Report, Severity
from swarmtui.demo.cast import (
    ANSWERS,
    BLOCKERS,
    BROADCASTS,
    JOBS,
    PLANS,
    QUESTIONS,
    QUEUED,
    ROLES,
    Question,
    Role,
    Work,
)

OPENING = 10
"""How many tasks are queued before the play gets going."""

FEWEST = 8
"""With fewer agents not every state would have somebody in it."""
MOST = 10_000

HANDS = 3
"""One of so many idle agents lives on the work queue."""

ESCALATE_AFTER = 3.0
LEASE = 1.5
"""Seconds, short, so that escalation and loss can be seen."""

BUDGET = 90.0
"""US dollars a day: one agent is about to have spent them, the others are far off."""

Lot: TypeAlias = Literal["lost", "stuck", "blocked", "asks", "busy", "idle"]
"""How an agent begins; `stuck` is blocked from the start, and therefore escalated."""

_FIRST_WAIT: dict[Lot, tuple[float, float]] = {
    "stuck": (60, 150),
    "asks": (60, 150),
    "blocked": (15, 40),
    "idle": (4, 30),
}
"""Between how many seconds it takes until they go on, if nobody helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing an agent does."""

    after: float
    """Seconds after the act before."""
    report: Report | None
    """None: it leaves without a word, and is lost."""
    task: str = ""
    """Empty: the one it is at."""
    message: str = ""
    choices: tuple[str, ...] = ()
    severity: Severity = "normal"
    earns: float = 0.0
    """US dollars that it has spent since the act before."""


@dataclass(frozen=True, slots=True)
class Part:
    """One agent of the play."""

    id: str
    role: Role
    lot: Lot
    number: int
    """Its place among those with the same lot, from 0."""
    cost: float
    completed: int
    """What it has spent and done before the curtain rises."""

    @property
    def is_hand(self) -> bool:
        """Whether it lives on the work queue: it claims whatever it is able to do."""
        return self.lot == "idle" and self.number % HANDS == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One thing the coordinator does; who gets it is seen when it is due."""

    after: float
    """Seconds after the errand before."""
    do: Literal["assign", "enqueue", "broadcast", "answer", "launch"]
    text: str
    """The title of the task, what is said, or the plan that is run."""
    where: str = ""
    """Whom a broadcast is for, as a filter."""
    task: str = ""
    skill: str = ""
    """What the agent should be able to do; whoever waits longest gets it."""
    work: Work | None = None
    """What is queued."""


def parts(agents: int, seed: int) -> tuple[Part, ...]:
    """Cast so many agents, at least `FEWEST` and at most `MOST`."""
    rng = _dice(seed, "parts")
    lots = _lots(agents, rng)
    digits = max(2, len(str(agents // len(ROLES))))
    seen: dict[Lot, int] = {}
    cast = []
    for n, lot in enumerate(lots):
        role = ROLES[n % len(ROLES)]
        number = seen[lot] = seen.get(lot, -1) + 1
        cast.append(
            Part(
                id=f"{role.name}-{n // len(ROLES) + 1:0{digits}}",
                role=role,
                lot=lot,
                number=number,
                cost=_cost(lot, number, rng),
                completed=rng.randrange(25),
            )
        )
    return tuple(cast)


def _cost(lot: Lot, number: int, rng: Random) -> float:
    usual = round(rng.lognormvariate(0.6, 0.9), 2)
    return BUDGET - 0.01 if (lot, number) == ("busy", 0) else usual


def _dice(seed: int, whose: str) -> Random:
    return Random(f"{seed} {whose}")  # noqa: S311  # a play, not a secret


def _lots(agents: int, rng: Random) -> list[Lot]:
    """Deal the beginnings: everyone who is in trouble first, then work and rest."""
    few = max(1, min(agents // 48, 12))
    asking = max(3, min(agents // 24, 24))
    working = (agents - 3 * few - asking) * 6 // 10
    lots: list[Lot] = ["lost"] * few
    lots += ["stuck"] * few
    lots += ["blocked"] * few
    lots += ["asks"] * asking
    lots += ["busy"] * working
    lots += ["idle"] * (agents - len(lots))
    rng.shuffle(lots)
    return lots


def life(part: Part, agents: int, seed: int) -> Iterator[Act]:
    """Yield what an agent does, as long as it is asked.

    Args:
        part: who it is.
        agents: how many there are; the more, the less each of them says, and the
            rarer it is in trouble.
        seed: the same seed gives the same life.
    """
    rng = _dice(seed, part.id)
    pace = max(1.0, agents / 240)
    trouble = min(1.0, 60 / agents)
    if part.lot == "lost":
        return iter(_farewell(part, rng))
    return chain(_opening(part, rng, pace), _days(part, rng, pace, trouble))


def _farewell(part: Part, rng: Random) -> list[Act]:
    return [_works(part, rng, rng.uniform(0.1, 0.4)), Act(after=0.6, report=None)]


def _opening(part: Part, rng: Random, pace: float) -> list[Act]:
    """Return what it does in the first seconds."""
    if part.lot == "idle":
        return [Act(after=rng.uniform(0.1, 1.2) * pace**0.5, report="idle")]
    start = _works(part, rng, rng.uniform(0.1, 0.6) * pace**0.5)
    late = 0.4 * part.number % 2.5
    match part.lot:
        case "stuck":
            return [start, _blocked(rng, 0.2, BLOCKERS[part.number % 3])]
        case "blocked":
            return [start, _blocked(rng, 2.2 + late, BLOCKERS[3 + part.number % 3])]
        case "asks":
            question = QUESTIONS[part.number % len(QUESTIONS)]
            return [start, _asks(rng, 0.5 + late, question)]
        case _:
            return [start]


def _days(part: Part, rng: Random, pace: float, trouble: float) -> Iterator[Act]:
    """Yield the rest of its life: work, mostly done, now and then in trouble."""
    if part.lot in _FIRST_WAIT:
        least, most = _FIRST_WAIT[part.lot]
        yield _works(part, rng, rng.uniform(least, most) * pace)
    while True:
        took = rng.uniform(2.5, 24) * pace
        luck = rng.random() / trouble
        if luck < 0.02:
            yield _asks(rng, took, rng.choice(QUESTIONS))
            rest = rng.uniform(60, 150)
        elif luck < 0.07:
            yield _blocked(rng, took, rng.choice(BLOCKERS))
            rest = rng.uniform(8, 40)
        else:
            yield Act(after=took, report="completed", earns=_spent(rng))
            rest = rng.uniform(2, 11)
        yield _works(part, rng, rest * pace)


def _works(part: Part, rng: Random, after: float) -> Act:
    return Act(
        after=after,
        report="busy",
        task=f"P{rng.choice((0, 1, 1, 2, 2, 2))}.{rng.randrange(1, 60)}",
        message=rng.choice(part.role.work),
        earns=_spent(rng),
    )


def _blocked(rng: Random, after: float, why: str) -> Act:
    return Act(after=after, report="blocked", message=why, earns=_spent(rng))


def _asks(rng: Random, after: float, question: Question) -> Act:
    return Act(
        after=after,
        report="help",
        message=question.text,
        choices=question.choices,
        severity=question.severity,
        earns=_spent(rng),
    )


def _spent(rng: Random) -> float:
    return round(rng.uniform(0.01, 0.35), 2)


def errands(seed: int) -> Iterator[Errand]:
    """Yield what the coordinator does, as long as it is asked."""
    rng = _dice(seed, "errands")
    jobs, shouts, answers = cycle(JOBS), cycle(BROADCASTS), cycle(ANSWERS)
    queued, plans = cycle(QUEUED), cycle(PLANS)
    ids = (f"T{n}" for n in count(1))
    numbers = (f"Q{n}" for n in count(1))

    def assign(after: float) -> Errand:
        job = next(jobs)
        return Errand(
            after=after,
            do="assign",
            text=job.title,
            task=next(ids),
            skill=job.skill,
        )

    def broadcast(after: float) -> Errand:
        text, where = next(shouts)
        return Errand(after=after, do="broadcast", text=text, where=where)

    def enqueue(after: float) -> Errand:
        work = next(queued)
        return Errand(
            after=after, do="enqueue", text=work.title, task=next(numbers), work=work
        )

    def launch(after: float) -> Errand:
        return Errand(after=after, do="launch", text=next(plans))

    yield assign(1.2)
    for _ in range(OPENING):
        yield enqueue(0.05)
    yield launch(0.1)
    yield broadcast(0.5)
    yield assign(0.7)
    yield assign(0.6)
    yield Errand(after=3.2, do="answer", text=next(answers))
    yield launch(0.4)
    while True:
        yield assign(rng.uniform(3, 7))
        yield enqueue(rng.uniform(1, 3))
        yield launch(0.1)
        yield enqueue(rng.uniform(1, 3))
        yield assign(rng.uniform(3, 7))
        yield broadcast(rng.uniform(10, 20))
        yield assign(rng.uniform(3, 7))
        yield launch(rng.uniform(1, 3))
        yield Errand(after=rng.uniform(5, 10), do="answer", text=next(answers))
