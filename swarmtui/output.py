"""Standard output is for data: JSON for programs, tables for people.

On a terminal a table fits the width and has colours; on a pipe it is plain, aligned
and whole. ``NO_COLOR`` and ``TERM=dumb`` are honoured. JSON is pure ASCII: it survives
every locale, and nothing an agent said can act on a terminal.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import click

from agentkit.codec import encode
from swarmtui.text import fit, safe, width

SCHEMA_VERSION = 1
"""Rises when a field of the JSON output changes its meaning or goes away."""

Form: TypeAlias = Literal["table", "json", "jsonl"]
C = TypeVar("C", bound=Callable[..., Any])

GAP = "  "
NARROWEST = 12
"""Cells that a flexible column keeps, however narrow the terminal is."""

COLOURS = {
    "idle": "36",
    "busy": "32",
    "blocked": "33",
    "help": "1;31",
    "done": "34",
    "leased": "32",
    "working": "32",
    "backoff": "33",
    "dead": "1;31",
    "lost": "2",
    "title": "1",
    "ok": "32",
    "warn": "33",
    "fail": "1;31",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    right: bool = False
    flexible: bool = False
    """Gives way when the terminal is narrow."""
    spare: int = 0
    """Left out when the terminal is too narrow, the highest first; 0 always stays."""
    coloured: bool = False
    """Drawn in the colour of the last word of its text."""


def form_options(command: C) -> C:
    """Give a command ``--json`` and ``--jsonl``; it gets the choice as `form`."""
    for flag, value, told in (
        ("--jsonl", "jsonl", "One JSON object a line."),
        ("--json", "json", "One JSON object, with its schema_version."),
    ):
        command = click.option(
            flag, "form", flag_value=value, type=str, default="table", help=told
        )(command)
    return command


def is_terminal() -> bool:
    """Whether standard output is a terminal that can do more than type."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def line(text: str = "") -> None:
    """Write one line of text."""
    click.echo(text)


def painted(text: str, colour: str) -> str:
    """Return text in a colour of `COLOURS`, where colours are wanted."""
    code = COLOURS.get(colour)
    if code is None or not is_terminal() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def as_json(**fields: Any) -> None:
    """Write one JSON object; records among the values become objects."""
    indent = 2 if sys.stdout.isatty() else None
    whole = {"schema_version": SCHEMA_VERSION, **fields}
    line(json.dumps(whole, default=encode, indent=indent))


def as_jsonl(record: Any) -> None:
    """Write one record as one line of JSON, at once."""
    click.echo(one_line(record))
    sys.stdout.flush()


def one_line(record: Any) -> str:
    """Return one record as one line of JSON, with its schema_version."""
    fields = record if isinstance(record, dict) else encode(record)
    whole = {"schema_version": SCHEMA_VERSION, **fields}
    return json.dumps(whole, default=encode, separators=(",", ":"))


def rows(
    form: Form,
    name: str,
    records: Sequence[Any],
    columns: Sequence[Column],
    *,
    cells: Callable[[Any], Sequence[str]],
    data: Callable[[Any], Any] = lambda record: record,
) -> None:
    """Write records in the form that was asked for.

    Args:
        form: how they are written.
        name: the key of the list in the JSON object.
        records: what to write.
        columns: the table's columns.
        cells: turns a record into the texts of these columns.
        data: turns a record into what stands in the JSON.
    """
    if form == "json":
        as_json(**{name: [data(record) for record in records]})
    elif form == "jsonl":
        for record in records:
            as_jsonl(data(record))
    else:
        table(columns, [cells(record) for record in records])


def table(columns: Sequence[Column], body: Iterable[Sequence[str]]) -> None:
    """Write a table, made safe and fitted to where it goes."""
    texts = [[safe(cell) for cell in row] for row in body]
    natural = [
        max([width(column.title), *(width(row[n]) for row in texts)])
        for n, column in enumerate(columns)
    ]
    widths = natural
    if is_terminal():
        widths = fitted(columns, natural, shutil.get_terminal_size().columns)
    titles = [column.title.upper() for column in columns]
    line(painted(_joined(columns, widths, titles), "title"))
    for row in texts:
        line(_joined(columns, widths, row, paint=True))


def fitted(columns: Sequence[Column], natural: Sequence[int], room: int) -> list[int]:
    """Return the width of each column so that all fit; 0 leaves a column out.

    Columns that can be spared are left out until the rest could fit; then the widest
    flexible ones give way, those that could be spared before the others.
    """
    widths = [min(taken, room) for taken in natural]
    for n in sorted(range(len(columns)), key=lambda n: -columns[n].spare):
        if columns[n].spare and _excess(_tightest(columns, widths), room) > 0:
            widths[n] = 0
    for _ in range(_excess(widths, room)):
        loose = [
            n
            for n, column in enumerate(columns)
            if column.flexible and widths[n] > NARROWEST
        ]
        if loose:
            widest = max(loose, key=lambda n: (columns[n].spare > 0, widths[n]))
            widths[widest] -= 1
    return widths


def _tightest(columns: Sequence[Column], widths: Sequence[int]) -> list[int]:
    return [
        min(taken, NARROWEST) if column.flexible else taken
        for column, taken in zip(columns, widths, strict=True)
    ]


def _excess(widths: Sequence[int], room: int) -> int:
    shown = [taken for taken in widths if taken]
    return sum(shown) + len(GAP) * (len(shown) - 1) - room


def _joined(
    columns: Sequence[Column],
    widths: Sequence[int],
    texts: Sequence[str],
    *,
    paint: bool = False,
) -> str:
    cells = []
    for column, taken, text in zip(columns, widths, texts, strict=True):
        if not taken:
            continue
        cell = fit(text, taken, right=column.right)
        if paint and column.coloured:
            cell = painted(cell, text.split()[-1] if text.split() else "")
        cells.append(cell)
    return GAP.join(cells).rstrip()
