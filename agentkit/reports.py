"""The five reports of IF.notify, and what was used, in the words of an agent."""

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final

from agentkit.errors import Invalid
from agentkit.rows import Report

MOST: Final = 10**12
"""How many dollars or tokens can be told of at once."""


def status(report: Report, **said: Any) -> dict[str, Any]:
    """Return a report as the outbox takes it; what is None is left out."""
    return {
        "report": report,
        "reported_at": datetime.now(UTC).isoformat(),
        **{name: value for name, value in said.items() if value is not None},
    }


def usage(cost: float, tokens_in: int, tokens_out: int) -> dict[str, Any]:
    """Return what was used as the hub takes it; empty when nothing was.

    Raises:
        Invalid: it is less than nothing, or too much, or no number.
    """
    used = {"cost": cost, "tokens_in": tokens_in, "tokens_out": tokens_out}
    for name, amount in used.items():
        if not (isfinite(amount) and 0 <= amount <= MOST):
            raise Invalid(
                f"{name} is {amount}: tell what was used since the last time, 0 to "
                f"{MOST:,}"
            )
    return {name: amount for name, amount in used.items() if amount}


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
