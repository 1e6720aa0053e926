"""The way to one target: a queue, patience, and an end to both."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from agentkit.backoff import delays
from server.alerts.message import Message
from server.alerts.targets import Target

QUEUE: Final = 100
"""Messages that may wait for one target; beyond that the oldest are dropped."""

FIRST: Final = 4.0
LONGEST: Final = 300.0
"""Seconds at most until the second attempt, and between later ones."""

PATIENCE: Final = timedelta(hours=1)
"""How long a message is tried: later than that nobody is helped by it."""

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
    """Messages that a target never got."""
    waiting: Callable[[], int] = lambda: 0
    """Counts alerts that are held back, and messages that are on their way."""


class Post:
    """Brings messages to one target, in order, and again until they arrive.

    Args:
        target: where they go.
        tally: what is counted.
        now: the clock.
        first: seconds at most until the second attempt.
    """

    def __init__(
        self,
        target: Target,
        tally: Tally,
        now: Callable[[], datetime],
        first: float = FIRST,
    ) -> None:
        self._target = target
        self._tally = tally
        self._now = now
        self._first = first
        self._queue: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._fails = False
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many messages have not arrived yet."""
        return len(self._queue)

    def open(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=f"to {self._target.name}")

    def put(self, message: Message) -> None:
        """Have a message brought; returns at once."""
        if len(self._queue) >= QUEUE:
            self._queue.popleft()
            self._tally.dropped += 1
        self._queue.append(message)
        self._empty.clear()
        self._wake.set()

    async def close(self, within: float) -> None:
        """End, after as many seconds at most for what is on its way."""
        try:
            async with asyncio.timeout(within):
                await self._empty.wait()
        except TimeoutError:
            self._tally.dropped += len(self._queue)
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            while self._queue:
                message = self._queue[0]
                await self._bring(message)
                if self._queue and self._queue[0] is message:
                    self._queue.popleft()
            self._empty.set()
            self._wake.clear()
            await self._wake.wait()

    async def _bring(self, message: Message) -> None:
        """Try until it has arrived, or for as long as it may help anybody."""
        end = self._now() + PATIENCE
        for pause in delays(self._first, LONGEST):
            if not (why := await self._target.send(message)):
                self._arrived()
                return
            self._tally.failed += 1
            self._tell(why)
            if self._now() + timedelta(seconds=pause) >= end:
                break
            await asyncio.sleep(pause)
        self._tally.dropped += 1
        log.error("an alert never reached %s", self._target.name)

    def _arrived(self) -> None:
        self._tally.sent += 1
        if self._fails:
            self._fails = False
            log.info("alerts reach %s again", self._target.name)

    def _tell(self, why: str) -> None:
        if not self._fails:
            self._fails = True
            name = self._target.name
            log.warning("alerts do not reach %s: %s; trying again", name, why)
