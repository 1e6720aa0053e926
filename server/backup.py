"""A copy of the whole store, streamed while the hub works on; and its health."""

import os
from dataclasses import replace
from functools import partial
from typing import BinaryIO, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from server.asgi import Reply, dumps
from server.office import Office
from server.routes import OPERATOR, Call, Route
from server.store.base import Integrity
from server.store.copies import PROBLEMS
from server.streaming import Stay, send_pieces

CHUNK: Final = 1 << 18
"""Bytes that are read and sent at once."""

KIND: Final = b"application/vnd.sqlite3"


async def backup(office: Office, call: Call) -> ASGIApp:
    """Copy the store, and answer with the copy for as long as the token is good."""
    stay = partial(office.visits.during, call.principal)
    async with office.results.unswept():
        file = await office.hub.store.copy()
    return partial(_stream, file, stay)


async def integrity(office: Office, _call: Call) -> Reply:
    """Read the whole store, with the files of large results; say if it is sound."""
    found = await office.hub.store.examine()
    lost = await office.results.problems(PROBLEMS)
    problems = (*found.problems, *lost)
    return Reply(dumps(replace(found, ok=not problems, problems=problems)))


async def _stream(
    file: BinaryIO, stay: Stay, _scope: Scope, receive: Receive, send: Send
) -> None:
    """Send a file until it or the client's patience ends; close it in any case."""
    with file:
        head = _head(os.fstat(file.fileno()).st_size)
        await send_pieces(head, partial(file.read, CHUNK), stay, receive, send)


def _head(size: int) -> dict[str, object]:
    headers = [
        (b"content-length", b"%d" % size),
        (b"content-type", KIND),
        (b"content-disposition", b'attachment; filename="swarmtui.db"'),
        (b"cache-control", b"no-store"),
    ]
    return {"type": "http.response.start", "status": 200, "headers": headers}


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
