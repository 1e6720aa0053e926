"""Questions that want a yes, and counts that want to be typed."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, Static

from swarmtui.modals.sheet import Sheet


class ConfirmSheet(Sheet[bool]):
    """One question; `y` or Enter says yes, everything else no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "yes", "Yes", show=False),
        Binding("n", "leave", "No", show=False),
    ]
    keys: ClassVar = (("y", "Yes"), ("n", "No"))

    def __init__(self, heading: str, text: str) -> None:
        super().__init__()
        self._heading = heading
        self._text = text

    def form(self) -> ComposeResult:
        """Show the question."""
        yield Static(Content(self._text), classes="part")

    def on_mount(self) -> None:
        """Put the title in."""
        self.show_heading(self._heading)

    def action_yes(self) -> None:
        """Close with yes."""
        self.dismiss(True)


class CountInput(Input):
    """Wants the number of recipients typed before an order to many is sent."""

    def __init__(self, count: int) -> None:
        super().__init__(
            placeholder=f"type {count} to send to {count:,} agents", id="count"
        )
        self.count = count

    @property
    def is_right(self) -> bool:
        """Whether the right number stands there."""
        return self.value.replace(",", "").strip() == str(self.count)
