"""``swarmtui serve``: the hub alone. The only module of this package that knows it."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from agentkit.settings import paths
from swarmtui.settings import HUB, hub_values

C = TypeVar("C", bound=Callable[..., Any])


def _flags(command: C) -> C:
    """Give a command one flag for each setting of the hub."""
    for name, (stand_in, about) in reversed(tuple(HUB.items())):
        flag = f"--{name.replace('_', '-')}"
        kind: dict[str, Any] = (
            {"metavar": stand_in}
            if stand_in
            else {"is_flag": True, "default": None, "type": bool}
        )
        command = click.option(flag, help=about, **kind)(command)
    return command


@click.command()
@_flags
def serve(**flags: Any) -> int:
    """Run the hub alone, without a dashboard.

    It writes JSON lines to standard error. SIGTERM and Ctrl-C let it finish what it
    has accepted, then it leaves. Each flag is also a setting: --port is SWARMTUI_PORT
    in the environment and port under [hub] in the settings file.
    """
    from server.serve import run
    from server.settings import read_settings

    places = paths()
    values = {
        "data_dir": places.database.parent,
        "hub_file": places.hub_file,
        **hub_values(flags),
    }
    return run(read_settings(values))
