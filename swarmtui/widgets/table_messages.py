"""What a `LineTable` posts; handlers may say ``@on(LineTable.Selected, "#fleet")``."""

from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from swarmtui.widgets.line_table import LineTable


class TableMessage(Message, bubble=True, namespace="line_table"):
    """Something about a table."""

    def __init__(self, table: "LineTable[Any]") -> None:
        super().__init__()
        self.table = table

    @property
    def control(self) -> "LineTable[Any]":
        """The table that it happened in."""
        return self.table


class RowMessage(TableMessage, namespace="line_table"):
    """Something about the row under the cursor."""

    def __init__(self, table: "LineTable[Any]", row_id: str | None) -> None:
        super().__init__(table)
        self.id = row_id
        """The row; None when the table is empty."""


class Highlighted(RowMessage, namespace="line_table"):
    """The cursor is on another row, or its row changed."""


class Selected(RowMessage, namespace="line_table"):
    """A row was opened: by enter, or by a double click."""


class SortChanged(TableMessage, namespace="line_table"):
    """Another order was asked for, or the order was frozen or let go."""


class MarksChanged(TableMessage, namespace="line_table"):
    """Rows were marked or unmarked."""


class OrderChanged(TableMessage, namespace="line_table"):
    """Rows came, went or moved."""
