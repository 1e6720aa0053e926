"""The two connections to a Redis server: one that asks and one that listens.

Both are redis-py's, told not to retry and not to reconnect by themselves: what is said
twice is published twice, and what becomes of a link is for the transport to tell.
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

QUIET: Final = 10.0
"""Seconds without a message after which a listener asks whether it is still heard."""

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


# --- Asking ---------------------------------------------------------------------------


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
        self._filled.set()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        """Send what is asked until closed.

        To be cancelled is not enough: `asyncio.wait_for`, which redis-py sends with,
        may swallow that before Python 3.12.
        """
        try:
            while not self._closed:
                await self._filled.wait()
                await self._send(self._next())
        finally:
            await self._fail([], Closed())

    def _call(self, words: Words) -> asyncio.Future[Any]:
        call = _Call(words, asyncio.get_running_loop().create_future())
        if self._closed:
            call.answer(Closed())
        elif self._task is None:
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


# --- Listening ------------------------------------------------------------------------


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
            RedisError, OSError: the server refuses it, or the connection broke.
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
        async with self._sending:
            if self._closed:
                raise Closed
            self._asked.append(confirmed)
            await self._connection.send_command(*self._words(un, pattern))
        await confirmed

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
