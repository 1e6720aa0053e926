"""Which events are alerts, what each says, and which settle one; pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias, get_args

from agentkit import protocol as p
from agentkit.rows import HelpRequest, Severity
from server.alerts.plain import name, plain
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
    about: About
    at: datetime
    title: str
    """What happened, in a few words."""
    text: str
    """The rest; may be empty."""
    urgent: bool = False
    """Told in quiet hours too."""


Tell: TypeAlias = Callable[[Any, Tables], Alert | None]


def alert_of(event: p.Event, rows: Tables) -> Alert | None:
    """Return the alert that an event is; None for most events.

    Args:
        event: what happened.
        rows: what the turn of the event changed.
    """
    tell = TOLD.get(type(event))
    return tell(event, rows) if tell else None


def settled_by(event: p.Event) -> Key | None:
    """Return the key of the alert that an event settles, if there is one."""
    settle = SETTLES.get(type(event))
    return settle(event) if settle else None


# --- who needs a person ---------------------------------------------------------------


def _asked(event: p.HelpAsked, _rows: Tables) -> Alert | None:
    if event.kind != "help":
        return None
    return _help(event, event.at, event.severity)


def _woken(event: p.HelpWoken, rows: Tables) -> Alert | None:
    row = rows.helps.get(event.help)
    if row is None:
        return None
    return _help(row, event.at, row.severity) if row.kind == "help" else _blocked(row)


def _escalated(event: p.HelpEscalated, rows: Tables) -> Alert | None:
    row = rows.helps.get(event.help)
    return _blocked(row, event.at) if row else None


def _help(asked: p.HelpAsked | HelpRequest, at: datetime, severity: Severity) -> Alert:
    key = asked.help if isinstance(asked, p.HelpAsked) else asked.id
    urgent = severity == "critical"
    return Alert(
        ("help", key),
        "help",
        at,
        f"{name(asked.agent)} needs help{', it is critical' if urgent else ''}",
        _lines(asked.question, _choices(asked.choices), _on(asked.task)),
        urgent,
    )


def _blocked(row: HelpRequest, at: datetime | None = None) -> Alert:
    since = f" for {_span(at - row.opened)}" if at else ""
    title = f"{name(row.agent)} is blocked{since}"
    text = _lines(row.question, _on(row.task))
    return Alert(("help", row.id), "blocked", at or row.opened, title, text)


# --- what is lost, dead or spent ------------------------------------------------------


def _lost(event: p.AgentLost, rows: Tables) -> Alert:
    row = rows.agents.get(event.agent)
    away = row.unlinked if row else None
    gone = f"not connected for {_span(event.at - away)}" if away else ""
    title = f"{name(event.agent)} is lost"
    text = _lines(gone, _on(row.task if row else ""))
    return Alert(("lost", event.agent), "lost", event.at, title, text)


def _task_dead(event: p.TaskDead, rows: Tables) -> Alert:
    row = rows.tasks.get(event.task)
    if row is not None and row.run:
        title = f"in run {name(row.run)} an item failed for good"
        return Alert(
            ("run", row.run), "dead", event.at, title, _lines(row.title, event.reason)
        )
    title = f"task {name(event.task)} is dead"
    text = _lines(row.title if row else "", event.reason, _by(event.agent))
    return Alert(("task", event.task), "dead", event.at, title, text)


def _delivery_dead(event: p.DeliveryDead, rows: Tables) -> Alert | None:
    row = rows.deliveries.get((event.agent, event.seq))
    if row is None or row.lapsed:
        return None
    key = ("delivery", event.agent, str(event.seq))
    return Alert(
        ("task", row.ref) if row.kind == "task" else key,
        "dead",
        event.at,
        f"{name(event.agent)} gave up on {row.kind} {name(row.ref)}",
        plain(event.reason),
    )


def _letter_dead(event: p.LetterDead, _rows: Tables) -> Alert:
    subject = str(event.message.get("name", ""))
    title = f"a message of {name(subject)} was given up"
    text = _lines(event.reason, f"by {event.subscription}")
    return Alert(("letter", event.letter), "dead", event.at, title, text)


def _overspent(event: p.AgentOverspent, _rows: Tables) -> Alert:
    title = f"{name(event.agent)} has spent its budget"
    text = f"${event.spent:,.2f} of ${event.budget:,.2f} on this UTC day: no new work"
    return Alert(("budget", event.agent), "budget", event.at, title, text)


TOLD: Final[Mapping[type, Tell]] = {
    p.HelpAsked: _asked,
    p.HelpWoken: _woken,
    p.HelpEscalated: _escalated,
    p.AgentLost: _lost,
    p.TaskDead: _task_dead,
    p.DeliveryDead: _delivery_dead,
    p.LetterDead: _letter_dead,
    p.AgentOverspent: _overspent,
}
"""What each kind of event that is told of says."""


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


def _span(span: timedelta) -> str:
    """Return a span of time, with the unit that suits it."""
    seconds = round(span.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
