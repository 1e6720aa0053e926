"""Many rows to a statement.

While SQLite runs a statement its thread lets go of the interpreter, and has to wait
until the event loop gives it back. A statement per row makes a commit wait once a row,
for as long as the loop is busy.
"""

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Final, TypeAlias

Values: TypeAlias = tuple[str | int, ...]

SIZES: Final = (128, 32, 8, 4, 2, 1)
"""How many rows a statement takes: few sizes, so that all of them stay compiled."""


class Insert:
    """Writes rows of one table.

    Args:
        head: what stands before ``VALUES``.
        width: how many values a row has.
        tail: what stands behind the rows.
    """

    __slots__ = ("_statements", "one")

    def __init__(self, head: str, width: int, tail: str = "") -> None:
        row = f"({', '.join('?' * width)})"
        self._statements = {
            size: f"{head} VALUES {', '.join([row] * size)} {tail}" for size in SIZES
        }
        self.one = self._statements[1]
        """The statement for a single row."""

    def write(self, connection: sqlite3.Connection, rows: Sequence[Values]) -> None:
        """Write rows, in order."""
        start = 0
        for size, statement in self._statements.items():
            while start + size <= len(rows):
                some = rows[start : start + size]
                connection.execute(statement, tuple(chain.from_iterable(some)))
                start += size
