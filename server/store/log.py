"""Rules that every store keeps: a log without gaps, and which rows a start loads."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from secrets import token_hex
from typing import Any, TypeVar

from agentkit.codec import EVENTS
from agentkit.errors import Invalid
from agentkit.protocol import Logged
from agentkit.rows import Broadcast, Delivery, HelpRequest, Run, Task
from agentkit.subjects import matches
from server.core.tables import Tables
from server.store.base import StoreError

R = TypeVar("R", HelpRequest, Task, Broadcast)

LIVE: Mapping[type, Callable[[Any], bool]] = {
    HelpRequest: lambda row: row.is_open,
    Task: lambda row: row.state not in ("done", "cancelled"),
    Broadcast: lambda row: row.done + row.dead < row.recipients,
    Run: lambda row: not row.is_settled or row.active > 0,
    Delivery: lambda row: not (row.state == "done" or row.retried or row.lapsed),
}
"""Whether a row still waits for something, be it for a person, who may try again what
is dead; kinds not listed always count as live."""

SETTLED: Mapping[str, Callable[[Any], bool]] = {
    "helps": lambda row: not row.is_open,
    "tasks": lambda row: row.is_settled,
    "broadcasts": lambda row: not LIVE[Broadcast](row),
    "deliveries": lambda row: row.is_settled,
    "receipts": lambda _row: True,
    "letters": lambda _row: True,
    "spools": lambda _row: True,
}
"""Whether a row may be forgotten with its last event; other tables keep all of theirs.

What is dead both may be tried again, and is forgotten in the end.
"""


def refs_not_in(tables: Tables) -> list[tuple[str, str]]:
    """Return table and key of what items wait for and is not among the rows.

    What does an item may be settled a turn before the item is, and both must then be
    there when a hub starts in between. A run that an item waits to go on with is needed
    with all below it.
    """
    waits = [
        ("tasks" if item.kind == "agent" else "runs", item.ref)
        for item in tables.items.values()
        if item.state == "running"
        or (item.state == "waiting" and item.kind == "machine" and item.ref)
    ]
    return [(name, ref) for name, ref in waits if ref not in getattr(tables, name)]


def new_identity() -> str:
    """Return what a new log is recognised by."""
    return token_hex(8)


def next_cursor(last: int, events: Iterable[Logged]) -> int:
    """Return the cursor that the log ends with once `events` follow `last`.

    Raises:
        StoreError: they leave a gap or repeat a cursor, so whoever decided them did not
            know the log as it is.
    """
    for cursor, _ in events:
        if cursor != last + 1:
            raise StoreError(
                f"the turn brings event {cursor} but the log ends with {last}: "
                "load the store again before you write to it"
            )
        last = cursor
    return last


def parts_of_id(key: str) -> tuple[int, str]:
    """Return number and agent of a delivery's id (`Delivery.id`).

    Raises:
        Invalid: it is not one.
    """
    seq, at, agent = key.partition("@")
    if not (at and seq.isascii() and seq.isdigit()):
        raise Invalid(f"{key!r} is not a delivery: write its number, @ and the agent")
    return int(seq), agent


@lru_cache(maxsize=1024)
def subjects(pattern: str) -> tuple[str, ...]:
    """Return the subjects of events that a pattern matches.

    The alphabet is small and closed, so a pattern is exactly a set of words: a database
    can look them up and needs no pattern language of its own.
    """
    return tuple(subject for subject in EVENTS if matches(pattern, subject))
