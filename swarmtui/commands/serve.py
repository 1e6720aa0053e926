"""``swarmtui serve``: the hub alone. The only module of this package that knows it."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agentkit.settings import entries, load
from server.settings import Settings
from swarmtui.limits import lift_file_limit

if TYPE_CHECKING:
    from server.alerts.targets import Target
    from server.store.copies import Restoration

__all__ = [
    "Settings",
    "alert_targets",
    "check_key",
    "check_results",
    "check_store",
    "lost_from",
    "made_by_hub",
    "restoration",
    "save_store",
    "serve",
    "store_here",
    "try_targets",
]

C = TypeVar("C", bound=Callable[..., Any])

STAND_INS = {int: "N", float: "N", bool: "", str: "WORD", tuple[str, ...]: "WORDS"}
"""What the help shows for a value of each kind; a path has none of these."""


def _flags(command: C) -> C:
    """Give a command one flag for each setting of the hub."""
    known = entries(Settings)
    for item in reversed(fields(Settings)):
        flag = f"--{item.name.replace('_', '-')}"
        usual = "" if item.default in (None, False, "", ()) else f" [{item.default}]"
        about = known[item.name].about.removesuffix(".") + usual
        kind: dict[str, Any] = {"metavar": STAND_INS.get(item.type, "PATH")}
        if item.type is bool:
            kind = {"is_flag": True, "default": None}
        elif item.type == tuple[str, ...]:
            kind |= {"multiple": True, "callback": _joined}
        command = click.option(flag, help=about, **kind)(command)
    return command


def _joined(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> str | None:
    """Return what a flag says that may be given several times; None if it was not."""
    return ",".join(values) or None


@click.command()
@_flags
def serve(**flags: Any) -> int:
    """Run the hub alone, without a dashboard.

    It writes JSON lines to standard error. SIGTERM and Ctrl-C let it finish what it
    has accepted, then it leaves. Each flag is also a setting: --port is SWARMTUI_PORT
    in the environment and port under [hub] in the settings file.
    """
    from server.serve import main

    lift_file_limit()

    return main(flags)


# --- alerts --------------------------------------------------------------------------


def alert_targets(urls: Sequence[str]) -> "list[Target]":
    """Return where alerts go; see `server.alerts.targets.targets`."""
    from server.alerts.targets import targets

    return targets(urls)


def try_targets(targets: "Sequence[Target]") -> list[str]:
    """Send a test alert to each; say why it did not arrive, or nothing."""
    from server.alerts.targets import try_out

    return try_out(targets)


# --- the store while no hub runs -----------------------------------------------------


def store_here(data_dir: str | None = None) -> Path:
    """Return the file that a hub started here would keep everything in.

    Raises:
        Invalid: a setting cannot be read.
    """
    return load(Settings, flags={"data_dir": data_dir}).values.database


def save_store(store: Path, target: Path) -> None:
    """Copy a store that no hub has; see `server.store.copies.save`."""
    from server.store.copies import save

    save(store, target)


def made_by_hub(store: Path) -> bool:
    """Say whether a hub made a store; see `server.store.copies.is_ours`."""
    from server.store.copies import is_ours

    return is_ours(store)


def check_store(store: Path) -> tuple[str, ...]:
    """Say what is wrong with a store that no hub has (`server.store.copies.check`)."""
    from server.store.copies import check

    return check(store).problems


def check_key(store: Path) -> None:
    """Check that the key that is set fits a store that no hub has, if it is sealed.

    Raises:
        Invalid: the key cannot be read.
        WrongKey: it does not fit, or there is none.
    """
    from agentkit.sealing import check_keys
    from server.store.copies import reading

    with closing(reading(store)) as connection:
        masters = load(Settings).values.master_keys
        check_keys(connection, *masters, where=f"the store {store}")


def check_results(store: Path) -> list[str]:
    """Say what is wrong with the large results of a store that no hub has.

    Raises:
        Invalid: the key cannot be read.
        WrongKey: it does not fit.
    """
    from server.store.copies import lost_results

    return lost_results(store, *load(Settings).values.master_keys)


def lost_from(copy: Path) -> int:
    """Return how many large results should be in a copy and are not."""
    from server.store.copies import contents, reading

    with closing(reading(copy)) as connection:
        return contents(connection).lost


def restoration(copy: Path, store: Path) -> "Restoration":
    """Take a copy in; see `server.store.copies.Restoration`."""
    from server.store.copies import Restoration

    return Restoration(copy, store)


def rekey_store(
    data_dir: str | None, *, plain: bool, told: Callable[[int, int], None]
) -> tuple[Path, int]:
    """Seal the store anew; return it and how much that was (`server.store.rekey`).

    Raises:
        Invalid: a setting cannot be read, or there is no key.
    """
    from server.store.rekey import rekey

    settings = load(Settings, flags={"data_dir": data_dir}).values
    master, previous = settings.master_keys
    store = settings.database
    return store, rekey(store, master, previous, plain=plain, told=told)
