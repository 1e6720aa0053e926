"""``agentkit fail``: an attempt at a claimed task failed."""

from argparse import ArgumentParser, Namespace

from agentkit.commands import held

ABOUT = (
    "Say that a claimed task failed: it is tried again, unless it was the last time."
)

EXAMPLES = """\
  agentkit fail T1 "the build is red"
  agentkit fail T1 "rate limited" --delay 600
  agentkit fail T1 "there is no such file" --final
"""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    held.arguments(parser)
    add = parser.add_argument
    add("reason", nargs="?", metavar="REASON", help="why; people read it")
    add("--delay", type=float, metavar="S", help="seconds until it is tried again")
    add("--final", action="store_true", help="another attempt would not help")
    held.strict(parser)


def run(args: Namespace) -> int:
    """Fail the task; return the exit code."""
    return held.end(
        args,
        "fail",
        reason=args.reason,
        delay=args.delay,
        final=args.final or None,
    )
