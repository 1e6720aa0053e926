"""What a person may choose about the dashboard: the ``[dashboard]`` settings."""

# ruff: noqa: RUF009 - a table's defaults are fields, made by `setting`

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

from agentkit.readers import one_of
from agentkit.settings import setting
from swarmtui.notices import Notices


def theme(raw: Any) -> str:
    """Read the name of a theme."""
    from swarmtui.themes import names

    if raw not in names():
        raise ValueError(f"is none of {', '.join(names())}")
    return str(raw)


def keymap(raw: Any) -> tuple[tuple[str, str], ...]:
    """Read a table of action ids and keys, or text such as ``view.last=f5``.

    Raises:
        ValueError: see `swarmtui.keymap.read_keymap`.
    """
    from swarmtui.keymap import read_keymap

    if isinstance(raw, str):
        raw = dict(entry.partition("=")[::2] for entry in raw.split())
    if not isinstance(raw, Mapping):
        raise ValueError("is not a table of actions and keys")  # noqa: TRY004
    chosen = {str(name): str(keys) for name, keys in raw.items()}
    return tuple(read_keymap(chosen).items())


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """The dashboard's settings; every one has a default."""

    SECTION: ClassVar[str] = "dashboard"

    theme: str = setting("swarm-night", "The colours.", read=theme)
    notices: Notices = setting(
        "both",
        "What a call for a person does when the terminal is not in front.",
        read=one_of(*get_args(Notices)),
    )
    keymap: tuple[tuple[str, str], ...] = setting(
        (), "Other keys for actions, by id.", read=keymap
    )
