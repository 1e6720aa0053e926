"""A WebSocket that may be written to from anywhere, without waiting.

uvicorn's own class does the protocol. This one adds what ten thousand connections need:
frames made once and written to many, a look at whether the peer keeps up, a call when
it does again, pings from one sweeper instead of a timer each, and no work for the
garbage collector when a connection ends.
"""

import asyncio
import struct
from collections.abc import Callable, Iterable
from typing import Any, Final, cast
from weakref import ref

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)
from websockets.http11 import Request

from agentkit.transports.metrics import Tally
from server.limits import Seat

EXTENSION: Final = "swarmtui.connection"
"""Under which of the scope's extensions an endpoint finds its connection."""

NOT_UTF8: Final = 1007
RESTARTING: Final = 1012
BAD_FRAME: Final = 4400
UNKNOWN: Final = 4401
NOT_YOURS: Final = 4403
TOO_SLOW: Final = 4408
REPLACED: Final = 4409

REASON_BYTES: Final = 123
"""How long the reason of a close may be (RFC 6455, 5.5)."""

UNREADABLE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)
"""What answers a handshake with more or longer headers than websockets reads."""

CHUNK: Final = 200
"""Connections that are written to before others get their turn."""

ABORT_AFTER: Final = 1.0
"""Seconds from the close of a connection that does not answer to its end."""


def text_frame(text: bytes) -> bytes:
    """Return a whole, unmasked text frame, as a server sends it (RFC 6455, 5.2)."""
    size = len(text)
    if size < 126:
        return b"\x81%c%b" % (size, text)
    if size < 1 << 16:
        return b"\x81\x7e" + struct.pack("!H", size) + text
    return b"\x81\x7f" + struct.pack("!Q", size) + text


class Connection(WebSocketsSansIOProtocol):
    """One WebSocket of an agent or a watcher."""

    on_writable: Callable[[], None] | None = None
    """Called when the peer keeps up again after it did not."""
    on_text: Callable[[bytes], bool] | None = None
    """Offered a text when no other waits for the endpoint; says whether it took it.

    What it does not take is what the endpoint receives. So a short work is done as its
    text arrives, without waking a task, and what must wait goes the long way."""
    seat: Seat | None = None
    """Its place among the connections that may be open."""
    tally: Tally | None = None
    """What counts its frames, with those of others of its kind."""
    end: str = ""
    """Why the hub closed it, for whoever tells that it is gone."""

    @classmethod
    def of(cls, scope: Scope) -> "Connection":
        """Return the connection that an endpoint was called for."""
        return cast(Connection, scope["extensions"][EXTENSION]())

    @property
    def congested(self) -> bool:
        """Whether the peer does not keep up: what is written now piles up."""
        return not self.writable.is_set()

    @property
    def is_open(self) -> bool:
        """Whether frames may be written."""
        return self.handshake_complete and not (
            self.close_sent or self.disconnected or self.transport.is_closing()
        )

    def widen(self, size: int) -> None:
        """Let messages that come have so many bytes, if they could not before."""
        self.conn.max_message_size = max(self.conn.max_message_size or size, size)

    async def drained(self) -> None:
        """Wait until the peer keeps up, or is gone."""
        await self.writable.wait()

    def send_frame(self, frame: bytes, count: int = 1) -> None:
        """Write `count` frames of `text_frame`; a closed connection ignores them."""
        if self.is_open:
            self.transport.write(frame)
            if self.tally is not None:
                self.tally.published += count
                self.tally.bytes_out += len(frame)

    def send_text(self, text: bytes) -> int:
        """Write a text and return its size; a closed connection ignores it."""
        self.send_frame(text_frame(text))
        return len(text)

    def close(self, code: int, reason: str) -> None:
        """Close with a code and a reason; the endpoint's `receive` then says so."""
        if not self.is_open:
            return
        self.end = self.end or reason
        self._say_close(code, reason)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(
            self.close_timeout, self.transport.close
        )

    def ping(self) -> None:
        """Ping the peer; close when it left the last ping unanswered."""
        if not self.is_open:
            return
        if self.pending_ping_payload is not None:
            self.end = "it left a ping unanswered"
            self._say_close(TOO_SLOW, "a ping was left unanswered: connect again")
            self.close_timer = self.loop.call_later(ABORT_AFTER, self.transport.abort)
            return
        self.pending_ping_payload = b"ping"
        self.conn.send_ping(self.pending_ping_payload)
        self._flush()

    def shutdown(self) -> None:
        """Tell the peer to come back later: the server stops."""
        if self.is_open:
            self.end = "the hub stopped"
            self.close(RESTARTING, "the hub is restarting: connect again in a moment")
            self.transport.close()
        else:
            super().shutdown()

    def handle_connect(self, event: Request) -> None:
        """Let the endpoint find this object."""
        super().handle_connect(event)
        if not self.handshake_complete:
            extensions = cast(dict[str, Any], self.scope["extensions"])
            extensions[EXTENSION] = ref(self)

    def handle_ping(self) -> None:
        """Answer, unless the peer does not read: then answers would only pile up."""
        if self.congested:
            self.conn.data_to_send()
        else:
            super().handle_ping()

    def check_handshake(self) -> None:
        """Refuse a handshake that could not be read; else nobody would."""
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(UNREADABLE)
            self.transport.close()

    def send_receive_event_to_app(self) -> None:
        """Queue a message for the endpoint, unless it is taken in passing."""
        if self.tally is not None:
            self.tally.received += 1
            self.tally.bytes_in += sum(map(len, self.frames))
        if self._taken():
            self.frames = []
        elif self.curr_msg_data_type == "text" and not _is_utf8(self.frames):
            self.frames = []
            self.close(NOT_UTF8, "a text came that is not UTF-8: send JSON as UTF-8")
        else:
            super().send_receive_event_to_app()

    def _taken(self) -> bool:
        return (
            self.on_text is not None
            and self.curr_msg_data_type == "text"
            and self.queue.empty()
            and self.is_open
            and self.on_text(b"".join(self.frames))
        )

    def resume_writing(self) -> None:
        """Note that the peer keeps up again."""
        super().resume_writing()
        if self.on_writable is not None:
            self.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the cycles apart, so that nothing waits for the garbage collector."""
        super().connection_lost(exc)
        if self.seat is not None:
            self.seat.leave()
        self.on_writable = None
        self.conn.parser.close()

    def _say_close(self, code: int, reason: str) -> None:
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": code, "reason": reason}
        )
        self.conn.send_close(code, shorten(reason))
        self._flush()
        self.close_sent = True

    def _flush(self) -> None:
        self.transport.write(b"".join(self.conn.data_to_send()))


def _is_utf8(frames: Iterable[bytes]) -> bool:
    try:
        b"".join(frames).decode()
    except UnicodeDecodeError:
        return False
    return True


def shorten(reason: str) -> str:
    """Return as much of a reason as a close frame can carry."""
    if len(reason.encode()) <= REASON_BYTES:
        return reason
    return reason.encode()[: REASON_BYTES - 3].decode(errors="ignore") + "…"


async def sweep(connections: Iterable[Connection]) -> None:
    """Ping all connections, in chunks, so that nobody else waits for it."""
    for number, connection in enumerate(tuple(connections), start=1):
        connection.ping()
        if number % CHUNK == 0:
            await asyncio.sleep(0)
