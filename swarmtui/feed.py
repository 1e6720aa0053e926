"""Brings what the hub pushes to the model, a batch at a time.

The coordinator's changes are gathered as they come, of each row only the latest; the
dashboard drains ten times a second. So a thousand updates of one agent cost one row.
"""

from agentkit.changes import Change
from agentkit.follower import Follower
from swarmtui.model import Batch, Delta, Model


class Feed:
    """Gathers changes from a connected coordinator and drains them into a model."""

    def __init__(self, swarm: Follower, model: Model) -> None:
        self._swarm = swarm
        self._model = model
        self._batch = Batch()

    @property
    def backlog(self) -> int:
        """How many events and messages wait to be drained."""
        return self._batch.heard + self._batch.tapped

    async def run(self) -> None:
        """Gather until cancelled; a hub that goes away is a change like any other.

        Raises:
            HubError: the hub does not want us, and trying again would not help.
        """
        try:
            async for change in self._swarm.changes():
                self.gather(change)
        finally:
            self._batch.link = self._swarm.link

    def gather(self, change: Change) -> None:
        """Add one change to what waits."""
        batch = self._batch
        if change.kind == "snapshot":
            self._batch = batch = batch.renewed(anew=change.anew)
        batch.agents.update((row.id, row) for row in change.agents)
        batch.helps.update((row.id, row) for row in change.helps)
        self._gather_tasks(batch, change)
        batch.broadcasts.update((row.id, row) for row in change.broadcasts)
        batch.runs.update((row.id, row) for row in change.runs)
        batch.events.extend(change.events)
        batch.heard += len(change.events)
        self._gather_traffic(batch, change)
        if change.kind in ("link", "snapshot"):
            batch.link = self._swarm.link
        if change.kind == "stats" and (stats := change.stats or self._swarm.stats):
            batch.beats.append(stats)

    def _gather_traffic(self, batch: Batch, change: Change) -> None:
        batch.passed.extend(change.traffic)
        batch.tapped += len(change.traffic)
        batch.left_out += change.dropped
        if change.kind == "links":
            batch.links = change.links

    def _gather_tasks(self, batch: Batch, change: Change) -> None:
        fresh = {row.id: row for row in change.tasks}
        batch.tasks.update(fresh)
        batch.gone.difference_update(fresh)
        for key in change.gone:
            batch.tasks.pop(key, None)
        batch.gone.update(change.gone)

    def drain(self) -> Delta | None:
        """Apply what waits to the model; None when nothing did."""
        if not self._batch:
            return None
        batch, self._batch = self._batch, Batch()
        batch.task_counts = self._swarm.task_counts
        return self._model.apply(batch)

    def drain_link(self) -> Delta | None:
        """Apply only the state of the link, for a view that is paused."""
        link, self._batch.link = self._batch.link, None
        if link is None:
            return None
        counts = self._model.task_counts
        return self._model.apply(Batch(link=link, task_counts=counts))
