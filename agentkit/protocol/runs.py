"""What has happened to runs, their items and their results."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from agentkit.rows import ItemKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanKept:
    """A plan that the hub did not know is run for the first time."""

    subject: ClassVar[str] = "plan.kept"
    at: datetime
    plan: str
    """A digest of the document."""
    name: str
    document: Mapping[str, Any]
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLaunched:
    """A machine of a plan begins."""

    subject: ClassVar[str] = "run.launched"
    at: datetime
    run: str
    plan: str
    machine: str
    stage: str
    """Where it goes first."""
    input: Mapping[str, Any]
    context: Mapping[str, Any]
    parent: str = ""
    item: int = 0
    root: str = ""
    launched_by: str = ""
    depth: int = 0
    resumed_from: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntered:
    """A run is at a stage, and works on its items from now on."""

    subject: ClassVar[str] = "run.entered"
    at: datetime
    run: str
    stage: str
    visit: int
    total: int
    """How many items the stage has."""
    due: datetime | None = None
    launched: tuple[str, ...] = ()
    """The runs that the stage launched; nobody waits for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemStarted:
    """An item was begun, or begun again."""

    subject: ClassVar[str] = "item.started"
    at: datetime
    run: str
    visit: int
    index: int
    attempt: int
    kind: ItemKind
    name: str
    key: str
    ref: str
    """The task or the run that does it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRetrying:
    """An item failed, and is begun again after a while."""

    subject: ClassVar[str] = "item.retrying"
    at: datetime
    run: str
    visit: int
    index: int
    not_before: datetime
    error: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDone:
    """An item came to its end."""

    subject: ClassVar[str] = "item.done"
    at: datetime
    run: str
    visit: int
    index: int
    output: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFailed:
    """An item failed for the last time."""

    subject: ClassVar[str] = "item.failed"
    at: datetime
    run: str
    visit: int
    index: int
    error: Mapping[str, Any]
    """``_error``, a text, and ``_error_type``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemCancelled:
    """Nobody waits for an item any more; what did it was called off."""

    subject: ClassVar[str] = "item.cancelled"
    at: datetime
    run: str
    visit: int
    index: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMoved:
    """A run has left a stage; its checkpoint is kept."""

    subject: ClassVar[str] = "run.moved"
    at: datetime
    run: str
    visit: int
    """The stage that it left, counted from 1."""
    stage: str
    """Where it goes next."""
    changes: Mapping[str, Any]
    """What is new in its context."""
    checkpoint: int
    """The number of the checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """A run came to a final stage."""

    subject: ClassVar[str] = "run.finished"
    at: datetime
    run: str
    output: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed:
    """A run cannot go on."""

    subject: ClassVar[str] = "run.failed"
    at: datetime
    run: str
    error: Mapping[str, Any]
    """``_error``, a text, and ``_error_type``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelled:
    """A run was called off; so is everything below it."""

    subject: ClassVar[str] = "run.cancelled"
    at: datetime
    run: str
    reason: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed:
    """A run that failed or was called off goes on with what it had not done."""

    subject: ClassVar[str] = "run.resumed"
    at: datetime
    run: str
    due: datetime | None = None
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRetried:
    """A run is back at a stage of which items had failed; only they are done again."""

    subject: ClassVar[str] = "run.retried"
    at: datetime
    run: str
    visit: int
    stage: str
    total: int
    checkpoint: int
    """The checkpoint whose context it goes on with."""
    due: datetime | None = None
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultWritten:
    """Something was written under ``swarm://RUN/NAME``."""

    subject: ClassVar[str] = "result.written"
    at: datetime
    run: str
    name: str
    type: str
    value: Any
    """What was written, as JSON; None when the hub keeps it in a file."""
    file: str = ""
    """The SHA-256 of what was written, in hexadecimal, when it is in a file."""
    size: int = 0
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultDeleted:
    """What was under ``swarm://RUN/NAME`` is gone."""

    subject: ClassVar[str] = "result.deleted"
    at: datetime
    run: str
    name: str
    by: str = ""
