"""``agentkit send``: a message to other agents."""

import os
from argparse import ArgumentParser, Namespace
from typing import Any

from agentkit.commands import given, held, output
from agentkit.commands.notify import tell
from agentkit.oneshot import send
from agentkit.spool import Letter

ABOUT = "Send a message to other agents; it waits in the mailbox of who is away."

EXAMPLES = """\
  agentkit send builder-1 "the schema is ready"
  agentkit send cap:review "please look at T1"    one of those who can review
  agentkit send "render.*" "slow down"            all whose names match
  agentkit send builder-1 --body '{"schema": 7}'
"""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument(
        "to", metavar="TO", help="a name, name@swarm, cap:CAPABILITY or a pattern"
    )
    parser.add_argument("text", metavar="TEXT", nargs="?", default="")
    output.who(parser)
    parser.add_argument("--body", metavar="JSON", help="an object; - reads stdin")
    held.strict(parser)


def run(args: Namespace) -> int:
    """Send the message, or let it wait on disk; return the exit code."""
    settings = output.settings_of(args)
    if settings.disable:
        return 0
    agent, message = output.agent_of(settings), f"s-{os.urandom(12).hex()}"
    body = {"agent": agent, "id": message, "to": args.to, "text": args.text}
    body |= _with(args.body)
    sent = send(
        Letter(agent, args.attempt.key, body, path=("messages",)),
        settings,
        held.PATIENCE,
    )
    tell(sent)
    if args.json:
        output.data(
            {
                "agent": agent,
                "message": message,
                "delivered": sent.delivered,
                "waiting": sent.waiting,
            }
        )
    return 1 if args.strict and not sent.delivered else 0


def _with(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    return {"body": given.json_of(text, "body", '{"schema": 7}')}
