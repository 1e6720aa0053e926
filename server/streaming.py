"""Answers that are sent piece by piece, for as long as somebody reads them."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

from starlette.types import Receive, Send

from agentkit.errors import AgentkitError
from server.visits import End

Stay: TypeAlias = Callable[[End], AbstractContextManager[None]]
"""Counts a visit in, and is told how to end it."""

log = logging.getLogger(__name__)


async def send_pieces(
    head: dict[str, Any],
    read: Callable[[], bytes],
    stay: Stay,
    receive: Receive,
    send: Send,
) -> None:
    """Send what `read` gives, until it gives nothing or the client or token is gone.

    Args:
        head: the message that the answer begins with.
        read: returns the next piece, in a thread; empty is the end. What it raises
            breaks the answer off, so that nobody takes it for a whole one.
        stay: for as long as the token is good.
        receive: tells when the client has gone.
        send: takes the messages.
    """
    gone = asyncio.create_task(_gone(receive))

    def end(_reason: str) -> None:
        gone.cancel()

    try:
        with stay(end):
            await send(head)
            while piece := await asyncio.to_thread(read):
                if gone.done():
                    return
                more = {"type": "http.response.body", "body": piece, "more_body": True}
                await send(more)
            await send({"type": "http.response.body"})
    except (AgentkitError, OSError) as error:
        log.error("an answer was broken off: %s", error)  # noqa: TRY400
    finally:
        gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
