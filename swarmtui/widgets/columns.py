"""The columns that many tables have: words, ages and numbers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from swarmtui.text import ago, name, safe
from swarmtui.widgets.order import Column, Ink

R = TypeVar("R")


def words(
    key: str,
    title: str,
    of: Callable[[R], str],
    *,
    width: int,
    flex: int = 0,
    sorts: bool = True,
    style: Callable[[R], Ink] | None = None,
    min_width: int = 0,
) -> Column[R]:
    """Make a column of words, which may come from anywhere.

    Args:
        key: As in `Column`, like `title`, `width`, `flex`, `style` and `min_width`.
        title: The header.
        of: The words of a row.
        width: Cells.
        flex: Its share of the cells that are left over.
        sorts: Whether rows can be sorted by it.
        style: The ink of a cell.
        min_width: The width of the table from which on it is there.
    """
    return Column(
        key=key,
        title=title,
        width=width,
        flex=flex,
        text=lambda row, _: safe(of(row)),
        sort=of if sorts else None,
        style=style,
        min_width=min_width,
    )


def names(
    key: str,
    title: str,
    of: Callable[[R], str],
    *,
    width: int,
    flex: int = 0,
    min_width: int = 0,
) -> Column[R]:
    """Make a column of agents' names, of which both ends are shown.

    Args:
        key: As in `Column`, like `title`, `width`, `flex` and `min_width`.
        title: The header.
        of: The name in a row.
        width: Cells.
        flex: Its share of the cells that are left over.
        min_width: The width of the table from which on it is there.
    """
    column = words(key, title, of, width=width, flex=flex, min_width=min_width)
    return replace(column, cut=name)


def age(
    key: str,
    title: str,
    since: Callable[[R], datetime],
    *,
    width: int,
    sort: Callable[[R], Any] | None = None,
    falling: bool = False,
    min_width: int = 0,
) -> Column[R]:
    """Make a column of ages, the oldest first; `falling` is the newest first.

    Args:
        key: As in `Column`, like `title`, `width` and `min_width`.
        title: The header.
        since: When it began, or was.
        width: Cells.
        sort: What to sort by; else that time.
        falling: Whether sorting starts with the newest.
        min_width: The width of the table from which on it is there.
    """
    return Column(
        key=key,
        title=title,
        width=width,
        text=lambda row, now: ago(since(row), now),
        sort=sort or since,
        falling=falling,
        right=True,
        timed=True,
        min_width=min_width,
    )


def number(
    key: str,
    title: str,
    of: Callable[[R], float],
    *,
    width: int,
    text: Callable[[R], str] | None = None,
    style: Callable[[R], Ink] | None = None,
    min_width: int = 0,
) -> Column[R]:
    """Make a column of numbers, the greatest first.

    Args:
        key: As in `Column`, like `title`, `width`, `style` and `min_width`.
        title: The header.
        of: The number of a row.
        width: Cells.
        text: How it is written; else as it is, in groups of three digits.
        style: The ink of a cell.
        min_width: The width of the table from which on it is there.
    """
    return Column(
        key=key,
        title=title,
        width=width,
        min_width=min_width,
        text=lambda row, _: text(row) if text else f"{of(row):,}",
        sort=of,
        style=style,
        falling=True,
        right=True,
    )
