"""How busy the hub is and how long things take, measured while it works."""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from agentkit.protocol import Event, Logged, TaskDead, TaskReleased

EDGES: Final = tuple(0.05 * 1.15**step for step in range(90))
"""Upper edges of the latency classes, in ms: 50 µs to 13 s in steps of 15 %."""

SHOWN: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper edges of the histogram that people look at, in ms; the last class is open."""

WINDOW: Final = 10
"""Over how many seconds latencies are told."""


@dataclass(slots=True)
class Second:
    """What happened within one second."""

    arrived: int = 0
    pushed: int = 0
    classes: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))
    shown: list[int] = field(default_factory=lambda: [0] * (len(SHOWN) + 1))


class Meter:
    """Counts what arrives and what is pushed; `tick` closes a second."""

    def __init__(self) -> None:
        self.commands = 0
        self.refused = 0
        self.events = 0
        self.turns = 0
        self.in_bytes = 0
        self.out_bytes = 0
        self.out_frames = 0
        self.failed_commits = 0
        self.trimmed_rows = 0
        self.trimmed_bytes = 0
        self.commit_ms = 0.0
        """How long the latest COMMIT took."""
        self.commit_seconds = 0.0
        """How long all of them took."""
        self.kinds: Counter[type] = Counter()
        """Events that are on disk, by class."""
        self.expired = 0
        """Leases that ran out, the last of a task's attempts too."""
        self.seconds: deque[Second] = deque([Second()], maxlen=WINDOW)
        self._now = self.seconds[-1]
        self.last = Second()

    def arrived(self, size: int) -> None:
        """Count a command that came in as `size` bytes."""
        self.commands += 1
        self.in_bytes += size
        self._now.arrived += 1

    def wrote(self, events: Iterable[Logged], ms: float) -> None:
        """Count a COMMIT that took `ms`, and its events."""
        self.turns += 1
        self.commit_ms = ms
        self.commit_seconds += ms / 1000
        for _, event in events:
            self.events += 1
            self.kinds[type(event)] += 1
            self.expired += _ran_out(event)

    def stored(self, ms: float) -> None:
        """Count a command whose events are on disk, `ms` after it arrived."""
        self._now.classes[bisect_right(EDGES, ms)] += 1
        self._now.shown[bisect_right(SHOWN, ms)] += 1

    def pushed(self, frames: int, size: int) -> None:
        """Count frames that were handed to connections."""
        self.out_frames += frames
        self.out_bytes += size
        self._now.pushed += frames

    def tick(self) -> None:
        """Close this second and begin the next."""
        self.last = self._now
        self._now = Second()
        self.seconds.append(self._now)

    def percentiles(self, *shares: float) -> list[float]:
        """Return the latency in ms that each share of commands stayed below."""
        sums = [sum(counts) for counts in zip(*self._window("classes"), strict=True)]
        reached = list(accumulate(sums))
        total = reached[-1]
        return [
            EDGES[min(bisect_right(reached, share * total - 1), len(EDGES) - 1)]
            if total
            else 0.0
            for share in shares
        ]

    def histogram(self) -> list[int]:
        """Return how many commands fell into each class of `SHOWN`."""
        return [sum(counts) for counts in zip(*self._window("shown"), strict=True)]

    def _window(self, name: str) -> list[list[int]]:
        return [getattr(second, name) for second in self.seconds]


def _ran_out(event: Event) -> bool:
    """Say whether an event ended a lease that nobody extended."""
    return isinstance(event, TaskReleased | TaskDead) and event.cause == "expired"
