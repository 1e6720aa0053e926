"""Who is here, and with which token: whoever stays ends when the token does.

A token is looked at when a connection is opened and with every request. What goes on
for longer than that, a WebSocket, a stream, an answer that waits for something, is a
visit, and it is ended as soon as its token is revoked or expires.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from server.asgi import RequestError
from server.auth import Principal

T = TypeVar("T")
End = Callable[[str], None]
"""Ends a visit for a reason; called on the loop, must not block or raise."""


class Visit:
    """One stay: who it is, and how it is ended."""

    __slots__ = ("end", "principal")

    def __init__(self, principal: Principal, end: End) -> None:
        self.principal = principal
        self.end = end


class Visits:
    """Everybody who stays, by the id of the token."""

    def __init__(self) -> None:
        self._by_token: dict[str, set[Visit]] = {}
        self._mortal: set[Visit] = set()
        """Those whose token expires some day."""

    def __len__(self) -> int:
        return sum(map(len, self._by_token.values()))

    @contextmanager
    def during(self, principal: Principal, end: End) -> Iterator[None]:
        """Count a visit in for as long as the block runs; `end` may be called then."""
        visit = Visit(principal, end)
        stays = self._by_token.setdefault(principal.token, set())
        stays.add(visit)
        if principal.expires is not None:
            self._mortal.add(visit)
        try:
            yield
        finally:
            self._mortal.discard(visit)
            stays.discard(visit)
            if not stays and self._by_token.get(principal.token) is stays:
                del self._by_token[principal.token]

    async def unless_ended(self, principal: Principal, work: Awaitable[T]) -> T:
        """Wait for work that ends with the visit.

        Raises:
            RequestError: 401, the token was revoked or expired meanwhile.
        """
        task = asyncio.current_task()
        reasons: list[str] = []

        def end(reason: str) -> None:
            if task is not None and not reasons:
                reasons.append(reason)
                task.cancel()

        with self.during(principal, end):
            try:
                return await work
            except asyncio.CancelledError:
                if task is None or not reasons:
                    raise
                task.uncancel()
                raise RequestError(401, reasons[0]) from None

    def end(self, token: str, reason: str) -> None:
        """End every visit that a token was good for."""
        for visit in tuple(self._by_token.get(token, ())):
            visit.end(reason)

    def expire(self, now: datetime) -> None:
        """End every visit whose token has expired."""
        for visit in tuple(self._mortal):
            expires = visit.principal.expires
            if expires is not None and expires <= now:
                visit.end(expired(expires))


def expired(at: datetime) -> str:
    """Return what is said of a token that has expired."""
    return f"the token expired at {at:%F %T} UTC: ask for another"
