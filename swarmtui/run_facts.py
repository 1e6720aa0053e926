"""What the pane says of a run above its items."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from textual.content import Content

from agentkit.codec import encode
from agentkit.progress import RunTree, RunView
from agentkit.rows import Checkpoint, Item, Run
from swarmtui.facts import LABEL, fact, rule, stack, title
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
        lines.append(Content.styled(safe(why), "$st-help"))
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
        ("left", _left(model, run, view, now)),
        ("from", run.resumed_from),
        ("part of", f"{run.parent} as item {run.item}" if run.parent else ""),
        ("after", run.launched_by),
        ("below", begun(view.children) if view is not None else ""),
        ("launched", ", ".join(view.launched) if view is not None else ""),
    ]


def _lasted(run: Run) -> str:
    return f", took {ago(run.created, run.ended)}" if run.ended else ""


def _left(model: Model, run: Run, view: RunView | None, now: datetime) -> str:
    if run.is_settled:
        return ""
    rate = per_second(model.tempo.rate(run.id, now))
    left = span(model.tempo.left(run, now))
    whole = f", all: {percent(view.progress)}" if view is not None else ""
    eta = f", {span(view.eta)}" if view is not None and view.eta is not None else ""
    return f"{left} at {rate}{whole}{eta}"


def plan_lines(
    run: Run,
    document: Mapping[str, Any],
    book: RunBook,
    tree: RunTree | None,
    width: int,
) -> list[Content]:
    """Return the plan with where the run stands in it."""
    visited = list(book.visits.values())
    return [rule("plan", width), *Picture(run, document, visited, tree, width).lines()]


def whole(model: Model, run: Run, view: RunView | None, now: datetime) -> Content:
    """Return the facts of a run for a sheet as wide as a screen."""
    return stack(run_facts(model, run, view, now, 72))


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
