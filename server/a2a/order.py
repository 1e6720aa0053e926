"""What each A2A agent told last, so that what comes late or twice changes nothing.

Notifications are sent side by side, over connections of their own, and again when an
answer was lost. Of one task all stamps are of one clock, the agent's, so they order it;
and a task that is over stays over. What is forgotten by a restart of the hub is known
from the row of the agent, as far as it says.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from weakref import WeakValueDictionary

from agentkit.a2a.words import Told
from agentkit.rows import Agent

VIA: Final = "a2a"
"""How the hub calls this way to report."""

REMEMBERED: Final = 10_000
"""Tasks whose last status is known."""


@dataclass(frozen=True, slots=True)
class _Last:
    at: datetime | None
    fingerprint: str = ""
    is_over: bool = False


class Order:
    """The last status of each task of each agent."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._last: OrderedDict[tuple[str, str], _Last] = OrderedDict()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def turn(self, agent: str) -> asyncio.Lock:
        """Return what lets one notification of an agent in after the other."""
        return self._turns.setdefault(agent, asyncio.Lock())

    def is_news(self, agent: str, told: Told, task: str, row: Agent | None) -> bool:
        """Say whether a status is later than all that is known of its task.

        Args:
            agent: who told it.
            told: the status.
            task: what the hub calls the task.
            row: the agent's.
        """
        last = self._last.get((agent, told.task)) or _known(row, task)
        if last is None:
            return True
        if last.is_over or last.fingerprint == told.fingerprint:
            return False
        return last.at is None or told.at is None or last.at <= told.at

    def note(self, agent: str, told: Told) -> None:
        """Remember a status that was taken."""
        key = agent, told.task
        before = self._last.pop(key, None)
        at = told.at or (before.at if before else None)
        self._last[key] = _Last(at, told.fingerprint, told.is_over)
        if len(self._last) > self._most:
            self._last.popitem(last=False)


def _known(row: Agent | None, task: str) -> _Last | None:
    """Return what the row of an agent says of a task; None when that is nothing."""
    if row is None or row.via != VIA or row.task != task or not row.reported_at:
        return None
    return _Last(datetime.fromisoformat(row.reported_at))
