"""The pane beside the work queue: a task, or a delivery that its agent gave up."""

import asyncio
from collections.abc import Iterable, Sequence

from textual.content import Content

from agentkit.follower import Follower
from agentkit.protocol import Logged
from agentkit.rows import Broadcast, Delivery, Task
from swarmtui import facts, work_facts
from swarmtui.console import console
from swarmtui.modals.ledger import draw
from swarmtui.model import Delta
from swarmtui.orders import of_broadcast
from swarmtui.screens.pane import EVENTS, Found, Pane
from swarmtui.work import Letter

ABOUT = 100
"""How many events of an agent are looked through for those of one task."""
RECIPIENTS = 8


class WorkPane(Pane):
    """A task or a dead delivery: facts, ledger, history."""

    def concerns(self, delta: Delta) -> bool:
        """Say whether the task, or what was sent of it, has changed."""
        return self.row in delta.tasks or bool(delta.broadcasts)

    @property
    def letter(self) -> Letter | None:
        """What is under the cursor."""
        model = console(self).model
        return model.tasks.get(self.row or "") or model.letters.get(self.row or "")

    async def fetch(self, swarm: Follower) -> Found | None:
        """Return the events of the row, and the deliveries of what it was sent as."""
        match self.letter:
            case Task() as task:
                fresh = self._heard(task.id)
                told, sent = await asyncio.gather(
                    _story(swarm, task), _sent(swarm, task.id)
                )
                return _newest((*told, *fresh)), sent
            case Delivery() as row:
                return await asyncio.gather(_fate(swarm, row), _sent(swarm, row.ref))
        return None

    def _heard(self, task: str) -> list[Logged]:
        """Return the events of a task among those that came in lately."""
        return [
            Logged(heard.cursor, heard.event)
            for heard in console(self).model.traffic
            if heard.subject.startswith("task.")
            and getattr(heard.event, "task", "") == task
        ]

    def content(self, width: int) -> Content:
        """Return the facts, then who was sent it, then what happened."""
        model, now = console(self).model, console(self).now()
        match self.letter:
            case Task() as task:
                parts = [work_facts.task_facts(model, task, now, width)]
            case Delivery() as row:
                parts = [work_facts.letter_facts(model, row, now, width)]
                parts += self._cast(model.broadcasts.get(row.ref), width)
            case _:
                return Content("")
        if self._mail:
            parts += [Content(""), facts.rule("ledger", width)]
            parts += [work_facts.recipients(self._mail, width, RECIPIENTS)]
        if self._events is not None:
            parts += [Content(""), facts.rule("history", width)]
            parts += [work_facts.story(self.row or "", self._events, width)]
        return Content("\n").join(parts)

    def _cast(self, sent: Broadcast | None, width: int) -> list[Content]:
        """Return how far the whole broadcast got that a delivery was part of."""
        if sent is None:
            return []
        bar = draw(of_broadcast(sent), min(width, 40), folded=width < 60)
        return [Content(""), facts.rule("broadcast", width), bar]


async def _sent(swarm: Follower, ref: str) -> Sequence[Delivery]:
    return await swarm.ledger(ref)


async def _story(swarm: Follower, task: Task) -> Iterable[Logged]:
    """Return the newest events of a task that the log is known to have.

    The log is kept by agent, so it is asked for what its agent did, and for the events
    whose cursors the task itself knows: how it was queued, leased and last changed.
    """
    known = {task.place, task.fence, task.version} - {0}
    pages = [
        swarm.events(after=cursor - 1, before=cursor + 1, limit=1) for cursor in known
    ]
    if who := task.agent or task.target:
        pages.append(
            swarm.events(agent=who, subject="task.*", newest_first=True, limit=ABOUT)
        )
    found = (one for page in await asyncio.gather(*pages) for one in page)
    return [one for one in found if getattr(one.event, "task", "") == task.id]


async def _fate(swarm: Follower, row: Delivery) -> Sequence[Logged]:
    """Return what is known of how a delivery died."""
    found = await swarm.events(
        agent=row.agent, subject="delivery.*", newest_first=True, limit=ABOUT
    )
    return _newest(one for one in found if getattr(one.event, "seq", 0) == row.seq)


def _newest(events: Iterable[Logged]) -> Sequence[Logged]:
    """Return events without repeats, the newest first."""
    by_cursor = {one.cursor: one for one in events}
    return [by_cursor[cursor] for cursor in sorted(by_cursor, reverse=True)][:EVENTS]
