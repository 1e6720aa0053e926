"""``swarmtui token``: who is let in. Made, listed, derived, revoked; shown once."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import click

from agentkit.calls import Caller
from agentkit.errors import Conflict
from swarmtui import output, words
from swarmtui.asking import hub_meant, hub_options, utc_now
from swarmtui.orders import typed_duration
from swarmtui.output import Column, Form
from swarmtui.text import ago, duration

WITHIN = 10.0
"""Seconds that the hub may take."""

OPERATOR = "operator"

TOKENS = (
    Column("id"),
    Column("role"),
    Column("is", coloured=True),
    Column("agent", flexible=True, spare=1),
    Column("name", flexible=True),
    Column("created", right=True),
    Column("by", flexible=True, spare=2),
)


def _days(
    _ctx: click.Context, _param: click.Parameter, value: str | None
) -> float | None:
    """Read a span of time, in days."""
    if value is None:
        return None
    span = typed_duration(value)
    if span is None:
        raise click.BadParameter(f"{value!r} is no span of time: say 12h or 30d")
    return span / timedelta(days=1)


@click.group()
def token() -> None:
    """Make, list and revoke tokens.

    An operator may do everything, a viewer may look, an agent may speak for itself.
    """


@token.command()
@click.option(
    "--role", required=True, type=click.Choice(["operator", "viewer", "agent"])
)
@click.option("--agent", metavar="ID", help="The agent that it is good for.")
@click.option("--name", help="What the log says things were done by.")
@click.option("--expires", callback=_days, metavar="SPAN", help="As in 12h or 30d.")
@output.form_options
@hub_options
def create(
    *,
    role: str,
    agent: str | None,
    name: str | None,
    expires: float | None,
    form: Form,
) -> None:
    """Make a token and print it, this once: nobody keeps it."""
    if (role == "agent") != bool(agent):
        raise click.UsageError("--role agent and --agent ID go together")
    said = {"role": role, "agent": agent, "name": name, "days": expires}
    body = {field: value for field, value in said.items() if value is not None}
    made = _post("tokens", body=body)
    if form == "table":
        words.say(f"token {made['row']['id']}; it is shown this once")
        output.line(made["token"])
    else:
        output.as_json(token=made["token"], row=made["row"])


@token.command(name="list")
@output.form_options
@hub_options
def list_(*, form: Form) -> None:
    """List the tokens; what each of them is stays with whoever has it."""
    with Caller(hub_meant(), WITHIN) as caller:
        rows = caller.get("tokens")["tokens"]
    now = utc_now()
    output.rows(form, "tokens", rows, TOKENS, cells=lambda row: _cells(row, now))


def _cells(row: Mapping[str, Any], now: datetime) -> list[str]:
    return [
        row["id"],
        row["role"],
        _state(row, now),
        row["agent"],
        row["name"],
        ago(datetime.fromisoformat(row["created"]), now),
        row["by"],
    ]


def _state(row: Mapping[str, Any], now: datetime) -> str:
    """Say in a few words whether a token is let in, with a word of colour last."""
    if row["revoked"]:
        since = ago(datetime.fromisoformat(row["revoked"]), now)
        return f"{'renewed' if row['derived'] else 'revoked'} {since}"
    if not row["expires"]:
        return "good"
    ends = datetime.fromisoformat(row["expires"])
    return "expired" if ends <= now else f"good {duration(ends - now)}"


@token.command()
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
@output.form_options
@hub_options
def derive(*, ids: tuple[str, ...], form: Form) -> None:
    """Print tokens that need no row: of agent:ID, as many as wanted, or viewer.

    Of one ID it prints the token alone, as in TOKEN=$(swarmtui token derive viewer).
    """
    with Caller(hub_meant(), WITHIN) as caller:
        made = [caller.post("tokens", key, "derive", body={}) for key in ids]
    if form == "table" and len(made) == 1:
        output.line(made[0]["token"])
        return
    shown = (Column("id", flexible=True), Column("token"))
    output.rows(form, "tokens", made, shown, cells=lambda row: list(row.values()))


@token.command()
@click.argument("ident", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output.form_options
@hub_options
def revoke(*, ident: str, yes: bool, form: Form) -> None:
    """Let a token in no longer, and close whatever is open with it.

    ID is as swarmtui token list has it; agent:ID and viewer are the derived tokens,
    which others take the place of; operator is the hub's own, which is made anew.
    """
    if ident == OPERATOR and not yes:
        _agreed()
    gone = _post("tokens", ident, "revoke", body={})
    if form != "table":
        output.as_json(row=gone["row"], token=gone["token"])
        return
    words.say(f"token {ident} is let in no longer")
    if gone["token"]:
        words.say("this one takes its place; hub.json and the token's file have it")
        output.line(gone["token"])
    elif gone["row"]["derived"]:
        words.say(f"swarmtui token derive {ident} prints the next one")


def _agreed() -> None:
    """Go on if the operator's token is meant to be made anew.

    Raises:
        Conflict: nobody can be asked.
        click.Abort: it is not meant.
    """
    question = "Everybody with the operator's token is shut out until they have the new"
    if not words.can_ask():
        raise Conflict(f"{question.lower()} one: add --yes if it is meant")
    if not words.agrees(f"{question} one. Make it?"):
        raise click.Abort


def _post(*path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    with Caller(hub_meant(), WITHIN) as caller:
        return caller.post(*path, body=body)
