"""What a program tells of one prompt, from whoever hears it to whoever follows."""

import asyncio
from collections.abc import AsyncGenerator

from agentkit.workers.driver import Outcome, ProgramError, Update


class Updates:
    """A line of updates that ends with the outcome, or with the program."""

    def __init__(self) -> None:
        self._line: asyncio.Queue[Update | ProgramError] = asyncio.Queue()

    def put(self, update: Update | ProgramError) -> None:
        """Add what was heard."""
        self._line.put_nowait(update)

    async def follow(self) -> AsyncGenerator[Update]:
        """Yield what was heard, up to the outcome.

        Raises:
            ProgramError: the program has gone.
        """
        while True:
            update = await self._line.get()
            if isinstance(update, ProgramError):
                raise update
            yield update
            if isinstance(update, Outcome):
                return
