"""``agentkit inbox``: what waits in the mailbox, left where it is."""

from argparse import ArgumentParser, Namespace
from typing import Any

from agentkit.calls import Caller
from agentkit.commands import held, output
from agentkit.settings import endpoint

ABOUT = "Show what waits in the mailbox, without taking it."

EXAMPLES = """\
  agentkit inbox                     number, kind, from whom and what, with tabs between
  agentkit inbox --json              as agentkit wait prints it; exit code 4: nothing
  agentkit inbox --limit 5
"""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    output.who(parser)
    parser.add_argument(
        "--limit", type=int, default=100, metavar="N", help="how many at most"
    )


def run(args: Namespace) -> int:
    """Show the mail; return the exit code."""
    settings = output.settings_of(args)
    agent = output.agent_of(settings)
    with Caller(endpoint(settings), held.PATIENCE) as caller:
        mail = caller.get("agents", agent, "mailbox", limit=args.limit, peek="true")
    for item in mail["mail"]:
        if args.json:
            output.data({name: item[name] for name in item if name != "type"})
        else:
            output.line("\t".join(_columns(item)))
    return 0 if mail["mail"] else 4


def _columns(item: dict[str, Any]) -> tuple[str, str, str, str]:
    said = item.get("message") or item.get("body", {})
    sender = said.get("sender") or item["by"] or "-"
    text = said.get("text") or said.get("title") or said.get("question") or item["ref"]
    return str(item["seq"]), item["kind"], sender, output.cell(str(text))
