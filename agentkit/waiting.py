"""Waiting until something holds, looked at again whenever something has happened."""

import asyncio
from collections.abc import Callable


class Waiters:
    """Those who wait for something to hold.

    Args:
        check: is called whenever somebody would wait; what it raises, they get.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._waiting: set[asyncio.Future[None]] = set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        while not holds():
            self._check()
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)

    def stir(self) -> None:
        """Let everybody look again."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
