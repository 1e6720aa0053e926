"""Work."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

TaskState: TypeAlias = Literal[
    "scheduled",
    "queued",
    "sent",
    "acked",
    "leased",
    "working",
    "done",
    "dead",
    "cancelled",
]
"""Where a task is. It waits: until its time (``scheduled``), for whoever claims it
(``queued``), in the mailbox of its agent (``sent``, ``acked``). Somebody has it: under
a lease, or without one because it only said that it works on it (``working``). It is
settled: ``done``, ``dead`` after its last attempt, or ``cancelled``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A piece of work: for one agent, or for whoever has the capabilities."""

    id: str
    state: TaskState
    created: datetime
    agent: str = ""
    """Who has it, or had it last; while it waits its `target`."""
    target: str = ""
    """The one agent it is for; empty is whoever covers `needs`."""
    needs: tuple[str, ...] = ()
    """The capabilities it takes."""
    title: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    """The task as the coordinator gave it; delivered unchanged."""
    by: str = ""
    priority: int = 0
    """A higher one is claimed first; of equals, the one that came first."""
    place: int = 0
    """Its place among equals: the cursor at which it entered the queue."""
    not_before: datetime | None = None
    """While it is scheduled: when it will be ready."""
    attempts: int = 0
    """How often it was claimed; one that was given back unused does not count."""
    max_attempts: int = 3
    """After so many failed attempts it is dead."""
    fence: int = 0
    """The cursor of its newest lease: whoever shows an older one has lost it."""
    lease: float = 0.0
    """Seconds that its lease lasts from each sign of life."""
    lease_until: datetime | None = None
    """When its lease ends unless it is extended; None unless it is leased."""
    reason: str = ""
    """Why its last attempt ended, or why it was cancelled."""
    result: Mapping[str, Any] = field(default_factory=dict)
    """What it led to, as its agent told it."""
    seq: int = 0
    """Its delivery in the agent's mailbox; 0 when it has none."""
    progress: float | None = None
    """How much of it is done, 0 to 1, as whoever has it told; None when it has not."""
    note: str = ""
    """What whoever has it told that it does just now."""
    watchers: tuple[str, ...] = ()
    """Agents that are told what becomes of it, in their mailboxes."""
    run: str = ""
    """The run that it is an item of; empty when it is none's."""
    item: int = 0
    """The index of that item."""
    hops: int = 0
    """How many agents handed work on before this: 0 when a person or a run gave it."""
    changed: datetime | None = None
    version: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether it can be claimed."""
        return self.state in ("queued", "sent", "acked")

    @property
    def is_held(self) -> bool:
        """Whether somebody works on it."""
        return self.state in ("leased", "working")

    @property
    def is_settled(self) -> bool:
        """Whether nothing more happens to it unless it is requeued."""
        return self.state in ("done", "dead", "cancelled")
