"""A log that follows its end, keeps so many entries, and can be held still."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar

from textual.binding import Binding, BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.strip import Strip

from swarmtui.text import fit
from swarmtui.widgets.lines import Line, LineWidget, Span, draw
from swarmtui.widgets.order import Column, widths

__all__ = ["Column", "LineLog"]

T = TypeVar("T")

NEVER = datetime.fromtimestamp(0, UTC)


class LineLog(LineWidget, Generic[T], can_focus=True):
    """Entries under a header, the newest last.

    While it follows, the end is in sight and the cursor rests on it. Moving the cursor
    up, or `hold`, stops the picture: entries are still kept, and counted in `missed`,
    but nothing on the screen moves until the end is followed again.

    Args:
        columns: What is shown of an entry; the time given to `text` means nothing.
        kept: How many entries are kept.
        empty: What stands there while there are no entries.
        order: What entries are in order by, those that are added at once and, with
            some that come a little late, all of them; None takes them as they come.
    """

    DEFAULT_CSS = "LineLog { height: 1fr; background: $background; }"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "cursor(1)", "Down", show=False, id="table.down"),
        Binding("up,k", "cursor(-1)", "Up", show=False, id="table.up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="table.page_down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="table.page_up"),
        Binding("home,g", "edge(0)", "First", show=False, id="table.first"),
        Binding("end,G", "edge(1)", "Last", show=False, id="table.last"),
        Binding("enter", "select", "Open", show=False, id="table.open"),
    ]

    class Highlighted(Message):
        """The cursor is on another entry, or follows the end again."""

        def __init__(self, log: "LineLog[Any]", entry: Any) -> None:
            super().__init__()
            self.log = log
            self.entry = entry
            """The entry under the cursor; None while the end is followed."""

        @property
        def control(self) -> "LineLog[Any]":
            """The log."""
            return self.log

    class Selected(Highlighted):
        """An entry was opened."""

    def __init__(
        self,
        columns: Sequence[Column[T]],
        *,
        kept: int = 2000,
        empty: str = "",
        order: Callable[[T], Any] | None = None,
        id: str | None = None,  # noqa: A002  # Textual's word
    ) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self._order = order
        self._empty = empty
        self._all: deque[T] = deque(maxlen=kept)
        self._live: deque[T] = deque(maxlen=kept)
        self._held: list[T] | None = None
        self._predicate: Callable[[T], bool] | None = None
        self._top = self._index = 0
        self._dimmed = False
        self.missed = 0
        """How many entries came since the picture was held still."""

    # --- Entries ---------------------------------------------------------------------

    @property
    def following(self) -> bool:
        """Whether the end is in sight and stays there."""
        return self._held is None

    @property
    def kept(self) -> int:
        """How many entries are kept."""
        return len(self._all)

    @property
    def shown(self) -> Sequence[T]:
        """The entries that can be scrolled through."""
        return self._live if self._held is None else self._held

    @property
    def entry(self) -> T | None:
        """The entry under the cursor."""
        shown = self.shown
        return shown[self._index] if self._index < len(shown) else None

    def extend(self, entries: Iterable[T]) -> None:
        """Add entries, the newest last, and draw them if the end is followed."""
        new = list(entries)
        matching = [one for one in new if not self._predicate or self._predicate(one)]
        self._put(self._all, new)
        self._put(self._live, matching)
        if not matching:
            return
        if self.following:
            self._to_end()
        else:
            self.missed += len(matching)

    def _put(self, held: deque[T], new: list[T]) -> None:
        """Add entries that are in order, each behind those that are not later."""
        order = self._order
        if order is None or not (held and new) or order(held[-1]) <= order(new[0]):
            held.extend(new)
            return
        later = []
        while held and order(held[-1]) > order(new[0]):
            later.append(held.pop())
        held.extend(sorted((*reversed(later), *new), key=order))

    def show_only(self, predicate: Callable[[T], bool] | None) -> None:
        """Show the entries that the predicate holds for, those kept already too."""
        self._predicate = predicate
        chosen = [one for one in self._all if not predicate or predicate(one)]
        self._live = deque(chosen, maxlen=self._all.maxlen)
        if self._held is not None:
            self._held = chosen
        self._to_end()

    def clear(self) -> None:
        """Drop every entry."""
        self._all.clear()
        self.show_only(self._predicate)

    def hold(self, held: bool = True) -> None:
        """Hold the picture still, or follow the end again."""
        if held == (self._held is not None):
            return
        self._held = list(self._live) if held else None
        self.missed = 0
        if not held:
            self._to_end()
        self._announce()

    def dim(self, dimmed: bool) -> None:
        """Draw everything in faint ink, or not: nothing new can come just now."""
        if dimmed != self._dimmed:
            self._dimmed = dimmed
            self.refresh()

    # --- Drawing ---------------------------------------------------------------------

    @property
    def _page(self) -> int:
        return max(1, self.size.height - 1)

    def _to_end(self) -> None:
        self._index = max(0, len(self.shown) - 1)
        self._top = max(0, len(self.shown) - self._page)
        self.refresh()

    def on_resize(self) -> None:
        """Keep the end, or the cursor, in sight."""
        if self.following:
            self._to_end()
        else:
            self._into_sight()

    def line(self, y: int, cells: int, /) -> Line:
        """Return the header, or an entry."""
        shown = self.shown
        if y == 0:
            return self._cells(cells, lambda column: (column.title, "dim"))
        if not shown:
            return (Span(f" {self._empty}" if y == 2 else "", "dim"),)
        index = self._top + y - 1
        if index >= len(shown):
            return ()
        entry = shown[index]
        return self._cells(
            cells,
            lambda column: (
                column.text(entry, NEVER),
                column.style(entry) if column.style else "",
            ),
        )

    def _cells(self, cells: int, tell: Callable[[Column[T]], tuple[str, str]]) -> Line:
        columns = [column for column in self.columns if cells >= column.min_width]
        spans = [Span(" ")]
        for column, room in zip(columns, widths(columns, cells - 1), strict=True):
            text, ink = tell(column)
            spans.append(Span(fit(text, room, right=column.right) + " ", ink))
        return spans

    def render_line(self, y: int) -> Strip:
        """Draw one line; the one under the cursor stands out unless it follows."""
        cells = self.size.width
        spans = self.line(y, cells)
        if self._dimmed and y:
            spans = [span._replace(ink="faint") for span in spans]
        here = y > 0 and not self.following and self._top + y - 1 == self._index
        if not here:
            return draw(spans, self.inks, cells)
        if self.app.current_theme.ansi:
            spans = [span._replace(ink="row-cursor-ink") for span in spans]
        ground = "on:row-cursor" if self.has_focus else "on:row-blur"
        return draw([Span("▌", "primary"), *spans[1:]], self.inks, cells, ground)

    # --- Cursor ----------------------------------------------------------------------

    def _move(self, index: int) -> None:
        if not self.shown:
            return
        self.hold()
        self._index = max(0, min(index, len(self.shown) - 1))
        self._into_sight()
        self._announce()

    def _into_sight(self) -> None:
        lowest, highest = self._index - self._page + 1, self._index
        self._top = max(0, lowest, min(self._top, highest))
        self.refresh()

    def _announce(self) -> None:
        self.post_message(
            self.Highlighted(self, None if self.following else self.entry)
        )

    def action_cursor(self, by: int) -> None:
        """Move the cursor; below the end the log follows again."""
        if by > 0 and (self.following or self._index >= len(self.shown) - 1):
            return
        self._move(self._index + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by pages."""
        self.action_cursor(by * max(1, self._page - 1))

    def action_edge(self, last: int) -> None:
        """Move the cursor to the oldest entry, or follow the end again."""
        if last:
            self.hold(held=False)
        else:
            self._move(0)

    def action_select(self) -> None:
        """Open the entry under the cursor."""
        if self.entry is not None:
            self.hold()
            self.post_message(self.Selected(self, self.entry))

    def on_click(self, event: Click) -> None:
        """Put the cursor on an entry."""
        self.focus()
        if event.y and self._top + event.y - 1 < len(self.shown):
            self._move(self._top + event.y - 1)

    def on_mouse_scroll_up(self, _event: MouseScrollUp) -> None:
        """Go back in time."""
        self.action_cursor(-3)

    def on_mouse_scroll_down(self, _event: MouseScrollDown) -> None:
        """Go forward in time."""
        self.action_cursor(3)

    def on_focus(self) -> None:
        """Show the cursor as the one that keys act on."""
        self.refresh()

    def on_blur(self) -> None:
        """Show the cursor as waiting."""
        self.refresh()
