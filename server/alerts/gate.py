"""When alerts may go: so many an hour, and in quiet hours hardly any.

Pure: the time comes in, and `Gate.due` says when to ask again.
"""

from collections import deque
from datetime import datetime, timedelta
from typing import Final

from server.alerts.facts import Alert, Key
from server.alerts.quiet import Quiet

HOUR: Final = timedelta(hours=1)


class Share:
    """So many messages in any hour."""

    __slots__ = ("_size", "_told")

    def __init__(self, size: int) -> None:
        self._size = size
        self._told: deque[datetime] = deque()

    def free_at(self, now: datetime) -> datetime:
        """Return when there is room for one more."""
        while self._told and self._told[0] + HOUR <= now:
            self._told.popleft()
        return now if len(self._told) < self._size else self._told[0] + HOUR

    def use(self, now: datetime) -> None:
        """Count one."""
        self._told.append(now)


class Gate:
    """Holds alerts back until they may go, and gives all of them at once.

    Args:
        per_hour: messages in any hour. What is urgent has as many of its own, so that
            no flood of the rest holds it back.
        quiet: when only what is urgent goes.
    """

    def __init__(self, per_hour: int, quiet: Quiet | None = None) -> None:
        self._quiet = quiet
        self._usual = Share(per_hour)
        self._urgent = Share(per_hour)
        self._waiting: dict[Key, Alert] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: Key) -> bool:
        return key in self._waiting

    def add(self, alert: Alert) -> None:
        """Hold an alert back until it may go."""
        self._waiting[alert.key] = alert

    def drop(self, key: Key) -> None:
        """Let an alert go that nobody needs to be told of any more."""
        self._waiting.pop(key, None)

    def take(self, now: datetime) -> list[Alert]:
        """Return what goes now as one message; may be nothing."""
        usual = self._usual_at(now) <= now
        share = self._usual if usual else self._urgent
        if share.free_at(now) > now:
            return []
        taken = [x for x in self._waiting.values() if usual or x.urgent]
        for alert in taken:
            del self._waiting[alert.key]
        if taken:
            share.use(now)
        return taken

    def due(self, now: datetime) -> datetime | None:
        """Return when `take` has something; None while nothing waits."""
        if not self._waiting:
            return None
        usual = self._usual_at(now)
        if any(alert.urgent for alert in self._waiting.values()):
            return min(usual, self._urgent.free_at(now))
        return usual

    def _usual_at(self, now: datetime) -> datetime:
        free = self._usual.free_at(now)
        return (self._quiet.until(free) if self._quiet else None) or free
