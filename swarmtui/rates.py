"""How often messages of each subject come by.

Plain Python, no Textual.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from swarmtui.traffic import Message

SECONDS: Final = 5
"""Over how many seconds a rate is told."""

SUBJECTS: Final = 500
"""Subjects that are counted; of more, those that are heard most."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something came by."""

    name: str
    rate: float
    """A second, over the last few seconds."""
    total: int
    """Since the view was first opened."""


class Tally:
    """Counts messages by subject."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self._seconds: deque[Counter[str]] = deque([Counter()], maxlen=SECONDS + 1)

    def add(self, messages: Iterable[Message]) -> None:
        """Count messages, whenever they came."""
        self.totals.update(message.subject for message in messages)
        if len(self.totals) > 2 * SUBJECTS:
            self.totals = Counter(dict(self.totals.most_common(SUBJECTS)))

    def pace(self, messages: Iterable[Message]) -> None:
        """Count messages that came just now, for the rates."""
        self._seconds[-1].update(message.subject for message in messages)

    def second(self) -> None:
        """Begin the next second."""
        self._seconds.append(Counter())

    def rate(self, name: str) -> Rate:
        """Return how often something came by."""
        full = list(self._seconds)[:-1]
        rate = sum(second[name] for second in full) / max(1, len(full))
        return Rate(name, rate, self.totals[name])

    def subjects(self) -> dict[str, Rate]:
        """Return the rate of each subject seen, by name; of many the most heard."""
        names = [name for name, _ in self.totals.most_common(SUBJECTS)]
        return {name: self.rate(name) for name in sorted(names)}
