"""The log as server-sent events: from a cursor, then live, without a gap."""

from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.responses import StreamingResponse
from starlette.types import ASGIApp

from agentkit.errors import HubUnavailable, Invalid
from agentkit.protocol import Logged
from agentkit.subjects import read_pattern
from server.api import asked, fields
from server.asgi import Reply, dumps
from server.auth import Principal
from server.office import Office
from server.questions import QUESTIONS, event_frame
from server.routes import Call
from server.wire import valid

PAGE: Final = 500
"""Events that are read from the log at once."""

QUIET: Final = 15.0
"""Seconds without an event until a comment shows that the line is alive."""

DIGITS: Final = 20
"""More than a cursor has."""

_page: Final = asked("events")


async def events_or_stream(office: Office, call: Call) -> Reply | ASGIApp:
    """Answer with a page of the log, or follow it when events are accepted."""
    if "text/event-stream" not in call.head.get(b"accept"):
        return await _page(office, call)
    question = valid(QUESTIONS["events"].shape, await fields(call))
    read_pattern(question.setdefault("subject", "**"))
    after = _last_seen(call) or question.get("after", 0)
    wanted = {key: question[key] for key in ("subject", "agent") if key in question}
    return StreamingResponse(
        _follow(office, call.principal, after, wanted),
        media_type="text/event-stream",
        headers={"cache-control": "no-store"},
    )


def _last_seen(call: Call) -> int:
    text = call.head.get(b"last-event-id")
    if text and not (text.isdecimal() and len(text) < DIGITS):
        raise Invalid(f"Last-Event-ID is {text[:60]!r}: send the cursor of an event")
    return int(text or 0)


async def _follow(
    office: Office, principal: Principal, after: int, wanted: dict[str, Any]
) -> AsyncIterator[bytes]:
    """Read the log from disk whenever it grew by what is wanted: nothing to miss.

    It ends with the hub or with the token, and its last word says why.
    """
    try:
        with (
            office.bells.ringing(wanted["subject"]) as bell,
            office.visits.during(principal, bell.stop),
        ):
            yield b"retry: 1000\n\n"
            while not bell.stopped:
                found = await office.hub.store.events(after=after, limit=PAGE, **wanted)
                for logged in found:
                    after = logged.cursor
                    yield _event(logged)
                if len(found) == PAGE:
                    continue
                while not await bell.wait(QUIET):
                    yield b": quiet\n\n"
                after = max(after, bell.since)
        yield _error(bell.stopped)
    except HubUnavailable as failure:
        yield _error(str(failure))


def _error(reason: str) -> bytes:
    return b"event: error\ndata: %b\n\n" % dumps(reason)


def _event(logged: Logged) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (
        logged.cursor,
        logged.event.subject.encode(),
        dumps(event_frame(logged)),
    )
