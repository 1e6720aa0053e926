"""A view with one or more tables, and a pane beside them."""

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from swarmtui.actions import Need
from swarmtui.model import Delta
from swarmtui.screens.base import SwarmScreen
from swarmtui.screens.pane import Pane
from swarmtui.screens.standing import FIRST_AGENT
from swarmtui.widgets.filter_bar import NO_UNIT, Unit
from swarmtui.widgets.line_table import LineTable


class TableScreen(SwarmScreen):
    """Tables that the keys act on, one at a time; the pane follows the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "other_table", "Other table", show=False),
    ]

    _touched = False
    _tables: Sequence[LineTable[Any]] = ()
    _panes: Sequence[Pane] = ()
    unit: ClassVar[Unit] = NO_UNIT
    """What the rows of the first table are."""

    # --- Tables ----------------------------------------------------------------------

    @property
    def tables(self) -> Sequence[LineTable[Any]]:
        """All tables, from left to right."""
        if not (self.ready and self._tables):
            self._tables = tuple(self.query(LineTable))
        return self._tables

    @property
    def table(self) -> LineTable[Any]:
        """The table that the keys act on."""
        focused = self.focused
        return focused if isinstance(focused, LineTable) else self.tables[0]

    def on_key(self) -> None:
        """Note that the cursor is where the person wants it."""
        self._touched = True

    on_click = on_key

    def _rest_on_top(self) -> None:
        """Leave the cursor on the first row until somebody takes it elsewhere."""
        if not self._touched:
            for table in self.tables:
                table.index = 0

    def total(self) -> int:
        """Return how many rows the first table would show without a filter."""
        return len(self.tables[0].rows)

    def show(self, delta: Delta) -> None:
        """Draw the rows that changed."""
        now = self.console.now()
        for table in self.tables:
            table.flush(now)
        self._rest_on_top()
        pane = self.pane
        if pane is not None and pane.concerns(delta):
            pane.changed()

    def show_all(self) -> None:
        """Draw every table anew."""
        now = self.console.now()
        for table in self.tables:
            table.rebuild(now)
            table.flush(now)
            table.refresh()
        self._rest_on_top()
        self._show_status()

    def age(self) -> None:
        """Let ages move on, and dim what is no longer known to be true."""
        now = self.console.now()
        gone = not self.console.model.live
        for table in self.tables:
            table.dimmed = gone
            table.set_empty(self.empty(table))
            table.flush(now)
        if self.pane is not None:
            self.pane.draw()
        self._show_status()

    def empty(self, table: LineTable[Any]) -> str:
        """Return what a table without rows says."""
        raise NotImplementedError

    def apply_filter(self, compiled: Any) -> None:
        """Filter the first table."""
        self.tables[0].show_only(
            compiled if compiled.text else None, self.console.now()
        )
        self._show_status()

    def focus_body(self) -> None:
        """Give the keys to the table."""
        self.table.focus()

    def move_to(self, row: str) -> bool:
        """Put the cursor of the first table on a row."""
        table = self.tables[0]
        if row not in table.order:
            table.rebuild(self.console.now())
        table.focus()
        return table.move_to(row)

    def given(self) -> Need:
        """Say whether there is a row under the cursor, or a command to copy."""
        empty = self.console.model.loaded and not self.console.model.agents
        return Need.ROW if self.table.cursor or empty else Need.NOTHING

    # --- Pane ------------------------------------------------------------------------

    @property
    def pane(self) -> Pane | None:
        """The pane beside the tables; None in views without one."""
        if not (self.ready and self._panes):
            self._panes = tuple(self.query(Pane))
        return self._panes[0] if self._panes else None

    @on(LineTable.Highlighted)
    def _highlighted(self, event: LineTable.Highlighted) -> None:
        if self.pane is not None and event.table is self.tables[0]:
            self.pane.point(event.id)
        self.refresh_bindings()

    @on(LineTable.Selected)
    def _selected(self) -> None:
        """Give the pane the whole body, or take it away again."""
        if self.pane is not None:
            self.toggle_class("-opened")

    # --- Status ----------------------------------------------------------------------

    @on(LineTable.MarksChanged)
    @on(LineTable.SortChanged)
    @on(LineTable.OrderChanged)
    def _show_status(self) -> None:
        """Say how many rows are on show, and how."""
        table = self.tables[0]
        marked = f"{len(table.marks):,} marked" if table.marks else ""
        frozen = "frozen" if table.frozen else ""
        self.filter_bar.show(
            len(table.order),
            self.total(),
            marked,
            frozen,
            unit=self.unit,
        )

    # --- Actions ---------------------------------------------------------------------

    def action_other_table(self) -> None:
        """Give the keys to the next table."""
        tables = self.tables
        at = tables.index(self.table)
        tables[(at + 1) % len(tables)].focus()

    def action_back(self) -> None:
        """Close the pane, else clear the marks, else the filter."""
        if self.has_class("-opened"):
            self.remove_class("-opened")
        elif self.table.marks:
            self.table.clear_marks()
        else:
            super().action_back()

    def first_words(self) -> str:
        """Return the command to begin with while there is nothing; else empty."""
        return FIRST_AGENT if not self.console.model.agents else ""

    def action_copy(self) -> None:
        """Copy the id under the cursor, or the command to begin with."""
        text = self.table.cursor
        if text is None:
            text = self.first_words()
        if text:
            self.app.copy_to_clipboard(text)
            self.say(f"copied {text}", "done")
