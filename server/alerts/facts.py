"""What is an alert, what it says, and what settles it; pure.

Every alert is of a row: the event says which, and a start, which replays no events,
finds the same alerts in the rows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any, Final, Literal, TypeAlias, get_args

from agentkit import protocol as p
from agentkit.rows import Agent, Delivery, HelpRequest, Letter, Run, Task
from server.alerts.plain import name, plain
from server.core import Swarm
from server.core.tables import Tables

About: TypeAlias = Literal["help", "blocked", "lost", "dead", "budget"]
"""What alerts are about."""

ABOUT: Final[tuple[About, ...]] = get_args(About)

Key: TypeAlias = tuple[str, ...]
"""What an alert is of: there is one for it until it is settled."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a person should know although nobody looks on."""

    key: Key
    mark: int
    """Rises each time that the same thing comes up anew, and with nothing else."""
    about: About
    at: datetime
    """When it came up."""
    title: str
    """What happened, in a few words."""
    text: str
    """The rest; may be empty."""
    urgent: bool = False
    """Told in quiet hours too."""


# --- rows that a person should know of ------------------------------------------------


def of_help(row: HelpRequest, now: datetime) -> Alert | None:
    """Return the alert that a request is: somebody asks, or is blocked for too long."""
    if row.state != "open" or (row.kind == "blocked" and not row.escalated):
        return None
    if row.kind == "blocked":
        title = f"{name(row.agent)} is blocked{_lasting(now - row.opened)}"
        text = _lines(row.question, _on(row.task))
        return Alert(("help", row.id), row.version, "blocked", row.opened, title, text)
    urgent = row.severity == "critical"
    return Alert(
        ("help", row.id),
        row.version,
        "help",
        row.opened,
        f"{name(row.agent)} needs help{', it is critical' if urgent else ''}",
        _lines(row.question, _choices(row.choices), _on(row.task)),
        urgent,
    )


def of_lost(row: Agent, now: datetime) -> Alert | None:
    """Return the alert that an agent is which is lost."""
    if not row.lost:
        return None
    away = now - row.unlinked if row.unlinked else timedelta()
    gone = f"not connected{_lasting(away)}" if away else ""
    title, text = f"{name(row.id)} is lost", _lines(gone, _on(row.task))
    # While it is lost nothing is heard of it, but perhaps what it cost.
    mark = round(row.heard.timestamp() * 1_000_000)
    return Alert(("lost", row.id), mark, "lost", now, title, text)


def of_budget(row: Agent, now: datetime, budget: float) -> Alert | None:
    """Return the alert that an agent is which has spent its budget of the day."""
    if not row.over_budget:
        return None
    title = f"{name(row.id)} has spent its budget"
    text = f"${row.spent:,.2f} of ${budget:,.2f} on this UTC day: no new work"
    mark = date.fromisoformat(row.spent_on).toordinal()
    return Alert(("budget", row.id), mark, "budget", now, title, text)


def of_task(row: Task, now: datetime) -> Alert | None:
    """Return the alert that a dead task is; those of a run are one."""
    if row.state != "dead":
        return None
    if row.run:
        key = ("run", row.run)
        title = f"in run {name(row.run)} an item failed for good"
        text = _lines(row.title, row.reason)
    else:
        key = ("task", row.id)
        title = f"task {name(row.id)} is dead"
        text = _lines(row.title, row.reason, _by(row.agent))
    return Alert(key, row.version, "dead", row.changed or now, title, text)


def of_delivery(row: Delivery, now: datetime) -> Alert | None:
    """Return the alert that a dead delivery is; of tasks the tasks are told."""
    if row.state != "dead" or row.lapsed or row.retried or row.kind == "task":
        return None
    key = ("delivery", row.agent, str(row.seq))
    title = f"{name(row.agent)} gave up on {row.kind} {name(row.ref)}"
    return Alert(key, row.version, "dead", row.done or now, title, plain(row.reason))


def of_letter(row: Letter) -> Alert | None:
    """Return the alert that a dead letter is."""
    if row.state != "dead":
        return None
    title = f"a message of {name(row.subject)} was given up"
    text = _lines(row.reason, f"by {row.subscription}")
    return Alert(("letter", row.id), row.version, "dead", row.at, title, text)


# --- at a start -----------------------------------------------------------------------


def still_open(
    swarm: Swarm, now: datetime, others: Mapping[str, Run]
) -> Iterator[Alert]:
    """Yield every alert that is not settled, however long ago it came up.

    Args:
        swarm: all that is in memory; what it let go of is not told.
        now: the time.
        others: the runs of `runs_elsewhere`.
    """
    budget = swarm.rules.budget
    agents, runs = swarm.agents.values(), {**others, **swarm.runs.rows}
    dead = swarm.settled(dead=True)
    found = chain[Alert | None](
        (of_help(row, now) for row in swarm.helps.values()),
        (of_lost(row, now) for row in agents),
        (of_budget(row, now, budget) for row in agents),
        (of_task(row, now) for row in dead if not row.run or _failed(row, swarm, runs)),
        (of_delivery(row, now) for row in swarm.deliveries()),
        (of_letter(row) for row in swarm.letters.values()),
    )
    return (alert for alert in found if alert is not None)


def runs_elsewhere(swarm: Swarm) -> set[str]:
    """Return the runs of dead tasks that only the store has."""
    runs = {row.run for row in swarm.settled(dead=True) if row.run}
    return runs - swarm.runs.rows.keys()


def _failed(task: Task, swarm: Swarm, runs: Mapping[str, Run]) -> bool:
    """Say whether an item is still failed by its task: it was not begun anew."""
    run = runs.get(task.run)
    if run is None or run.state != "running":
        return run is not None and run.state == "failed"
    item = swarm.runs.items.get(run.id, {}).get(task.item)
    return item is not None and item.ref == task.id and item.state != "waiting"


# --- events ---------------------------------------------------------------------------


def _asked(event: Any, rows: Tables) -> Alert | None:
    row = rows.helps.get(event.help)
    return of_help(row, event.at) if row else None


def _lost(event: p.AgentLost, rows: Tables) -> Alert | None:
    row = rows.agents.get(event.agent)
    return of_lost(row, event.at) if row else None


def _overspent(event: p.AgentOverspent, rows: Tables) -> Alert | None:
    row = rows.agents.get(event.agent)
    return of_budget(row, event.at, event.budget) if row else None


def _task_dead(event: p.TaskDead, rows: Tables) -> Alert | None:
    row = rows.tasks.get(event.task)
    return of_task(row, event.at) if row else None


def _delivery_dead(event: p.DeliveryDead, rows: Tables) -> Alert | None:
    row = rows.deliveries.get((event.agent, event.seq))
    return of_delivery(row, event.at) if row else None


def _letter_dead(event: p.LetterDead, rows: Tables) -> Alert | None:
    row = rows.letters.get(event.letter)
    return of_letter(row) if row else None


TOLD: Final[Mapping[type, Callable[[Any, Tables], Alert | None]]] = {
    p.HelpAsked: _asked,
    p.HelpWoken: _asked,
    p.HelpEscalated: _asked,
    p.AgentLost: _lost,
    p.TaskDead: _task_dead,
    p.DeliveryDead: _delivery_dead,
    p.LetterDead: _letter_dead,
    p.AgentOverspent: _overspent,
}
"""Which events may be alerts, given the rows that their turn changed: most are none."""


def _of_help(event: Any) -> Key:
    return "help", event.help


def _of_lost(event: Any) -> Key:
    return "lost", event.agent


def _of_budget(event: Any) -> Key:
    return "budget", event.agent


def _of_task(event: Any) -> Key:
    return "task", event.task


def _of_run(event: Any) -> Key:
    return "run", event.run


def _of_letter(event: Any) -> Key:
    return "letter", event.letter


def _of_delivery(event: Any) -> Key:
    return "delivery", event.agent, str(event.seq)


SETTLES: Final[Mapping[type, Callable[[Any], Key]]] = {
    p.HelpAnswered: _of_help,
    p.HelpTaken: _of_help,
    p.HelperAssigned: _of_help,
    p.HelpSnoozed: _of_help,
    p.HelpResolved: _of_help,
    p.AgentReported: _of_lost,
    p.AgentConnected: _of_lost,
    p.MessageSent: _of_lost,
    p.AgentSolvent: _of_budget,
    p.TaskRequeued: _of_task,
    p.TaskCancelled: _of_task,
    p.RunResumed: _of_run,
    p.RunRetried: _of_run,
    p.RunFinished: _of_run,
    p.RunCancelled: _of_run,
    p.DeliveryRetried: _of_delivery,
    p.LetterRequeued: _of_letter,
    p.LetterDiscarded: _of_letter,
}
"""What each kind of event settles: a person has it, or it is over."""


# --- words ----------------------------------------------------------------------------


def _lines(*parts: str) -> str:
    """Return the parts that say something, a line each."""
    return "\n".join(plain(part) for part in parts if part)


def _choices(choices: tuple[str, ...]) -> str:
    return f"one of: {', '.join(choices)}" if choices else ""


def _on(task: str) -> str:
    return f"task {task}" if task else ""


def _by(agent: str) -> str:
    return f"last with {agent}" if agent else ""


def _lasting(span: timedelta) -> str:
    """Return how long something lasts, as it stands behind a word; may be nothing."""
    return f" for {_span(span)}" if span >= timedelta(seconds=1) else ""


def _span(span: timedelta) -> str:
    """Return a span of time, with the unit that suits it."""
    seconds = round(span.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
