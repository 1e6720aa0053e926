"""Results while a hub runs: who waits for one, which files are in use, what goes.

A row names its file, and a file is on the disk before its row is. Whatever ends between
the two, or takes a row away, leaves a file that nobody refers to; the sweep removes it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from agentkit.addresses import Address
from agentkit.errors import HubUnavailable, NotAllowed
from agentkit.rows import Result
from server.auth import Principal
from server.core.results import may_write, of_the_run
from server.hub import Hub, Pushed
from server.store import result_files
from server.store.result_files import Content, LostFile, ResultFiles

INLINE: Final = 64 << 10
"""Bytes of JSON up to which a result is in its row."""

log = logging.getLogger("swarmtui.hub")


class Results:
    """What the endpoints of results share; a subscriber of the hub.

    `open` it once the hub has started.
    """

    def __init__(self, hub: Hub) -> None:
        self.load = result_files.Load()
        """How much lies in files."""
        self._hub = hub
        self._waiting: dict[Address, set[asyncio.Future[None]]] = {}
        self._stopping = False
        self._step = asyncio.Lock()
        """Held while a file is removed, and while one is declared to be in use."""
        self._pins: Counter[str] = Counter()
        """Files whose rows are on their way to the store."""
        self._touched: set[str] = set()
        """Files that were pinned since the sweep began, while there is one."""
        self._sweeping = False
        self._copies = 0
        """Copies of the store that are being made; they need every file."""
        self._stale = True
        """Whether there may be something to sweep."""
        self._trimmed = 0

    async def open(self) -> None:
        """Remove what a killed hub left, and hear of what is written from now on.

        Raises:
            StoreError: the store cannot be read.
            OSError: the files cannot be.
        """
        await asyncio.to_thread(result_files.sweep_drafts, self.files.folder)
        await self.sweep()
        self._hub.subscribe(self)

    @property
    def files(self) -> ResultFiles:
        """Where large ones lie."""
        return self._hub.store.result_files

    @property
    def waiting(self) -> int:
        """How many wait for a result."""
        return sum(map(len, self._waiting.values()))

    # --- reading ---

    async def find(self, address: Address) -> Result | None:
        """Return what is there: a checkpoint of a run, or what was written.

        What a run leads to is there when it has ended, and not while it goes on after
        it was resumed or retried.

        Raises:
            StoreError: the store cannot be read.
        """
        store = self._hub.store
        run = await store.run(address.run) if address.is_reserved else None
        if run is not None and address.is_checkpoint:
            return await self._checkpoint(address)
        if run is not None and not run.is_settled:
            return None
        row = await store.result(*address)
        return None if row is None or row.deleted else row

    async def _checkpoint(self, address: Address) -> Result | None:
        row = await self._hub.store.checkpoint(address.run, address.number)
        if row is None:
            return None
        return Result(**address._asdict(), at=row.at, value=row, version=row.version)

    async def find_within(self, address: Address, seconds: float) -> Result | None:
        """Return what is there, or comes to be there in so many seconds.

        Raises:
            HubUnavailable: the hub stops.
            StoreError: the store cannot be read.
        """
        bell = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(address, set()).add(bell)
        try:
            row = await self.find(address)
            if row is not None or not seconds:
                return row
            if not self._stopping:
                await asyncio.wait([bell], timeout=seconds)
            if self._stopping:
                raise HubUnavailable("the hub is stopping: ask again in a moment")
            return await self.find(address)
        finally:
            bell.cancel()
            self._forget(address, bell)

    async def open_content(self, row: Result) -> tuple[Result, Content]:
        """Open the file of a row; of the row that took its place if it was replaced.

        Raises:
            LostFile: the file is missing, or something else took the place.
            OSError: it cannot be read.
        """
        while True:
            try:
                return row, await asyncio.to_thread(self.files.open, row.file)
            except LostFile:
                newer = await self.find(Address(row.run, row.name))
                if newer is None or newer.version == row.version or not newer.file:
                    raise
                row = newer

    def push(self, pushed: Pushed) -> None:
        """Wake whoever waits for what was written."""
        if not self._waiting:
            return
        for (run, name), row in pushed.turn.rows.results.items():
            if not row.deleted:
                self._ring(Address(run, name))
        for run, number in pushed.turn.rows.checkpoints:
            self._ring(Address(run, "checkpoint"))
            self._ring(Address(run, f"checkpoint/{number}"))

    def release(self) -> None:
        """End every wait: the hub stops."""
        self._stopping = True
        for address in tuple(self._waiting):
            self._ring(address)

    def _ring(self, address: Address) -> None:
        for bell in self._waiting.get(address, ()):
            if not bell.done():
                bell.set_result(None)

    def _forget(self, address: Address, bell: asyncio.Future[None]) -> None:
        bells = self._waiting[address]
        bells.discard(bell)
        if not bells:
            del self._waiting[address]

    # --- writing ---

    async def require_writer(self, principal: Principal, address: Address) -> None:
        """Refuse whoever may not write there.

        Raises:
            NotAllowed: an agent that works on something else.
            Conflict: the run itself writes there.
        """
        agent = principal.agent
        if principal.role == "agent" and not await self._hub.ask(
            lambda swarm: may_write(swarm, agent, address.run)
        ):
            raise NotAllowed(
                f"agent {agent!r} has no work of {address.run!r}: it writes under its "
                "own name, and those of the tasks and runs that it has leases of"
            )
        if address.is_reserved and await self._hub.store.run(address.run):
            raise of_the_run(address)

    @asynccontextmanager
    async def pinned(self, digest: str) -> AsyncIterator[None]:
        """Keep the sweep away from a file until its row is on the disk."""
        self._pins[digest] += 1
        try:
            async with self._step:
                if self._sweeping:
                    self._touched.add(digest)
            yield
        except BaseException:
            self._stale = True
            raise
        finally:
            self._pins[digest] -= 1
            self._pins += Counter()

    def grew(self, size: int) -> None:
        """Count a file that was kept."""
        self.load = result_files.Load(self.load.files + 1, self.load.bytes + size)

    def replaced(self, row: Result | None) -> None:
        """Note that a row is gone, and its file with it."""
        self._stale = self._stale or bool(row and row.file)

    # --- what goes ---

    @asynccontextmanager
    async def unswept(self) -> AsyncIterator[None]:
        """Keep every file that there is, for as long as the block runs."""
        self._copies += 1
        try:
            async with self._step:
                pass
            yield
        finally:
            self._copies -= 1

    async def sweep(self) -> int:
        """Remove every file that no row refers to; return how many those were.

        Raises:
            StoreError: the store cannot be read.
            OSError: a file cannot be removed.
        """
        trimmed = self._hub.stats.trimmed_rows
        if not self._stale and trimmed == self._trimmed:
            return 0
        self._stale, self._trimmed = False, trimmed
        self._sweeping, self._touched = True, set(self._pins)
        try:
            removed = await self._sweep(self.files.folder)
        except BaseException:
            self._stale = True
            raise
        finally:
            self._sweeping, self._touched = False, set()
        if removed:
            log.info("took away %d files of results", removed)
        return removed

    async def _sweep(self, folder: Path) -> int:
        wanted = await self._hub.store.files()
        there = await asyncio.to_thread(lambda: list(result_files.names(folder)))
        removed = 0
        for name in there:
            if result_files.digest_of(name) not in wanted:
                removed += await self._remove(name)
        self.load = await asyncio.to_thread(result_files.load, folder)
        return removed

    async def _remove(self, name: str) -> bool:
        async with self._step:
            if self._copies or result_files.digest_of(name) in self._touched:
                self._stale = True
                return False
            await asyncio.to_thread(result_files.remove, self.files.folder, name)
            return True

    async def problems(self, most: int) -> list[str]:
        """Read every file that a row refers to; say what is wrong, at most so much.

        Raises:
            StoreError: the store cannot be read.
            OSError: a file cannot be.
        """
        found: list[str] = []
        for digest in sorted(await self._hub.store.files()):
            said = await asyncio.to_thread(self.files.examine, digest)
            if said and digest in await self._hub.store.files():
                found.append(said)
            if len(found) >= most:
                break
        return found
