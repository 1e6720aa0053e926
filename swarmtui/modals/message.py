"""All there is to see of one message or letter."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from swarmtui.modals.sheet import Sheet
from swarmtui.text import safe


class MessageSheet(Sheet[bool]):
    """JSON over as many lines as it takes, to be read and copied.

    Args:
        heading: what it is, in one line.
        text: the JSON.
    """

    keys: ClassVar[tuple[tuple[str, str], ...]] = (
        ("↑↓", "Scroll"),
        ("y", "Copy"),
        ("esc", "Close"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("pagedown,space", "page(1)", "Page down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("home,g", "edge(0)", "Beginning", show=False),
        Binding("end,G", "edge(1)", "End", show=False),
        Binding("y", "copy", "Copy", show=False),
        Binding("enter", "leave", "Close", show=False),
    ]

    def __init__(self, heading: str, text: str) -> None:
        super().__init__()
        self._title = heading
        self._text = text

    def form(self) -> ComposeResult:
        """Show the JSON."""
        yield Static(json_lines(self._text), id="json", classes="part")

    def on_mount(self) -> None:
        """Put the title in."""
        self.show_heading(self._title)

    @property
    def _page(self) -> VerticalScroll:
        return self.query_one("#form", VerticalScroll)

    def action_scroll(self, by: int) -> None:
        """Scroll by lines."""
        self._page.scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        """Scroll by pages."""
        self._page.scroll_relative(y=by * self._page.size.height, animate=False)

    def action_edge(self, last: int) -> None:
        """Go to the beginning or the end."""
        if last:
            self._page.scroll_end(animate=False)
        else:
            self._page.scroll_home(animate=False)

    def action_copy(self) -> None:
        """Copy the JSON."""
        self.app.copy_to_clipboard(self._text)
        self.console.tell("copied as JSON")


def json_lines(text: str) -> Content:
    """Return JSON with its names dimmed; every line safe to draw."""
    lines = []
    for line in text.splitlines():
        name, colon, value = safe(line).partition('": ')
        parts = (name + colon, "$ink-dim"), value
        lines.append(Content.assemble(*parts) if colon else Content(name))
    return Content("\n").join(lines)
