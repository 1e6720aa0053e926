"""A connection to a Redis server on which the messages of channels come in."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from agentkit.transports.redis_link import TIMEOUT, Closed, Words, hang_up

if TYPE_CHECKING:
    from redis.asyncio import Connection

QUIET: Final = 10.0
"""Seconds without a message after which it is asked whether the server is there."""


class Listener:
    """One connection on which the messages of channels come in.

    Args:
        connection: one that the server has answered on.
        prefix: what the names of all our channels begin with, and a colon.
    """

    def __init__(self, connection: "Connection", prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._asked: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._sending = asyncio.Lock()
        self._pinged = False

    async def listen(self, pattern: str) -> None:
        """Ask for a subject, for what lies below one, or for all; see `Cover`.

        It returns when the server has confirmed it, for which `receive` must be going
        on, or when the listener is closed.

        Raises:
            RedisError, OSError: the server refuses it, or does not answer in time, with
                which the listener is closed.
        """
        await self._ask("", pattern)

    async def unlisten(self, pattern: str) -> None:
        """Undo `listen`, in the same way."""
        await self._ask("UN", pattern)

    async def receive(self) -> tuple[bytes, bytes]:
        """Return the next message: what it was listened to by, and what it says.

        The first is the channel, or the pattern of channels as Redis has it.

        Raises:
            RedisError, OSError: the connection broke, or nothing is heard.
        """
        while True:
            match await self._read():
                case [b"message", channel, payload]:
                    return channel, payload
                case [b"pmessage", pattern, _, payload]:
                    return pattern, payload
                case [b"pong", _]:
                    pass
                case _:
                    self._confirm(None)

    async def close(self) -> None:
        """Hang up."""
        self._closed = True
        await hang_up(self._connection)
        while self._asked:
            self._confirm(None)

    async def _ask(self, un: str, pattern: str) -> None:
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(TIMEOUT):
                async with self._sending:
                    if self._closed:
                        raise Closed
                    self._asked.append(confirmed)
                    await self._connection.send_command(*self._words(un, pattern))
                await confirmed
        except TimeoutError:
            await self.close()
            raise

    def _words(self, un: str, pattern: str) -> Words:
        """Return the command for a pattern: the exact one where it is a subject."""
        if not pattern.endswith("**"):
            return (f"{un}SUBSCRIBE", f"{self._prefix}{pattern}")
        return (f"P{un}SUBSCRIBE", _literal(self._prefix + pattern[:-2]) + "*")

    async def _read(self) -> list[Any]:
        """Return what the server says next, and make sure that it is there.

        An error that it says is about what was asked for first.
        """
        from redis.exceptions import ResponseError, TimeoutError  # noqa: A004

        while True:
            try:
                said = await self._connection.read_response(timeout=QUIET)
            except ResponseError as refusal:
                self._confirm(refusal)
                continue
            if said is not None:
                self._pinged = False
                return list(said)
            if self._pinged:
                raise TimeoutError(f"nothing was heard for {2 * QUIET:.0f} s")
            self._pinged = True
            await self._connection.send_command("PING")

    def _confirm(self, refusal: Exception | None) -> None:
        """Tell who asked first that it was done, or refused."""
        confirmed = self._asked.popleft()
        if confirmed.done():
            return
        if refusal:
            confirmed.set_exception(refusal)
        else:
            confirmed.set_result(None)


def _literal(text: str) -> str:
    """Return a pattern of Redis' that matches exactly a text."""
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in text)
