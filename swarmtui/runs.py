"""Runs as a person reads them: groups, signs, bars, and a filter for them.

Plain Python, no Textual. Runs, stages and items share one set of signs: ``✓`` done,
``●`` here, ``○`` to come, ``×`` failed; a word and a colour go with each. The filter
is the agents' language over the fields of a run::

    state:failed plan:peering stage:fetch age>1h failed>0 !by:ci text
"""  # noqa: RUF002  # the sign, not the letter

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from agentkit.rows import Item, ItemState, Run, RunState
from swarmtui.row_filter import RowFilter
from swarmtui.text import count, duration

Group: TypeAlias = Literal["running", "done", "failed", "all"]
GROUPS: tuple[Group, ...] = get_args(Group)

UNKNOWN = "–"  # noqa: RUF001  # a dash, for a figure that nobody knows
BAR = 8
"""Cells of a bar."""


class Look(NamedTuple):
    """How a state is shown."""

    glyph: str
    ink: str


LOOKS: Mapping[RunState | ItemState, Look] = {
    "running": Look("●", "busy"),
    "waiting": Look("○", "idle"),
    "retrying": Look("◷", "blocked"),
    "done": Look("✓", "done"),
    "failed": Look("×", "help"),  # noqa: RUF001  # the sign
    "cancelled": Look("∅", "faint"),
}
"""How each state of a run and of an item is shown."""


def sign(state: RunState | ItemState) -> str:
    """Return the glyph and the word of a state."""
    return f"{LOOKS[state].glyph} {state}"


def ink(state: RunState | ItemState) -> str:
    """Return the ink of a state."""
    return LOOKS[state].ink


def is_in(group: Group, run: Run) -> bool:
    """Say whether a run is listed in a group; called off ones are with the failed."""
    if group == "failed":
        return run.state in ("failed", "cancelled")
    return group in ("all", run.state)


def group_counts(runs: Iterable[Run]) -> dict[str, int]:
    """Return how many runs each group has."""
    counts: dict[str, int] = dict.fromkeys(GROUPS, 0)
    for run in runs:
        for group in GROUPS:
            counts[group] += is_in(group, run)
    return counts


# --- Figures -------------------------------------------------------------------------


def share(run: Run) -> float | None:
    """Return how much of its stage a run has behind it, 0 to 1; None: unknown."""
    if run.state == "done":
        return 1.0
    if not run.entered or run.total <= 0:
        return None
    return min((run.done + run.failed) / run.total, 1.0)


def bar(part: float | None, cells: int = BAR) -> str:
    """Return a share as a bar and a percentage; a bar of nothing when unknown."""
    full = int((part or 0.0) * cells)
    figure = UNKNOWN if part is None else f"{int(part * 100)}%"
    return f"{'▰' * full}{'▱' * (cells - full)} {figure:>4}"


def tally(run: Run) -> str:
    """Return how many items of the stage are done, of how many, and how many not."""
    if not run.total:
        return UNKNOWN
    failed = f" ×{count(run.failed)}" if run.failed else ""  # noqa: RUF001  # the sign
    return f"{count(run.done)}/{count(run.total)}{failed}"


def per_second(rate: float | None) -> str:
    """Return a rate in words of at most six cells: ``4.2/s``, ``12/m``."""
    if rate is None:
        return UNKNOWN
    for unit, seconds in (("s", 1), ("m", 60)):
        if rate * seconds >= 1:
            number = rate * seconds
            return f"{number:.1f}/{unit}" if number < 10 else f"{number:.0f}/{unit}"
    return f"{rate * 3600:.0f}/h"


def span(seconds: float | None) -> str:
    """Return a number of seconds in at most four cells; a dash when unknown."""
    return UNKNOWN if seconds is None else duration(seconds)


def took(item: Item, now: datetime) -> float | None:
    """Return how many seconds an item takes, or took; None before it began."""
    if item.began is None:
        return None
    end = item.ended if item.is_settled else now
    return ((end or now) - item.began).total_seconds()


def trouble(error: Mapping[str, Any]) -> str:
    """Return what an error says, with its type; still to be made safe to draw."""
    kind, text = error.get("_error_type", ""), error.get("_error", "")
    return ": ".join(str(part) for part in (kind, text) if part)


# --- Filter --------------------------------------------------------------------------

Chosen: TypeAlias = Callable[[Run, datetime], bool]

HINT = "state:failed plan:peering stage:fetch failed>0 age>1h text"


def compile_runs(text: str, name_of: Callable[[Run], str]) -> Chosen | None:
    """Read a filter for runs; None lets everything through.

    Args:
        text: the filter.
        name_of: gives the name of the plan of a run.

    Raises:
        BadFilter: a term cannot be read; the error is a `BadTerm` and says which.
    """

    def words(run: Run) -> str:
        texts = (run.id, name_of(run), run.machine, run.stage, run.state, run.by)
        return " ".join((*texts, run.reason, trouble(run.error)))

    return RowFilter[Run](
        texts={
            "run": lambda run: (run.id,),
            "id": lambda run: (run.id,),
            "plan": lambda run: (name_of(run), run.machine),
            "stage": lambda run: (run.stage,),
            "state": lambda run: (run.state,),
            "by": lambda run: (run.by,),
            "error": lambda run: (str(run.error.get("_error_type", "")),),
        },
        numbers={
            "done": lambda run, _: run.done,
            "failed": lambda run, _: run.failed,
            "total": lambda run, _: run.total,
            "age": lambda run, now: now - run.created,
        },
        states=get_args(RunState),
        words=words,
    ).compile(text)
