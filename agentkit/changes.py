"""What a coordinator is told: events, rows and figures, a change at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from agentkit.codec import EVENTS, decode
from agentkit.protocol import Event
from agentkit.rows import Agent, Broadcast, HelpRequest, Run, Task
from agentkit.traffic import Tapped
from agentkit.transports.metrics import Metrics

BACKLOG = 20_000
"""Events and rows that may wait in one iterator before they become a snapshot."""


class Heard:
    """An event, as it came over the wire; decoded when somebody looks."""

    __slots__ = ("_data", "_event", "bytes", "cursor", "ms", "subject")

    def __init__(
        self,
        cursor: int,
        event: Event | None = None,
        bytes: int = 0,  # noqa: A002 - the name on the wire
        ms: float = 0.0,
        *,
        subject: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Hold an event, or a `subject` and the `data` to make one of."""
        self.cursor = cursor
        self.bytes = bytes
        """The size of what came in."""
        self.ms = ms
        """Milliseconds from its arrival to the COMMIT."""
        self.subject = event.subject if event else subject
        self._event = event
        self._data = data

    @property
    def event(self) -> Event:
        """The event itself."""
        if self._event is None:
            self._event = decode(EVENTS[self.subject], self._data or {})
        return self._event

    def __repr__(self) -> str:
        return f"Heard({self.cursor}, {self.subject})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """How the hub is, once a second: rates over it, latencies over the last ten."""

    at: datetime
    agents: int = 0
    watchers: int = 0
    in_rate: float = 0.0
    """Messages per second."""
    out_rate: float = 0.0
    in_bytes: int = 0
    """Totals since the hub started."""
    out_bytes: int = 0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    queue: int = 0
    commit_ms: float = 0.0
    turns: int = 0
    buckets: tuple[int, ...] = ()
    """Latencies below 0.5, 1, 2, 5, 10 ms, and above."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Agents by state."""
    alerts_failing: Mapping[str, str] = field(default_factory=dict)
    """Targets that take no alerts of the hub just now, and why in a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What changed at once; the mirror is already up to date."""

    kind: Literal["snapshot", "turn", "stats", "link", "traffic", "links"]
    cursor: int = 0
    events: tuple[Heard, ...] = ()
    """In order; with a snapshot, those since the last turn that came."""
    missed: int = 0
    """With a snapshot: events that came in between and are not among `events`."""
    anew: bool = False
    """With a snapshot: what was told before was of another time, so forget it all."""
    agents: tuple[Agent, ...] = ()
    helps: tuple[HelpRequest, ...] = ()
    tasks: tuple[Task, ...] = ()
    broadcasts: tuple[Broadcast, ...] = ()
    runs: tuple[Run, ...] = ()
    """Those with none above them, without their output."""
    gone: tuple[str, ...] = ()
    """Tasks that the mirror does not keep any more; they are only counted."""
    traffic: tuple[Tapped, ...] = ()
    """Messages that went by, in order, for whoever taps them."""
    dropped: int = 0
    """Messages before these that were left out: they came too fast."""
    stats: Stats | None = None
    """How the hub was in the last second."""
    links: tuple[Metrics, ...] = ()
    """All links of the hub in figures, for whoever follows them."""

    @property
    def weight(self) -> int:
        """How many events, messages and rows it holds."""
        rows = (self.agents, self.helps, self.tasks, self.broadcasts, self.runs)
        return len(self.events) + len(self.traffic) + sum(map(len, rows))


class Changes(AsyncIterator[Change]):
    """What changes from now on, for one reader.

    Args:
        snapshot: makes the change that stands in for what piled up, given how many
            events are not among it.
        check: raises when there is nothing more to wait for.
    """

    def __init__(
        self, snapshot: Callable[[int], Change], check: Callable[[], None]
    ) -> None:
        self._snapshot = snapshot
        self._check = check
        self._waiting: deque[Change] = deque()
        self._weight = 0
        self._there = asyncio.Event()

    def push(self, change: Change) -> None:
        """Add a change; when too many wait, they become one snapshot.

        Messages that wait go for newer ones, and are counted.
        """
        if change.kind == "traffic" and self._weight > BACKLOG:
            change = self._without_old_traffic(change)
        self._waiting.append(change)
        self._weight += change.weight
        if self._weight > BACKLOG and change.kind == "turn":
            missed = sum(len(old.events) + old.missed for old in self._waiting)
            self._waiting.clear()
            self._waiting.append(self._snapshot(missed))
            self._weight = 0
        self._there.set()

    def _without_old_traffic(self, change: Change) -> Change:
        old = [waiting for waiting in self._waiting if waiting.kind == "traffic"]
        kept = [waiting for waiting in self._waiting if waiting.kind != "traffic"]
        self._waiting = deque(kept)
        self._weight -= sum(waiting.weight for waiting in old)
        left_out = sum(len(waiting.traffic) + waiting.dropped for waiting in old)
        return replace(change, dropped=change.dropped + left_out)

    def wake(self) -> None:
        """Let the reader look whether there is anything more to wait for."""
        self._there.set()

    async def __anext__(self) -> Change:
        while not self._waiting:
            self._check()
            self._there.clear()
            await self._there.wait()
        change = self._waiting.popleft()
        self._weight = max(self._weight - change.weight, 0)
        return change
