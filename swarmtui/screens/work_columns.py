"""The columns of the work queue: a set for each group, and one beside idle agents."""

from collections.abc import Mapping
from datetime import UTC, datetime

from agentkit.rows import Delivery, Task
from swarmtui.facts import carried
from swarmtui.model import Model, claim_order
from swarmtui.text import safe
from swarmtui.widgets.columns import age, names, number, words
from swarmtui.widgets.line_table import Column, Sort
from swarmtui.work import (
    Group,
    Letter,
    ink,
    lease_bar,
    progress_bar,
    sign,
    since,
    tries,
    wanted,
    when,
)

NEVER = datetime.max.replace(tzinfo=UTC)


def _due(task: Task) -> tuple[datetime, str]:
    return (task.lease_until or NEVER, task.id)


def _outcome(task: Task) -> str:
    """Return what a settled task led to: its result, or why there is none."""
    if task.state != "done":
        return task.reason
    return "  ".join(f"{name} {value}" for name, value in task.result.items())


def _urgency(task: Task, _now: datetime) -> str:
    return f"{task.priority:+}" if task.priority else ""


STATE: Column[Task] = Column(
    key="state",
    title="STATE",
    width=11,
    text=lambda task, _: sign(task),
    sort=lambda task: task.state,
    style=ink,
)
TASK: Column[Task] = words("task", "TASK", lambda task: task.id, width=7, flex=1)
TITLE: Column[Task] = words("title", "TITLE", lambda task: task.title, width=14, flex=5)
PRIORITY: Column[Task] = Column(
    key="prio",
    title="PRIO",
    width=6,
    text=_urgency,
    sort=claim_order,
    style=lambda task: "" if task.priority > 0 else "dim",
    right=True,
)
NEEDS: Column[Task] = Column(
    key="needs",
    title="NEEDS",
    width=10,
    flex=2,
    text=lambda task, _: wanted(task),
    sort=wanted,
    style=lambda task: "" if task.needs or task.target else "faint",
)
AGENT: Column[Task] = names("agent", "AGENT", lambda task: task.agent, width=10, flex=2)
TRIES: Column[Task] = number(
    "tries",
    "TRIES",
    lambda task: task.attempts,
    width=5,
    text=tries,
    style=lambda task: "blocked" if task.attempts > 1 else "dim",
)
WAITS: Column[Task] = Column(
    key="waits",
    title="WAITS",
    width=6,
    text=when,
    sort=since,
    style=lambda task: "dim" if task.state == "scheduled" else "",
    right=True,
    timed=True,
)
LEASE: Column[Task] = Column(
    key="lease",
    title="LEASE",
    width=10,
    text=lambda task, now: lease_bar(task, now) or "none",
    sort=_due,
    style=lambda task: "busy" if task.lease_until else "faint",
    timed=True,
)
PROGRESS: Column[Task] = Column(
    key="progress",
    title="PROGRESS",
    width=10,
    text=lambda task, _: progress_bar(task),
    sort=lambda task: (task.progress or 0.0, task.id),
    style=lambda _: "done",
    min_width=72,
)
NOTE: Column[Task] = words(
    "note",
    "NOTE",
    lambda task: task.note,
    width=10,
    flex=2,
    sorts=False,
    style=lambda _: "dim",
    min_width=120,
)
HELD: Column[Task] = age("held", "FOR", since, width=4, min_width=92)
REASON: Column[Task] = words(
    "reason",
    "LAST FAILED WITH",
    lambda task: task.reason,
    width=12,
    flex=3,
    sorts=False,
    style=lambda _: "dim",
    min_width=100,
)
AGO: Column[Task] = age("ago", "AGO", since, width=5, falling=True)
OUTCOME: Column[Task] = words(
    "outcome",
    "RESULT OR REASON",
    _outcome,
    width=10,
    flex=4,
    sorts=False,
    style=lambda _: "dim",
)


DEAD: tuple[Column[Letter], ...] = (
    names("agent", "AGENT", lambda row: row.agent, width=10, flex=1),
    number(
        "tries",
        "TRIES",
        lambda row: row.attempts,
        width=5,
        text=lambda row: tries(row) if isinstance(row, Task) else f"{row.attempts}",
        style=lambda _: "dim",
    ),
    age("ago", "AGO", since, width=5, falling=True),
    words(
        "reason",
        "REASON",
        lambda row: safe(row.reason) or "no reason given",
        width=14,
        flex=5,
        sorts=False,
        style=lambda _: "blocked",
    ),
)

WORK: Mapping[Group, tuple[tuple[Column[Task], ...], Sort]] = {
    "ready": (
        (STATE, TASK, TITLE, PRIORITY, NEEDS, TRIES, WAITS, REASON),
        Sort("prio"),
    ),
    "leased": (
        (STATE, TASK, TITLE, AGENT, PROGRESS, NOTE, TRIES, HELD, LEASE),
        Sort("lease"),
    ),
    "done": ((STATE, TASK, TITLE, AGENT, AGO, OUTCOME), Sort("ago", falling=True)),
}
"""What each group of tasks shows, and its order to begin with."""

WAITING_TASKS: tuple[Column[Task], ...] = (
    Column(
        key="task",
        title="TASK",
        width=10,
        flex=3,
        text=lambda task, _: safe(f"{task.id} {task.title}"),
        sort=lambda task: task.id,
    ),
    PRIORITY,
    NEEDS,
    WAITS,
)
"""What waits to be done, beside the agents that wait."""


def dead_columns(model: Model) -> tuple[Column[Letter], ...]:
    """Return the columns of dead tasks and dead deliveries, told by what they carry."""

    def what(row: Letter) -> str:
        if isinstance(row, Delivery):
            return safe(carried(model, row))
        return safe(f"{row.id} {row.title}")

    return (
        Column(
            key="state",
            title="DEAD",
            width=11,
            text=lambda row, _: (
                f"† {row.kind if isinstance(row, Delivery) else 'task'}"
            ),
            sort=lambda row: isinstance(row, Delivery),
            style=ink,
        ),
        Column(
            key="task",
            title="WHAT",
            width=14,
            flex=3,
            text=lambda row, _: what(row),
            sort=what,
        ),
        *DEAD,
    )
