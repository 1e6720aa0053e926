"""What has happened to tasks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAssigned:
    """A task was handed to one agent; unless it is for later, it is in its mailbox."""

    subject: ClassVar[str] = "task.assigned"
    at: datetime
    agent: str
    task: str
    title: str
    body: Mapping[str, Any]
    by: str
    priority: int = 0
    not_before: datetime | None = None
    max_attempts: int = 3
    watchers: tuple[str, ...] = ()
    hops: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnqueued:
    """A task waits for whoever has the capabilities."""

    subject: ClassVar[str] = "task.enqueued"
    at: datetime
    task: str
    title: str
    body: Mapping[str, Any]
    needs: tuple[str, ...]
    priority: int
    not_before: datetime | None
    max_attempts: int
    by: str
    run: str = ""
    """The run that it is an item of."""
    item: int = 0
    hops: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReady:
    """The time of a scheduled task has come."""

    subject: ClassVar[str] = "task.ready"
    at: datetime
    agent: str
    """The one agent it is for, if it is for one."""
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLeased:
    """An agent has claimed a task, and so is busy with it."""

    subject: ClassVar[str] = "task.leased"
    at: datetime
    agent: str
    task: str
    fence: int
    """The cursor of this event: it rises with every lease."""
    lease: float
    until: datetime
    attempt: int
    """Which attempt this is, from 1."""
    capabilities: tuple[str, ...]
    via: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskExtended:
    """A lease lasts longer; said when it had used up a third of its time."""

    subject: ClassVar[str] = "task.extended"
    at: datetime
    agent: str
    task: str
    fence: int
    lease: float
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProgressed:
    """Whoever has a task told how far it is."""

    subject: ClassVar[str] = "task.progressed"
    at: datetime
    agent: str
    task: str
    fence: int
    progress: float | None
    """Of the whole, 0 to 1."""
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskWatched:
    """An agent is told what becomes of a task, or no longer."""

    subject: ClassVar[str] = "task.watched"
    at: datetime
    agent: str
    task: str
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted:
    """An agent reported busy with a task that it had been assigned."""

    subject: ClassVar[str] = "task.started"
    at: datetime
    agent: str
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDone:
    """An agent has done a task."""

    subject: ClassVar[str] = "task.done"
    at: datetime
    agent: str
    task: str
    fence: int = 0
    """Of the lease that it ended; 0 when a report ended the task."""
    result: Mapping[str, Any] = field(default_factory=dict)
    cost: float | None = None
    spool: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReleased:
    """An attempt ended without success, and the task waits for the next."""

    subject: ClassVar[str] = "task.released"
    at: datetime
    agent: str
    task: str
    fence: int
    cause: Literal["failed", "nacked", "expired"]
    reason: str
    not_before: datetime | None
    """When it will be ready; None is at once."""
    spool: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDead:
    """The last attempt at a task failed."""

    subject: ClassVar[str] = "task.dead"
    at: datetime
    agent: str
    task: str
    fence: int
    reason: str
    cause: Literal["failed", "expired"] = "failed"
    spool: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCancelled:
    """A task was called off."""

    subject: ClassVar[str] = "task.cancelled"
    at: datetime
    agent: str
    """Who had it, or for whom it was."""
    task: str
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequeued:
    """A task begins anew, with all its attempts."""

    subject: ClassVar[str] = "task.requeued"
    at: datetime
    agent: str
    """Who had it last, or for whom it is."""
    task: str
    by: str
