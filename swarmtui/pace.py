"""How often the dashboard drains its feed: ten times a second, less under load."""

RATES = (10, 4, 2)
"""Drains a second, from calm to overloaded."""
SLOW = 0.050
"""A drain that takes longer, in seconds, is slow."""
FAST = 0.020
"""A drain that takes less, in seconds, is fast."""
PATIENCE = 2
"""This many slow drains in a row lower the rate: one alone is the snapshot."""
RECOVERY = 20
"""This many fast drains in a row raise it again."""


class Pace:
    """Chooses the rate from how long the last drains took."""

    def __init__(self) -> None:
        self._step = 0
        self._slow = 0
        self._fast = 0

    @property
    def rate(self) -> int:
        """Drains a second."""
        return RATES[self._step]

    @property
    def overloaded(self) -> bool:
        """Whether the rate has been lowered."""
        return self._step > 0

    def note(self, seconds: float) -> bool:
        """Take in how long a drain took; return whether the rate changed."""
        self._slow = self._slow + 1 if seconds > SLOW else 0
        self._fast = self._fast + 1 if seconds < FAST else 0
        before = self._step
        if self._slow >= PATIENCE:
            self._go(min(self._step + 1, len(RATES) - 1))
        elif self._fast >= RECOVERY:
            self._go(max(self._step - 1, 0))
        return self._step != before

    def _go(self, step: int) -> None:
        self._step = step
        self._slow = self._fast = 0
