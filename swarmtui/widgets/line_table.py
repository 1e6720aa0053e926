"""A table of many rows that draws only the lines on the screen.

Rows are never widgets and never copied: the table holds an order of ids, looks a row up
when it draws it, and keeps the drawn line until the row has a new version. Whoever
changes rows says `mark_dirty` for each and `flush` ten times a second; a flush costs as
much as the dirty lines on the screen, however many rows there are.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from textual.binding import Binding
from textual.cache import LRUCache
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from swarmtui.widgets import table_messages as messages
from swarmtui.widgets.lines import Inks
from swarmtui.widgets.order import Column, Order, Predicate, Sort
from swarmtui.widgets.table_lines import Below, TableLines

__all__ = ["Column", "LineTable", "Sort"]

R = TypeVar("R")

EPOCH = datetime.fromtimestamp(0).astimezone()
SECOND = timedelta(seconds=1)


def version_of(row: Any) -> Hashable:
    """Return the version of a row that carries one."""
    version: Hashable = row.version
    return version


class LineTable(ScrollView, Generic[R], can_focus=True):
    """Rows under a header, with a cursor, marks, sorting and a filter.

    Nothing moves under the reader: rows are reordered at most once a second, only by a
    sort that was asked for, and not at all while `frozen`. The cursor stays with its
    row wherever that goes.

    Args:
        columns: What is shown of a row, from left to right.
        rows: The rows by id. It is kept, not copied: change it, then say so.
        empty: Text for the middle of a table without rows; lines are kept as given,
            those that begin with ``$ `` are commands.
        below: Makes a second line for each row, as spans without indent.
        version: Tells whether a row changed; equal versions are drawn alike.
        sort: The order to begin with.
    """

    DEFAULT_CSS = """
    LineTable {
        height: 1fr;
        background: $background;
        color: $foreground;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-gutter: stable;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
    }
    """

    BINDINGS: ClassVar = [
        Binding("down,j", "cursor(1)", "Down", show=False, id="table.down"),
        Binding("up,k", "cursor(-1)", "Up", show=False, id="table.up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="table.page_down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="table.page_up"),
        Binding("home,g", "edge(0)", "First", show=False, id="table.first"),
        Binding("end,G", "edge(1)", "Last", show=False, id="table.last"),
        Binding("enter", "select", "Open", show=False, id="table.open"),
        Binding("space", "mark", "Mark", show=False, id="table.mark"),
        Binding(
            "ctrl+space,ctrl+@",
            "mark_range",
            "Mark to here",
            show=False,
            id="table.range",
        ),
        Binding("asterisk", "mark_all", "Mark all", show=False, id="table.mark_all"),
        Binding("s", "sort", "Sort", show=False, id="table.sort"),
        Binding("S", "reverse", "Reverse", show=False, id="table.reverse"),
        Binding("f", "freeze", "Freeze", show=False, id="table.freeze"),
    ]

    index: reactive[int] = reactive(0, repaint=False, init=False)
    """The place of the cursor in the order."""
    frozen: reactive[bool] = reactive(default=False, init=False)
    """While true no row moves."""
    dimmed: reactive[bool] = reactive(default=False)
    """Draws everything in dim ink: what is shown is no longer known to be true."""

    Highlighted: TypeAlias = messages.Highlighted
    Selected: TypeAlias = messages.Selected
    SortChanged: TypeAlias = messages.SortChanged
    MarksChanged: TypeAlias = messages.MarksChanged
    OrderChanged: TypeAlias = messages.OrderChanged

    def __init__(
        self,
        columns: Sequence[Column[R]],
        rows: Mapping[str, R],
        *,
        empty: str = "",
        below: Below[R] | None = None,
        version: Callable[[R], Hashable] = version_of,
        sort: Sort | None = None,
        name: str | None = None,
        id: str | None = None,  # noqa: A002  # Textual's word
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.rows = rows
        self.inks = Inks(self)
        self.marks: set[str] = set()
        self._face = TableLines(columns, self.inks, below)
        self._empty = empty
        self._version = version
        self._order: Order[R] = Order(columns)
        self._order.sort = sort
        self._dirty: set[str] = set()
        self._lines: LRUCache[Hashable, tuple[Strip, ...]] = LRUCache(1024)
        self._drawn: dict[str, tuple[str, ...]] = {}
        self._now = EPOCH
        self._aged = self._rebuilt = EPOCH
        self._stale = False
        self._anchor: str | None = None

    # --- What a screen asks ----------------------------------------------------------

    @property
    def order(self) -> list[str]:
        """The ids on show, in order."""
        return self._order.ids

    @property
    def sort(self) -> Sort | None:
        """The order asked for."""
        return self._order.sort

    @property
    def cursor(self) -> str | None:
        """The id under the cursor; None when the table is empty."""
        return self.order[self.index] if self.order else None

    @property
    def cursor_row(self) -> R | None:
        """The row under the cursor; None when the table is empty or it is gone."""
        return None if self.cursor is None else self.rows.get(self.cursor)

    @property
    def targets(self) -> list[str]:
        """The marked rows in order, or else the row under the cursor."""
        marked = [id_ for id_ in self.order if id_ in self.marks]
        marked += sorted(self.marks.difference(marked))
        return marked or ([] if self.cursor is None else [self.cursor])

    @property
    def row_lines(self) -> int:
        """How many lines a row takes."""
        return self._face.per_row

    # --- What a screen tells ---------------------------------------------------------

    def mark_dirty(self, id: str) -> None:  # noqa: A002  # the row's own word
        """Say that a row changed, came or went; it is drawn at the next `flush`."""
        self._dirty.add(id)

    def flush(self, now: datetime) -> int:
        """Draw what changed since the last flush, and return how many rows that were.

        At most once a second rows are filtered and sorted anew and ages move on.
        """
        self._now = now
        dirty, self._dirty = self._dirty, set()
        self._stale = self._stale or bool(dirty)
        due = now - self._rebuilt >= SECOND
        if (due or not self.order) and (self._stale or self._order.predicate):
            self._rebuild_now()
        if self.cursor in dirty:
            self._announce()
        if now - self._aged >= SECOND:
            self._aged = now
            dirty |= self._aged_rows()
        return self._repaint(dirty)

    def rebuild(self, now: datetime) -> None:
        """Filter and sort at once, whatever the last time was."""
        self._now = now
        self._rebuild_now()

    def show_only(self, predicate: Predicate[R] | None, now: datetime) -> None:
        """Show the rows that the predicate holds for; None shows all."""
        self._order.predicate = predicate
        self.rebuild(now)

    def replace_rows(self, rows: Mapping[str, R], now: datetime) -> None:
        """Show other rows, all of them new."""
        self.rows = rows
        self._lines.clear()
        self.rebuild(now)
        self.refresh()

    def set_empty(self, text: str) -> None:
        """Change the text that stands in for rows."""
        if text != self._empty:
            self._empty = text
            if not self.order:
                self.refresh()

    def sort_by(self, sort: Sort | None) -> None:
        """Ask for another order."""
        self._order.sort = sort
        frozen, self._order.frozen = self._order.frozen, False
        self._rebuild_now()
        self._order.frozen = frozen
        self.refresh()
        self.post_message(self.SortChanged(self))

    def move_to(self, id: str) -> bool:  # noqa: A002  # the row's own word
        """Put the cursor on a row, and return whether it is on show."""
        if id not in self.order:
            return False
        self.index = self.order.index(id)
        return True

    def clear_marks(self) -> None:
        """Unmark everything."""
        self._mark(set())

    # --- Order -----------------------------------------------------------------------

    def _rebuild_now(self) -> None:
        self._rebuilt, self._stale = self._now, False
        cursor, above = self.cursor, self._line_of_cursor()
        if not self._order.rebuild(self.rows, self._now):
            return
        self._fit_virtual()
        self._follow(cursor, above)
        self._drop_gone_marks()
        self.refresh()
        self.post_message(self.OrderChanged(self))

    def _line_of_cursor(self) -> int:
        return self.index - self._top_row()

    def _top_row(self) -> int:
        return self.scroll_offset.y // self.row_lines

    def _follow(self, cursor: str | None, above: int) -> None:
        """Keep the cursor with its row, and that row on its line of the screen."""
        before = self.index
        try:
            index = self.order.index(cursor) if cursor is not None else before
        except ValueError:
            index = before
        index = max(0, min(index, len(self.order) - 1))
        if self._top_row() and 0 <= above < self._page():
            self.scroll_to(
                y=(index - above) * self.row_lines, animate=False, force=True
            )
        if index != before:
            self.index = index
        elif cursor != self.cursor:
            self._announce()

    def _drop_gone_marks(self) -> None:
        gone = {id_ for id_ in self.marks if id_ not in self.rows}
        if gone:
            self._mark(self.marks - gone)

    # --- Drawing ---------------------------------------------------------------------

    def _page(self) -> int:
        return max(1, (self.size.height - 1) // self.row_lines)

    def _visible(self) -> range:
        top = self._top_row()
        return range(top, min(len(self.order), top + self._page() + self.row_lines - 1))

    def _repaint(self, dirty: set[str]) -> int:
        if not dirty:
            return 0
        order = self.order
        rows = [index for index in self._visible() if order[index] in dirty]
        for index in rows:
            self._refresh_row(index)
        return len(rows)

    def _refresh_row(self, index: int) -> None:
        y = 1 + index * self.row_lines - self.scroll_offset.y
        self.refresh(Region(0, y, self.size.width, self.row_lines))

    def _aged_rows(self) -> set[str]:
        """Return the visible rows whose ages read otherwise than when drawn."""
        order, rows = self.order, self.rows
        return {
            order[index]
            for index in self._visible()
            if (row := rows.get(order[index])) is not None
            and self._drawn.get(order[index]) != self._face.ages(row, self._now)
        }

    def render_line(self, y: int) -> Strip:
        """Draw one line of what is visible."""
        cells = self.size.width
        if y == 0:
            return self._face.header(self.sort, cells)
        if not self.order:
            return self._face.placeholder(
                self._empty, y - 1, self.size.height - 1, cells
            )
        index, part = divmod(y - 1 + self.scroll_offset.y, self.row_lines)
        if index >= len(self.order):
            return self._face.blank(cells)
        return self._row(index, cells)[part]

    def _row(self, index: int, cells: int) -> tuple[Strip, ...]:
        id_ = self.order[index]
        row = self.rows.get(id_)
        if row is None:
            return (self._face.blank(cells),) * self.row_lines
        ages = self._drawn[id_] = self._face.ages(row, self._now)
        here = index == self.index
        ground = self._ground(index, here=here)
        marked = id_ in self.marks
        flat = self._flat(row, here=here)
        key = (id_, self._version(row), ages, ground, flat, marked, here, cells)
        strips = self._lines.get(key)
        if strips is None:
            strips = self._lines[key] = self._face.row(
                row,
                self._now,
                cells,
                here=here,
                marked=marked,
                ground=ground,
                flat=flat,
            )
        return strips

    def _ground(self, index: int, *, here: bool) -> str:
        if here:
            return "on:row-cursor" if self.has_focus else "on:row-blur"
        return "on:row-alt" if index & 1 else ""

    def _flat(self, row: R, *, here: bool) -> str | None:
        """Return the one ink of a whole row, where its own inks must not be used."""
        if self.dimmed or self._leaves(row):
            return "faint"
        return "row-cursor-ink" if here and self.app.current_theme.ansi else None

    def _leaves(self, row: R) -> bool:
        """Say whether a row will be gone with the next rebuild, or when let go."""
        predicate = self._order.predicate
        return predicate is not None and not predicate(row, self._now)

    # --- Layout and style ------------------------------------------------------------

    def on_resize(self, _event: Resize) -> None:
        """Find the columns for the new width."""
        self._face.fit(self.scrollable_content_region.width)
        self._lines.clear()
        self._fit_virtual()
        self._scroll_to_cursor()

    def _fit_virtual(self) -> None:
        spare = (self.size.height - 1) % self.row_lines
        lines = len(self.order) * self.row_lines + 1 + spare
        self.virtual_size = Size(self.scrollable_content_region.width, lines)

    def notify_style_update(self) -> None:
        """Drop everything drawn in another style."""
        super().notify_style_update()
        self.inks.clear()
        self._lines.clear()

    def on_mount(self) -> None:
        """Show what is there already."""
        self._order.rebuild(self.rows, self._now)
        self._fit_virtual()
        self._announce()

    def on_focus(self) -> None:
        """Show the cursor as the one that keys act on."""
        self.refresh()

    def on_blur(self) -> None:
        """Show the cursor as waiting."""
        self.refresh()

    # --- Cursor ----------------------------------------------------------------------

    def validate_index(self, index: int) -> int:
        """Keep the cursor within the rows."""
        return max(0, min(index, len(self.order) - 1))

    def watch_index(self, old: int, new: int) -> None:
        """Draw the cursor where it was and where it is."""
        if not self.is_attached:
            return
        for index in (old, new):
            if index < len(self.order):
                self._refresh_row(index)
        self._scroll_to_cursor()
        self._announce()

    def _announce(self) -> None:
        self.post_message(self.Highlighted(self, self.cursor))

    def _scroll_to_cursor(self) -> None:
        lines, top = self.row_lines, self.scroll_offset.y
        first = self.index * lines
        last = first + lines - (self.size.height - 1)
        if first < top:
            self.scroll_to(y=first, animate=False, force=True)
        elif last > top:
            whole = last + last % lines
            self.scroll_to(y=whole, animate=False, force=True)

    def action_cursor(self, by: int) -> None:
        """Move the cursor by rows."""
        self.index += by

    def action_page(self, by: int) -> None:
        """Move the cursor by pages."""
        self.index += by * max(1, self._page() - 1)

    def action_edge(self, last: int) -> None:
        """Move the cursor to the first or the last row."""
        self.index = len(self.order) - 1 if last else 0

    def action_select(self) -> None:
        """Open the row under the cursor."""
        if self.cursor is not None:
            self.post_message(self.Selected(self, self.cursor))

    def on_click(self, event: Click) -> None:
        """Sort by a header; put the cursor on a row; open it on the second click."""
        self.focus()
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            if column := self._face.column_at(offset.x):
                self._sort_or_reverse(column)
            return
        index = (offset.y - 1 + self.scroll_offset.y) // self.row_lines
        if index >= len(self.order):
            return
        self.index = index
        if event.ctrl:
            self._mark(self.marks ^ {self.order[index]})
        elif event.chain == 2:
            self.action_select()

    # --- Sorting ---------------------------------------------------------------------

    def _sort_or_reverse(self, column: Column[R]) -> None:
        if column.sort is None:
            return
        if self.sort and self.sort.key == column.key:
            self.action_reverse()
        else:
            self.sort_by(Sort(column.key, column.falling))

    def action_sort(self) -> None:
        """Sort by the next column."""
        able = [column for column, _ in self._face.shown if column.sort]
        keys = [column.key for column in able]
        if not able:
            return
        at = keys.index(self.sort.key) if self.sort and self.sort.key in keys else -1
        following = able[(at + 1) % len(able)]
        self.sort_by(Sort(following.key, following.falling))

    def action_reverse(self) -> None:
        """Turn the order around."""
        if self.sort:
            self.sort_by(Sort(self.sort.key, not self.sort.falling))

    def action_freeze(self) -> None:
        """Hold every row where it is, or let the order go on."""
        self.frozen = not self.frozen

    def watch_frozen(self, frozen: bool) -> None:
        """Hold or let go the order."""
        self._order.frozen = frozen
        if self.is_attached:
            if not frozen:
                self._rebuild_now()
            self.post_message(self.SortChanged(self))

    # --- Marks -----------------------------------------------------------------------

    def _mark(self, marks: set[str]) -> None:
        self.marks = marks
        self.refresh()
        self.post_message(self.MarksChanged(self))

    def action_mark(self) -> None:
        """Mark or unmark the row under the cursor, and move on."""
        if self.cursor is None:
            return
        self._anchor = self.cursor
        self._mark(self.marks ^ {self.cursor})
        self.index += 1

    def action_mark_range(self) -> None:
        """Mark from the last marked row to the cursor."""
        if self.cursor is None:
            return
        start = (
            self.order.index(self._anchor) if self._anchor in self.order else self.index
        )
        first, last = sorted((start, self.index))
        self._mark(self.marks.union(self.order[first : last + 1]))

    def action_mark_all(self) -> None:
        """Mark every row on show, or unmark all when they are marked already."""
        shown = set(self.order)
        self._mark(set() if shown <= self.marks else self.marks | shown)
