"""Brings a file of an earlier version up to this one, in one transaction."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace

from agentkit.rows import Task
from server.store.schema import INDEXES, VERSION, dump, read

_FROM_1 = f"""
CREATE TABLE IF NOT EXISTS tokens (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
ALTER TABLE deliveries ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN dead INTEGER NOT NULL DEFAULT 0;
UPDATE deliveries SET version = body ->> 'version';
ALTER TABLE receipts ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
UPDATE receipts SET version = body ->> 'last';
{INDEXES}
"""  # noqa: S608


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
    for statement in _FROM_1.split(";"):
        connection.execute(statement)
    # Every task was for one agent then, and nobody could claim another's.
    found = connection.execute("SELECT id, body FROM tasks").fetchall()
    for key, body in found:
        task = read(Task, body)
        mine = replace(task, target=task.agent, place=task.seq)
        connection.execute("UPDATE tasks SET body = ? WHERE id = ?", (dump(mine), key))


STEPS: Mapping[int, Callable[[sqlite3.Connection], None]] = {1: _from_1}
"""What leads from each version to the next."""
