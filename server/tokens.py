"""Tokens over HTTP: made, listed, derived, revoked; each secret is shown once."""

from datetime import timedelta
from typing import Annotated, Any, Final, NotRequired

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from agentkit.errors import Conflict, Invalid
from agentkit.protocol import CreateToken, RevokeToken, TokenCreated
from agentkit.rows import Role, Token
from server.api import fields
from server.asgi import Reply, dumps
from server.auth import OPERATOR_ID, make_token
from server.hub import USED
from server.keyring import digest_of, is_derived
from server.office import Office
from server.questions import event_frame
from server.replies import EventFrame
from server.routes import OPERATOR, Call, Route
from server.wire import valid

TAKEN: Final = frozenset({"operator", "viewer", "agent", "webhook"})
"""What the log calls tokens without a name: no other may be called so."""

SECRET: Final = ((b"cache-control", b"no-store"),)


class TokenWish(TypedDict):
    """The token that is wanted; `days` is how long it lasts, for ever when absent."""

    role: Role
    agent: NotRequired[str]
    name: NotRequired[str]
    days: NotRequired[Annotated[float, Field(gt=0, le=36_500)]]


class TokenNamed(TypedDict):
    """Which token is meant: its id, ``operator``, ``viewer`` or ``agent:ID``."""

    id: str


class TokenView(TypedDict):
    """A token as it is shown: all but the secret, which nobody has kept."""

    id: str
    role: Role
    agent: str
    name: str
    created: str
    by: str
    expires: str | None
    revoked: str | None
    derived: bool
    """It has no row until it is revoked, and another takes its place then."""


class TokenPage(TypedDict):
    """Every token that was made, and the derived ones that were revoked."""

    tokens: list[TokenView]


class TokenMade(TypedDict):
    """A token, shown this once, and its row."""

    token: str
    row: TokenView
    events: list[EventFrame]


class TokenDerived(TypedDict):
    """A token that is derived from the hub's secret."""

    id: str
    token: str


class TokenGone(TypedDict):
    """A token that is let in no longer; the operator's next one takes its place."""

    row: TokenView
    token: str | None
    events: list[EventFrame]


def view(row: Token) -> dict[str, Any]:
    """Return what is shown of a token."""
    return {
        "id": row.id,
        "role": row.role,
        "agent": row.agent,
        "name": row.name,
        "created": row.created,
        "by": row.by,
        "expires": row.expires,
        "revoked": row.revoked,
        "derived": not row.digest,
    }


async def listed(office: Office, _call: Call) -> Reply:
    """List the tokens, the newest last."""
    rows = await office.hub.ask(lambda swarm: list(swarm.tokens.values()))
    rows.sort(key=lambda row: row.created)
    return Reply(dumps({"tokens": [view(row) for row in rows]}))


async def create(office: Office, call: Call) -> Reply:
    """Make a token and show it, this once."""
    said = valid(WISH, await fields(call))
    name = said.get("name", "")
    if name in TAKEN:
        raise Invalid(f"name cannot be {name!r}: the log calls others so, choose more")
    days = said.pop("days", None)
    secret = make_token(said["role"])
    outcome = await office.hub.submit(
        CreateToken(
            id="",
            digest=digest_of(secret),
            expires=office.hub.now() + timedelta(days=days) if days else None,
            by=call.principal.name,
            **said,
        ),
        read=lambda swarm, events: swarm.tokens.get(_made(events[0].event).token),
        key=call.key(),
    )
    row = outcome.value
    if row is None or row.digest != digest_of(secret):
        raise Conflict(
            "this token was made before and was shown then: revoke it and make another"
        )
    events = [event_frame(logged) for logged in outcome.events]
    body = {"token": secret, "row": view(row), "events": events}
    return Reply(dumps(body), 201, SECRET)


def _made(event: object) -> TokenCreated:
    if isinstance(event, TokenCreated):
        return event
    raise Conflict(USED)


async def derive(office: Office, call: Call) -> Reply:
    """Show a token that is derived from the hub's secret."""
    key = call.params["id"]
    if not is_derived(key):
        raise Invalid(f"token {key!r} is not derived: say viewer, or agent: and its id")
    body = {"id": key, "token": office.keyring.derived(key)}
    return Reply(dumps(body), headers=SECRET)


async def revoke(office: Office, call: Call) -> Reply:
    """Let a token in no longer, and end whoever is here with it."""
    key = call.params["id"]
    again = await office.hub.ask(lambda swarm: call.key() in swarm.receipts)
    fresh = _renew(office) if key == OPERATOR_ID and not again else None
    outcome = await office.hub.submit(
        RevokeToken(id=key, by=call.principal.name),
        read=lambda swarm, _: swarm.tokens.get(key),
        key=call.key(),
    )
    if outcome.value is None:
        raise Conflict(USED)
    body = {
        "row": view(outcome.value),
        "token": fresh,
        "events": [event_frame(logged) for logged in outcome.events],
    }
    return Reply(dumps(body), headers=SECRET)


def _renew(office: Office) -> str:
    """Put another operator's token into its file and hub.json; the old one is dead.

    This comes before the log has it: whatever fails then, the old one stays dead.
    """
    try:
        token = office.keyring.renew()
    except OSError as error:
        raise Conflict(
            f"{error.filename or 'its file'} cannot be replaced ({error.strerror}): "
            "put another token into it yourself and restart the hub"
        ) from None
    office.announcement.publish({"token": token})
    return token


WISH: Final[TypeAdapter[Any]] = TypeAdapter(TokenWish)
NAMED: Final[TypeAdapter[Any]] = TypeAdapter(TokenNamed)

ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/tokens",
        run=listed,
        summary="The tokens, without their secrets",
        roles=OPERATOR,
        reply=TokenPage,
        tag="tokens",
    ),
    Route(
        method="POST",
        path="/v1/tokens",
        run=create,
        summary="Make a token; it is shown this once",
        roles=OPERATOR,
        shape=WISH,
        status=201,
        reply=TokenMade,
        tag="tokens",
    ),
    *(
        Route(
            method="POST",
            path=f"/v1/tokens/{{id}}/{step}",
            run=run,
            summary=summary,
            roles=OPERATOR,
            shape=NAMED,
            reply=reply,
            tag="tokens",
        )
        for step, run, summary, reply in (
            (
                "derive",
                derive,
                "Show the token of the viewer, or of one agent, which needs no row",
                TokenDerived,
            ),
            (
                "revoke",
                revoke,
                "Let a token in no longer, and end whoever is here with it",
                TokenGone,
            ),
        )
    ),
)
