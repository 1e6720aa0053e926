"""A run at a moment: what every decision about it looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from agentkit.plans import Cost, Stage
from agentkit.rows import Item, Run
from server.core.runs.errors import StageError
from server.core.swarm import Swarm


@dataclass(frozen=True, slots=True)
class Moment:
    """A run, what is known, and the time."""

    swarm: Swarm
    run: Run
    now: datetime
    cost: Cost = field(default_factory=Cost)
    """What it takes to decide is added to it."""

    @property
    def stage(self) -> Stage:
        """The stage that the run is at, or goes to next."""
        return self.swarm.runs.stage(self.run)

    @property
    def items(self) -> Mapping[int, Item]:
        """The items of the stage that were begun, by index."""
        return self.swarm.runs.items.get(self.run.id, {})

    @property
    def is_late(self) -> bool:
        """Whether the time of the stage is over."""
        return self.run.due is not None and self.now >= self.run.due

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be done at the stage."""
        run = self.run
        if run.done + run.failed == run.total or self.is_late:
            return True
        return run.done > 0 and self.stage.mode == "any"

    def due(self) -> datetime | None:
        """Return when the time of the stage is over if it begins now."""
        timeout = self.stage.timeout
        return None if timeout is None else self.now + timedelta(seconds=timeout)

    def scope(self) -> dict[str, Any]:
        """Return what expressions see."""
        book, run = self.swarm.runs, self.run
        return {
            "context": book.contexts[run.id].context,
            "input": book.inputs[run.id],
            "run": {
                "id": run.id,
                "plan": book.flow(run).name,
                "machine": run.machine,
                "stage": run.stage,
            },
        }

    def values(self) -> Sequence[Any]:
        """Return what the stage is done for each of.

        Raises:
            ExpressionError: that cannot be reckoned.
            StageError: it is not a list.
        """
        book = self.swarm.runs
        found = book.fan(self.run) if self.run.entered else None
        if found is None:
            found = self._values()
            if self.run.entered:
                book.keep_fan(self.run, found)
        return found

    def _values(self) -> Sequence[Any]:
        stage = self.stage
        if stage.foreach is None:
            return range(stage.samples if stage.agent else len(stage.calls))
        value = stage.foreach.value(self.scope(), self.cost)
        if not isinstance(value, list | tuple):
            raise StageError(
                f"foreach of the state {stage.name!r} gives {type(value).__name__} "
                "where a list is needed: name one, such as {{ context.tasks }}",
                "ExpressionError",
            )
        return value
