"""The frame of every sheet: a title, what is in it, and what the keys do."""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from swarmtui.console import Console, console
from swarmtui.model import Delta
from swarmtui.text import safe

T = TypeVar("T")


class Sheet(ModalScreen[T]):
    """A form over the screen; Escape leaves it without effect."""

    CSS_PATH = Path(__file__).with_name("sheet.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Cancel", show=False)
    ]

    heading: ClassVar[str] = ""
    keys: ClassVar[tuple[tuple[str, str], ...]] = (("esc", "Cancel"),)

    @property
    def console(self) -> Console:
        """The app, as far as a sheet may know it."""
        return console(self)

    def compose(self) -> ComposeResult:
        """Build the frame around `form`."""
        with Vertical(id="sheet"):
            yield Static(self.heading, id="heading")
            with VerticalScroll(id="form", can_focus=False):
                yield from self.form()
            yield Static(key_line(self.keys), id="sheet-keys")

    def form(self) -> ComposeResult:
        """Build what is in the sheet."""
        raise NotImplementedError

    def tick(self, delta: Delta) -> None:
        """Show what changed in the swarm; a sheet that is not live ignores it."""

    def show_keys(self, keys: Iterable[tuple[str, str]]) -> None:
        """Change what the last line says the keys do."""
        self.query_one("#sheet-keys", Static).update(key_line(keys))

    def show_heading(self, text: str) -> None:
        """Change the title."""
        self.query_one("#heading", Static).update(Content(safe(text)))

    def action_leave(self) -> None:
        """Close without effect."""
        self.dismiss(None)


def key_line(keys: Iterable[tuple[str, str]]) -> Content:
    """Return keys and what they do as one line."""
    return Content("   ").join(
        Content.assemble((key, "$primary bold"), f" {words}") for key, words in keys
    )


def field(label: str, *widgets: Widget) -> Horizontal:
    """Return one line of a form."""
    return Horizontal(Static(label, classes="label"), *widgets, classes="field")
