"""What the detail pane says of a task, and of a delivery that its agent gave up."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from textual.content import Content

from agentkit.protocol import Logged
from agentkit.rows import Delivery, Task
from swarmtui.facts import (
    DELIVERY_INKS,
    LABEL,
    carried,
    fact,
    rule,
    stack,
    title,
)
from swarmtui.model import Model
from swarmtui.telling import tell, whom
from swarmtui.text import GLYPHS, ago, clip, clock, duration, fit, name, plural, safe
from swarmtui.work import SIGNS, lease_bar, progress_bar, sign, since, wanted

INKS = {"dim": "ink-dim", "faint": "ink-faint"}
FIELDS = 12
"""How many fields of a body or a result are shown."""


def task_facts(model: Model, task: Task, now: datetime, width: int) -> Content:
    """Return what is known of a task, in lines of at most `width` cells."""
    room = width - LABEL
    ink = SIGNS[task.state].ink
    lines = [
        title(
            task.id,
            sign(task),
            INKS.get(ink, f"st-{ink}"),
            ago(since(task), now),
            width,
        ),
        Content(""),
        *([Content(safe(task.title)), Content("")] if task.title else []),
        *([_because(task.reason), Content("")] if task.reason else []),
        *(fact(name, text, room) for name, text in _known(model, task, now) if text),
    ]
    lines += _fields("result", task.result, width)
    said = {"id", "title"}
    body = {key: value for key, value in task.body.items() if key not in said}
    lines += _fields("body", body, width)
    return stack(lines)


def _because(reason: str) -> Content:
    """Return why an attempt failed, in full: it is what a person looks for."""
    return Content.styled(safe(reason), "$st-blocked")


def _known(model: Model, task: Task, now: datetime) -> list[tuple[str, str]]:
    return [
        ("with", _who(model, task) if not task.is_ready else ""),
        ("for", wanted(task).removeprefix("→ ")),
        ("able", _able(model, task) if task.is_ready and not task.target else ""),
        ("ready", _ready(task, now)),
        ("prio", f"{task.priority:+}" if task.priority else "0"),
        ("tries", f"{task.attempts} of {task.max_attempts}"),
        ("made", f"{ago(task.created, now)} ago{_by(task.by)}"),
        ("lease", _lease(task, now)),
        ("progress", progress_bar(task)),
        ("note", task.note),
        ("watched", f"by {', '.join(task.watchers)}" if task.watchers else ""),
        ("fence", f"{task.fence:,}" if task.fence and task.is_held else ""),
    ]


def _who(model: Model, task: Task) -> str:
    agent = model.agents.get(task.agent)
    return f"{task.agent}, {agent.state}" if agent else task.agent


def _able(model: Model, task: Task) -> str:
    able = model.able(task.needs)
    if not able:
        return "no agent covers enough of it: it waits"
    idle = sum(bool(agent.ticket) for agent in able)
    return f"{plural(len(able), 'agent')}, {idle:,} idle"


def _ready(task: Task, now: datetime) -> str:
    if task.state != "scheduled" or task.not_before is None:
        return ""
    return f"in {duration(task.not_before - now)}, at {clock(task.not_before)}"


def _lease(task: Task, now: datetime) -> str:
    bar = lease_bar(task, now)
    return f"{bar} of {duration(task.lease)}" if bar else ""


def _by(who: str) -> str:
    return f" by {who}" if who else ""


def _fields(name: str, values: Mapping[str, Any], width: int) -> list[Content]:
    """Return a rule and the fields of a mapping below it; nothing when it is empty."""
    if not values:
        return []
    room = width - LABEL
    lines = [
        fact(clip(safe(str(key)), LABEL - 1), str(value), room)
        for key, value in list(values.items())[:FIELDS]
    ]
    if len(values) > FIELDS:
        rest = f"and {len(values) - FIELDS:,} more"
        lines.append(Content.styled(rest, "$ink-dim"))
    return [Content(""), rule(name, width), *lines]


def letter_facts(model: Model, row: Delivery, now: datetime, width: int) -> Content:
    """Return what is known of a dead delivery."""
    room = width - LABEL
    lines = [
        title(row.agent, f"† {row.kind}", "st-help", ago(since(row), now), width),
        Content(""),
        Content(safe(carried(model, row))),
        Content(""),
        _because(row.reason or "it gave no reason"),
        Content(""),
        fact("id", row.id, room),
        fact("handed", plural(row.attempts, "time"), room),
        fact("queued", f"{clock(row.queued)}, {ago(row.queued, now)} ago", room),
        *([fact("retried", f"as {row.retried}", room)] if row.retried else []),
    ]
    return stack(lines)


def recipients(rows: Sequence[Delivery], width: int, most: int) -> Content:
    """Return who was to receive something and how far each got, the dead first."""
    ranked = sorted(rows, key=lambda row: (row.state != "dead", row.is_settled))
    lines = [_recipient(row, width) for row in ranked[:most]]
    if len(rows) > most:
        lines.append(
            Content.styled(f"and {len(rows) - most:,} more: l lists them", "$ink-dim")
        )
    return stack(lines or [Content.styled("in nobody's mailbox", "$ink-dim")])


def _recipient(row: Delivery, width: int) -> Content:
    steps = "→".join(reached(row))
    again = f" ×{row.attempts}" if row.attempts > 1 else ""  # noqa: RUF001  # the sign
    room = max(8, width - len(steps) - len(again) - 2)
    return Content.assemble(
        fit(name(safe(row.agent), room), room),
        "  ",
        (steps, f"${DELIVERY_INKS[row.state]}"),
        (again, "$st-blocked"),
    )


def reached(row: Delivery) -> Iterable[str]:
    """Return the steps that a delivery has taken: ``queued → sent → acked → done``."""
    yield "queued"
    if row.sent:
        yield "sent"
    if row.acked:
        yield "acked"
    if row.is_settled:
        yield row.state


def story(task: str, events: Iterable[Logged], width: int) -> Content:
    """Return what befell a task, a line each, as given: when, what, who, why."""
    lines = [_chapter(task, logged, width) for logged in events]
    return stack(lines or [Content.styled("older than the log", "$ink-dim")])


def _chapter(task: str, logged: Logged, width: int) -> Content:
    told = tell(logged.event)
    said = told.text.removeprefix(safe(task)).lstrip(":, ")
    text = "  ".join(part for part in (whom(logged.event), said) if part)
    return Content.assemble(
        (f"{clock(logged.event.at)} ", "$ink-dim"),
        (
            f"{GLYPHS.get(told.state, '·')} {fit(told.word, 10)}",
            f"$st-{told.state}" if told.state else "",
        ),
        clip(text, max(width - 22, 1)),
    )
