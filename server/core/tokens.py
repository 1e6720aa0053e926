"""Tokens: who is let in, beside those whose token is derived from the hub's secret."""

from datetime import datetime

from agentkit.errors import Conflict, Invalid, NotFound
from agentkit.protocol import (
    CreateToken,
    Event,
    RevokeToken,
    TokenCreated,
    TokenRevoked,
)
from agentkit.rows import Role, Token
from server.core.checks import check_id, check_text
from server.core.renewal import replace
from server.core.swarm import Swarm

DERIVED = "agent:"
"""Begins the id that stands for the derived token of an agent."""

ALONE: dict[str, Role] = {"viewer": "viewer", "operator": "operator"}
"""Ids that stand for the viewer's derived token, and for the operator's own."""


def decide_create(swarm: Swarm, wish: CreateToken, now: datetime) -> list[Event]:
    """Let a token in."""
    key = wish.id or f"k{swarm.cursor + 1}"
    check_id(swarm.rules, "token", key)
    check_text(swarm.rules, "name", wish.name)
    if key in swarm.tokens or _derived(key):
        raise Conflict(f"token {key!r} is there already: leave the id out")
    if (wish.role == "agent") != bool(wish.agent):
        raise Invalid("an agent's token names its agent, and no other does")
    if wish.agent:
        check_id(swarm.rules, "agent", wish.agent)
    if wish.expires is not None and wish.expires <= now:
        raise Invalid(f"the token would have expired at {wish.expires:%F %T} already")
    return [
        TokenCreated(
            at=now,
            token=key,
            role=wish.role,
            agent=wish.agent,
            name=wish.name,
            digest=wish.digest,
            expires=wish.expires,
            by=wish.by,
        )
    ]


def decide_revoke(swarm: Swarm, wish: RevokeToken, now: datetime) -> list[Event]:
    """Let a token in no longer; a derived one gives way to its next generation."""
    row = swarm.tokens.get(wish.id)
    derived = _derived(wish.id)
    if row is None and derived is None:
        raise NotFound(f"no token {wish.id!r} is known: swarmtui token list shows them")
    if row is not None and row.revoked and derived is None:
        return []
    role, agent = derived or ((row.role, row.agent) if row else ("agent", ""))
    if derived and agent:
        check_id(swarm.rules, "agent", agent)
    return [TokenRevoked(at=now, token=wish.id, role=role, agent=agent, by=wish.by)]


def evolve_created(swarm: Swarm, event: TokenCreated) -> None:
    """Keep the digest of the token."""
    swarm.put_token(
        Token(
            id=event.token,
            role=event.role,
            created=event.at,
            agent=event.agent,
            name=event.name,
            digest=event.digest,
            by=event.by,
            expires=event.expires,
            version=swarm.cursor,
        )
    )


def evolve_revoked(swarm: Swarm, event: TokenRevoked) -> None:
    """Close the door."""
    row = swarm.tokens.get(event.token) or Token(
        id=event.token, role=event.role, created=event.at, agent=event.agent
    )
    generation = row.generation + (not row.digest)
    swarm.put_token(
        replace(row, revoked=event.at, generation=generation, version=swarm.cursor)
    )


def _derived(key: str) -> tuple[Role, str] | None:
    """Return role and agent of the token without a row that an id stands for."""
    if key in ALONE:
        return ALONE[key], ""
    agent = key.removeprefix(DERIVED)
    return ("agent", agent) if agent and agent != key else None
