"""Wakes whoever reads the log as it grows."""

import asyncio
from contextlib import suppress

from server.hub import Pushed


class Bell:
    """A subscriber that notes how far the log goes, and wakes who waits for more."""

    __slots__ = ("_rung", "newest", "stopped")

    def __init__(self) -> None:
        self.newest = 0
        self.stopped = ""
        """Why whoever waits should wait no more."""
        self._rung = asyncio.Event()

    def push(self, pushed: Pushed) -> None:
        """Note a turn."""
        self.newest = pushed.cursor
        self._rung.set()

    def stop(self, reason: str) -> None:
        """Wake who waits for the last time."""
        self.stopped = reason
        self._rung.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for a turn; False when all was quiet for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        rung = self._rung.is_set()
        self._rung.clear()
        return rung
