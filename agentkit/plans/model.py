"""What a plan says, compiled: machines, their stages, and the work of each.

Everything is frozen and made once by `agentkit.plans.compiling`; a run refers to it and
never changes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from agentkit.plans.expressions import Expression, Template

StageKind: TypeAlias = Literal["initial", "final", ""]
Mode: TypeAlias = Literal["settled", "any"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStep:
    """Work that an agent of the swarm does: what it must be able to, and how."""

    name: str
    needs: tuple[str, ...]
    """The capabilities that whoever claims it has."""
    title: Template | None
    """The title of its tasks."""
    priority: int
    max_attempts: int | None
    """How often its tasks may fail; None is as the hub is set."""
    config: Mapping[str, Any]
    """What the worker is given beside the input: the data of a flatagent file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A machine that a stage runs, or launches."""

    name: str
    """What the plan calls it there: the name of its result in a list of machines."""
    machine: str
    """A machine of the plan."""
    input: Template | None
    """What it is given; None is the input of the stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """Where to go next."""

    to: str
    condition: Expression | None
    """Holds or not; None always holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often failed items are begun again, and after which time."""

    backoffs: tuple[float, ...]
    """Seconds before each attempt after the first."""
    jitter: float
    """By which part of itself a time may be longer or shorter, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A state of a machine: its work, and where it leads."""

    name: str
    kind: StageKind
    agent: AgentStep | None
    calls: tuple[Call, ...]
    """The machines whose output it waits for."""
    lists_calls: bool
    """`machine` is a list: the output is an object, by the names of the calls."""
    launches: tuple[Call, ...]
    """The machines that it launches and does not wait for."""
    launch_input: Template | None
    foreach: Expression | None
    """Gives the list whose elements are its items."""
    as_: str
    """What an element is called in expressions."""
    key: Expression | None
    """Gives the name of an item's result: the output is an object by these."""
    input: Template | None
    """What each item is given."""
    output_to_context: Template
    """What it adds to the context."""
    output: Template
    """What its machine gives, when it is final."""
    transitions: tuple[Transition, ...]
    retry: Retry | None
    samples: int
    """How often its agent does the work, to choose among; 1 is once."""
    on_error: Mapping[str, str]
    """The stage for each type of error; ``default`` is for all others."""
    mode: Mode
    """``settled`` waits for every item, ``any`` for the first that is done."""
    timeout: float | None
    """Seconds; None has no limit."""
    concurrency: int | None
    """How many items run at once; None is as the hub is set."""

    @property
    def has_work(self) -> bool:
        """Whether it has items at all."""
        return self.agent is not None or bool(self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine of a plan."""

    name: str
    context: Template
    """What a run knows at first."""
    agents: Mapping[str, AgentStep]
    machines: Mapping[str, str]
    """What it calls other machines of the plan, and their names."""
    stages: Mapping[str, Stage]
    initial: str
    max_steps: int
    """How many stages a run may go to."""
    keeps_checkpoints: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A plan, compiled."""

    name: str
    main: str
    """The machine that is run unless another one is asked for."""
    machines: Mapping[str, Machine]
