"""Other keys for the same actions, as the configuration names them.

[keymap]
"help.answer" = "enter"
"view.last" = "backspace,-"
"""

from collections.abc import Mapping
from difflib import get_close_matches

from textual.keys import _character_to_key

from swarmtui.actions import ACTIONS, VIEWS, Action, Scope, in_scope

RESERVED = ("ctrl+a", "ctrl+b", "ctrl+q", "ctrl+s")
"""Keys that terminals and multiplexers take for themselves."""


def read_keymap(table: Mapping[str, str]) -> dict[str, str]:
    """Check a table of action ids and keys, and return it for `App.set_keymap`.

    Raises:
        ValueError: an id is not known, a key is reserved, or two actions that are
            known in the same view would have the same key.
    """
    known = {action.id: action for action in ACTIONS}
    for name, keys in table.items():
        if name not in known:
            raise ValueError(_unknown(name, known))
        for key in _split(keys):
            _check_key(name, key)
    for scope in VIEWS:
        _check_clashes(scope, table)
    return dict(table)


def _unknown(name: str, known: Mapping[str, Action]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0)[0]
    return f"has {name!r}, which is no action; the nearest is {near!r}"


def _split(keys: str) -> list[str]:
    return [key.strip() for key in keys.split(",")]


def _check_key(name: str, key: str) -> None:
    if not key:
        raise ValueError(
            f"has no key for {name!r}; write one such as 'f2', or leave it out"
        )
    if key in RESERVED:
        raise ValueError(
            f"has {key!r} for {name!r}, which terminals and multiplexers take for "
            "themselves; choose another key"
        )


def _check_clashes(scope: Scope, table: Mapping[str, str]) -> None:
    taken: dict[str, Action] = {}
    for action in in_scope(scope, "replay"):
        for key in map(_named, _split(table.get(action.id, action.key))):
            other = taken.setdefault(key, action)
            if other is not action:
                raise ValueError(
                    f"has {key!r} for both {other.id!r} and {action.id!r}; give one of "
                    "them another key"
                )


def _named(key: str) -> str:
    return _character_to_key(key) if len(key) == 1 else key
