"""The tokens that are let in, as the hub's rows have them at this moment."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Final

from agentkit.rows import Token
from server.asgi import RequestError
from server.auth import (
    AGENT_ID,
    OPERATOR,
    VIEWER,
    VIEWER_ID,
    Keys,
    Principal,
    derived_id,
    same,
)
from server.core import Swarm
from server.hub import Hub, Pushed
from server.visits import Visits, expired

REVOKED: Final = "the token was revoked: ask for another"
UNKNOWN: Final = "the token is not this hub's: hub.json holds the right one"


class Keyring:
    """Says whose a token is; a subscriber of the hub.

    What the hub commits counts from then on: the next request with a token that was
    revoked is refused, and whoever stays with it is ended.
    """

    def __init__(
        self, keys: Keys, visits: Visits, clock: Callable[[], datetime]
    ) -> None:
        self.keys = keys
        self._visits = visits
        self._now = clock
        self._rows: dict[str, Token] = {}
        """Tokens by digest; who has a secret finds its row, who has none finds none."""
        self._generations: dict[str, int] = {}
        """How often the derived tokens were revoked, by id."""

    async def open(self, hub: Hub) -> None:
        """Take over what the hub knows, and what it commits from then on."""

        def look(swarm: Swarm) -> None:
            hub.subscribe(self)
            for row in swarm.tokens.values():
                self._take(row)

        await hub.ask(look)

    def push(self, pushed: Pushed) -> None:
        """Take over what a turn changed."""
        for row in pushed.turn.rows.tokens.values():
            self._take(row)
            if row.revoked:
                self._visits.end(row.id, REVOKED)

    def identify(self, token: str) -> Principal:
        """Return whose token this is.

        Raises:
            RequestError: 401, it is nobody's, was revoked or has expired.
        """
        if same(token, self.keys.operator):
            return OPERATOR
        row = self._rows.get(digest_of(token))
        return self._derived(token) if row is None else self._row(row)

    def derived(self, token: str) -> str:
        """Return the derived token with this id that is let in now."""
        return self.keys.derive(token, self._generations.get(token, 0))

    def renew(self) -> str:
        """Make another operator's token, and let the old one in no longer.

        Raises:
            OSError: its file cannot be replaced; nothing changed.
        """
        self.keys = self.keys.renewed()
        return self.keys.operator

    def _take(self, row: Token) -> None:
        if row.digest:
            self._rows[row.digest] = row
        else:
            self._generations[row.id] = row.generation

    def _row(self, row: Token) -> Principal:
        if row.revoked is not None:
            raise RequestError(401, REVOKED)
        if row.expires is not None and row.expires <= self._now():
            raise RequestError(401, expired(row.expires))
        return Principal(row.role, row.name or row.id, row.id, row.agent, row.expires)

    def _derived(self, token: str) -> Principal:
        key = derived_id(token)
        now = self._generations.get(key, 0)
        if not key or not same(token, self.keys.derive(key, now)):
            was = any(same(token, self.keys.derive(key, old)) for old in range(now))
            raise RequestError(401, REVOKED if was else UNKNOWN)
        if key == VIEWER_ID:
            return VIEWER
        agent = key.removeprefix(AGENT_ID)
        return Principal("agent", agent, key, agent)


def digest_of(token: str) -> str:
    """Return what the hub keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_derived(token: str) -> bool:
    """Say whether an id stands for a token that is derived from the hub's secret."""
    return token == VIEWER_ID or (token.startswith(AGENT_ID) and token != AGENT_ID)
