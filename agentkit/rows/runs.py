"""Runs: plans in progress, with their items, checkpoints and results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

RunState: TypeAlias = Literal["running", "done", "failed", "cancelled"]

ItemState: TypeAlias = Literal[
    "waiting", "running", "retrying", "done", "failed", "cancelled"
]
"""Where an item of a run is. It is begun when there is room: ``waiting`` is said only
of one that is begun again, ``retrying`` of one that failed and has its time."""

ItemKind: TypeAlias = Literal["agent", "machine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan that was run: a document, named by what is in it."""

    id: str
    """A digest of `document`: the same plan has the same id."""
    name: str
    document: Mapping[str, Any]
    """All of its machines, as `agentkit.plans` reads them from their files."""
    kept: datetime
    by: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A machine of a plan in progress.

    A run may have runs below it: the machines that its stages call. What a stage works
    on are its items, by index from 0; each is a task for an agent or a run of its own.
    """

    id: str
    plan: str
    machine: str
    """Which machine of the plan it is."""
    state: RunState
    created: datetime
    stage: str
    """The state of its machine that it is in, or goes to next."""
    visit: int = 0
    """How many stages it has gone to, this one too."""
    entered: bool = False
    """It works on the items of `stage`; else it is about to go there."""
    total: int = 0
    """How many items the stage has."""
    started: int = 0
    """How many of them were begun: those with a lower index."""
    active: int = 0
    """How many items are begun and not settled: they run, or wait for a retry."""
    done: int = 0
    failed: int = 0
    """How many items failed, or were cancelled."""
    due: datetime | None = None
    """When the time of the stage is over; None when it has no limit."""
    launched: tuple[str, ...] = ()
    """The runs that the stage launched; nobody waits for them."""
    spawned: int = 0
    """How many tasks and runs it has begun: numbers their ids."""
    parent: str = ""
    """The run that it is an item of; empty when it was launched."""
    item: int = 0
    """The index of that item."""
    root: str = ""
    """The run at the top; its own id when it was launched."""
    launched_by: str = ""
    """The run that launched it and went on; empty when a person did."""
    depth: int = 0
    """How many runs are above it."""
    output: Any = None
    """What it led to: JSON."""
    error: Mapping[str, Any] = field(default_factory=dict)
    """Why it failed: ``_error``, a text, and ``_error_type``."""
    reason: str = ""
    """Why it was cancelled."""
    resumed_from: str = ""
    """The address of the checkpoint that it began at; empty is the beginning."""
    by: str = ""
    """Who launched it."""
    changed: datetime | None = None
    ended: datetime | None = None
    version: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether nothing more happens to it unless it is resumed or retried."""
        return self.state != "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of a stage of a run, keyed by (run, visit, index)."""

    run: str
    visit: int
    index: int
    state: ItemState
    kind: ItemKind
    name: str
    """The agent of the plan, or the machine."""
    key: str = ""
    """Its name among the results, where they are named."""
    ref: str = ""
    """The task or the run that does it, or did last."""
    attempt: int = 0
    """How often it was begun."""
    output: Any = None
    """What it led to: JSON."""
    error: Mapping[str, Any] = field(default_factory=dict)
    """Why it failed last: ``_error``, a text, and ``_error_type``."""
    not_before: datetime | None = None
    """While it is retrying: when it is begun again."""
    began: datetime | None = None
    ended: datetime | None = None
    version: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether nothing more happens to it unless its run is resumed or retried."""
        return self.state in ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a run knew before it went to a stage, keyed by (run, number)."""

    run: str
    number: int
    """0 is the launch; then one for every stage that it left."""
    stage: str
    """Where it goes next."""
    context: Mapping[str, Any]
    input: Mapping[str, Any] | None = None
    """What the run was given; the checkpoint of the launch has it alone."""
    at: datetime
    version: int = 0

    @property
    def address(self) -> str:
        """Return where it can be read."""
        return f"swarm://{self.run}/checkpoint/{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was written under ``swarm://RUN/NAME``, keyed by (run, name)."""

    run: str
    """A run, or whatever else the writer chose."""
    name: str
    at: datetime
    type: str = "application/json"
    """The media type."""
    value: Any = None
    """What was written, as JSON; None when it is in a file."""
    file: str = ""
    """The SHA-256 of what was written, in hexadecimal, when the hub keeps it in a
    file: it was large, or not JSON."""
    size: int = 0
    """In bytes, as written."""
    by: str = ""
    deleted: bool = False
    version: int = 0

    @property
    def address(self) -> str:
        """Return where it can be read."""
        return f"swarm://{self.run}/{self.name}"
