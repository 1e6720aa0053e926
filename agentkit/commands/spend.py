"""``agentkit spend``: what an agent used since it last said so."""

from argparse import ArgumentParser, Namespace

from agentkit.commands import held, output
from agentkit.commands.notify import tell
from agentkit.errors import Invalid
from agentkit.oneshot import send
from agentkit.reports import usage
from agentkit.spool import Letter

ABOUT = "Tell what the agent used since the last time: dollars and tokens."

EXAMPLES = """\
  agentkit spend --cost 0.02
  agentkit spend --cost 0.02 --tokens-in 12400 --tokens-out 310
"""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    add = parser.add_argument
    add("--cost", type=float, default=0.0, metavar="X", help="US dollars")
    add("--tokens-in", type=int, default=0, metavar="N", help="read, cached ones too")
    add("--tokens-out", type=int, default=0, metavar="N", help="written")
    output.who(parser)
    held.strict(parser)


def run(args: Namespace) -> int:
    """Tell it, or let it wait on disk; return the exit code."""
    settings = output.settings_of(args)
    if settings.disable:
        return 0
    used = usage(args.cost, args.tokens_in, args.tokens_out)
    if not used:
        raise Invalid("nothing was used: give --cost, --tokens-in or --tokens-out")
    agent = output.agent_of(settings)
    letter = Letter(agent, args.attempt.key, used, path=("agents", agent, "spend"))
    sent = send(letter, settings, held.PATIENCE)
    tell(sent)
    if args.json:
        output.data(
            {"agent": agent, "delivered": sent.delivered, "waiting": sent.waiting}
        )
    return 1 if args.strict and not sent.delivered else 0
