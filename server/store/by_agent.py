"""The log by agent: a table beside the log that is brought up to date now and then.

An index of the log by agent would be written with every event, and the events of one
turn are of as many agents as have anything to say: each commit would write a leaf for
each of them, all over the file. So the newest events wait. Only when there are many of
them do they go into the table, in order of agent, and a leaf is written once for all
that one agent has said meanwhile. To read the log of an agent is to read the table, and
then the few newest events themselves.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final, TypeAlias

BEHIND: Final = 4096
"""How many of the newest events the table may lack.

To pass through them takes less than a millisecond. With 2,000 agents and 100 events to
a turn an index takes 23,000 events a second, this table 37,000 with 1,024 events that
wait, 52,000 with 4,096 and 59,000 with 8,192; every so often a turn takes 30 ms more.
"""

SCHEMA: Final = """
CREATE TABLE event_agents (
    agent TEXT NOT NULL, cursor INTEGER NOT NULL, PRIMARY KEY (agent, cursor)
) WITHOUT ROWID, STRICT;
CREATE TABLE indexed (id INTEGER PRIMARY KEY, upto INTEGER NOT NULL) STRICT;
INSERT INTO indexed VALUES (1, 0);
"""
"""Events that are of no agent are not in the table; `upto` is the newest event that it
takes account of."""

_ADD: Final = (
    "INSERT INTO event_agents SELECT agent, cursor FROM events "
    "WHERE cursor > ? AND agent <> '' ORDER BY agent, cursor"
)
_FORGET: Final = (
    "DELETE FROM event_agents WHERE (agent, cursor) IN "
    "(SELECT agent, cursor FROM events WHERE cursor < ?)"
)
_UPTO: Final = "SELECT upto FROM indexed WHERE id = 1"

Query: TypeAlias = tuple[str, tuple[str | int, ...]]


def upto(connection: sqlite3.Connection) -> int:
    """Return the cursor of the newest event that the table takes account of."""
    (cursor,) = connection.execute(_UPTO).fetchone()
    return int(cursor)


def catch_up(connection: sqlite3.Connection, done: int, newest: int) -> int:
    """Take in the events after `done` if they are many; return what `upto` now is.

    Within the transaction that wrote the newest.
    """
    if newest - done < BEHIND:
        return done
    take_in(connection, done, newest)
    return newest


def take_in(connection: sqlite3.Connection, done: int, newest: int) -> None:
    """Take in the events after `done`, up to the newest."""
    connection.execute(_ADD, (done,))
    connection.execute("UPDATE indexed SET upto = ?", (newest,))


def forget(connection: sqlite3.Connection, end: int) -> None:
    """Take out the events below a cursor, which the log must still have."""
    connection.execute(_FORGET, (end,))


def query(
    agent: str,
    after: int,
    before: int,
    subjects: Sequence[str],
    limit: int,
    *,
    newest_first: bool,
) -> Query:
    """Return what reads cursor, subject and data of an agent's events, with its values.

    It is one statement, so that what it reads is of one moment.
    """
    chosen = ", ".join(f"?{number}" for number in range(5, 5 + len(subjects)))
    text = f"""
        SELECT cursor, subject, data FROM event_agents CROSS JOIN events USING (cursor)
        WHERE event_agents.agent = ?1 AND cursor > ?2 AND cursor < ?3
        AND subject IN ({chosen})
        UNION ALL
        SELECT cursor, subject, data FROM events
        WHERE agent = ?1 AND cursor > max(?2, ({_UPTO})) AND cursor < ?3
        AND subject IN ({chosen})
        ORDER BY cursor {"DESC" if newest_first else "ASC"} LIMIT ?4
    """  # noqa: S608
    return text, (agent, after, before, limit, *subjects)


def differences(connection: sqlite3.Connection) -> list[str]:
    """Say whether the table has what it should have of the log."""
    there = "SELECT count(*) FROM event_agents"
    wanted = f"SELECT count(*) FROM events WHERE agent <> '' AND cursor <= ({_UPTO})"  # noqa: S608
    found, expected = connection.execute(f"SELECT ({there}), ({wanted})").fetchone()
    if found == expected:
        return []
    return [f"the log by agent has {found} events where there should be {expected}"]
