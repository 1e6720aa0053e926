"""A copy of the whole store, streamed while the hub works on; and its health."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import BinaryIO, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from server.asgi import Reply, dumps
from server.office import Office
from server.routes import OPERATOR, Call, Route
from server.store.base import Integrity
from server.visits import End

CHUNK: Final = 1 << 18
"""Bytes that are read and sent at once."""

KIND: Final = b"application/vnd.sqlite3"


async def backup(office: Office, call: Call) -> ASGIApp:
    """Copy the store, and answer with the copy for as long as the token is good."""
    stay = partial(office.visits.during, call.principal)
    return partial(_stream, await office.hub.store.copy(), stay)


async def integrity(office: Office, _call: Call) -> Reply:
    """Read the whole store, and say whether it is sound."""
    return Reply(dumps(await office.hub.store.examine()))


async def _stream(
    file: BinaryIO,
    stay: Callable[[End], AbstractContextManager[None]],
    _scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Send a file until it or the client's patience ends; close it in any case."""
    gone = asyncio.create_task(_gone(receive))

    def end(_reason: str) -> None:
        gone.cancel()

    try:
        with stay(end):
            await _send(file, gone, send)
    finally:
        gone.cancel()
        file.close()


async def _send(file: BinaryIO, gone: asyncio.Task[None], send: Send) -> None:
    await send(_head(os.fstat(file.fileno()).st_size))
    while chunk := await asyncio.to_thread(file.read, CHUNK):
        if gone.done():
            return
        body = {"type": "http.response.body", "body": chunk, "more_body": True}
        await send(body)
    await send({"type": "http.response.body"})


def _head(size: int) -> dict[str, object]:
    headers = [
        (b"content-length", b"%d" % size),
        (b"content-type", KIND),
        (b"content-disposition", b'attachment; filename="swarmtui.db"'),
        (b"cache-control", b"no-store"),
    ]
    return {"type": "http.response.start", "status": 200, "headers": headers}


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/backup",
        run=backup,
        summary="One consistent copy of the store, as a file of SQLite",
        roles=OPERATOR,
        tag="store",
    ),
    Route(
        method="GET",
        path="/v1/integrity",
        run=integrity,
        summary="Whether the store is sound, read through as a whole",
        roles=OPERATOR,
        reply=Integrity,
        tag="store",
    ),
)
