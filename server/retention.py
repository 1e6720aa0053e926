"""Takes away what is no longer kept, every minute and beside the hub's work."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import perf_counter
from typing import Final

from server.hub import Hub
from server.store.base import StoreError, Trimmed

EVERY: Final = 60.0
"""Seconds between rounds."""

SHARE: Final = 0.5
"""How much of the store's time a round takes at most."""

log = logging.getLogger("swarmtui.hub")


class Retention:
    """Trims the store of a hub from `start` to `stop`; begins at once.

    Args:
        hub: whose store, clock and figures to use.
        age: how long events, and what is settled, are kept.
        size: how many bytes the store may take up.
        after: takes away, after each round, what that round left without use.
    """

    def __init__(
        self,
        hub: Hub,
        age: timedelta,
        size: int,
        after: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._hub = hub
        self._age = age
        self._size = size
        self._after = after
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin the first round."""
        self._task = asyncio.create_task(self._repeat(), name="retention")

    async def stop(self) -> None:
        """End after the batch that is under way."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def round(self) -> Trimmed:
        """Take away everything that is due; return how much that was.

        Between two batches the store is free for as long as a batch took, so that the
        hub's turns never wait for more than one.

        Raises:
            StoreError: it cannot be taken away; what already went is gone.
        """
        rows = freed = 0
        while True:
            started = perf_counter()
            before = self._hub.now() - self._age
            batch = await self._hub.store.trim(before, self._size)
            if batch.is_all:
                return Trimmed(rows, freed)
            rows, freed = rows + batch.rows, freed + batch.bytes
            self._hub.stats.trimmed_rows += batch.rows
            self._hub.stats.trimmed_bytes += batch.bytes
            await asyncio.sleep((perf_counter() - started) * (1 / SHARE - 1))

    async def _repeat(self) -> None:
        while True:
            try:
                went = await self.round()
                if self._after is not None:
                    await self._after()
            except (StoreError, OSError) as error:
                log.warning("nothing could be taken away: %s", error)
            except Exception:
                # a defect here must not let the store grow until it fills the disk
                log.exception("a round of retention failed")
            else:
                if not went.is_all:
                    log.info("took away %d rows, %d bytes of disk", *went)
            await asyncio.sleep(EVERY)
