"""How far runs are, as the hub reckons it when it is asked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from agentkit.codec import decode
from agentkit.rows import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run, and how far it is."""

    run: Run
    plan: str
    """The name of its plan."""
    progress: float
    """How much of it is done, 0 to 1; it goes back when the plan goes back."""
    eta: float | None
    """In how many seconds it is done if it goes on like this; None: nobody knows."""
    children: Mapping[str, int] = field(default_factory=dict)
    """How many runs are below it, at any depth, by state."""
    launched: tuple[str, ...] = ()
    """Runs that it launched and did not wait for, the newest first; at most 100."""

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read what the hub answers."""
        return cls(
            run=decode(Run, data["run"]),
            plan=data["plan"],
            progress=data["progress"],
            eta=data["eta"],
            children=data["children"],
            launched=tuple(data["launched"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTree:
    """A run with the runs below it, in order of their items."""

    run: Run
    """Without its output: that is asked for run by run."""
    progress: float
    eta: float | None
    children: tuple["RunTree", ...] = ()
    whole: bool = True
    """Whether all runs below it are here; of very many the newest are."""

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read what the hub answers."""
        return cls(
            run=decode(Run, data["run"]),
            progress=data["progress"],
            eta=data["eta"],
            children=tuple(map(cls.read, data["children"])),
            whole=data["whole"],
        )

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "RunTree"]]:
        """Yield this run and those below it, each with its depth, from the top."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)
