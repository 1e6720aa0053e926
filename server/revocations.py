"""Tells connected agents when they lose work: it was called off, or given to others."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from agentkit.protocol import (
    Event,
    TaskAssigned,
    TaskCancelled,
    TaskDead,
    TaskReleased,
    TaskRequeued,
)
from agentkit.rows import Task
from server.asgi import dumps
from server.core import Swarm
from server.hub import Hub, Pushed
from server.mailroom import Mailroom

TAKEN: Final = "another has it now"
LOST: Final = "it was taken back before it was handed over"


class Lease(NamedTuple):
    """Who has a task, and under which fence; a reported task has none."""

    agent: str
    fence: int


class Revocations:
    """Knows who has which task; a subscriber of the hub."""

    def __init__(self, hub: Hub, mailroom: Mailroom) -> None:
        self._hub = hub
        self._mailroom = mailroom
        self._leases: dict[str, Lease] = {}

    async def open(self) -> None:
        """Begin to follow what the hub commits."""
        await self._hub.ask(self._look)

    def let_go(self, task: str, agent: str, fence: int) -> None:
        """Expect the end of a lease: its agent is about to end it itself."""
        if self._leases.get(task) == (agent, fence):
            del self._leases[task]

    def check(self, tasks: Iterable[Task]) -> None:
        """Tell again of tasks that were lost before their agent knew that it had them.

        Args:
            tasks: as they were leased, and just now handed over.
        """
        for task in tasks:
            lease = Lease(task.agent, task.fence)
            if self._leases.get(task.id) != lease:
                self._tell(task.id, lease, LOST)

    def push(self, pushed: Pushed) -> None:
        """Tell whoever lost a task in this turn without ending its work."""
        for task in pushed.turn.rows.tasks.values():
            lost = self._leases.get(task.id)
            if task.is_held:
                self._leases[task.id] = Lease(task.agent, task.fence)
            elif lost is not None:
                del self._leases[task.id]
            if lost is not None and not (task.is_held and task.agent == lost.agent):
                self._tell(task.id, lost, _why(pushed, task))

    def _look(self, swarm: Swarm) -> None:
        self._hub.subscribe(self)
        for agent, tasks in swarm.held.items():
            for key in tasks:
                self._leases[key] = Lease(agent, swarm.tasks[key].fence)

    def _tell(self, task: str, lost: Lease, reason: str) -> None:
        recipient = self._mailroom.recipients.get(lost.agent)
        if recipient is None or not reason:
            return
        frame = {
            "type": "revoked",
            "task": task,
            "fence": lost.fence,
            "reason": reason,
        }
        self._hub.stats.pushed(1, recipient.connection.send_text(dumps(frame)))


def _why(pushed: Pushed, task: Task) -> str:
    """Say why a task was lost; empty when its agent has ended its work itself."""
    reasons = [
        _reason(event)
        for _, event in pushed.turn.events
        if getattr(event, "task", "") == task.id
    ]
    told = [reason for reason in reasons if reason is not None]
    return told[-1] if told else TAKEN if task.is_held else ""


def _reason(event: Event) -> str | None:
    match event:
        case TaskCancelled():
            return event.reason or f"it was cancelled by {event.by or 'nobody'}"
        case TaskRequeued():
            return f"it was requeued by {event.by or 'nobody'}"
        case TaskAssigned():
            return f"it was assigned to {event.agent} by {event.by or 'nobody'}"
        case TaskReleased(cause="expired") | TaskDead():
            return event.reason
        case TaskReleased():
            return ""
        case _:
            return None
