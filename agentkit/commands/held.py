"""What ``extend``, ``done`` and ``fail`` share: a task that is held under a lease."""

from argparse import ArgumentParser, Namespace
from typing import Any

from agentkit.claims import Claim, Claims
from agentkit.commands import output
from agentkit.commands.notify import tell
from agentkit.errors import SwarmError
from agentkit.oneshot import Sent, send
from agentkit.settings import KitSettings
from agentkit.spool import Letter

PATIENCE = 10.0
"""Seconds that the hub may take to store how a task ended."""


def arguments(parser: ArgumentParser) -> None:
    """Declare the flags that say which lease is meant."""
    parser.add_argument("task", metavar="ID", help="the task")
    output.who(parser)
    parser.add_argument(
        "--fence", type=int, metavar="N", help="of the lease, else as claim noted it"
    )


def strict(parser: ArgumentParser) -> None:
    """Declare the flag for those who want to know that the hub has it."""
    parser.add_argument(
        "--strict", action="store_true", help="exit 1 when the hub did not take it"
    )


def lease(args: Namespace, settings: KitSettings) -> Claim:
    """Return the lease that is meant.

    Raises:
        NotFound: no fence was given, and none is remembered.
    """
    agent = output.agent_of(settings)
    if args.fence is not None:
        return Claim(agent, args.task, args.fence)
    return Claims.of(settings).get(agent, args.task)


def end(args: Namespace, how: str, **said: Any) -> int:
    """Tell the hub how a task ended; return the exit code.

    Like a report it waits on disk while the hub is away: the fence says which lease it
    is about, so it takes effect once or, if the lease has gone to somebody else by
    then, not at all.

    Args:
        args: of the command.
        how: ``complete`` or ``fail``, as in the API.
        said: what goes with it; what is None is left out.
    """
    settings = output.settings_of(args)
    if settings.disable:
        return 0
    sent = settle(settings, lease(args, settings), how, args.attempt.key, said)
    if args.json:
        output.data(
            {
                "agent": sent.agent,
                "task": args.task,
                "delivered": sent.delivered,
                "waiting": sent.waiting,
            }
        )
    return 1 if args.strict and not sent.delivered else 0


def settle(
    settings: KitSettings, claim: Claim, how: str, key: str, said: dict[str, Any]
) -> Sent:
    """Say how a task ended, and forget the claim: it is told, or waits on disk.

    Raises:
        SwarmError: the hub refused; a lease that it refuses is gone.
        HubRefused: the hub will not talk to us; the claim stays remembered.
    """
    given = {name: value for name, value in said.items() if value is not None}
    body = {"agent": claim.agent, "fence": claim.fence, **given}
    path = ("tasks", claim.task, how)
    letter = Letter(claim.agent, key, body, path=path)
    claims = Claims.of(settings)
    try:
        sent = send(letter, settings, PATIENCE)
    except SwarmError as error:
        if error.code in GONE:
            claims.forget(claim)
        raise
    tell(sent)
    claims.forget(claim)
    return sent


GONE = ("conflict", "not_found")
"""What the hub says of a lease that has ended, or of a task that it does not know."""
