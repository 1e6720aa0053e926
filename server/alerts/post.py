"""The way to one target: again until it has what it is owed, with an end to that."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from agentkit.backoff import delays
from server.alerts.book import Debt, Debts, pay
from server.alerts.message import compose
from server.alerts.targets import Target

FIRST: Final = 4.0
LONGEST: Final = 300.0
"""Seconds at most until the second attempt, and between later ones."""

log = logging.getLogger("swarmtui.hub")


@dataclass(slots=True)
class Tally:
    """What became of alerts, in numbers, since the hub started."""

    told: int = 0
    """Alerts that were put into messages."""
    sent: int = 0
    """Messages that arrived, counted for each target."""
    failed: int = 0
    """Attempts that failed."""
    dropped: int = 0
    """Alerts that a target never got."""
    waiting: Callable[[], int] = lambda: 0
    """Counts alerts that are held back or on their way, these for each target."""
    failing: dict[str, str] = field(default_factory=dict)
    """Targets that take no alerts just now, and why in a word."""


class Post:
    """Tells one target what it is owed, all of it as one message.

    What comes up, or is settled, while the target is away counts at the next attempt.

    Args:
        target: who is told.
        debts: what it is owed; paid ones are taken out.
        tally: what is counted.
        now: the clock.
        paid: called when debts are paid or given up; must not block.
        first: seconds at most until the second attempt.
    """

    def __init__(
        self,
        target: Target,
        debts: Debts,
        tally: Tally,
        now: Callable[[], datetime],
        paid: Callable[[], None],
        *,
        first: float = FIRST,
    ) -> None:
        self._target = target
        self._debts = debts
        self._tally = tally
        self._now = now
        self._paid = paid
        self._first = first
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin."""
        self.wake()
        self._task = asyncio.create_task(self._run(), name=f"to {self._target.name}")

    def wake(self) -> None:
        """Look at the debts; returns at once."""
        self._empty.clear()
        self._wake.set()

    async def close(self, within: float) -> None:
        """End, after as many seconds at most for what is on its way."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._empty.wait()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            while self._debts:
                await self._bring()
            if not self._wake.is_set():
                self._empty.set()
            await self._wake.wait()

    async def _bring(self) -> None:
        """Try until something has arrived, or nothing is owed any more."""
        for pause in delays(self._first, LONGEST):
            if not (debts := list(self._debts.values())):
                return
            why = await self._target.send(compose([debt.alert for debt in debts]))
            if not why:
                self._arrived(debts)
                return
            self._failed(why)
            await asyncio.sleep(pause)
            self._give_up()

    def _arrived(self, debts: Sequence[Debt]) -> None:
        pay(self._debts, debts)
        self._paid()
        self._tally.sent += 1
        if self._tally.failing.pop(self._target.name, ""):
            log.info("alerts reach %s again", self._target.name)

    def _give_up(self) -> None:
        """Let go of what came up so long ago that it helps nobody any more."""
        now = self._now()
        late = [debt for debt in self._debts.values() if debt.until <= now]
        if late:
            pay(self._debts, late)
            self._paid()
            self._tally.dropped += len(late)
            log.error("%s never got %d of the alerts", self._target.name, len(late))

    def _failed(self, why: str) -> None:
        name = self._target.name
        if name not in self._tally.failing:
            log.warning("alerts do not reach %s: %s; trying again", name, why)
        self._tally.failing[name] = why
        self._tally.failed += 1
