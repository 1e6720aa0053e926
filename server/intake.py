"""A body on its way to become a result: small JSON stays here, the rest is a file."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import orjson

from agentkit.errors import Invalid
from server.results import INLINE
from server.store.result_files import PIECE, Draft, ResultFiles
from server.wire import is_plain


class Value(NamedTuple):
    """What a small body of JSON says."""

    value: Any


class Intake:
    """Takes one body in; call `discard` at the end, whatever happened.

    Never is more than a piece of it in memory. All of it may raise an `OSError` when
    the disk is full, or cannot be written.
    """

    def __init__(self, files: ResultFiles) -> None:
        self.size = 0
        """Bytes that came."""
        self._files = files
        self._held = bytearray()
        self._draft: Draft | None = None

    async def read(self, pieces: AsyncIterator[bytes]) -> None:
        """Take everything that comes."""
        async for piece in pieces:
            self.size += len(piece)
            self._held += piece
            if len(self._held) >= PIECE:
                await self._write()

    def value(self, kind: str) -> Value | None:
        """Return what it says if it is small and JSON; else it belongs in a file.

        Raises:
            Invalid: it is called JSON and is none.
        """
        if self._draft is not None or self.size > INLINE or not is_json(kind):
            return None
        body = bytes(self._held)
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Invalid(
                f"the body is called {kind} and is not JSON ({error}): send it as "
                "what it is, for example application/octet-stream"
            ) from None
        # A whole number beyond 64 bits would not come back as it was.
        exact = is_plain(value) and json.loads(body) == value
        return Value(value) if exact else None

    async def finish(self) -> Draft:
        """Have all of it in a file, on the disk for good, that is to be kept."""
        draft = await self._write()
        await asyncio.to_thread(draft.finish)
        return draft

    async def discard(self) -> None:
        """Leave nothing of it that is not kept."""
        if self._draft is not None:
            await asyncio.to_thread(self._draft.discard)

    async def _write(self) -> Draft:
        if self._draft is None:
            self._draft = await asyncio.to_thread(self._files.draft)
        data, self._held = bytes(self._held), bytearray()
        await asyncio.to_thread(self._draft.write, data)
        return self._draft


def is_json(kind: str) -> bool:
    """Say whether a media type is one of JSON."""
    word = kind.partition(";")[0].strip().lower()
    return word == "application/json" or word.endswith("+json")
