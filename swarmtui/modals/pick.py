"""A list that narrows as one types: where to go, who is to help, which key to use."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from swarmtui.modals.sheet import Sheet

LIMIT = 50
"""How many entries are listed at once; typing narrows the rest."""


class Entry(NamedTuple):
    """One thing to pick."""

    id: str
    words: str
    """What typing is compared with."""
    prompt: Content


class PickSheet(Sheet[str]):
    """Pick one entry; dismissed with its id, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("enter", "pick", show=False, priority=True),
    ]
    keys: ClassVar = (("↑↓", "Move"), ("enter", "Choose"), ("esc", "Cancel"))
    prompt: ClassVar[str] = "type to narrow"

    def entries(self) -> Sequence[Entry]:
        """Return everything there is to pick, the likeliest first."""
        raise NotImplementedError

    def form(self) -> ComposeResult:
        """Show the line to type in and the list."""
        yield Input(placeholder=self.prompt, id="narrow")
        yield Static(id="count")
        yield OptionList(id="list")

    def on_mount(self) -> None:
        """List what there is."""
        self.query_one("#list").can_focus = False
        self._entries = list(self.entries())
        self._list("")

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        self._list(event.value.strip().lower())

    def _list(self, typed: str) -> None:
        found = narrow(self._entries, typed)
        listing = self.query_one(OptionList)
        listing.clear_options()
        listing.add_options(
            Option(entry.prompt, id=entry.id) for entry in found[:LIMIT]
        )
        listing.highlighted = 0 if found else None
        more = f"{LIMIT} of {len(found):,}" if len(found) > LIMIT else ""
        self.query_one("#count", Static).update(
            "nothing matches" if not found else more
        )

    def action_move(self, step: int) -> None:
        """Move the highlight."""
        listing = self.query_one(OptionList)
        if step > 0:
            listing.action_cursor_down()
        else:
            listing.action_cursor_up()

    def action_pick(self) -> None:
        """Take what is highlighted."""
        listing = self.query_one(OptionList)
        if listing.highlighted is not None:
            self.dismiss(listing.get_option_at_index(listing.highlighted).id)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)


def narrow(entries: Sequence[Entry], typed: str) -> list[Entry]:
    """Return the entries with all typed words in them, those that begin so first."""
    words = typed.split()
    found = [one for one in entries if all(word in one.words for word in words)]
    return sorted(found, key=lambda one: not one.words.startswith(typed))
