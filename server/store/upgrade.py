"""Brings a file of an earlier version up to this one, in one transaction."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace

from agentkit.rows import Task
from server.store import by_agent, run_tables
from server.store.schema import (
    DELIVERIES_SETTLED,
    INDEXES,
    LETTERS,
    SPOOL_BEGUN,
    SPOOLS_OLD,
    VERSION,
)
from server.store.table import dump, read

_FROM_1 = f"""
CREATE TABLE IF NOT EXISTS tokens (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
ALTER TABLE deliveries ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN dead INTEGER NOT NULL DEFAULT 0;
UPDATE deliveries SET version = body ->> 'version';
ALTER TABLE receipts ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
UPDATE receipts SET version = body ->> 'last';
{INDEXES}
"""  # noqa: S608

_FROM_2 = f"""
{LETTERS}
DROP INDEX events_agent;
{by_agent.SCHEMA}
DROP INDEX IF EXISTS deliveries_settled;
ALTER TABLE deliveries ADD COLUMN broadcast INTEGER NOT NULL DEFAULT 0;
UPDATE deliveries SET broadcast = 1 WHERE ref IN (SELECT id FROM broadcasts);
{DELIVERIES_SETTLED};
ALTER TABLE spools ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spools ADD COLUMN old INTEGER NOT NULL DEFAULT 0;
UPDATE spools SET version = (SELECT coalesce(max(cursor), 0) FROM events);
UPDATE spools SET old = 1
    WHERE rowid NOT IN (SELECT max(rowid) FROM spools GROUP BY agent);
{SPOOLS_OLD}
"""  # noqa: S608
"""When a spool was last touched is not known: all are kept as if it were just now."""


def upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Bring a file from `version` to `VERSION`; killed half-way it stays as it was.

    Raises:
        sqlite3.Error: it cannot be written; it stays as it was.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in range(version, VERSION):
            STEPS[step](connection)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _from_1(connection: sqlite3.Connection) -> None:
    _run(connection, _FROM_1)
    # Every task was for one agent then, and nobody could claim another's.
    found = connection.execute("SELECT id, body FROM tasks").fetchall()
    for key, body in found:
        task = read(Task, body)
        mine = replace(task, target=task.agent, place=task.seq)
        connection.execute("UPDATE tasks SET body = ? WHERE id = ?", (dump(mine), key))


def _from_2(connection: sqlite3.Connection) -> None:
    _run(connection, _FROM_2)
    connection.execute(SPOOL_BEGUN)
    newest = "SELECT coalesce(max(cursor), 0) FROM events"
    by_agent.take_in(connection, 0, connection.execute(newest).fetchone()[0])


def _from_3(connection: sqlite3.Connection) -> None:
    _run(connection, run_tables.SCHEMA)
    for trigger in run_tables.TRIGGERS:
        connection.execute(trigger)


def _run(connection: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";"):
        connection.execute(statement)


STEPS: Mapping[int, Callable[[sqlite3.Connection], None]] = {
    1: _from_1,
    2: _from_2,
    3: _from_3,
}
"""What leads from each version to the next."""
