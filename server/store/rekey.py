"""Seals a whole store anew, or unseals it, while no hub has it."""

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from agentkit.errors import Invalid
from agentkit.sealing import Sealer
from server.store.base import StoreError
from server.store.faults import explained
from server.store.packing import referenced
from server.store.result_files import (
    LostFile,
    ResultFiles,
    digest_of,
    folder_of,
    names,
    remove,
    sealed_name,
)
from server.store.schema import TABLES
from server.store.table import place_of
from server.store.writer import Writer

BATCH: Final = 2000
"""How many rows are sealed in one transaction."""

Told: TypeAlias = Callable[[int, int], None]
"""Called with how many rows are done, of how many."""


@dataclass(frozen=True, slots=True)
class _Bodies:
    """Where sealed text lies in a table."""

    table: str
    key: tuple[str, ...]
    body: str


_ALL: Final = (
    _Bodies("events", ("cursor",), "data"),
    *(_Bodies(table.name, table.key, "body") for table in TABLES.values()),
    _Bodies("notes", ("name",), "body"),
)


def rekey(
    path: Path, master: str, previous: str = "", *, plain: bool = False, told: Told
) -> int:
    """Seal every body with the current key and forget the one before.

    Killed half-way, it goes on where it was when it is called again; meanwhile the
    store is as readable as before, with both keys.

    Args:
        path: of the store.
        master: the current master key.
        previous: the one before; empty if there was none.
        plain: unseal every body instead, and forget all keys.
        told: hears how far it got.

    Returns:
        How many bodies were not sealed, or unsealed, as they should be.

    Raises:
        Invalid: there is no key.
        StoreError: there is no such store, a hub has it, or it cannot be written.
        WrongKey: the store is sealed with yet another key.
    """
    if not master:
        raise Invalid(
            "there is no key to seal or unseal with: set storage_master_key, or "
            "storage_master_key_file"
        )
    if not path.is_file():
        raise StoreError(f"there is no store {path}: name its folder with --data-dir")
    with (
        explained(path),
        closing(Writer(path, master=master, previous=previous)) as writer,
    ):
        sealer = writer.sealer.plain() if plain else writer.sealer
        changed = _seal(writer, sealer, told)
        changed += _seal_files(folder_of(path), writer, sealer)
        with writer.transaction() as connection:
            sealer.forget(connection)
            wanted = set(referenced(connection))
        _remove_others(folder_of(path), wanted, sealer)
    return changed


def _seal(writer: Writer, sealer: Sealer, told: Told) -> int:
    with writer.transaction() as connection:
        counts = [
            connection.execute(f"SELECT count(*) {_wrong(each, sealer)}").fetchone()[0]
            for each in _ALL
        ]
    done, total = 0, sum(counts)
    for each in _ALL:
        last = 0
        while batch := _batch(writer, sealer, each, last):
            done, last = done + len(batch), batch[-1]
            told(done, total)
    return done


def _seal_files(folder: Path, writer: Writer, sealer: Sealer) -> int:
    """Seal large results; those that are lost, as swarmtui doctor says, stay so."""
    files, changed = ResultFiles(folder, writer.sealer), 0
    with writer.transaction() as connection:
        digests = referenced(connection)
    for digest in digests:
        with suppress(LostFile):
            changed += files.sealed_anew(digest, sealer)
    return changed


def _remove_others(folder: Path, wanted: set[str], sealer: Sealer) -> None:
    """Remove the files that were sealed otherwise, and those that nobody refers to."""
    there = set(names(folder))
    for name in there:
        digest = digest_of(name)
        if digest not in wanted or (
            name != sealed_name(digest, sealer) and sealed_name(digest, sealer) in there
        ):
            remove(folder, name)


def _batch(writer: Writer, sealer: Sealer, each: _Bodies, after: int) -> list[int]:
    """Seal some bodies in one transaction; return the numbers of their rows."""
    select = (
        f"SELECT rowid, {each.body}, {', '.join(each.key)} {_wrong(each, sealer)} "
        f"AND rowid > {after} ORDER BY rowid LIMIT {BATCH}"
    )
    update = f"UPDATE {each.table} SET {each.body} = ? WHERE rowid = ?"  # noqa: S608
    with writer.transaction() as connection:
        rows = connection.execute(select).fetchall()
        for row, body, *key in rows:
            place = place_of(each.table, key)
            text = sealer.seal(writer.sealer.unseal(body, place), place)
            connection.execute(update, (text, row))
    return [row for row, *_ in rows]


def _wrong(each: _Bodies, sealer: Sealer) -> str:
    """Return what chooses the bodies that are not as they should be."""
    mark = sealer.mark
    begins = f"substr({each.body}, 1, {len(mark) or 1})"
    wrong = f"{begins} <> '{mark}'" if mark else f"{begins} = '#'"
    return f"FROM {each.table} WHERE {wrong}"
