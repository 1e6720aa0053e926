"""Every key of a view, searchable; picking one does it."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.content import Content
from textual.keys import format_key

from swarmtui.actions import Action, Scope, in_scope
from swarmtui.modals.pick import Entry, PickSheet

_MOVING: tuple[tuple[str, str], ...] = (
    ("j k ↓ ↑", "Move the cursor"),
    ("g G home end", "To the first, to the last"),
    ("pgup pgdn", "A page up, a page down"),
    ("space", "Mark, or take the mark off"),
    ("enter", "Open"),
)


class KeysSheet(PickSheet):
    """Dismissed with the id of an action to do, or None."""

    heading = "Keys"
    prompt = "what do you want to do?"
    keys: ClassVar = (("↑↓", "Move"), ("enter", "Do it"), ("esc", "Close"))

    def __init__(self, scope: Scope, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._scope = scope
        self._keymap = keymap

    def entries(self) -> Sequence[Entry]:
        """List the view's actions, then how to move, then what works everywhere."""
        actions = list(in_scope(self._scope))
        own = [self._entry(one) for one in actions if one.scope != "app"]
        everywhere = [self._entry(one) for one in actions if one.scope == "app"]
        moving = [_line("", keys, tip) for keys, tip in _MOVING]
        return [*own, *moving, *everywhere]

    def _entry(self, action: Action) -> Entry:
        keys = self._keymap.get(action.id, action.key).split(",")
        shown = " ".join(format_key(key) for key in keys)
        return _line(action.id, shown, action.tip)


def _line(name: str, keys: str, tip: str) -> Entry:
    prompt = Content.assemble(
        (keys.ljust(14), "$primary bold"), tip, ("  " + name, "$ink-faint")
    )
    return Entry(name or keys, f"{tip} {name} {keys}".lower(), prompt)
