"""The five reports of IF.notify, in the words of an agent."""

from abc import ABC, abstractmethod
from typing import Any

from agentkit.rows import Report


class Reporter(ABC):
    """Says how it is; a subclass knows the way."""

    @abstractmethod
    async def report(
        self,
        report: Report,
        *,
        task: str | None = None,
        message: str | None = None,
        cost: float | None = None,
        completed: int | None = None,
    ) -> None:
        """Report a status; what is left out keeps the value that the hub knows."""

    async def idle(self, **details: Any) -> None:
        """Say that it waits for work; for `details` see `report`."""
        await self.report("idle", **details)

    async def busy(self, task: str, **details: Any) -> None:
        """Say that it works on a task; for `details` see `report`."""
        await self.report("busy", task=task, **details)

    async def completed(self, task: str, **details: Any) -> None:
        """Say that a task is done and it is idle again; for `details` see `report`."""
        await self.report("completed", task=task, **details)

    async def blocked(self, reason: str, **details: Any) -> None:
        """Say that it cannot go on; for `details` see `report`."""
        await self.report("blocked", message=reason, **details)

    async def help(self, question: str, **details: Any) -> None:
        """Ask for help without waiting; the answer comes to `on_answer`."""
        await self.report("help", message=question, **details)
