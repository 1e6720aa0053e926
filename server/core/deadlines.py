"""Deadlines: when each of many things is due, the earliest at hand."""

import heapq
from collections.abc import Iterator
from datetime import datetime
from typing import Final

SLACK: Final = 64
"""How many outdated entries are always put up with."""


class Deadlines:
    """Times by key; setting, asking for the earliest and removing cost little.

    What is outdated stays in the heap until it comes to its top or there is too much of
    it: that makes a removal free.
    """

    __slots__ = ("_heap", "_times")

    def __init__(self) -> None:
        self._times: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, str]] = []

    def __len__(self) -> int:
        """Return how many keys have a time."""
        return len(self._times)

    def __iter__(self) -> Iterator[str]:
        """Yield the keys, in no order that means anything."""
        return iter(self._times)

    def get(self, key: str) -> datetime | None:
        """Return when a key is due."""
        return self._times.get(key)

    def set(self, key: str, at: datetime | None) -> None:
        """Let a key be due at a time, or never."""
        if self._times.get(key) == at:
            return
        if at is None:
            del self._times[key]
        else:
            self._times[key] = at
            heapq.heappush(self._heap, (at, key))
        self._tidy()

    @property
    def earliest(self) -> datetime | None:
        """When the first key is due; None when there is no key."""
        return self._heap[0][0] if self._heap else None

    def due(self, now: datetime, limit: int) -> list[str]:
        """Return at most `limit` keys that are due, the earliest first."""
        found: list[str] = []
        # A heap's children are never earlier than their parent: only what is due is
        # looked at, and nothing is taken out.
        entries = [(*entry, 0) for entry in self._heap[:1]]
        while entries and len(found) < limit:
            at, key, place = heapq.heappop(entries)
            if at > now:
                break
            if self._times.get(key) == at and (not found or found[-1] != key):
                found.append(key)
            for child in (2 * place + 1, 2 * place + 2):
                if child < len(self._heap):
                    heapq.heappush(entries, (*self._heap[child], child))
        return found

    def _tidy(self) -> None:
        """Keep the top of the heap current, and the heap small."""
        heap, times = self._heap, self._times
        if len(heap) > 2 * len(times) + SLACK:
            heap[:] = [(at, key) for key, at in times.items()]
            heapq.heapify(heap)
        while heap and times.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
