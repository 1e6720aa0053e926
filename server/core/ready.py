"""Tasks that can be claimed, in the order in which they are."""

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from agentkit.rows import Task

SLACK: Final = 64
"""How many outdated entries a lane always puts up with."""

REMEMBERED: Final = 512
"""For how many sets of capabilities it is remembered which lanes they reach."""

Urgency: TypeAlias = tuple[int, int, str]
"""Higher priority first, then the place in the queue; the id tells equals apart."""


class Needs(NamedTuple):
    """What a lane's tasks ask for: one agent, or capabilities."""

    target: str
    capabilities: frozenset[str]


class Lane:
    """Tasks that ask for the same, most urgent first."""

    __slots__ = ("_heap", "_members")

    def __init__(self) -> None:
        self._heap: list[Urgency] = []
        self._members: dict[str, Urgency] = {}

    def __len__(self) -> int:
        return len(self._members)

    def add(self, key: str, urgency: Urgency) -> None:
        """Take a task in."""
        self._members[key] = urgency
        heapq.heappush(self._heap, urgency)

    def remove(self, key: str) -> None:
        """Let a task go; its entry stays until it comes to the top."""
        del self._members[key]
        heap, members = self._heap, self._members
        if len(heap) > 2 * len(members) + SLACK:
            heap[:] = members.values()
            heapq.heapify(heap)
        while heap and not self._is_current(heap[0]):
            heapq.heappop(heap)

    def __iter__(self) -> Iterator[Urgency]:
        """Yield the tasks, most urgent first; each costs no more than a heap's step."""
        heap = self._heap
        edge = [(entry, 0) for entry in heap[:1]]
        last: Urgency | None = None
        while edge:
            entry, place = heapq.heappop(edge)
            if entry != last and self._is_current(entry):
                yield entry
            last = entry
            for child in (2 * place + 1, 2 * place + 2):
                if child < len(heap):
                    heapq.heappush(edge, (heap[child], child))

    def _is_current(self, entry: Urgency) -> bool:
        return self._members.get(entry[2]) == entry


class ReadyTasks:
    """Finds the most urgent tasks that an agent may claim.

    Tasks that ask for the same share a lane, and which lanes a set of capabilities
    reaches is remembered: a claim looks at the heads of those lanes and at nothing
    else.

    Args:
        share: of the capabilities that a task needs, how many must be covered.
    """

    __slots__ = ("_lanes", "_reach", "_share")

    def __init__(self, share: float) -> None:
        self._share = share
        self._lanes: dict[Needs, Lane] = {}
        self._reach: dict[tuple[str, ...], list[Needs]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def add(self, task: Task) -> None:
        """Let a task be claimed."""
        needs = _needs(task)
        lane = self._lanes.get(needs)
        if lane is None:
            lane = self._lanes[needs] = Lane()
            if not needs.target:
                for capabilities, lanes in self._reach.items():
                    if self.covers(capabilities, needs.capabilities):
                        lanes.append(needs)
        lane.add(task.id, _urgency(task))

    def remove(self, task: Task) -> None:
        """Let a task be claimed no longer."""
        needs = _needs(task)
        lane = self._lanes[needs]
        lane.remove(task.id)
        if lane:
            return
        del self._lanes[needs]
        if not needs.target:
            for lanes in self._reach.values():
                if needs in lanes:
                    lanes.remove(needs)

    def best(self, agent: str, capabilities: tuple[str, ...], count: int) -> list[str]:
        """Return at most `count` tasks for an agent, most urgent first."""
        own = self._lanes.get(Needs(agent, frozenset()))
        reached = [self._lanes[needs] for needs in self._reached(capabilities)]
        lanes = [own, *reached] if own else reached
        if count == 1:
            heads = [next(iter(lane)) for lane in lanes]
            return [min(heads)[2]] if heads else []
        return [entry[2] for entry in islice(heapq.merge(*lanes), count)]

    def of(self, agent: str) -> list[str]:
        """Return the tasks that are for one agent alone, most urgent first."""
        return [entry[2] for entry in self._lanes.get(Needs(agent, frozenset()), ())]

    def first(self, count: int) -> list[str]:
        """Return at most `count` tasks, most urgent first, whoever may have them."""
        lanes = heapq.merge(*self._lanes.values())
        return [entry[2] for entry in islice(lanes, count)]

    def covers(self, capabilities: Iterable[str], needs: frozenset[str]) -> bool:
        """Say whether these capabilities are enough."""
        return len(needs.intersection(capabilities)) >= self._share * len(needs)

    def _reached(self, capabilities: tuple[str, ...]) -> list[Needs]:
        lanes = self._reach.get(capabilities)
        if lanes is None:
            if len(self._reach) >= REMEMBERED:
                self._reach.clear()
            lanes = self._reach[capabilities] = [
                needs
                for needs in self._lanes
                if not needs.target and self.covers(capabilities, needs.capabilities)
            ]
        return lanes


def _needs(task: Task) -> Needs:
    if task.target:
        return Needs(task.target, frozenset())
    return Needs("", frozenset(task.needs))


def _urgency(task: Task) -> Urgency:
    return (-task.priority, task.place, task.id)
