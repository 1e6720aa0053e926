"""Data on stdout, words on stderr."""

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from agentkit import places
from agentkit.settings import KitSettings, load

SCHEMA_VERSION = 1


def words_to(text: str) -> None:
    """Tell the user something, in one line."""
    sys.stderr.write(f"agentkit: {_safe(text)}\n")


def data(value: dict[str, Any]) -> None:
    """Print an object as one line of JSON, at once."""
    said = {"schema_version": SCHEMA_VERSION, **value}
    sys.stdout.write(json.dumps(said, default=str) + "\n")
    sys.stdout.flush()


def line(text: str) -> None:
    """Print a line for a person."""
    sys.stdout.write(f"{_safe(text, keep=chr(10) + chr(9))}\n")


def cell(text: str) -> str:
    """Return text as one column of a line whose columns stand apart by tabs."""
    return " ".join(text.split())


def who(parser: ArgumentParser) -> None:
    """Add the flags that say which hub, and which agent."""
    parser.add_argument("--agent", metavar="ID", help="who the agent is")
    parser.add_argument("--url", metavar="URL", help="the hub's address")


def settings_of(args: Namespace) -> KitSettings:
    """Return the settings with the command's flags over them.

    Raises:
        Invalid: one of them cannot be read.
    """
    return load(KitSettings, flags={"agent": args.agent, "url": args.url}).values


def agent_of(settings: KitSettings) -> str:
    """Return who the agent is: as set, else the session that runs us, or project."""
    from pathlib import Path

    return settings.agent or places.agent_here(os.environ, str(Path.cwd()))


def program_of(settings: KitSettings) -> str:
    """Return who a program is that we run or serve: no session is meant by itself."""
    from pathlib import Path

    return settings.agent or places.default_agent(str(Path.cwd()))


def _safe(text: str, keep: str = "") -> str:
    """Return text without what would move a terminal's cursor."""
    return "".join(c if c.isprintable() or c in keep else "?" for c in text)
