"""How a table looks: its header, its rows and the text that stands in for rows."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, TypeAlias, TypeVar

from textual.strip import Strip

from swarmtui.text import clip, fit
from swarmtui.widgets.lines import Inks, Line, Span, draw
from swarmtui.widgets.order import Column, Sort, widths

R = TypeVar("R")
Below: TypeAlias = Callable[[R, datetime], Line]

CURSOR = "▌"
MARK = "◆"


class TableLines(Generic[R]):
    """The lines of a table, drawn for one width at a time.

    Args:
        columns: What is shown of a row, from left to right.
        inks: The styles of the table.
        below: Makes a second line for each row, as spans without indent.

    Attributes:
        shown: The columns that there is room for, and how many cells each has.
    """

    def __init__(
        self, columns: Sequence[Column[R]], inks: Inks, below: Below[R] | None
    ) -> None:
        self.columns = tuple(columns)
        self.shown: list[tuple[Column[R], int]] = []
        self._timed: list[Column[R]] = []
        self._inks = inks
        self._below = below

    @property
    def per_row(self) -> int:
        """How many lines a row takes."""
        return 2 if self._below else 1

    def fit(self, cells: int) -> None:
        """Choose the columns for a width, and share it among them."""
        shown = [column for column in self.columns if cells >= column.min_width]
        self.shown = list(zip(shown, widths(shown, cells - 1), strict=True))
        self._timed = [column for column in shown if column.timed]

    def column_at(self, x: int) -> Column[R] | None:
        """Return the column at a cell of the header."""
        end = 1
        for column, room in self.shown:
            end += room + 1
            if x < end:
                return column
        return None

    def ages(self, row: R, now: datetime) -> tuple[str, ...]:
        """Return what of a row changes with the time alone."""
        ages = tuple(column.text(row, now) for column in self._timed)
        if self._below:
            ages += tuple(span.text for span in self._below(row, now))
        return ages

    def header(self, sort: Sort | None, cells: int) -> Strip:
        """Draw the titles, with an arrow at the one that is sorted by."""
        spans = [Span(" ")]
        for column, room in self.shown:
            title, ink = column.title, "dim"
            if sort and sort.key == column.key:
                arrow = "↓" if sort.falling else "↑"
                title, ink = clip(title, room - 2) + f" {arrow}", "bold"
            spans += (Span(fit(title, room, right=column.right), ink), Span(" "))
        return draw(spans, self._inks, cells)

    def row(
        self,
        row: R,
        now: datetime,
        cells: int,
        *,
        here: bool,
        marked: bool,
        ground: str,
        flat: str | None,
    ) -> tuple[Strip, ...]:
        """Draw a row.

        Args:
            row: It.
            now: The time that its ages are counted to.
            cells: How wide the table is.
            here: Whether the cursor is on it.
            marked: Whether it is marked.
            ground: The ink of the ground below.
            flat: The one ink of all its text, in place of its own inks.
        """
        gutter = MARK if marked else CURSOR if here else " "
        spans = [Span(gutter, "primary bold" if marked else "primary")]
        for column, room in self.shown:
            ink = column.style(row) if column.style else ""
            text = column.text(row, now)
            text = column.cut(text, room) if column.cut else text
            text = fit(text, room, right=column.right)
            spans += (Span(text, ink if flat is None else flat), Span(" "))
        first = self._strip(spans, ground, cells)
        if not self._below:
            return (first,)
        bar = CURSOR if gutter == CURSOR else " "
        second = [Span(f"{bar}  ", "primary")]
        second += [
            Span(span.text, span.ink if flat is None else flat)
            for span in self._below(row, now)
        ]
        return first, self._strip(second, ground, cells)

    def _strip(self, spans: Line, ground: str, cells: int) -> Strip:
        return draw(spans, self._inks, cells, ground).simplify()

    def blank(self, cells: int) -> Strip:
        """Draw a line with nothing on it."""
        return Strip.blank(cells, self._inks())

    def placeholder(self, text: str, y: int, height: int, cells: int) -> Strip:
        """Draw a line of the text that stands in for rows, in the middle of so many."""
        lines = text.splitlines()
        line = y - max(0, (height - len(lines)) // 3)
        if not 0 <= line < len(lines):
            return self.blank(cells)
        indent = max(1, (cells - max(map(len, lines))) // 2)
        command = lines[line].startswith("$ ")
        ink = "primary" if command else "dim" if line else ""
        return draw([Span(" " * indent + lines[line], ink)], self._inks, cells)
