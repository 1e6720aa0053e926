"""The tables of the SQLite store, as data: what is a column, and what is in the body.

A row is its key, the few columns that `load` and the ledger select by, and a body with
the whole record as JSON text. Measured against a column per field, an upsert costs the
same (2 to 3 microseconds, most of it one call of native code) and the file is three
times as large. In return a field with a default needs no migration, there is no mapping
for each kind of row, and the bodies are readable with SQLite's own JSON functions.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import orjson

from agentkit import codec
from agentkit.protocol import Logged
from agentkit.rows import (
    Agent,
    Broadcast,
    Delivery,
    HelpRequest,
    Receipt,
    Row,
    Spool,
    Task,
    Token,
)
from server.store.base import KEEP_SETTLED
from server.store.insert import Insert, Values
from server.store.log import LIVE

R = TypeVar("R")

APPLICATION = 0x5357524D
"""Marks the file as ours (`PRAGMA application_id`): "SWRM"."""

VERSION = 1
"""The version of the schema (`PRAGMA user_version`)."""

SETTLING = ("helps", "tasks", "broadcasts")
"""Tables whose rows settle: of those that have, only the newest are loaded."""

_SETTLING_TABLE = """
CREATE TABLE {name} (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, live INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX {name}_live ON {name} (id) WHERE live;
CREATE INDEX {name}_settled ON {name} (version, id) WHERE NOT live;
"""

SCHEMA = f"""
CREATE TABLE events (
    cursor INTEGER PRIMARY KEY, at INTEGER NOT NULL, subject TEXT NOT NULL,
    agent TEXT NOT NULL, data TEXT NOT NULL
) STRICT;
CREATE INDEX events_agent ON events (agent, cursor);

CREATE TABLE agents (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
{"".join(_SETTLING_TABLE.format(name=name) for name in SETTLING)}
CREATE TABLE deliveries (
    agent TEXT NOT NULL, seq INTEGER NOT NULL, ref TEXT NOT NULL,
    live INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (agent, seq)
) STRICT;
CREATE INDEX deliveries_ref ON deliveries (ref, agent, seq);
CREATE INDEX deliveries_live ON deliveries (ref) WHERE live;

CREATE TABLE spools (
    agent TEXT NOT NULL, spool TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (agent, spool)
) STRICT;
CREATE TABLE receipts (key TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE tokens (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE checks (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
INSERT INTO checks VALUES (1, 0);

PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Table:
    """How the rows of one kind are written."""

    kind: type[Row]
    upsert: Insert
    """Writes one row, as a new one or over the one with its key."""
    bind: Callable[[Any], Values]
    """Gives the values for `upsert`."""
    loads: tuple[str, ...]
    """Give the bodies to load at start; a row that two of them give is the same row."""


def dump(record: object) -> str:
    """Return a record as JSON text.

    Native code knows no number beyond 64 bits and no half of a surrogate pair, but the
    body of a task may hold both: Python's JSON writes and reads these, and a space in
    front tells them apart.
    """
    try:
        return orjson.dumps(record).decode()
    except orjson.JSONEncodeError:
        return " " + json.dumps(codec.encode(record), separators=(",", ":"))


def read(kind: type[R], text: str) -> R:
    """Return the record that `dump` wrote."""
    return codec.decode(kind, _parse(text))


def read_event(cursor: int, subject: str, text: str) -> Logged:
    """Return the event of one row of the log."""
    return codec.decode_event(
        {"cursor": cursor, "subject": subject, "data": _parse(text)}
    )


def bind_event(logged: Logged) -> Values:
    """Return the values of one row of the log; its time counts microseconds."""
    cursor, event = logged
    at = (event.at - _EPOCH) // _MICROSECOND
    return cursor, at, event.subject, getattr(event, "agent", ""), dump(event)


def _parse(text: str) -> Any:
    return json.loads(text) if text[0] == " " else orjson.loads(text)


def _settling(row: HelpRequest | Task | Broadcast) -> Values:
    return row.id, row.version, LIVE[type(row)](row), dump(row)


def _table(
    name: str, kind: type[Row], keys: str, others: str, bind: Callable[[Any], Values]
) -> Table:
    columns = [*keys.split(), *others.split()]
    changes = ", ".join(f"{column} = excluded.{column}" for column in others.split())
    upsert = Insert(
        f"INSERT INTO {name} ({', '.join(columns)})",
        len(columns),
        f"ON CONFLICT ({', '.join(keys.split())}) DO UPDATE SET {changes}",
    )
    return Table(kind, upsert, bind, _loads(name, kind))


def _loads(name: str, kind: type[Row]) -> tuple[str, ...]:
    select = f"SELECT body FROM {name}"  # noqa: S608
    if name in SETTLING:
        carried = "SELECT ref FROM deliveries WHERE live"
        newest = f"ORDER BY version DESC, id DESC LIMIT {KEEP_SETTLED}"
        return (
            f"{select} WHERE live",
            f"{select} WHERE NOT live {newest}",
            f"{select} WHERE NOT live AND id IN ({carried})",
        )
    return (f"{select} WHERE live" if kind in LIVE else f"{select} ORDER BY rowid",)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

INSERT_EVENT = Insert("INSERT INTO events", 5)

TABLES: dict[str, Table] = {
    "agents": _table("agents", Agent, "id", "body", lambda row: (row.id, dump(row))),
    "helps": _table("helps", HelpRequest, "id", "version live body", _settling),
    "tasks": _table("tasks", Task, "id", "version live body", _settling),
    "broadcasts": _table("broadcasts", Broadcast, "id", "version live body", _settling),
    "deliveries": _table(
        "deliveries",
        Delivery,
        "agent seq",
        "ref live body",
        lambda row: (row.agent, row.seq, row.ref, LIVE[Delivery](row), dump(row)),
    ),
    "spools": _table(
        "spools",
        Spool,
        "agent spool",
        "body",
        lambda row: (row.agent, row.spool, dump(row)),
    ),
    "receipts": _table(
        "receipts", Receipt, "key", "body", lambda row: (row.key, dump(row))
    ),
    "tokens": _table("tokens", Token, "id", "body", lambda row: (row.id, dump(row))),
}
"""Keyed as the fields of `Tables`."""
