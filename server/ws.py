"""The door of the WebSockets: who may in, and the first frame."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.types import Receive, Scope, Send

from agentkit.errors import AgentkitError, HubUnavailable, Invalid
from server.asgi import CODES, PROBLEM, Head, RequestError, address_of, problem
from server.auth import Principal
from server.connection import BAD_FRAME, RESTARTING, TOO_SLOW, UNKNOWN, Connection
from server.office import Office
from server.wire import sentence

SUBPROTOCOL: Final = "swarm.v1"

T = TypeVar("T")


class CloseError(AgentkitError):
    """The connection cannot go on; it is closed with a code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.close_code = code


class Socket:
    """An accepted connection, as its endpoint sees it."""

    __slots__ = ("_patience", "_receive", "connection", "principal")

    def __init__(
        self,
        connection: Connection,
        principal: Principal,
        receive: Receive,
        patience: float,
    ) -> None:
        self.connection = connection
        self.principal = principal
        self._receive = receive
        self._patience = patience

    async def read(self) -> str | None:
        """Wait for a text; None when the connection is closed.

        Raises:
            CloseError: it was not text.
        """
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            return None
        text = message.get("text")
        if text is None:
            raise CloseError(BAD_FRAME, "a binary frame came: send JSON as text frames")
        return str(text)

    async def hello(self, shape: TypeAdapter[T]) -> T | None:
        """Wait for the first frame; None when the connection is closed.

        Raises:
            CloseError: it is not a hello, or did not come in time.
        """
        try:
            async with asyncio.timeout(self._patience):
                text = await self.read()
        except TimeoutError:
            raise CloseError(
                TOO_SLOW, f"no hello came within {self._patience:g} s: send it first"
            ) from None
        return None if text is None else parse(shape, text)


def parse(shape: TypeAdapter[T], text: str) -> T:
    """Read a frame.

    Raises:
        CloseError: it cannot be read.
    """
    try:
        return shape.validate_json(text)
    except ValidationError as refusal:
        raise CloseError(BAD_FRAME, sentence(refusal)) from None


Endpoint = Callable[[Office, Socket], Awaitable[None]]


async def serve_socket(
    office: Office, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send
) -> None:
    """Let a connection in, run its endpoint, and close with what ends it."""
    head = Head(scope)
    what = f"WebSocket {scope['path']}"
    await receive()
    try:
        _admit(office, head)
    except RequestError as refusal:
        office.turn_away(address_of(scope), what, refusal.status, str(refusal))
        await deny(send, refusal)
        return
    offered = scope["subprotocols"]
    chosen = SUBPROTOCOL if SUBPROTOCOL in offered else None
    await send({"type": "websocket.accept", "subprotocol": chosen})
    connection = Connection.of(scope)
    connection.tally = office.links.at(scope["path"]).tally
    office.connections.add(connection)
    try:
        _check_subprotocol(offered)
        patience = office.settings.hello_within
        principal = _who(office, head, address_of(scope))
        socket = Socket(connection, principal, receive, patience)
        with office.visits.during(principal, partial(connection.close, UNKNOWN)):
            await endpoint(office, socket)
    except CloseError as end:
        office.turn_away(address_of(scope), what, end.close_code, str(end))
        connection.close(end.close_code, str(end))
    except Invalid as end:
        connection.close(BAD_FRAME, str(end))
    except HubUnavailable as end:
        connection.close(RESTARTING, str(end))
    finally:
        office.connections.discard(connection)


async def deny(send: Send, refusal: RequestError) -> None:
    """Answer the handshake with an error of HTTP."""
    body = problem(refusal.status, CODES[refusal.status], str(refusal))
    headers = [(b"content-type", PROBLEM), *refusal.headers]
    start: dict[str, Any] = {
        "type": "websocket.http.response.start",
        "status": refusal.status,
        "headers": headers,
    }
    await send(start)
    with suppress(ConnectionError):
        await send({"type": "websocket.http.response.body", "body": body})


def _check_subprotocol(offered: list[str]) -> None:
    if offered and SUBPROTOCOL not in offered:
        raise CloseError(BAD_FRAME, f"this hub speaks {SUBPROTOCOL}: offer that")


def _admit(office: Office, head: Head) -> None:
    office.gate.admit(head)
    if len(office.connections) >= office.settings.max_connections:
        raise RequestError(
            503,
            f"{len(office.connections)} connections are open and no more are allowed: "
            "raise max_connections, or try again later",
        )


def _who(office: Office, head: Head, address: str) -> Principal:
    try:
        return office.gate.who(head)
    except RequestError as refusal:
        try:
            office.slow_client(address)
        except RequestError as too_many:
            raise CloseError(TOO_SLOW, str(too_many)) from None
        raise CloseError(UNKNOWN, str(refusal)) from None
