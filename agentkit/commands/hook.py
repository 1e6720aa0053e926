"""``agentkit hook``: its help; `agentkit.integrations.hook` does the work."""

from argparse import ArgumentParser, Namespace

from agentkit.integrations import hook
from agentkit.integrations.events import PRODUCTS

ABOUT = "Report what a product says of its session, and bring it work. For its hooks."

EXAMPLES = """\
  agentkit hook claude               reads the event, as JSON, from standard input
  agentkit hook copilot agentStop    when the event is not named in it
  agentkit hook claude --wait        waits for work in the background; exit code 2: work
  agentkit hooks install claude      writes the hooks that run it
"""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("product", metavar="PRODUCT", help=", ".join(PRODUCTS))
    parser.add_argument("event", nargs="?", metavar="EVENT", help="what happened")
    parser.add_argument("payload", nargs="?", metavar="JSON", help="what it says of it")
    parser.add_argument("--agent", metavar="ID", help="who the agent is")
    parser.add_argument("--wait", action="store_true", help="wait for work, then exit")


def run(args: Namespace) -> int:
    """Report; return the exit code."""
    words = [args.product, args.event or "", args.payload or ""]
    flags = [*(["--agent", args.agent] if args.agent else ())]
    return hook.main([*words, *flags, *(["--wait"] if args.wait else ())]) or 0
