"""``swarmtui plan``: looks at the files of a plan, without a hub."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agentkit.errors import Invalid
from swarmtui import output, words
from swarmtui.text import plural, safe

if TYPE_CHECKING:
    from agentkit.plans import Problem, Reading

FILE = click.Path(path_type=Path)
NARROW = 60
WIDE = 100
"""Cells between which a drawing takes the width of the terminal."""

INKS = {"dim": "lost", "faint": "lost", "bold": "title", "primary": "title"}
INKS |= {"error": "fail", "warning": "warn"}
"""The colours of the command line for inks of the dashboard, and for problems."""


@click.group()
def plan() -> None:
    """Check and draw plans, what runs do."""


@plan.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE…")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check(*, files: Sequence[Path], as_json: bool) -> int:
    """Find what is wrong in plans, with file, line and column.

    Exit code 2: something makes a plan unusable. Warnings change nothing.
    """
    from agentkit.plans import read_plan

    readings = [read_plan(file) for file in files]
    problems = list(dict.fromkeys(one for each in readings for one in each.problems))
    errors = sum(one.severity == "error" for one in problems)
    if as_json:
        plans = [_summary(*pair) for pair in zip(files, readings, strict=True)]
        output.as_json(plans=plans, problems=[_told(one) for one in problems])
    else:
        for one in problems:
            output.line(
                f"{output.painted(one.severity, INKS[one.severity])}: {safe(str(one))}"
            )
        _sum_up(len(files), errors, len(problems) - errors)
    return 2 if errors else 0


def _summary(file: Path, reading: "Reading") -> dict[str, Any]:
    return {
        "file": str(file),
        "name": reading.document["name"],
        "ok": not reading.errors,
        "files": [str(one) for one in reading.files],
    }


def _told(problem: "Problem") -> dict[str, Any]:
    fields = ("file", "line", "column", "key", "text", "severity")
    told = {name: getattr(problem, name) for name in fields}
    return told | {"file": str(problem.file)}


def _sum_up(files: int, errors: int, warnings: int) -> None:
    found = [(errors, "error"), (warnings, "warning")]
    told = " and ".join(plural(number, noun) for number, noun in found if number)
    words.say(f"{plural(files, 'plan')}: {told or 'nothing is wrong'}")


@plan.command()
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="The document that a hub gets.")
def show(*, file: Path, as_json: bool) -> None:
    """Draw a plan: its machines, their stages and what leads where."""
    from agentkit.plans import compile_plan, read_plan
    from swarmtui.plan_drawing import draw

    reading = read_plan(file)
    if reading.errors:
        raise Invalid(
            f"{safe(str(reading.errors[0]))} (see swarmtui plan check {file})"
        )
    if as_json:
        output.as_json(plan=reading.document)
        return
    room = min(max(shutil.get_terminal_size().columns, NARROW), WIDE)
    for line in draw(compile_plan(reading.document), room):
        output.line("".join(_painted(text, ink) for text, ink in line).rstrip())


def _painted(text: str, ink: str) -> str:
    meaning = ink.split(maxsplit=1)[0] if ink else ""
    return output.painted(text, INKS.get(meaning, meaning)) if text.strip() else text
