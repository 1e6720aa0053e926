"""Put a help request aside until a time to come."""

from datetime import timedelta
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from swarmtui.modals.answer import ChoiceInput
from swarmtui.modals.sheet import Sheet, field
from swarmtui.orders import typed_duration

SPANS: tuple[tuple[str, timedelta], ...] = (
    ("15 minutes", timedelta(minutes=15)),
    ("1 hour", timedelta(hours=1)),
    ("4 hours", timedelta(hours=4)),
    ("until tomorrow, this time", timedelta(days=1)),
)


class SnoozeSheet(Sheet[timedelta]):
    """Four spans on number keys, or one in words; dismissed with the span, or None."""

    heading = "Snooze"
    keys: ClassVar = (("1 to 4", "Choose"), ("enter", "Snooze"), ("esc", "Cancel"))

    def form(self) -> ComposeResult:
        """Show the spans."""
        yield Static(
            Content("\n").join(
                Content.assemble((f"{key}", "$primary bold"), f" {words}")
                for key, (words, _) in enumerate(SPANS, 1)
            ),
            classes="part",
        )
        yield field("for", ChoiceInput(len(SPANS), placeholder="or 30m, 2h, 1d"))
        yield Static(id="notes", classes="note")

    def on_mount(self) -> None:
        """Keep the room of the remark until there is one."""
        self.query_one("#notes").display = False

    @on(ChoiceInput.Chosen)
    def _choose(self, event: ChoiceInput.Chosen) -> None:
        self.dismiss(SPANS[event.index][1])

    @on(ChoiceInput.Submitted)
    def _submit(self, event: ChoiceInput.Submitted) -> None:
        span = typed_duration(event.value)
        if span is not None:
            self.dismiss(span)
            return
        notes = self.query_one("#notes", Static)
        notes.display = True
        notes.update("Write a number and a unit, such as 30m, 2h or 1d.")
