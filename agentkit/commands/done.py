"""``agentkit done``: a claimed task is done."""

from argparse import ArgumentParser, Namespace

from agentkit.commands import given, held

ABOUT = "Say that a claimed task is done. A hub that is away gets to know it later."

EXAMPLES = """\
  agentkit done T1
  agentkit done T1 --result '{"pull_request": 17}' --cost 0.42
  make report.json && agentkit done T1 --result - < report.json
"""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    held.arguments(parser)
    add = parser.add_argument
    add("--result", metavar="JSON", help="an object; - reads standard input")
    add("--cost", type=float, metavar="X", help="US dollars spent so far")
    held.strict(parser)


def run(args: Namespace) -> int:
    """Complete the task; return the exit code."""
    result = None
    if args.result is not None:
        result = given.json_of(args.result, "result", '{"pull_request": 17}')
    return held.end(args, "complete", result=result, cost=args.cost)
