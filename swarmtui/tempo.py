"""How fast runs go, as calm figures: items a second, and the time that is left."""

from collections import deque
from datetime import datetime, timedelta
from typing import NamedTuple

from agentkit.rows import Run

WINDOW = timedelta(seconds=60)
"""Over how long a rate is taken: long enough for it not to jump."""
SAMPLES = 240
LEAST = 2.0
"""Seconds that must have passed before anything is said."""


class Sample(NamedTuple):
    """How many items were settled at a time."""

    at: datetime
    settled: int


class Tempo:
    """Remembers how many items of each run were settled when.

    A rate is that of the stage a run is at, over the last `WINDOW`. While nothing
    happens it sinks by and by.
    """

    def __init__(self) -> None:
        self._visits: dict[str, int] = {}
        self._samples: dict[str, deque[Sample]] = {}

    def note(self, run: Run) -> None:
        """Take a run as it is now."""
        if run.is_settled or not run.entered:
            self.forget(run.id)
            return
        if self._visits.get(run.id) != run.visit:
            self._visits[run.id] = run.visit
            self._samples[run.id] = deque(_first(run), maxlen=SAMPLES)
        samples = self._samples[run.id]
        at = run.changed or run.created
        settled = run.done + run.failed
        if not samples or settled != samples[-1].settled:
            samples.append(Sample(at, settled))
        while len(samples) > 2 and at - samples[1].at > WINDOW:
            samples.popleft()

    def forget(self, run: str) -> None:
        """Forget a run."""
        self._visits.pop(run, None)
        self._samples.pop(run, None)

    def clear(self) -> None:
        """Forget every run."""
        self._visits.clear()
        self._samples.clear()

    def rate(self, run: str, now: datetime) -> float | None:
        """Return how many items a run settles in a second; None when it is unknown."""
        samples = self._samples.get(run)
        if not samples or samples[-1].settled == samples[0].settled:
            return None
        seconds = (now - samples[0].at).total_seconds()
        if seconds < LEAST:
            return None
        return (samples[-1].settled - samples[0].settled) / seconds

    def left(self, run: Run, now: datetime) -> float | None:
        """Return how many seconds the stage takes if it goes on so; None: unknown."""
        rate = self.rate(run.id, now)
        if rate is None or run.is_settled:
            return None
        return max(run.total - run.done - run.failed, 0) / rate


def _first(run: Run) -> tuple[Sample, ...]:
    """Return what is known of a stage before its first figures: when it began."""
    return (Sample(run.created, 0),) if run.visit <= 1 else ()
