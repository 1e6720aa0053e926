"""Questions to people, and whoever waits for their answers."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Final

from agentkit.calls import Caller
from agentkit.errors import AgentkitError, Unanswered
from agentkit.settings import Endpoint
from agentkit.shelf import Mail
from agentkit.waiting import Waiters

LOOK: Final = 3.0
"""Seconds between two looks at whether a question was closed without an answer."""

PATIENCE: Final = 3.0
"""Seconds that the hub may take to say."""


class Questions:
    """The questions of one agent that somebody waits to be answered.

    An answer comes as mail; that there will be none has to be looked for.

    Args:
        waiters: those who wait.
        find: says where the hub is.
    """

    def __init__(self, waiters: Waiters, find: Callable[[], Endpoint]) -> None:
        self._waiters = waiters
        self._find = find
        self._answers: dict[str, asyncio.Future[str]] = {}

    async def ask(
        self,
        question: str,
        put: Callable[[str], Awaitable[None]],
        timeout: float | None,  # noqa: ASYNC109 - a person's time, not a call's
    ) -> str:
        """Return the answer.

        Args:
            question: what is asked.
            put: puts the question under an id.
            timeout: seconds that a person has.

        Raises:
            TimeoutError: nobody answered in time; the question stays open.
            Unanswered: it was closed without an answer.
        """
        key = f"h-{os.urandom(8).hex()}"
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._answers[key] = answer
        looking = asyncio.create_task(self._look(key, answer))
        try:
            await put(key)
            async with asyncio.timeout(timeout):
                await self._waiters.until(answer.done)
            return answer.result()
        except TimeoutError:
            raise TimeoutError(
                f"nobody answered {question!r} within {timeout:g} s: it stays open"
            ) from None
        finally:
            looking.cancel()
            del self._answers[key]

    def hear(self, mail: Mail) -> bool:
        """Take an answer; say whether somebody waits for it."""
        answer = self._answers.get(mail.ref)
        if answer is None or answer.done():
            return False
        answer.set_result(mail.text)
        self._waiters.stir()
        return True

    async def _look(self, key: str, answer: "asyncio.Future[str]") -> None:
        """Look again and again whether a question was closed, until it is settled."""
        while not answer.done():
            await asyncio.sleep(LOOK)
            closed = await asyncio.to_thread(why_unanswered, self._find, key)
            if closed is not None and not answer.done():
                answer.set_exception(closed)
                self._waiters.stir()


def why_unanswered(find: Callable[[], Endpoint], key: str) -> Unanswered | None:
    """Return what to raise when a question was closed without an answer, else None.

    Args:
        find: says where the hub is.
        key: the id of the question.
    """
    try:
        with Caller(find(), PATIENCE) as caller:
            request = caller.get("help", key)["help"]
    except AgentkitError:  # the question is not there yet, or the hub is away
        return None
    if request["state"] != "resolved":
        return None
    why = f" ({request['note']})" if request["note"] else ""
    return Unanswered(
        f"nobody answered {request['question']!r}: it was closed by {request['by']}"
        f"{why}, so go on without an answer, or ask again"
    )
