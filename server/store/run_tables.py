"""The tables of runs, with their plans, items, checkpoints and results, as data.

A run of ten thousand items writes a row for each of their changes, so of an item only
whether it failed is in an index beside its key. The bodies of runs and checkpoints may
be large: what is listed or searched by is in columns before them, and SQLite does not
touch what it passes over.
"""

from agentkit.rows import Checkpoint, Item, Plan, Result, Run
from server.store.base import KEEP_SETTLED
from server.store.insert import Values
from server.store.log import LIVE
from server.store.table import Table, define, dump, select

SCHEMA = """
CREATE TABLE plans (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE runs (
    id TEXT PRIMARY KEY, plan TEXT NOT NULL, parent TEXT NOT NULL, root TEXT NOT NULL,
    launched_by TEXT NOT NULL, version INTEGER NOT NULL, live INTEGER NOT NULL,
    state TEXT NOT NULL, visit INTEGER NOT NULL, started INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX runs_live ON runs (id) WHERE live;
CREATE INDEX runs_live_of ON runs (root) WHERE live;
CREATE INDEX runs_settled ON runs (version, id) WHERE NOT live AND parent = '';
CREATE INDEX runs_top ON runs (version) WHERE parent = '';
CREATE INDEX runs_top_state ON runs (state, version) WHERE parent = '';
CREATE INDEX runs_parent ON runs (parent, version) WHERE parent <> '';
CREATE INDEX runs_root ON runs (root, version);
CREATE INDEX runs_launched_by ON runs (launched_by, version) WHERE launched_by <> '';
CREATE INDEX runs_plan ON runs (plan);
CREATE TABLE items (
    run TEXT NOT NULL, visit INTEGER NOT NULL, item INTEGER NOT NULL,
    state TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, visit, item)
) STRICT;
CREATE INDEX items_failed ON items (run, visit) WHERE state = 'failed';
CREATE TABLE checkpoints (
    run TEXT NOT NULL, number INTEGER NOT NULL, version INTEGER NOT NULL,
    at TEXT NOT NULL, stage TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (run, number)
) STRICT;
CREATE INDEX checkpoints_version ON checkpoints (run, version);
CREATE TABLE results (
    run TEXT NOT NULL, name TEXT NOT NULL, loose INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL, deleted INTEGER NOT NULL, file TEXT NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (run, name)
) STRICT;
CREATE INDEX results_version ON results (version) WHERE NOT deleted;
CREATE INDEX results_deleted ON results (version) WHERE deleted;
CREATE INDEX results_loose ON results (version) WHERE loose;
CREATE INDEX results_file ON results (file) WHERE file <> '';
"""

TRIGGERS = (
    """
CREATE TRIGGER result_of_no_run AFTER INSERT ON results
WHEN NOT EXISTS (SELECT 1 FROM runs WHERE id = NEW.run) BEGIN
    UPDATE results SET loose = 1 WHERE run = NEW.run AND name = NEW.name;
END
""",
    """
CREATE TRIGGER results_of_new_run AFTER INSERT ON runs BEGIN
    UPDATE results SET loose = 0 WHERE run = NEW.id;
END
""",
    """
CREATE TRIGGER plan_of_no_run AFTER DELETE ON runs
WHEN NOT EXISTS (SELECT 1 FROM runs WHERE plan = OLD.plan) BEGIN
    DELETE FROM plans WHERE id = OLD.plan;
END
""",
)
"""Results under a name that is no run's are loose: nothing takes them along when it
goes. A plan goes with its last run. An upsert of a row that is there does not come
here."""


def _run(row: Run) -> Values:
    lasting = row.plan, row.parent, row.root, row.launched_by
    live = LIVE[Run](row)
    now = row.version, live, row.state, row.visit, row.started
    return row.id, *lasting, *now, dump(row)


def _item(row: Item) -> Values:
    return row.run, row.visit, row.index, row.state, dump(row)


def _checkpoint(row: Checkpoint) -> Values:
    at = row.at.isoformat()
    return row.run, row.number, row.version, at, row.stage, dump(row)


def _result(row: Result) -> Values:
    file = "" if row.deleted else row.file
    return row.run, row.name, row.version, row.deleted, file, dump(row)


_SETTLED = (
    "WHERE NOT live AND parent = '' "
    f"ORDER BY version DESC, id DESC LIMIT {KEEP_SETTLED}"
)
"""The settled runs that are loaded: the newest of those that were launched."""

_PLANS, _RUNS = select("plans", ("id",)), select("runs", ("id",))
_PLAN_OF = "SELECT plan FROM runs"


def _items_of(runs: str) -> str:
    """Return what reads the items begun that runs are at; a term says which runs."""
    return (
        "SELECT items.run, items.visit, items.item, items.body FROM runs "  # noqa: S608
        "CROSS JOIN items ON run = id AND items.visit = runs.visit AND item < started "
        f"WHERE {runs}"
    )


def _checkpoints_of(runs: str) -> tuple[str, str]:
    """Return what reads the first and the newest checkpoint of runs.

    The one that a run went back to is its newest, whatever its number.
    """
    every = (
        "SELECT checkpoints.run, checkpoints.number, checkpoints.body FROM runs "
        "CROSS JOIN checkpoints ON run = id AND number = "
    )
    newest = (
        "(SELECT number FROM checkpoints WHERE run = id ORDER BY version DESC LIMIT 1)"
    )
    return f"{every} 0 WHERE {runs}", f"{every} {newest} WHERE {runs}"


OVER = (
    "top.parent = '' AND NOT top.live AND NOT EXISTS "
    "(SELECT 1 FROM runs INDEXED BY runs_live_of WHERE root = top.id AND live) "
    "AND top.version < "
)
"""Whether a tree may go, of the run at its top: before the cursor of the oldest event.
"""

_GOING = (
    f"SELECT 1 FROM runs AS top WHERE top.id = runs.root AND {OVER} "  # noqa: S608
    "(SELECT min(cursor) FROM events)"
)

_BELOW = (
    "WITH RECURSIVE below (id) AS (SELECT id FROM runs "  # noqa: S608
    f"WHERE id = ?1 AND NOT EXISTS ({_GOING}) UNION ALL "
    "SELECT runs.id FROM below CROSS JOIN runs ON parent <> '' AND parent = below.id) "
)
_IN_TREE = "runs.id IN (SELECT id FROM below)"

TREE: dict[str, tuple[str, ...]] = {
    "plans": (f"{_BELOW} {_PLANS} WHERE id IN ({_PLAN_OF} WHERE {_IN_TREE})",),
    "runs": (f"{_BELOW} {_RUNS} WHERE {_IN_TREE}",),
    "items": (f"{_BELOW} {_items_of(_IN_TREE)}",),
    "checkpoints": tuple(f"{_BELOW} {each}" for each in _checkpoints_of(_IN_TREE)),
}
"""What reads a run and all below it, by table."""

_ROWS = (
    define(
        "plans",
        Plan,
        "id",
        "body",
        lambda row: (row.id, dump(row)),
        loads=(
            f"{_PLANS} WHERE id IN ({_PLAN_OF} WHERE live)",
            f"{_PLANS} WHERE id IN (SELECT plan FROM ({_PLAN_OF} {_SETTLED}))",  # noqa: S608
        ),
    ),
    define(
        "runs",
        Run,
        "id",
        "version live state visit started body",
        _run,
        lasting="plan parent root launched_by",
        loads=(f"{_RUNS} WHERE live", f"{_RUNS} {_SETTLED}"),
    ),
    define(
        "items",
        Item,
        "run visit item",
        "state body",
        _item,
        loads=(_items_of("live"),),
    ),
    define(
        "checkpoints",
        Checkpoint,
        "run number",
        "version at stage body",
        _checkpoint,
        loads=_checkpoints_of("live"),
    ),
    define("results", Result, "run name", "version deleted file body", _result),
)

TABLES: dict[str, Table] = {table.name: table for table in _ROWS}
