"""One connection to a NATS server, on which nothing is taken for granted.

NATS confirms neither what is published nor what is subscribed to. So we publish to
ourselves what the server brings back in turn: when it does, it has read all that was
said before. nats-py's `flush` does not tell that: its PING overtakes what waits to be
sent.
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

from agentkit.transports.nats_address import QUIET, TIMEOUT
from agentkit.transports.nats_errors import is_of_nats

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription as Listener

T = TypeVar("T")

_REFUSED: Final = re.compile(r'(?i)permissions violation for \w+ to "([^"]+)"')
"""What a server says when we may not publish on a subject, or subscribe to one."""


class Link:
    """A client that is connected, until `end`.

    What it raises is what nats-py raises.

    Args:
        client: nats-py's.
        echo: a subject that only this link listens to.
        lost: is called if the server does not answer any more.
    """

    def __init__(self, client: "Client", echo: str, lost: Callable[[], None]) -> None:
        self.client = client
        self._echo = echo
        self._lost = lost
        self._echoes: deque[asyncio.Future[None]] = deque()
        """Who waits for each of the echoes that are to come."""
        self._next: asyncio.Task[None] | None = None
        """The echo that is about to be sent."""
        self._awaited: set[asyncio.Task[Any]] = set()
        self._refused: dict[str, Exception] = {}
        """What the server said to what we may not do, by subject."""

    async def begin(self) -> None:
        """Listen for echoes, and watch that they come."""
        await self.listen(self._echo, self._echoed)
        self._start(self._watch())

    def end(self) -> None:
        """Let nobody wait any longer for what will not come."""
        for task in self._awaited:
            task.cancel()

    async def publish(self, subject: str, payload: bytes) -> None:
        """Publish a payload; return when the server has it."""
        await self.client.publish(subject, payload)
        await self._confirm(subject)

    async def listen(
        self, subject: str, heard: "Callable[[Msg], Awaitable[None]]"
    ) -> "Listener":
        """Subscribe; return when the server knows."""
        listener = await self.client.subscribe(subject, cb=heard)
        await self._confirm(subject)
        return listener

    def refuse(self, error: Exception) -> bool:
        """Take in what the server says; return whether that is told by who asked."""
        if subject := _REFUSED.search(str(error)):
            self._refused[subject[1].lower()] = error
        return bool(subject)

    async def _confirm(self, subject: str) -> None:
        """Return when the server has read all that was said so far.

        What it says against it comes before the echo.
        """
        error: Exception | None = None
        try:
            await self._sync()
        except TimeoutError as silence:
            error = silence
        if error := self._refused.pop(subject.lower(), error):
            raise error

    async def _sync(self) -> None:
        if self._next is None:
            self._next = self._start(self._call())
        await self._settled(self._next)

    async def answered(self, wish: Coroutine[Any, Any, T]) -> T:
        """Return what a wish does, unless the link ends first."""
        return await self._settled(self._start(wish))

    def _start(self, wish: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(wish)
        self._awaited.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._awaited.discard(task)
        if not task.cancelled():
            task.exception()  # is told to whoever waits; nobody may any more

    async def _settled(self, task: asyncio.Task[T]) -> T:
        """Return what a task that others may wait for does, unless the link ends."""
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise ConnectionResetError("the connection was lost") from None
            raise

    async def _watch(self) -> None:
        """See now and then whether the server is there: nats-py may forget to tell."""
        try:
            while True:
                await asyncio.sleep(QUIET)
                await self._sync()
        except Exception as error:
            if not is_of_nats(error):
                raise
            self._lost()

    async def _call(self) -> None:
        """Send one echo for all who want to know by now, and wait for it."""
        self._next = None
        echo = asyncio.get_running_loop().create_future()
        self._echoes.append(echo)
        await self.client.publish(self._echo)
        async with asyncio.timeout(TIMEOUT):
            await echo

    async def _echoed(self, _: "Msg") -> None:
        echo = self._echoes.popleft()
        if not echo.done():
            echo.set_result(None)
