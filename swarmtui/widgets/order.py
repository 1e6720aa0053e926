"""Which rows a table shows, in which order: filtering, sorting, freezing.

Rows are known by their ids. The order is a list of ids that only `rebuild` changes, so
that what is on the screen stays where it is while the rows behind it change.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

R = TypeVar("R")

Ink: TypeAlias = str
Predicate: TypeAlias = Callable[[R, datetime], bool]


@dataclass(frozen=True, kw_only=True)
class Column(Generic[R]):
    """A column of a table, as data."""

    key: str
    """What bindings, settings and messages call it."""
    title: str
    width: int
    """Its cells, without the blank that follows; the least when `flex` is set."""
    text: Callable[[R, datetime], str]
    """The cell of a row at a time; must be safe to draw (see `swarmtui.text.safe`)."""
    sort: Callable[[R], Any] | None = None
    """What to sort by; None when the column cannot be sorted."""
    falling: bool = False
    """Whether sorting starts with the greatest."""
    right: bool = False
    """Whether the cell is set to the right."""
    flex: int = 0
    """Its share of the cells that are left over."""
    style: Callable[[R], Ink] | None = None
    """The ink of a row's cell; None is plain ink."""
    timed: bool = False
    """Whether the text changes with the time alone, as ``46m`` does."""
    min_width: int = 0
    """The width of the table from which on the column is there."""
    cut: Callable[[str, int], str] | None = None
    """How text is cut to so many cells; None cuts its end off."""


@dataclass(frozen=True, slots=True)
class Sort:
    """By which column, and in which direction."""

    key: str
    falling: bool = False


def widths(columns: Sequence[Column[R]], cells: int) -> list[int]:
    """Return the width of each column in a table of so many cells."""
    spare = max(0, cells - sum(column.width + 1 for column in columns))
    shares = sum(column.flex for column in columns)
    found = []
    for column in columns:
        share = spare * column.flex // shares if column.flex else 0
        found.append(column.width + share)
        spare, shares = spare - share, shares - column.flex
    return found


class Order(Generic[R]):
    """The ids on show, in order.

    Attributes:
        ids: The order itself; replaced, never changed in place.
        predicate: Which rows are on show; None is all.
        sort: The order asked for; None keeps the order of the mapping.
        frozen: While true no row moves: those that are gone leave, new ones come last.
    """

    def __init__(self, columns: Sequence[Column[R]]) -> None:
        self.ids: list[str] = []
        self.predicate: Predicate[R] | None = None
        self.sort: Sort | None = None
        self.frozen = False
        self._keys = {c.key: c.sort for c in columns if c.sort}

    def rebuild(self, rows: Mapping[str, R], now: datetime) -> bool:
        """Choose and order the rows anew, and return whether anything changed."""
        chosen = self._chosen(rows, now)
        ids = self._held(chosen) if self.frozen else self._sorted(chosen, rows)
        changed = ids != self.ids
        self.ids = ids
        return changed

    def _chosen(self, rows: Mapping[str, R], now: datetime) -> list[str]:
        predicate = self.predicate
        if predicate is None:
            return list(rows)
        return [id_ for id_, row in rows.items() if predicate(row, now)]

    def _held(self, chosen: list[str]) -> list[str]:
        present = dict.fromkeys(chosen)
        kept = [id_ for id_ in self.ids if id_ in present]
        known = set(kept)
        return kept + [id_ for id_ in chosen if id_ not in known]

    def _sorted(self, chosen: list[str], rows: Mapping[str, R]) -> list[str]:
        if self.sort is None or (key := self._keys.get(self.sort.key)) is None:
            return chosen
        return sorted(chosen, key=lambda i: key(rows[i]), reverse=self.sort.falling)
