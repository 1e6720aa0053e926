"""HTTP as uvicorn speaks it, with an end to everything that a stranger may draw out.

The parser itself takes a request line and headers of any length, from anybody, for as
long as it takes, and keeps them all. Here a connection is counted, a head has a size, a
request has a time to arrive and an answer a time to be read.
"""

import asyncio
from typing import Any, Final, Literal, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from server.asgi import CODES, PROBLEM, RequestError, problem
from server.connection import Connection
from server.limits import Seat
from server.office import Office

SLOW: Final = RequestError(
    408, "the request did not arrive in time: send it again, faster"
)
PACE: Final = 256 * 1024
"""Bytes of a body that arrive in the time for a request, if it is to have more time."""

UNREADABLE: Final = RequestError(400, "this is not HTTP/1.1: send a request")


class Lines(HttpToolsProtocol):
    """One connection of HTTP/1.1, which may become a WebSocket."""

    def __init__(
        self,
        office: Office,
        config: Config,
        server_state: ServerState,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(config, server_state, {}, loop)
        self._office = office
        self._seat: Seat | None = None
        self._at: Literal["start", "head", "body", "end"] = "start"
        """How much of a request has arrived."""
        self._head = 0
        """Bytes of the head that is arriving."""
        self._arrived = 0
        """Bytes that arrived since patience began."""
        self._refusal = UNREADABLE
        """What is said of a request that the parser was stopped in."""
        self._patience: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    # --- the connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it in, or refuse it."""
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        try:
            self._seat = self._office.crowd.enter(address)
        except RequestError as refusal:
            self._refuse(refusal)
            return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out."""
        super().connection_lost(exc)
        self._rest()
        self.resume_writing()
        if self._seat is not None:
            self._seat.leave()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection, and its place, to a WebSocket."""
        self._rest()
        super().handle_websocket_upgrade()
        socket = cast(Connection, self.transport.get_protocol())
        socket.seat, self._seat = self._seat, None
        socket.check_handshake()

    def pause_writing(self) -> None:
        """Wait for whoever does not read, but not for ever."""
        super().pause_writing()
        if self._stalled is None:
            seconds = self._office.settings.request_within
            self._stalled = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that it is read again."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    # --- what arrives ---

    def data_received(self, data: bytes) -> None:
        """Take what came; refuse a head that does not end."""
        self._arrived += len(data)
        if self._at == "head":
            self._head += len(data)
        super().data_received(data)
        if self._at == "head" and self._head > self._office.settings.max_head:
            self._refuse(self._too_large())
        elif self._at in ("head", "body") and self._patience is None:
            self._watch()
        elif self._at == "end":
            self._rest()

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._at, self._head = "head", 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Refuse a head that came in one piece and is too large all the same."""
        size = len(self.url)
        size += sum(len(name) + len(text) + 4 for name, text in self.headers)
        if size > self._office.settings.max_head:
            self._refusal = self._too_large()
            raise self._refusal
        if not self.url.startswith(b"/"):
            self._make_relative()
        self._at = "body"
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for nothing more."""
        self._at = "end"
        super().on_message_complete()

    def _make_relative(self) -> None:
        """Take the host of an absolute target for the Host header (RFC 9112, 3.2.2).

        Raises:
            RequestError: it is none that an origin server is asked for.
        """
        target = httptools.parse_url(self.url)
        scheme: bytes | None = target.schema
        name: bytes | None = target.host
        if (scheme or b"").lower() not in (b"http", b"https") or not name:
            self._refusal = RequestError(
                400, "the target of the request is no path: send one that begins with /"
            )
            raise self._refusal
        host = b"[%b]" % name if b":" in name else name
        self.headers[:] = [
            (key, host if key == b"host" else text) for key, text in self.headers
        ]
        self.url = target.path or b"/"
        if target.query is not None:
            self.url += b"?" + target.query

    # --- patience ---

    def _watch(self) -> None:
        seconds = self._office.settings.request_within
        self._arrived = 0
        self._patience = self.loop.call_later(seconds, self._too_slow)

    def _rest(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _too_slow(self) -> None:
        self._patience = None
        if self.transport.is_closing():
            return
        if self._is_answering() or (self._at == "body" and self._arrived >= PACE):
            self._watch()
        elif self._at == "start" or (
            self._at == "body" and self.cycle.response_started
        ):
            self.transport.close()
        else:
            self._refuse(SLOW)

    def _is_answering(self) -> bool:
        """Whether an earlier request on this line has not got its answer yet."""
        latest = cast("RequestResponseCycle | None", self.cycle)
        older = latest is not None and self._at == "head"
        return bool(self.pipeline) or (older and not self.cycle.response_complete)

    # --- refusals ---

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Refuse what the parser could not read, or was stopped in."""
        self._refuse(self._refusal)

    def _too_large(self) -> RequestError:
        return RequestError(
            431,
            "the request line and headers have more than "
            f"{self._office.settings.max_head} bytes: shorten them, or raise max_head",
        )

    def _refuse(self, refusal: RequestError) -> None:
        """Answer without the application, and close."""
        if self.transport.is_closing():
            return
        address = self.client[0] if self.client else ""
        text = str(refusal)
        self._office.turn_away(address, "a connection", refusal.status, text)
        body = problem(refusal.status, CODES[refusal.status], text)
        headers: tuple[tuple[bytes, Any], ...] = (
            (b"content-type", PROBLEM),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            *refusal.headers,
        )
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[refusal.status] + lines + b"\r\n" + body)
        self.transport.close()
