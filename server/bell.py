"""Wakes whoever reads the log as it grows, when what it waits for was written."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from agentkit.subjects import Trie
from server.hub import Pushed


class Bell:
    """Wakes one who waits for events of certain subjects."""

    __slots__ = ("_rung", "since", "stopped")

    def __init__(self) -> None:
        self.since = 0
        """The log has nothing to wait for between what was read and this cursor."""
        self.stopped = ""
        """Why whoever waits should wait no more."""
        self._rung = asyncio.Event()

    def ring(self, cursor: int) -> None:
        """Say that the log has an event of these subjects at a cursor."""
        if not self._rung.is_set():
            self.since = cursor - 1
            self._rung.set()

    def stop(self, reason: str) -> None:
        """Wake who waits for the last time."""
        self.stopped = reason
        self._rung.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for an event; False when none came for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        rung = self._rung.is_set()
        self._rung.clear()
        return rung


class Bells:
    """The bells of a hub, by what each is to ring for; a subscriber of the hub."""

    def __init__(self) -> None:
        self._wanted: Trie[Bell] = Trie()
        self._all: set[Bell] = set()
        self._stopped = ""

    @contextmanager
    def ringing(self, pattern: str) -> Iterator[Bell]:
        """Ring a bell for every event that a pattern matches, while the block runs.

        Raises:
            Invalid: the pattern is malformed.
        """
        bell = Bell()
        bell.stopped = self._stopped
        self._wanted.add(pattern, bell)
        self._all.add(bell)
        try:
            yield bell
        finally:
            self._all.discard(bell)
            self._wanted.remove(pattern, bell)

    def push(self, pushed: Pushed) -> None:
        """Ring for the events of a turn."""
        if not self._all:
            return
        for cursor, event in pushed.turn.events:
            for bell in self._wanted.match(event.subject):
                bell.ring(cursor)

    def stop(self, reason: str) -> None:
        """Ring all of them for the last time; later ones begin stopped."""
        self._stopped = reason
        for bell in self._all:
            bell.stop(reason)
