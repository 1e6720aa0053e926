"""Where everything lives on this machine."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agentkit import places
from agentkit.errors import Invalid
from agentkit.settings.tables import ENCRYPTED, FAME_STORAGE, KitSettings, Loaded


@dataclass(frozen=True, slots=True)
class Paths:
    """Where everything lives."""

    config_file: Path
    hub_file: Path
    """Written by the hub while it runs: address and token."""
    database: Path
    outbox: Path
    claims: Path
    """Where the fences of claimed tasks are remembered."""
    logs: Path
    recordings: Path


def paths(environ: Mapping[str, str] | None = None) -> Paths:
    """Return where everything lives: XDG, or all under ``SWARMTUI_HOME``."""
    environ = os.environ if environ is None else environ
    state = Path(places.folder("state", environ))
    return Paths(
        config_file=Path(places.config_file(environ)),
        hub_file=Path(places.hub_file(environ)),
        database=Path(places.folder("data", environ)) / "hub.db",
        outbox=Path(places.outbox_folder(environ)),
        claims=state / "claims",
        logs=state / "logs",
        recordings=state / "recordings",
    )


def private_folder(path: Path) -> Path:
    """Make a folder, and those above it, for this user alone; return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


@dataclass(frozen=True, slots=True)
class Storage:
    """Where durable agents keep their files, and what seals them."""

    folder: Path
    key: str = field(default="", repr=False)
    previous: str = field(default="", repr=False)


def storage(
    loaded: Loaded[KitSettings],
    *,
    durable: bool | None = None,
    key: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Storage | None:
    """Say where an agent keeps its file; None when it is not durable.

    Args:
        loaded: the settings.
        durable: whether it is; else as they say.
        key: the master key; else as they say.
        environ: the environment that they were loaded from.

    Raises:
        Invalid: the key cannot be read, or there is none and there has to be one.
    """
    from agentkit.sealing import master_key

    kit = loaded.values
    if not (kit.durable if durable is None else durable):
        return None
    named = "storage_master_key"
    master = (
        master_key(kit.storage_master_key, kit.storage_master_key_file, named)
        if key is None
        else master_key(key, name="key")
    )
    if not master and _wants_key(loaded, os.environ if environ is None else environ):
        raise Invalid(
            f"{FAME_STORAGE} is {ENCRYPTED} and there is no key: set "
            f"FAME_STORAGE_MASTER_KEY, or {named} in your settings"
        )
    return Storage(
        kit.storage_directory or paths(environ).outbox / "agents",
        master,
        kit.storage_master_key_previous,
    )


def _wants_key(loaded: Loaded[KitSettings], environ: Mapping[str, str]) -> bool:
    variable = loaded.sources["durable"].where
    return variable == FAME_STORAGE and environ.get(variable) == ENCRYPTED
