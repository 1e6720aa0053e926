"""Results over HTTP: written and read piece by piece, waited for, taken away."""

import asyncio
import errno
import os
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Annotated, Any, Final, Required

from pydantic import Field, TypeAdapter
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import TypedDict

from agentkit.addresses import Address
from agentkit.errors import Invalid, NotFound
from agentkit.protocol import DeleteResult, Logged, ResultWritten, WriteResult
from agentkit.rows import Result
from server.asgi import Head, Reply, RequestError, dumps
from server.core.results import written_row
from server.intake import Intake
from server.office import Office
from server.questions import event_frame
from server.replies import ResultDone
from server.routes import ALL, OWN, Call, Route
from server.store.base import StoreError
from server.store.result_files import Content
from server.streaming import Stay, send_pieces
from server.wire import PlainId, valid

PATH: Final = "/v1/results/{run}/{name}"
LONGEST_TYPE: Final = 256
USUAL_TYPE: Final = "application/octet-stream"

SAFE: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-disposition", b"attachment"),
)
"""What was written is data: a browser shall not take it for a page of the hub."""

FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ResultAddress(TypedDict):
    """Where a result is."""

    run: PlainId
    name: PlainId


class ResultQuestion(TypedDict, total=False):
    """Which result is wanted; `wait` in seconds for one that is not there."""

    run: Required[PlainId]
    name: Required[PlainId]
    wait: Annotated[float, Field(ge=0, le=50)]


ADDRESS: Final[TypeAdapter[Any]] = TypeAdapter(ResultAddress)
QUESTION: Final[TypeAdapter[Any]] = TypeAdapter(ResultQuestion)


# --- writing -------------------------------------------------------------------------


async def write(office: Office, call: Call) -> Reply:
    """Take a result in: into its row when it is small JSON, else into a file."""
    address = Address(**valid(ADDRESS, call.params))
    await office.results.require_writer(call.principal, address)
    kind = _type_of(call.head)
    intake = Intake(office.results.files)
    try:
        await intake.read(call.pieces(office.settings.max_result, "max_result"))
        # An upload takes its time: by now the lease may be gone.
        await office.results.require_writer(call.principal, address)
        return await _keep(office, call, address, kind, intake)
    except OSError as error:
        raise _unwritable(error) from None
    finally:
        await intake.discard()


async def _keep(
    office: Office, call: Call, address: Address, kind: str, intake: Intake
) -> Reply:
    wish = partial(WriteResult, **address._asdict(), type=kind, by=call.principal.name)
    small = intake.value(kind)
    if small is not None:
        wished = wish(value=small.value, size=intake.size)
        return await _submit(office, call, wished)
    draft = await intake.finish()
    async with office.results.pinned(draft.digest):
        await asyncio.to_thread(draft.keep)
        office.results.grew(intake.size)
        wished = wish(file=draft.digest, size=intake.size)
        return await _submit(office, call, wished)


async def _submit(office: Office, call: Call, wish: WriteResult) -> Reply:
    before = await office.hub.store.result(wish.run, wish.name)
    outcome = await office.hub.submit(wish, key=call.key(), size=wish.size)
    office.results.replaced(before)
    there = before is not None and not before.deleted
    done = ResultDone(
        result=_written(outcome.events),
        events=[event_frame(logged) for logged in outcome.events],
    )
    return Reply(dumps(done), 200 if there else 201)


def _written(events: Sequence[Logged]) -> Result | None:
    for cursor, event in events:
        if isinstance(event, ResultWritten):
            return written_row(event, cursor)
    return None


def _type_of(head: Head) -> str:
    """Return the media type that a body is said to have.

    Raises:
        Invalid: it is none.
    """
    kind = head.get(b"content-type").strip() or USUAL_TYPE
    if len(kind) > LONGEST_TYPE or not kind.isascii() or not kind.isprintable():
        raise Invalid(
            f"the Content-Type {kind[:60]!r} is too long or not ASCII: send a media "
            f"type such as {USUAL_TYPE}"
        )
    return kind


def _unwritable(error: OSError) -> RequestError | StoreError:
    reason = os.strerror(error.errno or errno.EIO).lower()
    if error.errno in FULL:
        return RequestError(
            507,
            f"there is no room for the result ({reason}): free some space on the hub's "
            "disk, or delete results that nobody needs",
            ((b"connection", b"close"),),
        )
    return StoreError(
        f"the result cannot be written ({reason}): see that the hub may write to the "
        "folder results beside its store, and whether the disk is healthy"
    )


# --- reading -------------------------------------------------------------------------


async def read(office: Office, call: Call) -> Reply | ASGIApp:
    """Answer with what was written, as it was; wait for it when asked to."""
    question = valid(QUESTION, {**call.query(), **call.params})
    seconds = question.pop("wait", 0.0)
    row = await _found(office, Address(**question), seconds)
    if not row.file:
        return _inline(row)
    try:
        row, content = await office.results.open_content(row)
    except OSError as error:
        raise _unreadable(error) from None
    stay = partial(office.visits.during, call.principal)
    return partial(_stream, row, content, stay)


async def look(office: Office, call: Call) -> Reply | ASGIApp:
    """Say whether something is there, of which type and size."""
    row = await _found(office, Address(**valid(ADDRESS, call.params)), 0.0)
    return partial(_show, row) if row.file else _inline(row)


async def _found(office: Office, address: Address, seconds: float) -> Result:
    row = await office.results.find_within(address, seconds)
    if row is None:
        raise NotFound(f"nothing is at {address}: wait for it, or write it first")
    return row


def _inline(row: Result) -> Reply:
    return Reply(dumps(row.value), headers=SAFE, kind=row.type.encode())


async def _stream(
    row: Result,
    content: Content,
    stay: Stay,
    _scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    with closing(content):
        await send_pieces(_head(row), content.read, stay, receive, send)


async def _show(row: Result, _scope: Scope, _receive: Receive, send: Send) -> None:
    await send(_head(row))
    await send({"type": "http.response.body"})


def _head(row: Result) -> dict[str, Any]:
    headers = [
        (b"content-length", b"%d" % row.size),
        (b"content-type", row.type.encode()),
        *SAFE,
    ]
    return {"type": "http.response.start", "status": 200, "headers": headers}


def _unreadable(error: OSError) -> StoreError:
    reason = os.strerror(error.errno or errno.EIO).lower()
    return StoreError(
        f"the result cannot be read ({reason}): see that the hub may read the folder "
        "results beside its store, and whether the disk is healthy"
    )


# --- taking away ---------------------------------------------------------------------


async def delete(office: Office, call: Call) -> Reply:
    """Take away what is there; nothing there changes nothing."""
    address = Address(**valid(ADDRESS, call.params))
    await office.results.require_writer(call.principal, address)
    before = await office.hub.store.result(*address)
    if before is None or before.deleted:
        return Reply(dumps(ResultDone(result=None, events=[])))
    wish = DeleteResult(**address._asdict(), by=call.principal.name)
    outcome = await office.hub.submit(wish, key=call.key())
    office.results.replaced(before)
    events = [event_frame(logged) for logged in outcome.events]
    return Reply(dumps(ResultDone(result=None, events=events)))


ROUTES: Final = (
    Route(
        method="PUT",
        path=PATH,
        open_ended=True,
        run=write,
        summary="Write a result of any kind, over what was there",
        roles=OWN,
        shape=ADDRESS,
        takes=("application/json", "application/octet-stream"),
        status=201,
        also=(200,),
        waits=True,
        reply=ResultDone,
        tag="results",
    ),
    Route(
        method="GET",
        path=PATH,
        open_ended=True,
        run=read,
        summary="A result as it was written, waiting for it if asked to",
        roles=ALL,
        shape=QUESTION,
        waits=True,
        tag="results",
    ),
    Route(
        method="HEAD",
        path=PATH,
        open_ended=True,
        run=look,
        summary="Whether there is a result, of which type and size",
        roles=ALL,
        shape=ADDRESS,
        tag="results",
    ),
    Route(
        method="DELETE",
        path=PATH,
        open_ended=True,
        run=delete,
        summary="Take a result away; nothing there changes nothing",
        roles=OWN,
        shape=ADDRESS,
        reply=ResultDone,
        tag="results",
    ),
)
