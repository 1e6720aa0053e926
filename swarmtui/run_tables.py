"""Runs, their items and checkpoints as lines and tables for the command line."""

import json
from datetime import datetime

from agentkit.progress import RunTree, RunView
from agentkit.rows import Item, Run
from swarmtui import output, words
from swarmtui.output import Column
from swarmtui.runs import bar, sign, span, tally, took, trouble
from swarmtui.text import ago, clip, safe

LONG = 72
"""Cells of an output in a table."""

RUNS = (
    Column("state"),
    Column("run", flexible=True),
    Column("machine", flexible=True),
    Column("stage", flexible=True, spare=2),
    Column("items", right=True),
    Column("age", right=True),
    Column("by", flexible=True, spare=3),
    Column("error", flexible=True, spare=1),
)
TREE = (
    Column("run", flexible=True),
    Column("state"),
    Column("machine", flexible=True, spare=1),
    Column("stage", flexible=True),
    Column("items", right=True),
    Column("progress"),
)
ITEMS = (
    Column("item", right=True),
    Column("state"),
    Column("key", flexible=True, spare=1),
    Column("by", flexible=True),
    Column("tries", right=True, spare=3),
    Column("took", right=True, spare=2),
    Column("output or error", flexible=True),
)
CHECKPOINTS = (
    Column("number", right=True),
    Column("stage", flexible=True),
    Column("age", right=True),
    Column("address", flexible=True),
)


def run_cells(run: Run, now: datetime) -> list[str]:
    """Return the cells of `RUNS`."""
    return [
        sign(run.state),
        run.id,
        run.machine,
        run.stage,
        tally(run),
        ago(run.created, now),
        run.by,
        trouble(run.error) or run.reason,
    ]


def tell_view(view: RunView, now: datetime) -> None:
    """Write what there is to say of one run."""
    row = view.run
    below = ", ".join(f"{count:,} {state}" for state, count in view.children.items())
    facts = {
        "run": row.id,
        "plan": f"{view.plan} · {row.machine}",
        "state": sign(row.state),
        "stage": f"{row.stage}, visit {row.visit}",
        "items": tally(row),
        "progress": bar(view.progress),
        "left": span(view.eta) if not row.is_settled else "",
        "launched": f"{ago(row.created, now)} ago by {row.by or row.launched_by}",
        "ended": f"{ago(row.ended, now)} ago" if row.ended else "",
        "part of": row.parent,
        "began at": row.resumed_from,
        "below it": below,
        "has launched": ", ".join(view.launched),
        "reason": row.reason,
        "error": trouble(row.error),
    }
    for name, value in facts.items():
        if value:
            output.line(safe(f"{name:<13} {value}"))


def tell_tree(tree: RunTree) -> None:
    """Write a run with those below it."""

    def cells(found: tuple[int, RunTree]) -> list[str]:
        depth, node = found
        row = node.run
        return [
            f"{'  ' * depth}{row.id}",
            sign(row.state),
            row.machine,
            row.stage,
            tally(row),
            bar(node.progress),
        ]

    output.line()
    output.rows("table", "tree", list(tree.walk()), TREE, cells=cells)
    if not tree.whole:
        words.say("note: there are more runs below it; the newest are shown")


def tell_items(items: list[Item], now: datetime) -> None:
    """Write the items of a stage."""

    def cells(item: Item) -> list[str]:
        seconds = took(item, now)
        led_to = trouble(item.error) or json.dumps(item.output, ensure_ascii=False)
        return [
            str(item.index),
            sign(item.state),
            item.key,
            item.name,
            str(item.attempt),
            "" if seconds is None else span(seconds),
            "" if item.error == {} and item.output is None else clip(led_to, LONG),
        ]

    output.rows("table", "items", items, ITEMS, cells=cells)
