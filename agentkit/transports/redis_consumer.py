"""What one subscription of one process takes of the stream, and in which order."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Final

from agentkit.transports.redis_link import Commands
from agentkit.transports.redis_streams import BACK, Entry, Group, Shelf

FETCHED: Final = 32
"""Entries that are taken at once, if the subscription's limits allow as many."""


class Consumer:
    """Takes entries, keeps them its own until they are acknowledged, gives them back.

    Args:
        commands: the connection.
        shelf: where the stream is.
        group: the name that all have who share the work.
        me: the name of this one among them.
        most: entries that are taken and not acknowledged.
    """

    def __init__(
        self, commands: Commands, shelf: Shelf, *, group: str, me: str, most: int
    ) -> None:
        self._commands = commands
        self._shelf = shelf
        self._group = Group(commands, shelf.events, group, me)
        self._most = min(most, FETCHED)
        self._held: set[bytes] = set()
        """The ids of what is ours and not acknowledged."""
        self._joined = False
        self._rung = asyncio.Event()
        self._sweep_at = 0.0

    def ring(self, why: bytes) -> None:
        """Tell that there is something to take, as the bell has it."""
        if why == BACK:
            self._sweep_at = 0.0
        self._rung.set()

    async def batches(self) -> AsyncGenerator[list[Entry], None]:
        """Yield what is there and what comes, in order.

        What dead consumers left, and what was ours on an earlier connection, comes
        before what is new. Without a bell there is a look every half a lease. When it
        is closed, what is not acknowledged is given back.

        Raises:
            RedisError, OSError: the server refuses it, or the connection broke.
        """
        keeping = asyncio.create_task(self._keep())
        try:
            while True:
                self._rung.clear()
                async with aclosing(self._round()) as found:
                    async for entries in found:
                        yield entries
                await self._wait()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await self._give_back()

    def holds(self, entry: Entry) -> bool:
        """Say whether an entry is still ours to handle."""
        return entry.id in self._held

    async def acknowledge(self, *entries: Entry) -> None:
        """Be done with entries, for the whole group.

        Raises:
            RedisError, OSError: the server refuses it, or the connection broke.
        """
        ids = {entry.id for entry in entries}
        await self._group.acknowledge(ids)
        self._held -= ids

    # --- Taking -----------------------------------------------------------------------

    async def _round(self) -> AsyncGenerator[list[Entry], None]:
        """Yield what was left, if it is time to look, and then some of what is new."""
        from redis.exceptions import ResponseError

        try:
            await self._join()
            now = asyncio.get_running_loop().time()
            if now >= self._sweep_at:
                self._sweep_at = now + self._shelf.lease / 2
                async with aclosing(self._left()) as left:
                    async for entry in left:
                        yield [entry]
            if entries := await self._group.new(self._most):
                self._rung.set()
                self._held.update(entry.id for entry in entries)
                yield entries
        except ResponseError as refusal:
            if not str(refusal).startswith("NOGROUP"):
                raise
            self._rung.set()
            self._joined = False

    async def _join(self) -> None:
        """Be in the group; what is ours since an earlier connection is anybody's."""
        if not self._joined:
            await self._group.join()
            old = await self._group.mine(10 * FETCHED) - self._held
            await self._group.mark(old, self._lease)
            self._joined = True

    async def _left(self) -> AsyncGenerator[Entry, None]:
        """Claim what others have left, one by one.

        So, of what a crash leaves behind, only what is handled next counts as given
        once more.
        """
        after = b""
        while pending := await self._group.left(self._lease, after):
            for one in pending:
                if one.id in self._held:
                    continue
                if entry := await self._group.claim(one, self._lease):
                    self._held.add(entry.id)
                    yield entry
            after = pending[-1].id

    async def _wait(self) -> None:
        """Return when there may be something new, or it is time to look for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._sweep_at):
                await self._rung.wait()

    # --- Keeping ----------------------------------------------------------------------

    async def _keep(self) -> None:
        """Say again and again that what we hold is ours."""
        from redis.exceptions import RedisError

        while True:
            await asyncio.sleep(self._shelf.lease / 3)
            with suppress(RedisError, OSError):
                await self._mark(idle=0)

    async def _give_back(self) -> None:
        """Let others have at once what we hold, and go."""
        from redis.exceptions import RedisError

        with suppress(RedisError, OSError):
            await self._mark(idle=self._lease)
            await self._group.leave()
            if self._held:
                await self._commands.ask(*self._shelf.ringing(BACK))

    async def _mark(self, idle: int) -> None:
        """Set when what we hold was last heard of.

        What others took, since we were silent for too long, is not ours any more.
        """
        if self._held:
            self._held &= await self._group.mine(10 * FETCHED)
            await self._group.mark(self._held, idle)

    @property
    def _lease(self) -> int:
        """The lease in milliseconds."""
        return int(self._shelf.lease * 1000)
