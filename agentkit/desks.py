"""Where mail waits for its handler: one after the other, or several at once."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from agentkit.errors import AgentkitError
from agentkit.shelf import Key, Mail

log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[Mail], Awaitable[None]]
Hand: TypeAlias = Callable[[Handler, Key], Awaitable[None]]

DISK_PAUSE: Final = 10.0
"""Seconds until mail is handed out again whose state could not be written down."""


class Desk:
    """Mail of one kind, and the handler that works through it, one after the other.

    Args:
        name: what the mail is.
        hand: lets a handler have mail until it is finished, one way or the other.
    """

    def __init__(self, name: str, hand: Hand) -> None:
        self.name = name
        self._hand = hand
        self._handler: Handler | None = None
        self._mail: deque[Key] = deque()
        self._there = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    def put(self, key: Key) -> None:
        """Add mail; without a handler it stays until there is one."""
        self._mail.append(key)
        self._there.set()

    def register(self, handler: Handler) -> None:
        """Let a handler have the mail, in place of an older one."""
        self._handler = handler
        self._there.set()

    @property
    def is_staffed(self) -> bool:
        """Whether it has a handler."""
        return self._handler is not None

    def open(self) -> None:
        """Begin to hand out mail."""
        self._worker = asyncio.create_task(self._work(), name=f"on_{self.name}")

    def close(self) -> None:
        """Stop handing out mail; a handler that is at work is cancelled."""
        if self._worker is not None:
            self._worker.cancel()

    async def _work(self) -> None:
        while True:
            handler = await self._staffed()
            await self._see_to(handler, self._mail[0])
            self._mail.popleft()

    async def _staffed(self) -> Handler:
        """Wait until there is mail, and somebody to handle it."""
        while self._handler is None or not self._mail:
            self._there.clear()
            await self._there.wait()
        return self._handler

    async def _see_to(self, handler: Handler, key: Key) -> None:
        """Hand mail out until what became of it is kept."""
        while True:
            try:
                await self._hand(handler, key)
            except AgentkitError:  # the disk is full: it was said, and may pass
                await asyncio.sleep(DISK_PAUSE)
            else:
                return


class StandIn:
    """Handles mail for which nobody has registered a handler, and says so once.

    Args:
        name: what the mail is.
        handler: handles it.
    """

    def __init__(self, name: str, handler: Handler) -> None:
        self._name = name
        self._handler = handler
        self._said = False

    async def __call__(self, mail: Mail) -> None:
        """Handle mail."""
        if not self._said:
            self._said = True
            log.warning(
                "nobody handles %s %s, and those that follow: register a handler with "
                "on_%s",
                *(self._name, mail.ref, self._name),
            )
        await self._handler(mail)


async def pass_over(_: Mail) -> None:
    """Do nothing: nobody waits for what it says."""


class OpenDesk(Desk):
    """A desk that begins with the next before the last is finished.

    Args:
        name: what the mail is.
        hand: lets a handler have mail until it is finished, one way or the other.
        at_once: how many are handled at the same time.
    """

    def __init__(self, name: str, hand: Hand, at_once: int) -> None:
        super().__init__(name, hand)
        self._room = asyncio.Semaphore(at_once)
        self._running: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Stop handing out mail; handlers that are at work are cancelled."""
        super().close()
        for task in self._running:
            task.cancel()

    async def _work(self) -> None:
        while True:
            await self._room.acquire()
            handler = await self._staffed()
            self._begin(handler, self._mail.popleft())

    def _begin(self, handler: Handler, key: Key) -> None:
        task = asyncio.create_task(self._see_to(handler, key), name=f"on_{self.name}")
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._room.release()
