"""What the pane says of a run above its items."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from textual.content import Content

from agentkit.codec import encode
from agentkit.progress import RunTree, RunView
from agentkit.rows import Checkpoint, Item, Run
from swarmtui.facts import LABEL, fact, rule, title
from swarmtui.model import Model
from swarmtui.run_book import RunBook
from swarmtui.run_picture import INKS, Picture, begun, percent
from swarmtui.runs import LOOKS, per_second, sign, span, trouble
from swarmtui.text import ago, clock, safe

MOST = 64 * 1024
"""Characters of a value that are shown; all of them are copied."""


def run_facts(
    model: Model, run: Run, view: RunView | None, now: datetime, width: int
) -> list[Content]:
    """Return what is known of a run, in lines of at most `width` cells."""
    room = width - LABEL
    ink = LOOKS[run.state].ink
    since = run.ended or run.created
    lines = [
        title(
            run.id,
            sign(run.state),
            INKS.get(ink, f"st-{ink}"),
            ago(since, now),
            width,
        )
    ]
    if why := trouble(run.error) or run.reason:
        ink = "st-help" if run.state == "failed" else "ink-dim"
        lines.append(Content.styled(safe(why), f"${ink}"))
    known = _known(model, run, view, now)
    lines += [fact(name, text, room) for name, text in known if text]
    return lines


def _known(
    model: Model, run: Run, view: RunView | None, now: datetime
) -> list[tuple[str, str]]:
    plan = view.plan if view is not None else model.plan_name(run)
    machine = f", machine {run.machine}" if run.machine != plan else ""
    by = f" by {run.by}" if run.by else ""
    return [
        ("plan", f"{plan}{machine}"),
        ("begun", f"{clock(run.created)}{by}{_lasted(run)}"),
        ("stage", _stage_left(model, run, now)),
        ("all", _whole_left(run, view)),
        ("from", run.resumed_from),
        ("part of", f"{run.parent} as item {run.item}" if run.parent else ""),
        ("after", run.launched_by),
        ("below", begun(view.children) if view and run.is_settled else ""),
        ("launched", ", ".join(view.launched) if view is not None else ""),
    ]


def _lasted(run: Run) -> str:
    return f", took {ago(run.created, run.ended)}" if run.ended else ""


def _stage_left(model: Model, run: Run, now: datetime) -> str:
    """Return how fast the stage goes, and how long it takes; empty when unknown."""
    rate = model.tempo.rate(run.id, now)
    if run.is_settled or rate is None:
        return ""
    return f"{per_second(rate)}, {span(model.tempo.left(run, now))} left"


def _whole_left(run: Run, view: RunView | None) -> str:
    """Return how far all stages are, and how long they take, as the hub reckons."""
    if run.is_settled or view is None:
        return ""
    left = f", {span(view.eta)} left" if view.eta is not None else ""
    return f"{percent(view.progress)} done{left}"


def plan_lines(
    run: Run,
    document: Mapping[str, Any],
    book: RunBook,
    tree: RunTree | None,
    width: int,
) -> list[Content]:
    """Return the plan with where the run stands in it."""
    visited = list(book.visits.values())
    if tree is not None:
        here = book.refs(run.visit) if run.entered else ()
        below = (one for one in tree.children if one.run.id in here)
        tree = replace(tree, children=tuple(below))
    return [rule("plan", width), *Picture(run, document, visited, tree, width).lines()]


def pretty(value: Any) -> str:
    """Return a value as JSON over many lines, in any script."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def shown(text: str) -> str:
    """Return as much of a text as is worth drawing."""
    if len(text) <= MOST:
        return text
    return f"{text[:MOST]}\n… and {len(text) - MOST:,} characters more: y copies all"


def led_to(run: Run) -> Any:
    """Return what a run led to: its output, or why there is none."""
    return dict(run.error) if run.error else run.output


def item_text(item: Item) -> str:
    """Return all there is to say of an item, as JSON."""
    return pretty(encode(item))


def checkpoint_text(row: Checkpoint) -> str:
    """Return all there is to say of a checkpoint, as JSON."""
    known = {"address": row.address, "number": row.number, "stage": row.stage}
    known |= {"at": row.at.isoformat()}
    return pretty(known | ({"context": dict(row.context)} if row.context else {}))
