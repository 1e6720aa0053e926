"""A command and all that follows from it, within one turn."""

from datetime import datetime
from typing import Final

from agentkit.plans import Cost
from agentkit.protocol import Command, Event, Logged
from server.core import watching
from server.core.decide import decide
from server.core.evolve import evolve
from server.core.runs.following import follow_up
from server.core.swarm import Swarm

SPARE: Final = 1024
"""How many steps of runs one command leads to, about; the next turn goes on."""

WORK: Final = 1000
"""How much work of expressions is a step: a turn has some tenths of a second."""

COSTS: Final = {
    "item.started": 1,
    "item.cancelled": 1,
    "run.launched": 1,
    "run.entered": 4,
    "run.moved": 4,
    "run.finished": 4,
}
"""How many steps an event is; what has a context to reckon is several."""


def carry_out(swarm: Swarm, command: Command, now: datetime) -> list[Logged]:
    """Decide a command, and apply what it leads to.

    Raises:
        SwarmError: the wish is refused; nothing changed.
    """
    logged = _apply(swarm, decide(swarm, command, now))
    cost, steps = Cost(), 0
    while events := follow_up(swarm, now, _spare(cost, steps), cost):
        steps += _steps(events)
        logged += _apply(swarm, [*events, *watching.told(swarm, events, now)])
    return logged


def _spare(cost: Cost, steps: int) -> int:
    """Return how many steps are left."""
    return max(SPARE - steps - cost.steps // WORK, 0)


def _apply(swarm: Swarm, events: list[Event]) -> list[Logged]:
    logged: list[Logged] = []
    for event in events:
        evolve(swarm, event)
        logged.append(Logged(swarm.cursor, event))
    return logged


def _steps(events: list[Event]) -> int:
    return sum(COSTS.get(event.subject, 0) for event in events)
