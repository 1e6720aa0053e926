"""Questions to people, and whoever waits for their answers."""

import asyncio
import os
from collections.abc import Awaitable, Callable

from agentkit.shelf import Mail
from agentkit.waiting import Waiters


class Questions:
    """The questions of one agent that somebody waits to be answered.

    Args:
        waiters: those who wait.
    """

    def __init__(self, waiters: Waiters) -> None:
        self._waiters = waiters
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
        """
        key = f"h-{os.urandom(8).hex()}"
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._answers[key] = answer
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
            del self._answers[key]

    def hear(self, mail: Mail) -> bool:
        """Take an answer; say whether somebody waits for it."""
        answer = self._answers.get(mail.ref)
        if answer is None or answer.done():
            return False
        answer.set_result(mail.text)
        self._waiters.stir()
        return True
