"""The hub's clock: UTC, and never backwards."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic


def utc_now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)


class Clock:
    """Tells the time in UTC, and goes on evenly when the machine's is set back.

    A step forward is followed: the machine slept, or was put right. After a step back
    time passes as before it, so that what is due in a minute stays due in a minute.
    """

    def __init__(
        self,
        wall: Callable[[], datetime] = utc_now,
        steady: Callable[[], float] = monotonic,
    ) -> None:
        """Follow `wall`, and between its steps `steady`, in seconds."""
        self._wall = wall
        self._steady = steady
        self._origin = wall() - timedelta(seconds=steady())

    def __call__(self) -> datetime:
        """Return the time; never earlier than the last time."""
        # In this order a pause between the two is never taken for a step forward.
        wall = self._wall()
        passed = timedelta(seconds=self._steady())
        self._origin = max(self._origin, wall - passed)
        return self._origin + passed
