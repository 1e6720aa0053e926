"""A call of a tool: worked on for as long as somebody waits for its answer."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from agentkit.errors import AgentkitError
from agentkit.protocol import Done
from server.asgi import DEFECT, dumps, respond
from server.mcp import protocol, tools
from server.mcp.desk import Answer, Said
from server.mcp.protocol import Frame, Id
from server.mcp.sessions import Key
from server.mcp.tools import Caller, Tool
from server.office import Office
from server.routes import Call

PULSE: Final = 10.0
"""Seconds between two signs that a call still waits."""

STREAM: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)

CALLED_OFF: Final = "the call was called off: call again if it was not meant so"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """Runs a tool and answers; an ASGI application for one request.

    Whoever goes away before the answer is there calls it off: what was claimed is given
    back, and mail stays unread.
    """

    office: Office
    call: Call
    caller: Caller
    tool: Tool
    said: Said
    frame: Frame
    answer: Callable[[Mapping[str, Any]], bytes]
    """Makes a result the answer to the frame."""
    key: Key | None
    """What it can be called off by; None has no session."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Work and answer."""
        principal = self.caller.principal
        running = tools.run(self.office, self.caller, self.tool, self.said)
        work = asyncio.create_task(self.office.visits.unless_ended(principal, running))
        gone = asyncio.create_task(self.call.gone())
        during = self.office.under_way.during
        try:
            with during(self.key, work) if self.key else nullcontext():
                await self._tell(send, work, gone)
        finally:
            work.cancel()
            gone.cancel()

    async def _tell(
        self, send: Send, work: asyncio.Task[Answer], gone: asyncio.Task[None]
    ) -> None:
        """Answer once there is something; then what was handed over is signed."""
        token, total = self.frame.token, self.tool.waits(self.said)
        streams = "text/event-stream" in self.call.head.get(b"accept")
        if token is None or not total or not streams:
            await asyncio.wait([work, gone], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await respond(send, 200, self._outcome(work))
        else:
            await self._stream(send, work, gone, token, total)
        if work.done() and not gone.done():
            await self._sign(work)

    async def _stream(
        self,
        send: Send,
        work: asyncio.Task[Answer],
        gone: asyncio.Task[None],
        token: Id,
        total: float,
    ) -> None:
        """Answer as events: how long it has waited, and at last the answer."""
        begun = monotonic()
        start = {"type": "http.response.start", "status": 200, "headers": STREAM}
        await send(start)
        while not work.done() and not gone.done():
            waited = monotonic() - begun
            note = protocol.progress(token, waited, total, "nothing yet, still waiting")
            await _send_event(send, note)
            await asyncio.wait(
                [work, gone], timeout=PULSE, return_when=asyncio.FIRST_COMPLETED
            )
        if work.done():
            await _send_event(send, self._outcome(work))
        await send({"type": "http.response.body"})

    def _outcome(self, work: asyncio.Task[Answer]) -> bytes:
        """Return the answer to the frame, whatever came of the work."""
        if work.cancelled():
            return protocol.error(self.frame.id, protocol.INVALID_REQUEST, CALLED_OFF)
        failure = work.exception()
        if failure is None:
            return self.answer(_result(work.result().value))
        if isinstance(failure, AgentkitError):
            return self.answer(_refusal(failure))
        log.error("the tool %s failed", self.tool.name, exc_info=failure)
        return protocol.error(self.frame.id, protocol.INTERNAL_ERROR, str(DEFECT))

    async def _sign(self, work: asyncio.Task[Answer]) -> None:
        """Note that the mail has arrived; if that fails it comes once more."""
        if work.cancelled() or work.exception() is not None:
            return
        try:
            for delivery in work.result().mail:
                done = Done(agent=delivery.agent, seq=delivery.seq)
                await self.office.hub.submit(done)
        except AgentkitError as error:
            log.warning("mail was not marked as read: %s", error)


async def _send_event(send: Send, data: bytes) -> None:
    body = protocol.event(data)
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _result(value: Mapping[str, Any]) -> dict[str, Any]:
    text = dumps(value).decode()
    content = [{"type": "text", "text": text}]
    return {"content": content, "structuredContent": value, "isError": False}


def _refusal(failure: AgentkitError) -> dict[str, Any]:
    content = [{"type": "text", "text": str(failure)}]
    value = {"code": failure.code, "detail": str(failure)}
    return {"content": content, "structuredContent": value, "isError": True}
