"""``agentkit run``: a command as an agent, and again when it fails.

In front of a terminal the command gets one of its own, and what it shows there tells
how it is. Then the hub is talked to aside: it never keeps a key or a byte waiting.
"""

import os
import shlex
import time
from argparse import REMAINDER, ArgumentParser, BooleanOptionalAction, Namespace
from functools import partial
from math import isfinite

from agentkit import child
from agentkit.child import Ended, Relay
from agentkit.commands import output
from agentkit.commands.underway import Work
from agentkit.errors import Invalid
from agentkit.running import terminal
from agentkit.running.mood import QUIET
from agentkit.running.watch import Watch

ABOUT = "Run a command as an agent: busy while it runs, then completed or blocked."

EXAMPLES = """\
  agentkit run -- python worker.py
  agentkit run --name builder-1 -- claude
  agentkit run --name builder-1 --restart -- ./worker --verbose
  agentkit run --restart=always --max-restarts 20 -- python poll.py
  agentkit claim --task T1 && agentkit run --task T1 -- make
"""

FIRST = 0.5
LONGEST = 30.0
"""Seconds before the first restart, doubled for each in a row up to the longest."""

HEALTHY = 60.0
"""Seconds that a command must have run to be taken for a fresh start."""

NOT_RUN = 126
NOT_FOUND = 127
"""Exit codes of a command that cannot be started, as a shell has them."""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    add = parser.add_argument
    add("--name", "--agent", dest="agent", metavar="ID", help="who the agent is")
    add("--url", metavar="URL", help="the hub's address")
    add("--task", metavar="ID", help="what it works on; ends it too if claimed before")
    add(
        "--restart",
        nargs="?",
        const="on-failure",
        default="never",
        choices=("never", "on-failure", "always"),
        help="start it again when it ended [on-failure]",
    )
    add("--max-restarts", type=int, metavar="N", help="in a row; then it is blocked")
    add(
        "--pty",
        action=BooleanOptionalAction,
        help="a terminal of its own [when input and output are one]",
    )
    add(
        "--quiet-after",
        type=float,
        default=QUIET,
        metavar="SECONDS",
        help="idle when its terminal shows nothing new for so long; 0: never [20]",
    )
    add("command_word", metavar="CMD", help="what to run, behind --")
    add("words", nargs=REMAINDER, metavar="ARG", help="its arguments")


def run(args: Namespace) -> int:
    """Run the command until it need not be started again; return its exit code."""
    if (args.max_restarts or 0) < 0:
        raise Invalid(f"--max-restarts is {args.max_restarts}: it cannot be negative")
    if not (args.quiet_after >= 0 and isfinite(args.quiet_after)):
        raise Invalid(
            f"--quiet-after is {args.quiet_after:g}: give seconds, 0 is never"
        )
    settings = output.settings_of(args)
    words = [args.command_word, *args.words]
    work = Work(settings, output.program_of(settings), args.task, shlex.join(words))
    with child.passing() as relay:
        ended, restarts = _supervise(args, words, work, relay)
    work.end(ended)
    if args.json:
        said = {"agent": work.agent, "code": ended.code, "restarts": restarts}
        output.data(said)
    return ended.code


def _supervise(
    args: Namespace, words: list[str], work: Work, relay: Relay
) -> tuple[Ended, int]:
    """Run the command again and again; return its last end and how often it was."""
    environ = {**os.environ, "SWARMTUI_AGENT": work.agent}
    start = partial(_run, words, environ, relay)
    in_terminal = _in_terminal(args)
    restarts = row = 0
    why = ""
    while True:
        if in_terminal:
            with work.aside(why) as say:
                ended = start(Watch(say, args.quiet_after, time.monotonic()))
        else:
            with work.under_way(why):
                ended = start(None)
        row = 0 if ended.seconds >= HEALTHY else row
        if relay.stopped or not _wanted(args, ended, row):
            return ended, restarts
        wait = min(FIRST * 2**row, LONGEST)
        restarts, row = restarts + 1, row + 1
        why = f"restart {restarts}, it {ended}"
        output.words_to(f"{work.label} {ended.how}; restart {restarts} in {wait:g} s")
        relay.pause(wait)
        if relay.stopped:
            return ended, restarts - 1


def _in_terminal(args: Namespace) -> bool:
    """Say whether the command gets a terminal of its own."""
    if args.pty is not None:
        return bool(args.pty)
    return os.isatty(0) and os.isatty(1)


def _run(
    words: list[str], environ: dict[str, str], relay: Relay, watch: Watch | None
) -> Ended:
    try:
        if watch is not None:
            return terminal.run(words, environ, relay, watch)
        return child.run(words, environ, relay)
    except OSError as error:
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUN
        reason = (error.strerror or str(error)).lower()
        output.words_to(f"{words[0]} cannot be started ({reason}): check its path")
        return Ended(code, 0.0, reason)


def _wanted(args: Namespace, ended: Ended, row: int) -> bool:
    """Say whether the command shall be started again after `row` restarts in a row."""
    if not ended.seconds:
        return False
    if args.max_restarts is not None and row >= args.max_restarts:
        return False
    return args.restart == "always" or (args.restart == "on-failure" and ended.code > 0)
