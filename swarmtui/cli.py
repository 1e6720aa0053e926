"""The ``swarmtui`` command: finds the word that was said and runs it.

Only the module behind that word is imported, so that ``--version``, ``--help`` and the
shell's completion come at once. Whatever goes wrong ends here as one sentence on
standard error and a documented exit code.
"""

import errno
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from typing import NamedTuple, NoReturn

import click

from agentkit.errors import AgentkitError
from swarmtui import __version__, words


class Word(NamedTuple):
    """Where a command lives, and what the help says of it."""

    home: str
    summary: str


WORDS = {
    "serve": Word("serve:serve", "Run the hub alone, without a dashboard."),
    "demo": Word("demo:demo", "Show a scripted, lively swarm."),
    "attach": Word("dashboard:attach", "Open the dashboard over a distant hub."),
    "status": Word("look:status", "Tell how the swarm is doing, in a few lines."),
    "agents": Word("look:agents", "List the agents, all or those a filter chooses."),
    "tasks": Word("work:tasks", "List the tasks and how far they got."),
    "help-desk": Word("look:help_desk", "List who needs a person, the worst first."),
    "deliveries": Word("look:deliveries", "Show who received a task or a broadcast."),
    "assign": Word("act:assign", "Hand a task to an agent."),
    "enqueue": Word("work:enqueue", "Queue a task for whoever can do it."),
    "cancel": Word("work:cancel", "Call tasks off; whoever has one loses it."),
    "requeue": Word("work:requeue", "Begin tasks anew, with all their attempts."),
    "retry": Word("work:retry", "Send dead deliveries once more, as new ones."),
    "letters": Word("letters:letters", "List messages that a subscription gave up."),
    "plan": Word("plans:plan", "Check and draw plans, what runs do."),
    "run": Word("runs:run", "Run a plan; look at a run, cancel it, let it go on."),
    "runs": Word("runs:runs", "List runs, those that changed last first."),
    "broadcast": Word("act:broadcast", "Tell something to all agents, or to some."),
    "send": Word("work:send", "Send a message to agents, by name or by what they can."),
    "answer": Word("act:answer", "Answer somebody who asked for help."),
    "events": Word("events:events", "Print the log as JSON lines, and follow it."),
    "tap": Word("tap:tap", "Print what goes over the wire, on every link."),
    "record": Word("recording:record", "Write down all that the hub tells watchers."),
    "replay": Word("recording:replay", "Play a recording in the dashboard."),
    "a2a": Word("a2a:a2a", "Add agents that speak A2A, and carry their work."),
    "alerts": Word("alerts:alerts", "Tell where alerts go, and try that out."),
    "token": Word("token:token", "Make, list and revoke tokens."),
    "backup": Word("backup:backup", "Copy the whole store, while the hub works on."),
    "restore": Word("backup:restore", "Put a copy in the place of the store."),
    "rekey": Word("rekey:rekey", "Seal the whole store with the key that is set."),
    "doctor": Word("doctor:doctor", "Check the set-up, and say what to do."),
    "paths": Word("paths:paths", "Tell where files live and where settings come from."),
    "completion": Word("completion:completion", "Print the completion for a shell."),
}
"""Every word, in the order in which the help lists them."""


class Words(click.Group):
    """A group that knows its commands by name and imports them when they are said."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Name every word."""
        return list(WORDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        """Import the command behind a word; None when there is no such word."""
        word = WORDS.get(cmd_name)
        return None if word is None else _load(word.home)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was said.

        Raises:
            click.UsageError: there is none; the text names the nearest.
        """
        name = args[0]
        if name not in WORDS and not name.startswith("-"):
            near = get_close_matches(name, WORDS, n=1)
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"there is no command {name!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the list of words, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, word.summary) for name, word in WORDS.items()])


def _load(home: str) -> click.Command:
    module, name = home.split(":")
    command = getattr(import_module(f"swarmtui.commands.{module}"), name)
    assert isinstance(command, click.Command)  # noqa: S101  # a slip in WORDS, not input
    return command


EPILOG = """\b
Exit codes
  0 done                        4 timeout, or nothing there
  1 it did not work             5 refused, or in conflict
  2 wrong use                   6 a person must act
  3 no such agent, task, …"""


@click.group(
    cls=Words,
    invoke_without_command=True,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
@click.option("--url", metavar="URL", help="The hub to look at.")
@click.option("--token-file", metavar="FILE", help="Holds the token for that hub.")
@click.option("--ca-file", metavar="FILE", help="Certificates to trust, in PEM.")
@click.option("--theme", metavar="NAME", help="The colours of the dashboard.")
@click.pass_context
def cli(ctx: click.Context, /, theme: str | None, **flags: str | None) -> int:
    """A live console for people who coordinate swarms of AI agents.

    Without a command it opens the dashboard: over the hub that answers, or over one of
    its own that ends with it.
    """
    ctx.obj = {name: value for name, value in flags.items() if value is not None}
    if ctx.invoked_subcommand is not None:
        return 0
    from swarmtui.commands.dashboard import dashboard

    return dashboard(theme)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command and leave with its exit code."""
    sys.exit(run(argv))


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code, whatever happens."""
    try:
        code = cli.main(args=argv, prog_name="swarmtui", standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as leave:
        code = leave.code
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the last resort
        return explain(error)
    return code if isinstance(code, int) else 0


def explain(error: BaseException) -> int:
    """Say what went wrong; return the exit code that tells it to a script.

    Raises:
        BaseException: `error` itself, when it was not foreseen and SWARMTUI_DEBUG is
            set.
    """
    if isinstance(error, OSError):
        _drop_stdout()
    text, code = _verdict(error)
    if text:
        words.fail(text)
    return code


def _verdict(error: BaseException) -> tuple[str, int]:
    """Return what is said of an error, and its exit code."""
    match error:
        case click.UsageError():
            where = error.ctx.command_path if error.ctx else "swarmtui"
            text = _in_one_voice(error.format_message())
            return f"{text} (see {where} --help)", error.exit_code
        case click.Abort() | KeyboardInterrupt():
            return "", words.INTERRUPTED
        case AgentkitError():
            return str(error), error.exit_code
        case BrokenPipeError():
            return "", 1
        case OSError():
            return _of_the_system(error), 1
    if os.environ.get("SWARMTUI_DEBUG"):
        raise error
    kind = type(error).__name__
    return f"{kind}: {error}; this is a defect, SWARMTUI_DEBUG=1 shows where", 1


def _in_one_voice(text: str) -> str:
    """Return a text of click's as we write them: it follows our name and a colon."""
    text = " ".join(text.split())
    one = re.sub(r"[.:]? \(?Did you mean (.*?)\)?$", r": did you mean \1", text)
    return one[:1].lower() + one[1:].removesuffix(".")


def _of_the_system(error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    if error.filename:
        return f"{error.filename}: {reason}; see swarmtui doctor"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        return f"cannot write the output: {reason}"
    return f"{reason}; see swarmtui doctor"


def _drop_stdout() -> None:
    """Let the interpreter's last flush go nowhere: nobody could take it."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
