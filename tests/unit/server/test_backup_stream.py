"""A copy on its way ends with the token that it was asked for with."""

import asyncio
from functools import partial
from tempfile import TemporaryFile
from typing import Any

import pytest

from server.auth import OPERATOR
from server.backup import CHUNK, _stream
from server.visits import Visits


@pytest.mark.parametrize(("revoked", "pieces"), [(False, 3), (True, 1)])
async def test_a_copy_ends_when_its_token_is_revoked(
    revoked: bool, pieces: int
) -> None:
    visits, sent = Visits(), list[Any]()
    file = TemporaryFile()  # noqa: SIM115 - the stream closes it
    file.write(b"x" * (3 * CHUNK))
    file.seek(0)

    async def receive() -> dict[str, str]:
        await asyncio.Event().wait()
        return {}

    async def send(message: Any) -> None:
        sent.append(message)
        if revoked and message.get("more_body"):
            visits.end("operator", "gone")
            await asyncio.sleep(0)

    await _stream(file, partial(visits.during, OPERATOR), {}, receive, send)

    assert sum(bool(message.get("more_body")) for message in sent) == pieces
    assert file.closed
    assert len(visits) == 0
