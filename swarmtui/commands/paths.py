"""``swarmtui paths``: where files live, and where each setting comes from."""

import os
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import click

from agentkit.settings import KitSettings, Loaded, entries, load
from agentkit.settings import paths as find_paths
from swarmtui import output, words
from swarmtui.commands.serve import Settings as HubSettings
from swarmtui.output import Column, Form
from swarmtui.preferences import Preferences

PATHS = (Column("what"), Column("path"), Column("there", spare=1))
SOURCES = (
    Column("setting"),
    Column("value", flexible=True),
    Column("from", flexible=True),
)
TABLES: tuple[type, ...] = (KitSettings, HubSettings, Preferences)
PREFIX = "SWARMTUI_"
"""What our names in the environment begin with."""
BESIDE_SETTINGS = ("HOME", "DEBUG")
"""Variables of ours that are no settings."""


@click.command()
@click.option("--sources", is_flag=True, help="Show every setting and what set it.")
@output.form_options
def paths(*, sources: bool, form: Form) -> None:
    """Tell where files live and where settings come from."""
    if sources:
        output.rows(form, "settings", _settings(), SOURCES, cells=_setting_cells)
    else:
        output.rows(form, "paths", _paths(), PATHS, cells=_path_cells)
    for stray in strays():
        words.say(f"note: {stray.name} is read by nothing: {stray.remedy}")


class Stray(NamedTuple):
    """A variable that is called like ours, and that nothing reads."""

    name: str
    near: str
    """The one of ours that is called most like it; empty when none is."""

    @property
    def remedy(self) -> str:
        """What a person would do about it."""
        return f"did you mean {self.near}?" if self.near else "unset it"


def strays() -> list[Stray]:
    """Return the variables that begin with ``SWARMTUI_`` and that nothing reads."""
    known = [name.upper() for table in TABLES for name in entries(table)]
    known += BESIDE_SETTINGS
    found = sorted(name for name, value in os.environ.items() if value)
    ours = (name.removeprefix(PREFIX) for name in found if name.startswith(PREFIX))
    return [_stray(name, known) for name in ours if name not in known]


def _stray(name: str, known: list[str]) -> Stray:
    """Look for the nearest; without what all have in common, which says nothing."""
    near = get_close_matches(name, known, 1)
    return Stray(f"{PREFIX}{name}", f"{PREFIX}{near[0]}" if near else "")


def _paths() -> list[dict[str, Any]]:
    return [
        {"name": name, "path": str(path), "exists": Path(path).exists()}
        for name, path in asdict(find_paths()).items()
    ]


def _path_cells(row: dict[str, Any]) -> list[str]:
    return [row["name"].replace("_", " "), row["path"], "yes" if row["exists"] else "-"]


def _settings() -> list[dict[str, Any]]:
    found = []
    for table in TABLES:
        loaded: Loaded[Any] = load(table)
        section = getattr(table, "SECTION", "")
        for name, entry in entries(table).items():
            value = getattr(loaded.values, name)
            hidden = entry.is_secret and value
            found.append(
                {
                    "section": section,
                    "name": name,
                    "value": "(hidden)" if hidden else _shown(value),
                    "source": str(loaded.sources[name]),
                }
            )
    return found


def _shown(value: Any) -> str:
    match value:
        case None | () | "":
            return ""
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(x if isinstance(x, str) else "=".join(x) for x in value)
        case _:
            return str(value)


def _setting_cells(row: dict[str, Any]) -> list[str]:
    name = f"{row['section']}.{row['name']}" if row["section"] else row["name"]
    return [name, row["value"] or "-", row["source"]]
