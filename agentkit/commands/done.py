"""``agentkit done``: a claimed task is done."""

import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from agentkit.commands import held
from agentkit.errors import Invalid
from agentkit.readers import json_object

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
    return held.end(args, "complete", result=_result(args.result), cost=args.cost)


def _result(text: str | None) -> dict[str, Any] | None:
    """Read the result.

    Raises:
        Invalid: it is not an object.
    """
    if text is None:
        return None
    try:
        return json_object(sys.stdin.buffer.read() if text == "-" else text)
    except ValueError as error:
        raise Invalid(
            f'the result {error}: send an object such as {{"pull_request": 17}}'
        ) from None
