"""The columns of runs, of their items and of their checkpoints."""

from collections.abc import Callable, Mapping
from datetime import datetime
from math import inf
from typing import Any

from agentkit.rows import Checkpoint, Item, ItemState, Run
from swarmtui.model import Model
from swarmtui.run_book import RunBook
from swarmtui.runs import (
    UNKNOWN,
    bar,
    ink,
    per_second,
    share,
    sign,
    span,
    tally,
    took,
    trouble,
)
from swarmtui.widgets.columns import age, names, number, words
from swarmtui.widgets.line_table import Column, Sort

NEWEST_RUN = Sort("age", falling=True)
NEWEST_STAGE = Sort("index")

_RANK: Mapping[ItemState, int] = {
    "failed": 0,
    "retrying": 1,
    "running": 2,
    "waiting": 3,
    "cancelled": 4,
    "done": 5,
}

SHORT = 400
"""Characters of an output that its line may need."""


# --- what cells say ---


def is_past(item: Item, book: RunBook) -> bool:
    """Say whether an item is done, and of a stage before the newest."""
    return item.state == "done" and item.visit < book.newest


def _name(item: Item) -> str:
    """Return what an item is called: its key, or what does it."""
    return item.key or item.ref


def _length(item: Item) -> float:
    """Return how long an item took; those that go on are the longest."""
    if item.began is None:
        return 0.0
    return inf if item.ended is None else (item.ended - item.began).total_seconds()


def outcome(item: Item) -> str:
    """Return what an item led to, in one line; still to be made safe to draw."""
    if item.error:
        return trouble(item.error)
    if item.output is None:
        return "" if item.state != "done" else UNKNOWN
    return brief(item.output)


def brief(value: Any, room: int = SHORT) -> str:
    """Return a value in a line, without looking at more of it than there is room."""
    if isinstance(value, str):
        return value[:room]
    if isinstance(value, Mapping):
        parts: list[str] = []
        for name, one in value.items():
            if room <= 0:
                break
            parts.append(f"{name} {brief(one, room)}"[:room])
            room -= len(parts[-1]) + 2
        return "  ".join(parts)
    if isinstance(value, list | tuple):
        return f"{len(value):,} values" if len(value) > 4 else _row(value, room)
    return str(value)


def _row(values: Any, room: int) -> str:
    return ", ".join(brief(one, room // 4) for one in values)


# --- runs ---

_RUN_STATE: Column[Run] = Column(
    key="state",
    title="STATE",
    width=11,
    text=lambda run, _: sign(run.state),
    sort=lambda run: run.state,
    style=lambda run: ink(run.state),
)
_PROGRESS: Column[Run] = Column(
    key="progress",
    title="PROGRESS",
    width=13,
    text=lambda run, _: bar(share(run)),
    sort=lambda run: share(run) or 0.0,
    style=lambda run: ink(run.state),
)
_ITEMS: Column[Run] = Column(
    key="items",
    title="ITEMS",
    width=9,
    flex=1,
    text=lambda run, _: tally(run),
    sort=lambda run: run.total,
    style=lambda run: "help" if run.failed else "",
    falling=True,
    right=True,
)
_BY: Column[Run] = words(
    "by",
    "BY",
    lambda run: run.by or run.launched_by,
    width=8,
    flex=1,
    style=lambda _: "dim",
    min_width=104,
)


def run_columns(model: Model) -> tuple[Column[Run], ...]:
    """Return the columns of runs; names, rates and times left are the model's."""
    return (
        _RUN_STATE,
        words("run", "RUN", lambda run: run.id, width=10, flex=3),
        words("plan", "PLAN", model.plan_name, width=7, flex=2),
        words("stage", "STAGE", lambda run: run.stage, width=7, flex=2),
        _PROGRESS,
        _ITEMS,
        *_pace(model),
        age("age", "AGE", lambda run: run.created, width=5, falling=True),
        _BY,
    )


def _pace(model: Model) -> tuple[Column[Run], ...]:
    """Return how fast runs are, and how long they will take."""

    def rate(run: Run, now: datetime) -> float | None:
        return None if run.is_settled else model.tempo.rate(run.id, now)

    return (
        Column(
            key="rate",
            title="RATE",
            width=6,
            text=lambda run, now: per_second(rate(run, now)),
            right=True,
            style=lambda _: "dim",
            timed=True,
            min_width=92,
        ),
        Column(
            key="left",
            title="LEFT",
            width=4,
            text=lambda run, now: span(model.tempo.left(run, now)),
            right=True,
            timed=True,
        ),
    )


# --- items ---

_INDEX: Column[Item] = Column(
    key="index",
    title="#",
    width=4,
    text=lambda item, _: f"{item.index:,}",
    sort=lambda item: (-item.visit, item.index),
    style=lambda _: "dim",
    right=True,
)
_TRIES: Column[Item] = number(
    "tries",
    "TRY",
    lambda item: item.attempt,
    width=3,
    min_width=56,
    style=lambda item: "blocked" if item.attempt > 1 else "dim",
)
_TOOK: Column[Item] = Column(
    key="took",
    title="TOOK",
    width=5,
    text=lambda item, now: span(took(item, now)),
    sort=_length,
    falling=True,
    right=True,
    timed=True,
)
_OUTPUT: Column[Item] = words(
    "output",
    "OUTPUT",
    outcome,
    width=8,
    flex=4,
    sorts=False,
    style=lambda item: "blocked" if item.error else "dim",
)


def item_columns(
    book: Callable[[], RunBook], agent_of: Callable[[Item], str]
) -> tuple[Column[Item], ...]:
    """Return the columns of items.

    Args:
        book: gives the run that they are of.
        agent_of: gives who does one, or did.
    """
    state: Column[Item] = Column(
        key="state",
        title="STATE",
        width=11,
        text=lambda item, _: sign(item.state),
        sort=lambda item: (_RANK[item.state], -item.visit, item.index),
        style=lambda item: "faint" if is_past(item, book()) else ink(item.state),
    )

    def stage(item: Item) -> str:
        return book().visits.get(item.visit, "")

    return (
        _INDEX,
        state,
        words("stage", "STAGE", stage, width=8, flex=1, min_width=76),
        words("key", "KEY OR TASK", _name, width=11, flex=1, min_width=60),
        names("agent", "AGENT", agent_of, width=10, flex=1, min_width=72),
        _TRIES,
        _TOOK,
        _OUTPUT,
    )


# --- checkpoints ---

CHECKPOINTS: tuple[Column[Checkpoint], ...] = (
    number("number", "NO", lambda row: row.number, width=4),
    words("stage", "GOES ON AT", lambda row: row.stage, width=10, flex=2),
    age("age", "AGO", lambda row: row.at, width=5, falling=True),
    Column(
        key="clock",
        title="WHEN",
        width=8,
        text=lambda row, _: f"{row.at.astimezone():%H:%M:%S}",
        right=True,
        style=lambda _: "dim",
    ),
)
NEWEST_CHECKPOINT = Sort("number", falling=True)
