"""How the store on disk is read: over a connection that can neither write nor fold."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import aiosqlite

from agentkit.sealing import Sealer
from server.store.base import StoreError
from server.store.faults import explained
from server.store.schema import TABLES
from server.store.writer import Writer

R = TypeVar("R")
Decode: TypeAlias = Callable[[Sequence[Any], Sealer], R]
Value: TypeAlias = str | int | tuple[str | int, ...]


class Reading:
    """What a store that has the file at `path` open can ask of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Writer | None = None
        self._reader: aiosqlite.Connection | None = None

    async def _one(self, name: str, *key: str | int) -> Any:
        """Return the row of a table with a key; None when there is none."""
        table = TABLES[name]
        where = dict(zip((f"{column} = ?" for column in table.key), key, strict=True))
        found = await self._fetch(table.select, table.read, where=where)
        return found[0] if found else None

    async def _rows(
        self, name: str, *, where: Mapping[str, Value], order: str, limit: int
    ) -> list[Any]:
        """Return rows of a table."""
        table = TABLES[name]
        return await self._fetch(
            table.select, table.read, where=where, order=order, limit=limit
        )

    async def _fetch(
        self,
        select: str,
        decode: Decode[R],
        *,
        where: Mapping[str, Value],
        order: str = "1",
        limit: int = 1,
    ) -> list[R]:
        """Return what `decode` makes of what a query finds.

        Args:
            select: what the query begins with.
            decode: makes something of each row of values.
            where: the terms that hold for each, with the values that they compare to.
            order: by which columns.
            limit: how many at most; negative is all.
        """
        terms = f"WHERE {' AND '.join(where)}" if where else ""
        query = f"{select} {terms} ORDER BY {order} LIMIT ?"
        values = chain.from_iterable(
            value if isinstance(value, tuple) else (value,) for value in where.values()
        )
        return await self._read(query, (*values, limit), decode)

    async def _read(
        self, query: str, values: Sequence[str | int], decode: Decode[R]
    ) -> list[R]:
        if self._reader is None:
            raise self._closed()
        sealer = self._writing.sealer
        with explained(self._path):
            rows = await self._reader.execute_fetchall(query, values)
            return [decode(row, sealer) for row in rows]

    @property
    def _writing(self) -> Writer:
        if self._writer is None:
            raise self._closed()
        return self._writer

    def _closed(self) -> StoreError:
        return StoreError(f"the store {self._path} is not open: start the hub again")
