"""How rows of one kind are written and read: a key, a few columns, and a body."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from agentkit import codec
from agentkit.sealing import Sealer
from server.store.insert import Insert, Values

R = TypeVar("R")

NEWLINE = "\n"


@dataclass(frozen=True, slots=True)
class Table:
    """How the rows of one kind are written and read."""

    name: str
    kind: type[Any]
    key: tuple[str, ...]
    """The columns of the key, which the values for `upsert` begin with."""
    upsert: Insert
    """Writes one row, as a new one or over the one with its key."""
    bind: Callable[[Any], Values]
    """Gives the values for `upsert`; the body is the last."""
    loads: tuple[str, ...]
    """Give what to load at start; a row that two of them give is the same row."""

    @property
    def select(self) -> str:
        """What a query for `read` begins with: key and body."""
        return select(self.name, self.key)

    def seal(self, values: Values, sealer: Sealer) -> Values:
        """Return the values for `upsert` with the body sealed."""
        place = place_of(self.name, values[: len(self.key)])
        return *values[:-1], sealer.seal(str(values[-1]), place)

    def read(self, values: Sequence[Any], sealer: Sealer) -> Any:
        """Return the row of a key and a body."""
        *key, body = values
        return read(self.kind, sealer.unseal(body, place_of(self.name, key)))


def define(
    name: str,
    kind: type[Any],
    key: str,
    others: str,
    bind: Callable[[Any], Values],
    *,
    lasting: str = "",
    loads: tuple[str, ...] = (),
) -> Table:
    """Return a table; its columns are told as words in one text.

    Args:
        name: of the table.
        kind: of its rows.
        key: the columns of the key.
        others: the columns that a later row changes; the body is the last.
        bind: gives the values of key, lasting and other columns, in this order.
        lasting: columns that are the same in every row with a key.
        loads: give what to load at start.
    """
    columns = [*key.split(), *lasting.split(), *others.split()]
    changes = ", ".join(f"{column} = excluded.{column}" for column in others.split())
    upsert = Insert(
        f"INSERT INTO {name} ({', '.join(columns)})",
        len(columns),
        f"ON CONFLICT ({', '.join(key.split())}) DO UPDATE SET {changes}",
    )
    return Table(name, kind, tuple(key.split()), upsert, bind, loads)


def select(name: str, key: Sequence[str]) -> str:
    """Return what a query for key and body begins with."""
    return f"SELECT {', '.join(key)}, body FROM {name}"  # noqa: S608


def place_of(table: str, key: Sequence[object]) -> str:
    """Return the place that the body of a row is sealed for.

    A line break, which no name has, keeps the parts of a key apart.
    """
    return f"{table}:{NEWLINE.join(map(str, key))}"


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
    return codec.decode(kind, parse(text))


def parse(text: str) -> Any:
    """Return the JSON value that `dump` wrote."""
    return json.loads(text) if text[0] == " " else orjson.loads(text)
