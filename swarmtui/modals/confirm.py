"""Questions that want a yes, and counts that want to be typed."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, Static

from swarmtui.modals.sheet import Sheet, field
from swarmtui.orders import must_confirm


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


class SureSheet(ConfirmSheet):
    """A question about so many; above a limit their number has to be typed."""

    def __init__(self, heading: str, text: str, count: int, noun: str) -> None:
        super().__init__(heading, text)
        self._count = count
        self._noun = noun

    def form(self) -> ComposeResult:
        """Show the question, and ask for the number of many."""
        yield from super().form()
        if must_confirm(self._count):
            yield field("confirm", CountInput(self._count, self._noun))

    def on_mount(self) -> None:
        """Put the title in, and what the keys do."""
        super().on_mount()
        if must_confirm(self._count):
            self.show_keys((("enter", "Yes"), ("esc", "No")))
            self.query_one(CountInput).focus()

    @on(Input.Submitted)
    def _typed(self) -> None:
        self.action_yes()

    def action_yes(self) -> None:
        """Close with yes, unless the number is still to be typed."""
        if all(one.is_right for one in self.query(CountInput)):
            super().action_yes()


class CountInput(Input):
    """Wants a number typed before an order to many, or about many, is sent."""

    def __init__(self, count: int, noun: str = "agents") -> None:
        verb = "send to" if noun == "agents" else "do it to"
        super().__init__(
            placeholder=f"type {count} to {verb} {count:,} {noun}", id="count"
        )
        self.count = count

    @property
    def is_right(self) -> bool:
        """Whether the right number stands there."""
        return self.value.replace(",", "").strip() == str(self.count)
