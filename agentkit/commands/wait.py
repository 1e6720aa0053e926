"""``agentkit wait``: block until there is something in the mailbox."""

import math
import time
from argparse import ArgumentParser, Namespace
from typing import Any

from agentkit.commands import output
from agentkit.mailbox import Mailbox
from agentkit.settings import endpoint

ABOUT = "Wait for mail, print it as JSON lines and acknowledge it."

EXAMPLES = """\
  agentkit wait                      until there is something
  agentkit wait --timeout 60         exit code 4 when there was nothing
  agentkit wait --again              what is unfinished, once more (after a crash)
  agentkit wait | jq -r .body.title
"""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    output.who(parser)
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds to wait")
    parser.add_argument(
        "--again", action="store_true", help="hand out again what is not done"
    )


def run(args: Namespace) -> int:
    """Wait for mail; return the exit code."""
    settings = output.settings_of(args)
    box = Mailbox(lambda: endpoint(settings), output.agent_of(settings))
    until = time.monotonic() + (math.inf if args.timeout is None else args.timeout)
    for mail in box.poll(until, 0 if args.again else None):
        for item in mail:
            output.data({name: item[name] for name in item if name != "type"})
        _sign(box, mail)
        return 0
    return 4


def _sign(box: Mailbox, mail: list[dict[str, Any]]) -> None:
    """Acknowledge what was printed; a task is done when it is reported completed."""
    upto = max(item["seq"] for item in mail)
    box.keep(upto)
    done = [item["seq"] for item in mail if item["kind"] != "task"]
    box.sign(acked=upto, done=done)
