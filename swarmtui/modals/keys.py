"""Every key of a view, searchable; picking one does it."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.content import Content
from textual.keys import format_key

from swarmtui.actions import Action
from swarmtui.modals.pick import Entry, PickSheet


class KeysSheet(PickSheet):
    """Dismissed with the id of an action to do, or None."""

    heading = "Keys"
    prompt = "what do you want to do?"
    keys: ClassVar = (("↑↓", "Move"), ("enter", "Do it"), ("esc", "Close"))

    def __init__(self, actions: Sequence[Action], keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._actions = actions
        self._keymap = keymap

    def entries(self) -> Sequence[Entry]:
        """List the view's actions, then how to move, then what works everywhere."""
        return [self._entry(action) for action in self._actions]

    def _entry(self, action: Action) -> Entry:
        keys = self._keymap.get(action.id, action.key).split(",")
        shown = " ".join(format_key(key) for key in keys)
        prompt = Content.assemble(
            (f"{shown:<8} ", "$primary bold"),
            f"{action.tip:<45} ",
            (action.id, "$ink-faint"),
        )
        return Entry(action.id, f"{action.tip} {action.id} {shown}".lower(), prompt)
