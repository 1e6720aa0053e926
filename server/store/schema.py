"""The tables of the SQLite store, as data: what is a column, and what is in the body.

A row is its key, the few columns that `load` and the ledger select by, and a body with
the whole record as JSON text. Measured against a column per field, an upsert costs the
same (2 to 3 microseconds, most of it one call of native code) and the file is three
times as large. In return a field with a default needs no migration, there is no mapping
for each kind of row, and the bodies are readable with SQLite's own JSON functions:
unless there is a master key, for then each body is sealed (`agentkit.sealing`).

The log is read by cursor or by agent (`by_agent`). An index by subject would serve
patterns of a single subject, and cost 6 % of the inserts and 10 % of the file.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from agentkit import codec
from agentkit.protocol import Logged
from agentkit.rows import (
    Agent,
    Broadcast,
    Delivery,
    HelpRequest,
    Letter,
    Receipt,
    Row,
    Spool,
    Task,
    Token,
)
from agentkit.sealing import SCHEMA as KEYS
from agentkit.sealing import Sealer
from server.store import by_agent, run_tables
from server.store.base import KEEP_RECEIPTS, KEEP_SETTLED, KEEP_SPOOLS
from server.store.insert import Insert, Values
from server.store.log import LIVE
from server.store.table import Table, define, dump, parse, place_of, select

APPLICATION = 0x5357524D
"""Marks the file as ours (`PRAGMA application_id`): "SWRM"."""

VERSION = 4
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

INDEXES = """
ALTER TABLE tasks ADD COLUMN dead INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tasks_dead ON tasks (version) WHERE dead;
CREATE INDEX deliveries_dead ON deliveries (seq, agent) WHERE dead;
CREATE INDEX deliveries_dead_of ON deliveries (agent, seq) WHERE dead;
CREATE INDEX receipts_version ON receipts (version);
"""
"""What version 2 added, beside other columns."""

DELIVERIES_SETTLED = """
CREATE INDEX deliveries_settled ON deliveries (version)
    WHERE (NOT live OR dead) AND NOT broadcast
"""
"""Those of a broadcast or message are found by it: they go with it."""

SPOOLS_OLD = "CREATE INDEX spools_old ON spools (version) WHERE old"
"""Whatever an agent uses is usually not old: a report changes nothing here."""

SPOOL_BEGUN = """
CREATE TRIGGER spool_begun AFTER INSERT ON spools BEGIN
    UPDATE spools SET old = 1
    WHERE agent = NEW.agent AND spool <> NEW.spool AND NOT old;
END
"""
"""Those that an agent began before its last one are old; an upsert of one that is
there does not come here."""

LETTERS = """
CREATE TABLE letters (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, dead INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX letters_version ON letters (version);
CREATE INDEX letters_dead ON letters (version) WHERE dead;
"""

IDENTITY = "CREATE TABLE IF NOT EXISTS identity (id TEXT NOT NULL) STRICT"
"""What the log is recognised by: a file without it, or that was restored, gets one."""

NOTES = """
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT
"""
"""What followers of the log note; a file without it gets one."""

NOTED = "SELECT name, body FROM notes"

PUT_NOTE = (
    "INSERT INTO notes VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
)

SCHEMA = f"""
CREATE TABLE events (
    cursor INTEGER PRIMARY KEY, at INTEGER NOT NULL, subject TEXT NOT NULL,
    agent TEXT NOT NULL, data TEXT NOT NULL
) STRICT;
{by_agent.SCHEMA}
CREATE TABLE agents (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
{"".join(_SETTLING_TABLE.format(name=name) for name in SETTLING)}
CREATE TABLE deliveries (
    agent TEXT NOT NULL, seq INTEGER NOT NULL, ref TEXT NOT NULL,
    version INTEGER NOT NULL, live INTEGER NOT NULL, dead INTEGER NOT NULL,
    broadcast INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (agent, seq)
) STRICT;
CREATE INDEX deliveries_ref ON deliveries (ref, agent, seq);
CREATE INDEX deliveries_live ON deliveries (ref) WHERE live;

CREATE TABLE spools (
    agent TEXT NOT NULL, spool TEXT NOT NULL, version INTEGER NOT NULL,
    old INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL, PRIMARY KEY (agent, spool)
) STRICT;
CREATE TABLE receipts (
    key TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE TABLE tokens (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
{LETTERS}
CREATE TABLE checks (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
INSERT INTO checks VALUES (1, 0);
{INDEXES}
{DELIVERIES_SETTLED};
{SPOOLS_OLD};
{SPOOL_BEGUN};
{run_tables.SCHEMA}
{";".join(run_tables.TRIGGERS)};
{KEYS}
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
"""  # noqa: S608


def read_event(cursor: int, subject: str, text: str) -> Logged:
    """Return the event of one row of the log."""
    return codec.decode_event(
        {"cursor": cursor, "subject": subject, "data": parse(text)}
    )


def unseal_event(values: Sequence[Any], sealer: Sealer) -> Logged:
    """Return the event of cursor, subject and data as they lie in the log."""
    cursor, subject, data = values
    place = place_of("events", (cursor,))
    return read_event(cursor, subject, sealer.unseal(data, place))


def seal_event(values: Values, sealer: Sealer) -> Values:
    """Return the values of one row of the log with the data sealed."""
    place = place_of("events", values[:1])
    return *values[:-1], sealer.seal(str(values[-1]), place)


def unseal_note(values: Sequence[Any], sealer: Sealer) -> str:
    """Return the text of name and body as they lie in the table."""
    name, body = values
    return sealer.unseal(body, place_of("notes", (name,)))


def seal_note(name: str, text: str, sealer: Sealer) -> Values:
    """Return the values of one note with the body sealed."""
    return name, sealer.seal(text, place_of("notes", (name,)))


def bind_event(logged: Logged) -> Values:
    """Return the values of one row of the log; its time counts microseconds."""
    cursor, event = logged
    at = microseconds(event.at)
    return cursor, at, event.subject, getattr(event, "agent", ""), dump(event)


def microseconds(when: datetime) -> int:
    """Return a time as the log counts it: microseconds since 1970."""
    return (when - _EPOCH) // _MICROSECOND


def _delivery(row: Delivery) -> Values:
    live, dead = LIVE[Delivery](row), row.state == "dead" and not row.lapsed
    key = row.agent, row.seq
    return *key, row.ref, row.version, live, dead, row.is_cast, dump(row)


def _task(row: Task) -> Values:
    return row.id, row.version, LIVE[Task](row), row.state == "dead", dump(row)


def _settling(row: HelpRequest | Broadcast) -> Values:
    return row.id, row.version, LIVE[type(row)](row), dump(row)


def _letter(row: Letter) -> Values:
    return row.id, row.version, row.state == "dead", dump(row)


def _table(
    name: str, kind: type[Row], keys: str, others: str, bind: Callable[[Any], Values]
) -> Table:
    loads = _loads(name, kind, tuple(keys.split()))
    return define(name, kind, keys, others, bind, loads=loads)


def _loads(name: str, kind: type[Row], key: tuple[str, ...]) -> tuple[str, ...]:
    every = select(name, key)
    if name in SETTLING:
        newest = f"ORDER BY version DESC, id DESC LIMIT {KEEP_SETTLED}"
        return (
            f"{every} WHERE live",
            f"{every} WHERE NOT live {newest}",
            f"{every} WHERE NOT live AND id IN ({CARRIED})",
        )
    if name == "letters":
        newest = f"ORDER BY version DESC LIMIT {KEEP_SETTLED}"
        return f"{every} WHERE dead {newest}", f"{every} WHERE NOT dead {newest}"
    if name == "spools":
        order = "PARTITION BY agent ORDER BY version DESC, rowid DESC"
        place = f"rowid AS came, row_number() OVER ({order}) AS place"
        last = f"SELECT *, {place} FROM {name}"  # noqa: S608
        kept = f"place <= {KEEP_SPOOLS} ORDER BY came"
        return (f"SELECT agent, spool, body FROM ({last}) WHERE {kept}",)  # noqa: S608
    if name == "receipts":
        newest = f"SELECT * FROM {name} ORDER BY version DESC LIMIT {KEEP_RECEIPTS}"  # noqa: S608
        return (f"SELECT key, body FROM ({newest}) ORDER BY version",)  # noqa: S608
    return (f"{every} WHERE live" if kind in LIVE else f"{every} ORDER BY rowid",)


CARRIED = "SELECT ref FROM deliveries WHERE live"
"""What waiting deliveries refer to."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

INSERT_EVENT = Insert("INSERT INTO events", 5)

TABLES: dict[str, Table] = {
    "agents": _table("agents", Agent, "id", "body", lambda row: (row.id, dump(row))),
    "helps": _table("helps", HelpRequest, "id", "version live body", _settling),
    "tasks": _table("tasks", Task, "id", "version live dead body", _task),
    "broadcasts": _table("broadcasts", Broadcast, "id", "version live body", _settling),
    "deliveries": _table(
        "deliveries",
        Delivery,
        "agent seq",
        "ref version live dead broadcast body",
        _delivery,
    ),
    "spools": _table(
        "spools",
        Spool,
        "agent spool",
        "version body",
        lambda row: (row.agent, row.spool, row.version, dump(row)),
    ),
    "receipts": _table(
        "receipts",
        Receipt,
        "key",
        "version body",
        lambda row: (row.key, row.last, dump(row)),
    ),
    "tokens": _table("tokens", Token, "id", "body", lambda row: (row.id, dump(row))),
    "letters": _table("letters", Letter, "id", "version dead body", _letter),
    **run_tables.TABLES,
}
"""Keyed as the fields of `Tables`."""
