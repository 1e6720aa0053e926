"""The commands of ``agentkit``, behind argparse: a table, and what they share."""

import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NoReturn

from agentkit import __version__
from agentkit.commands import (
    ask,
    call,
    claim,
    done,
    extend,
    fail,
    hook,
    hooks,
    inbox,
    mcp,
    notify,
    ping,
    primer,
    result,
    send,
    spend,
    supervise,
    wait,
    worker,
)
from agentkit.commands.output import words_to
from agentkit.errors import AgentkitError
from agentkit.quick import Attempt

COMMANDS: dict[str, ModuleType] = {
    "notify": notify,
    "wait": wait,
    "claim": claim,
    "extend": extend,
    "done": done,
    "fail": fail,
    "spend": spend,
    "run": supervise,
    "worker": worker,
    "ask": ask,
    "send": send,
    "call": call,
    "inbox": inbox,
    "result": result,
    "ping": ping,
    "primer": primer,
    "mcp": mcp,
    "hook": hook,
    "hooks": hooks,
}
"""Each module has ABOUT, EXAMPLES, `arguments(parser)` and `run(args)`."""

CODES = """\
exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 timeout or nothing there,
            5 refused or conflict
environment: SWARMTUI_URL, SWARMTUI_AGENT, SWARMTUI_CAPABILITIES, SWARMTUI_TOKEN,
             SWARMTUI_TOKEN_FILE; SWARMTUI_DISABLE=1 reports nothing"""


class _Parser(ArgumentParser):
    """Says what is wrong with the words in one sentence, as every command does."""

    def error(self, message: str) -> NoReturn:
        words_to(f"{message}; see {self.prog} --help")
        sys.exit(2)


def run(words: Sequence[str], attempt: Attempt) -> int:
    """Run a command and return its exit code; no error is raised.

    Args:
        words: the arguments of ``agentkit``.
        attempt: the report that the short way may have tried to send.
    """
    args = _parser().parse_args(words)
    args.attempt = attempt
    work: Callable[[Namespace], int] = COMMANDS[args.command].run
    try:
        code = work(args)
        sys.stdout.flush()
    except AgentkitError as error:
        words_to(str(error))
        return error.exit_code
    except BrokenPipeError:
        # whoever read our output has gone; Python would complain when it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        words_to(_of_the_system(error))
        return 1
    return code


def _of_the_system(error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    what = error.filename or "what has to be kept"
    return (
        f"{what} cannot be written ({reason}): make room, or make it writable, or "
        "choose another folder with SWARMTUI_HOME"
    )


def _parser() -> ArgumentParser:
    parser = _Parser(
        prog="agentkit",
        description="What an agent carries: report to the hub, wait for work, ask.",
        epilog=CODES,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"agentkit {__version__}"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=module.ABOUT,
            description=module.ABOUT,
            epilog=f"examples:\n{module.EXAMPLES}\n{CODES}",
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.arguments(command)
        command.add_argument(
            "--json", action="store_true", help="print one JSON object, for programs"
        )
    return parser
