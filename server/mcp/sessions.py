"""Sessions of clients that shake hands, and the calls that are under way in them.

A session holds nothing that would have to be kept: its id is proof that this hub gave
it to whoever has this token. So it is as good after a restart as before, and nobody
else can use it.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from server.auth import Principal, same
from server.mcp.protocol import Id

Key: TypeAlias = tuple[str, str, Id]
"""The token, the session, and the id of a request."""


def make_session(secret: bytes, principal: Principal) -> str:
    """Return the id of a new session."""
    nonce = secrets.token_hex(8)
    return f"{nonce}.{_proof(secret, principal, nonce)}"


def is_session(secret: bytes, principal: Principal, session: str) -> bool:
    """Say whether this hub gave a session to whoever has this token."""
    nonce, _, proof = session.partition(".")
    return same(proof, _proof(secret, principal, nonce))


def _proof(secret: bytes, principal: Principal, nonce: str) -> str:
    text = f"mcp-session:{nonce}:{principal.token}".encode()
    return hmac.digest(secret, text, hashlib.sha256).hex()


class UnderWay:
    """Calls that have not been answered, so that who made them can call them off."""

    def __init__(self) -> None:
        self._calls: dict[Key, asyncio.Task[Any]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    @contextmanager
    def during(self, key: Key, work: asyncio.Task[Any]) -> Iterator[None]:
        """Let a call be cancelled for as long as the block runs."""
        self._calls[key] = work
        try:
            yield
        finally:
            if self._calls.get(key) is work:
                del self._calls[key]

    def cancel(self, key: Key) -> None:
        """Call a call off; one that is unknown or over is let be."""
        work = self._calls.get(key)
        if work is not None:
            work.cancel()
