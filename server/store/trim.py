"""Takes away what is no longer kept, batch by batch, by the rules of `Store.trim`."""

import sqlite3
from datetime import datetime
from typing import Final

from server.store import by_agent
from server.store.run_tables import OVER
from server.store.schema import CARRIED, microseconds

BATCH: Final = 2000
"""How many rows go at once: some 10 ms."""

LARGE: Final = 100
"""How many rows go at once of what may be large."""

PAGES: Final = 500
"""How many pages are given back to the disk at once, when there is nothing to take."""

SPARE: Final = 0.1
"""The share of the file that may lie free for what comes next."""

_CARRIED_NOT: Final = f"NOT EXISTS ({CARRIED} AND ref = id)"

_LEDGER: Final = "SELECT 1 FROM deliveries WHERE ref = id AND broadcast"

_NEWER: Final = (
    "SELECT 1 FROM spools AS newer WHERE newer.agent = spools.agent "
    "AND (newer.version, newer.rowid) > (spools.version, spools.rowid)"
)

_SETTLED: Final = (
    ("deliveries", "(NOT live OR dead) AND NOT broadcast"),
    ("receipts", "TRUE"),
    ("letters", "TRUE"),
    ("helps", f"NOT live AND {_CARRIED_NOT}"),
    ("tasks", f"NOT live AND {_CARRIED_NOT}"),
    ("tasks", f"dead AND {_CARRIED_NOT}"),
    ("broadcasts", f"NOT live AND NOT EXISTS ({_LEDGER})"),
    ("spools", f"old AND EXISTS ({_NEWER})"),
    ("results", "loose"),
    ("results", "deleted"),
)
"""What may go of each table, once the event that settled it has gone.

What has to stay is in no index that is searched here, but for rare exceptions: however
much of it there is, a batch takes no longer.
"""

_DELETE_LEDGERS: Final = (
    "DELETE FROM deliveries WHERE rowid IN (SELECT deliveries.rowid FROM broadcasts "
    "CROSS JOIN deliveries ON ref = id WHERE NOT broadcasts.live "
    "AND broadcasts.version < ? AND broadcast AND (NOT deliveries.live OR dead) "
    "ORDER BY broadcasts.version LIMIT ?)"
)
"""The ledger of a broadcast goes just before it, and is whole until then."""

_BELOW: Final = "below.root = top.id AND below.parent <> ''"

_TOP: Final = "FROM runs AS top INDEXED BY runs_settled"

_OLD: Final = f"{OVER} ?1"

_CHILDREN: Final = (
    f"SELECT below.id {_TOP} CROSS JOIN runs AS below ON {_BELOW} WHERE {_OLD} "
    "ORDER BY top.version LIMIT ?2"
)
_CHILDLESS: Final = (
    f"SELECT top.id {_TOP} WHERE {_OLD} AND NOT EXISTS "  # noqa: S608
    f"(SELECT 1 FROM runs AS below WHERE {_BELOW}) ORDER BY top.version LIMIT ?2"
)
"""Which runs may go: those below others first, for they are found by the one at the
top."""

_OF_RUNS: Final = {
    "items": "?2",
    "checkpoints": f"min(?2, {LARGE})",
    "results": f"min(?2, {LARGE})",
}
"""What goes before a run does, and how much of it at once."""

_EMPTY: Final = " AND ".join(
    f"NOT EXISTS (SELECT 1 FROM {name} WHERE run = runs.id)"  # noqa: S608
    for name in _OF_RUNS
)

_DELETE_RUNS: Final = tuple(
    statement
    for chosen in (_CHILDREN, _CHILDLESS)
    for statement in (
        *(
            f"DELETE FROM {name} WHERE rowid IN (SELECT {name}.rowid "  # noqa: S608
            f"FROM ({chosen}) AS gone CROSS JOIN {name} ON run = gone.id LIMIT {many})"
            for name, many in _OF_RUNS.items()
        ),
        f"DELETE FROM runs WHERE id IN ({chosen}) AND {_EMPTY}",  # noqa: S608
    )
)
"""A run goes just after what belongs to it, and its plan with the last of its runs."""

_DELETE: Final = (
    *_DELETE_RUNS,
    _DELETE_LEDGERS,
    *(
        f"DELETE FROM {name} WHERE rowid IN (SELECT rowid FROM {name} "  # noqa: S608
        f"WHERE {settled} AND version < ? ORDER BY version LIMIT ?)"
        for name, settled in _SETTLED
    ),
)


def take(connection: sqlite3.Connection, before: datetime, size: int) -> int:
    """Delete a batch within the transaction of the caller; return how many rows went.

    Rows come first: nothing settled outlives its event by more than a batch.
    """
    oldest, newest = span(connection)
    left = BATCH
    for delete in _DELETE:
        left -= connection.execute(delete, (oldest, left)).rowcount
    end = _first_since(connection, before, oldest, newest)
    if used(connection) > size:
        end = newest
    end = min(end, oldest + left, newest)
    by_agent.forget(connection, end)
    left -= connection.execute("DELETE FROM events WHERE cursor < ?", (end,)).rowcount
    return BATCH - left


def give_back(connection: sqlite3.Connection) -> int:
    """Give free pages back to the disk if there are many; return how many bytes went.

    The file shrinks with the next checkpoint.
    """
    free, pages = (
        _number(connection, "freelist_count"),
        _number(connection, "page_count"),
    )
    many = min(free - int(pages * SPARE), PAGES)
    if many <= 0 or _number(connection, "auto_vacuum") != INCREMENTAL:
        return 0
    # the statement gives a row without columns for each page, which `execute` skips
    connection.executescript(f"PRAGMA incremental_vacuum({many})")
    went = pages - _number(connection, "page_count")
    return went * _number(connection, "page_size")


INCREMENTAL: Final = 2
"""What `PRAGMA auto_vacuum` says of a file that can give pages back."""


def used(connection: sqlite3.Connection) -> int:
    """Return how many bytes of the file hold something."""
    pages = _number(connection, "page_count") - _number(connection, "freelist_count")
    return pages * _number(connection, "page_size")


def span(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the cursors of the oldest and the newest event; both 0 without any."""
    oldest, newest = (
        connection.execute(f"SELECT {end}(cursor) FROM events").fetchone()[0] or 0  # noqa: S608
        for end in ("min", "max")
    )
    return oldest, newest


def _first_since(
    connection: sqlite3.Connection, when: datetime, low: int, high: int
) -> int:
    """Return the cursor of the first event since `when`; `high` if that is later.

    The hub's clock never goes back, so that times rise with cursors: no index is needed
    to find one.
    """
    sought = microseconds(when)
    at = "SELECT at FROM events WHERE cursor >= ? ORDER BY cursor LIMIT 1"
    while low < high:
        middle = (low + high) // 2
        (found,) = connection.execute(at, (middle,)).fetchone()
        if found < sought:
            low = middle + 1
        else:
            high = middle
    return low


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    (number,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(number)
