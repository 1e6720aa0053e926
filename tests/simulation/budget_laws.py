"""What agents spend, and that nobody works beyond the budget of the day (I18)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agentkit import protocol as p
from agentkit.protocol import Event, Logged
from agentkit.rows import Agent
from tests.simulation.world import World


@dataclass
class Wallets:
    """What was told that agents used, and what the hub has stored of it for sure."""

    said: Counter[str] = field(default_factory=Counter)
    """What they told themselves: all of it arrives."""
    told: Counter[str] = field(default_factory=Counter)
    stored: Counter[str] = field(default_factory=Counter)


@dataclass
class Budgets:
    """Walks through the log and keeps who has spent what, and who has had enough."""

    world: World
    over: set[str] = field(default_factory=set)
    held: dict[str, str] = field(default_factory=dict)
    """Who has which task."""
    used: Counter[str] = field(default_factory=Counter)
    """Tokens by agent."""

    def walk(self, log: Sequence[Logged]) -> None:
        """Look at all events."""
        for cursor, event in log:
            self._look(cursor, event)

    def check(self, wallets: Wallets, rows: Mapping[str, Agent]) -> None:
        """Hold what was counted to what was told."""
        for agent, row in rows.items():
            most, least = wallets.told[agent], wallets.stored[agent]
            said, metered = row.tokens_told[0], row.tokens_metered[0]
            if said != wallets.said[agent] or not least <= metered <= most:
                expected = f"{wallets.said[agent]}, and {least} to {most} by telemetry"
                self.world.accuse("I18", f"{agent} told of {expected}: {row}")
            if not row.tokens_in == self.used[agent] == max(said, metered):
                self.world.accuse("I18", f"the larger count is not the one: {row}")
            if row.over_budget != (agent in self.over):
                self.world.accuse("I18", f"{agent} is over budget, or is not: {row}")

    def _look(self, cursor: int, event: Event) -> None:
        match event:
            case p.AgentSpent():
                self._spent(event)
            case p.AgentOverspent(agent=agent):
                if agent in self.over:
                    self.world.accuse(
                        "I18", f"{agent} is over budget again at {cursor}"
                    )
                self.over.add(agent)
            case p.AgentSolvent(agent=agent):
                self.over.discard(agent)
            case p.TaskLeased(agent=agent, task=task):
                if agent in self.over and self.held.get(task) != agent:
                    self.world.accuse("I18", f"{agent} gets {task} over its budget")
                self.held[task] = agent
            case p.TaskStarted(agent=agent, task=task):
                self.held[task] = agent
            case (
                p.TaskDone(task=task)
                | p.TaskReleased(task=task)
                | p.TaskDead(task=task)
                | p.TaskCancelled(task=task)
                | p.TaskRequeued(task=task)
                | p.TaskAssigned(task=task)
            ):
                self.held.pop(task, None)

    def _spent(self, event: p.AgentSpent) -> None:
        if event.tokens_in < self.used[event.agent]:
            self.world.accuse("I18", f"{event.agent} has used less than before")
        self.used[event.agent] = event.tokens_in
