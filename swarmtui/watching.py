"""Telling on the command line how far a run is, while it is waited for.

On a terminal a bar on standard error, with rate and time left; elsewhere a line there
whenever it has come further; with ``--jsonl`` each of these as JSON on standard output.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeAlias

from agentkit.progress import RunView
from swarmtui import output, words
from swarmtui.output import Form
from swarmtui.runs import per_second, span, tally
from swarmtui.tempo import Tempo
from swarmtui.text import clip, safe

Told: TypeAlias = Callable[[RunView], None]

OFTEN = 0.25
"""Seconds between two looks while somebody watches the bar."""
SELDOM = 1.0
STEPS = 10
"""How many lines at most tell of one stage."""
NAME = 28
"""Cells that the stage has at most, and a third of the line."""


@contextmanager
def watching(form: Form) -> Iterator[tuple[Told, float]]:
    """Give what tells how far a run is, and how often it wants to know."""
    if form == "jsonl":
        yield _Steps(lambda view: output.as_jsonl(figures(view))), SELDOM
    elif sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        with _bar() as told:
            yield told, OFTEN
    else:
        yield _Steps(lambda view: words.say(safe(line(view)))), SELDOM


def figures(view: RunView) -> dict[str, object]:
    """Return what a line of JSON tells of a run on its way."""
    run = view.run
    return {
        "run": run.id,
        "state": run.state,
        "stage": run.stage,
        "total": run.total,
        "done": run.done,
        "failed": run.failed,
        "progress": view.progress,
        "eta": view.eta,
    }


def line(view: RunView) -> str:
    """Return one line on how far a run is."""
    run = view.run
    part = f"{int(view.progress * 100)}%"
    return f"{run.id}: {run.stage} {tally(run)}, {part}{left(view)}"


def left(view: RunView) -> str:
    """Return how long a run still takes, if anybody knows."""
    return f", {span(view.eta)} left" if view.eta is not None else ""


class _Steps:
    """Passes on what has come further: to another stage, or by a tenth."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._last: tuple[int, int] | None = None

    def __call__(self, view: RunView) -> None:
        """Take how far a run is."""
        step = (view.run.visit, int(view.progress * STEPS))
        if step != self._last and view.run.entered and not view.run.is_settled:
            self._told(view)
            self._last = step


@contextmanager
def _bar() -> Iterator[Told]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    def text(name: str) -> TextColumn:
        return TextColumn(f"{{task.fields[{name}]}}", markup=False)

    columns = (text("stage"), BarColumn(), text("items"), text("rate"), text("left"))
    console = Console(stderr=True, highlight=False)
    tempo = Tempo()
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=1.0, stage="", items="", rate="", left="")

        def told(view: RunView) -> None:
            run = view.run
            tempo.note(run)
            progress.update(
                bar,
                completed=view.progress,
                stage=clip(safe(run.stage), min(NAME, console.width // 3)),
                items=tally(run),
                rate=per_second(tempo.rate(run.id, datetime.now(UTC))),
                left=left(view).removeprefix(", "),
            )

        yield told
