"""The work queue as a person reads it: groups, signs, times, and a filter for it.

Plain Python, no Textual. A `Letter` is a row of the table: a task, or a delivery that
its agent gave up. The filter is the agents' language over the fields of such rows::

    state:leased need:python prio>2 tries>1 age>10m task:P0.* !a1 text
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias, get_args

from agentkit.rows import Delivery, DeliveryKind, Task, TaskState
from swarmtui.row_filter import RowFilter
from swarmtui.text import duration, safe

Group: TypeAlias = Literal["ready", "leased", "done", "dead"]
GROUPS: tuple[Group, ...] = get_args(Group)
Letter: TypeAlias = Task | Delivery


class Sign(NamedTuple):
    """How a state is shown, and where."""

    glyph: str
    ink: str
    group: Group


SIGNS: Mapping[TaskState, Sign] = {
    "scheduled": Sign("◷", "dim", "ready"),
    "queued": Sign("○", "idle", "ready"),
    "sent": Sign("◎", "idle", "ready"),
    "acked": Sign("◐", "idle", "ready"),
    "leased": Sign("●", "busy", "leased"),
    "working": Sign("●", "busy", "leased"),
    "done": Sign("✓", "done", "done"),
    "cancelled": Sign("∅", "faint", "done"),
    "dead": Sign("†", "help", "dead"),
}
"""The sign of each state of a task; a word and a colour go with it."""

BAR = 5
"""Cells of the bar of a lease, and of that of progress."""


def group_of(row: Letter) -> Group:
    """Return the group in which a row is listed."""
    return SIGNS[row.state].group if isinstance(row, Task) else "dead"


def group_counts(counts: Mapping[str, int], letters: int = 0) -> dict[str, int]:
    """Add up the counts of states by group, with dead deliveries among the dead."""
    totals: dict[str, int] = dict.fromkeys(GROUPS, 0)
    for state, look in SIGNS.items():
        totals[look.group] += counts.get(state, 0)
    totals["dead"] += letters
    return totals


def word(row: Letter) -> str:
    """Return the state of a row in one word; waiting after a failure is *backoff*."""
    if isinstance(row, Delivery):
        return row.kind
    if row.state == "scheduled" and row.attempts:
        return "backoff"
    return row.state


def sign(row: Letter) -> str:
    """Return the glyph and the word of a row's state."""
    glyph = SIGNS[row.state].glyph if isinstance(row, Task) else "†"
    return f"{glyph} {word(row)}"


def ink(row: Letter) -> str:
    """Return the ink of a row's state."""
    return SIGNS[row.state].ink if isinstance(row, Task) else "help"


def wanted(task: Task) -> str:
    """Return whom a task is for: one agent, certain capabilities, or anybody."""
    if task.target:
        return safe(f"→ {task.target}")
    return safe(" ".join(task.needs)) or "anybody"


def tries(task: Task) -> str:
    """Return how many of its attempts a task has used."""
    return f"{task.attempts}/{task.max_attempts}" if task.attempts else ""


def lease_bar(task: Task, now: datetime) -> str:
    """Return how much of a lease is left as a bar and a time; empty without one."""
    if task.lease_until is None:
        return ""
    left = (task.lease_until - now).total_seconds()
    share = left / task.lease if task.lease > 0 else 0.0
    cells = max(0, min(BAR, round(share * BAR)))
    return f"{'━' * cells}{'┄' * (BAR - cells)} {duration(left):>4}"


def progress_bar(task: Task) -> str:
    """Return how much of a task is done as a bar and a share; empty when untold."""
    if task.progress is None:
        return ""
    cells = max(0, min(BAR, int(task.progress * BAR)))
    return f"{'▰' * cells}{'▱' * (BAR - cells)} {task.progress:>4.0%}"


def since(row: Letter) -> datetime:
    """Return since when a row is in its state, as far as it says."""
    if isinstance(row, Delivery):
        return row.done or row.queued
    return row.changed or row.created


def when(row: Letter, now: datetime) -> str:
    """Return the time that matters: until it is ready, left of its lease, or ago."""
    if isinstance(row, Task) and row.state == "scheduled" and row.not_before:
        return f"in {duration(row.not_before - now)}"
    if isinstance(row, Task) and row.state == "leased":
        return lease_bar(row, now)
    return duration(now - since(row))


# --- Filter --------------------------------------------------------------------------

Chosen: TypeAlias = Callable[[Letter, datetime], bool]

HINT = "need:python prio>2 tries>1 age>10m agent:a1 text"


def _words(row: Letter) -> str:
    if isinstance(row, Delivery):
        parts: tuple[str, ...] = (row.id, row.ref, row.kind)
    else:
        parts = (row.id, row.title, row.target, *row.needs)
    return " ".join((*parts, row.agent, word(row), row.reason))


def _name(row: Letter) -> str:
    return row.ref if isinstance(row, Delivery) else row.id


_FILTER: RowFilter[Letter] = RowFilter(
    texts={
        "task": lambda row: (_name(row),),
        "id": lambda row: (row.id, _name(row)),
        "agent": lambda row: (row.agent, getattr(row, "target", "")),
        "need": lambda row: getattr(row, "needs", ()),
        "cap": lambda row: getattr(row, "needs", ()),
        "state": lambda row: (row.state, word(row)),
        "reason": lambda row: (row.reason,),
    },
    numbers={
        "prio": lambda row, _: getattr(row, "priority", 0),
        "tries": lambda row, _: row.attempts,
        "age": lambda row, now: now - since(row),
    },
    states=(*get_args(TaskState), "backoff", *get_args(DeliveryKind)),
    words=_words,
)


def compile_work(text: str) -> Chosen | None:
    """Read a filter for tasks and dead letters; None lets everything through.

    Raises:
        BadFilter: a term cannot be read; the error is a `BadTerm` and says which.
    """
    return _FILTER.compile(text)
