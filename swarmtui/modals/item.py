"""All there is to see of one item of a run."""

from typing import ClassVar

from textual.binding import Binding, BindingType

from agentkit.rows import Item
from swarmtui.modals.message import MessageSheet
from swarmtui.run_facts import item_text, shown
from swarmtui.runs import sign
from swarmtui.text import safe


class ItemSheet(MessageSheet):
    """An item whole, as JSON; `t` goes to the task or the run that does it."""

    keys: ClassVar = (
        ("↑↓", "Scroll"),
        ("y", "Copy"),
        ("t", "Its task"),
        ("esc", "Close"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "task", "Its task", show=False)
    ]

    def __init__(self, item: Item, stage: str) -> None:
        name = f" {item.key}" if item.key else ""
        heading = f"{sign(item.state)}  {item.run} {stage} item {item.index}{name}"
        text = item_text(item)
        super().__init__(safe(heading), shown(text))
        self._whole = text
        self._ref = item.ref

    def action_copy(self) -> None:
        """Copy all of it."""
        self.app.copy_to_clipboard(self._whole)
        self.console.tell("copied as JSON")

    def action_task(self) -> None:
        """Close, and have whoever opened it go to what does the item."""
        if self._ref:
            self.dismiss(True)
