"""A connection to a Redis server, and commands sent over it in their order.

It is redis-py's, told not to retry and not to reconnect by itself: what is said twice
is published twice, and what becomes of a link is for the transport to tell.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from redis.asyncio import Connection

TIMEOUT: Final = 2.0
"""Seconds that a server may take to let us in, and to answer a command."""

BATCH: Final = 256
"""Commands that are sent in one go."""

BATCH_BYTES: Final = 2**20
"""Bytes of them, or one command; it has to be through within `TIMEOUT`."""

Words: TypeAlias = tuple[str | bytes | int, ...]
"""A command and its arguments."""


class Closed(OSError):
    """We have hung up ourselves."""

    def __str__(self) -> str:
        """Return what happened."""
        return "the connection was closed"


async def hang_up(connection: "Connection | None") -> None:
    """Close a connection, whatever state it is in."""
    from redis.exceptions import RedisError

    if connection is not None:
        with suppress(RedisError, OSError):
            await connection.disconnect(nowait=True)


@dataclass(frozen=True, slots=True)
class _Call:
    """A command, and who waits for the reply to it."""

    words: Words
    reply: asyncio.Future[Any]

    def answer(self, reply: object) -> None:
        """Tell the reply; an error is raised where it is awaited."""
        if self.reply.done():
            return
        if isinstance(reply, Exception):
            self.reply.set_exception(reply)
        else:
            self.reply.set_result(reply)


class Commands:
    """Sends commands in the order in which they are asked, many at a time.

    Args:
        connect: returns a connection that the server has answered on, or raises.
    """

    def __init__(self, connect: "Callable[[], Awaitable[Connection]]") -> None:
        self._connect = connect
        self._calls: deque[_Call] = deque()
        self._filled = asyncio.Event()
        self._connection: Connection | None = None
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    async def ask(self, *words: str | bytes | int) -> Any:
        """Send a command and return the reply to it, as bytes, numbers and lists.

        Raises:
            RedisError, OSError: the server refuses it, does not answer within
                `TIMEOUT`, or the connection broke; then nobody knows whether it was
                done.
        """
        return await self._call(words)

    async def ask_all(self, *commands: Words) -> list[Any]:
        """Send commands one after the other; return the replies.

        Raises:
            RedisError, OSError: as for `ask`, from the first that fails.
        """
        return await asyncio.gather(*map(self._call, commands))

    async def close(self) -> None:
        """Hang up; what still waits for a reply is told that there will be none."""
        self._closed = True
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        """Send what is asked until cancelled."""
        try:
            while True:
                await self._filled.wait()
                await self._send(self._next())
        finally:
            await self._fail([], Closed())

    def _call(self, words: Words) -> asyncio.Future[Any]:
        call = _Call(words, asyncio.get_running_loop().create_future())
        if self._closed:
            call.answer(Closed())
            return call.reply
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        self._calls.append(call)
        self._filled.set()
        return call.reply

    def _next(self) -> list[_Call]:
        """Return what to send now, without what nobody waits for any more."""
        calls: list[_Call] = []
        size = 0
        while self._calls and len(calls) < BATCH and size < BATCH_BYTES:
            call = self._calls.popleft()
            if not call.reply.done():
                calls.append(call)
                size += len(call.words[-1]) if isinstance(call.words[-1], bytes) else 0
        if not self._calls:
            self._filled.clear()
        return calls

    async def _send(self, calls: list[_Call]) -> None:
        """Send commands and tell the replies; afterwards each one is answered."""
        if not calls:
            return
        try:
            async with asyncio.timeout(TIMEOUT):
                if self._connection is None:
                    self._connection = await self._connect()
                await _converse(self._connection, calls)
        except Exception as error:  # noqa: BLE001 - raised where the reply is awaited
            await self._fail(calls, error)
        except asyncio.CancelledError:
            await self._fail(calls, Closed())
            raise

    async def _fail(self, calls: list[_Call], error: Exception) -> None:
        """Tell an error to those whose command was sent and to all that wait."""
        for call in (*calls, *self._calls):
            call.answer(error)
        self._calls.clear()
        connection, self._connection = self._connection, None
        await hang_up(connection)


async def _converse(connection: "Connection", calls: list[_Call]) -> None:
    """Send commands and tell the replies, in order."""
    from redis.exceptions import ResponseError

    words = [call.words for call in calls]
    await connection.send_packed_command(connection.pack_commands(words))
    for call in calls:
        try:
            call.answer(await connection.read_response())
        except ResponseError as refusal:
            call.answer(refusal)
