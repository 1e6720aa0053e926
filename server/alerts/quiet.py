"""Quiet hours: a stretch of each day, on a clock on the wall."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Any, Final, Self

from agentkit.readers import text

_HOURS: Final = re.compile(r"(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)")


@dataclass(frozen=True, slots=True)
class Quiet:
    """From one time of day to another, which may be on the next day."""

    begin: time
    end: time
    zone: tzinfo | None = None
    """Where the clock hangs; None is where this machine is."""

    @classmethod
    def read(cls, said: str) -> Self:
        """Read quiet hours, as in ``22:00-07:00``.

        Raises:
            ValueError: they cannot be read; the text says why.
        """
        found = _HOURS.fullmatch(said.strip())
        if not found:
            raise ValueError("is not two times of day, as in 22:00-07:00")
        a, b, c, d = map(int, found.groups())
        try:
            quiet = cls(time(a, b), time(c, d))
        except ValueError:
            raise ValueError("has a time that no day has") from None
        if quiet.begin == quiet.end:
            raise ValueError("ends when it begins")
        return quiet

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}"

    def until(self, now: datetime) -> datetime | None:
        """Return when the quiet of now ends; None when it is not quiet."""
        local = now.astimezone(self.zone)
        clock = local.time()
        overnight = self.begin > self.end
        before, since = clock < self.end, clock >= self.begin
        if not (before or since if overnight else before and since):
            return None
        day = local.date() + timedelta(days=overnight and since)
        end = datetime.combine(day, self.end, tzinfo=self.zone)
        return end.astimezone(now.tzinfo)


def quiet_hours(raw: Any) -> str:
    """Read the setting: two times of day, or nothing.

    Raises:
        ValueError: it is neither.
    """
    said = text(raw)
    return str(Quiet.read(said)) if said.strip() else ""
