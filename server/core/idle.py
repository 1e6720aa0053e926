"""The idle queue: who waits for work, in order of waiting, and who of them can what."""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator

from agentkit.rows import Agent


class IdleQueue:
    """Idle agents by ticket: a lower one waits longer, an agent holds at most one."""

    __slots__ = ("_agents", "_by_capability", "_tickets")

    def __init__(self) -> None:
        self._tickets: list[int] = []
        self._agents: dict[int, str] = {}
        self._by_capability: dict[str, dict[int, None]] = {}

    def __len__(self) -> int:
        return len(self._tickets)

    def __iter__(self) -> Iterator[str]:
        return (self._agents[ticket] for ticket in self._tickets)

    def add(self, agent: Agent) -> None:
        """Put an agent in at its ticket."""
        insort(self._tickets, agent.ticket)
        self._agents[agent.ticket] = agent.id
        for capability in agent.capabilities:
            self._by_capability.setdefault(capability, {})[agent.ticket] = None

    def remove(self, agent: Agent) -> None:
        """Take out an agent that was put in just like this."""
        del self._tickets[bisect_left(self._tickets, agent.ticket)]
        del self._agents[agent.ticket]
        for capability in set(agent.capabilities):
            holders = self._by_capability[capability]
            del holders[agent.ticket]
            if not holders:
                del self._by_capability[capability]

    def position(self, agent: Agent) -> int:
        """Return the agent's place, counted from 1; 0 is not in the queue."""
        return bisect_left(self._tickets, agent.ticket) + 1 if agent.ticket else 0

    def having(self, capability: str) -> Iterator[str]:
        """Yield, in order of waiting, who has a capability."""
        holders = self._by_capability.get(capability)
        if holders:
            yield from (self._agents[at] for at in self._tickets if at in holders)

    def covering(self, wanted: Iterable[str], share: float) -> Iterator[str]:
        """Yield, in order of waiting, who covers at least `share` of `wanted`.

        Nothing wanted is covered by everybody.
        """
        capabilities = set(wanted)
        if not capabilities:
            yield from self
            return
        hits = Counter(
            ticket
            for capability in capabilities
            for ticket in self._by_capability.get(capability, ())
        )
        for ticket in sorted(hits):
            if hits[ticket] >= len(capabilities) * share:
                yield self._agents[ticket]
