"""``agentkit worker``: a headless program that does the tasks of the hub."""

import asyncio
import logging
import os
import signal
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agentkit import places
from agentkit.commands import output
from agentkit.errors import Invalid
from agentkit.settings import KitSettings, load

ABOUT = "Have a headless agent program do tasks of the hub, one after the other."

EXAMPLES = """\
  agentkit worker claude
  agentkit worker claude --name builder-1 --capability python -- --model opus
  agentkit worker codex --cwd ~/project --one
  agentkit worker acp -- gemini --acp      anything that speaks ACP: opencode acp,
                                           copilot --acp, goose acp
"""

PRODUCTS = ("claude", "codex", "acp")


class Words(Action):
    """Takes the product, flags that follow it, and what stands behind ``--``.

    By itself `argparse` gives the first ``--`` behind a word away with it.
    """

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: str | Sequence[Any] | None,
        _option: str | None = None,
    ) -> None:
        """Split the words, and read the flags among them."""
        product, *words = [str(value) for value in values or ("",)]
        if product not in PRODUCTS:
            parser.error(f"{product!r} is no product: name {', '.join(PRODUCTS)}")
        end = words.index("--") if "--" in words else len(words)
        flags = type(parser)(prog=parser.prog, allow_abbrev=False)
        _flags(flags)
        flags.add_argument("--json", action="store_true")
        flags.parse_args(words[:end], namespace)
        namespace.product, namespace.words = product, words[end + 1 :]


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    _flags(parser)
    about = f"{', '.join(PRODUCTS)}; behind --: further arguments, for acp the program"
    parser.add_argument("product", nargs="...", action=Words, help=about)


def _flags(parser: ArgumentParser) -> None:
    """Declare what may stand in front of the product, and behind it."""
    add = parser.add_argument
    add("--name", "--agent", dest="agent", metavar="ID", help="who the agent is")
    add("--url", metavar="URL", help="the hub's address")
    add("--capability", metavar="C", action="append", help="what it can do; repeatable")
    add("--cwd", metavar="DIR", type=Path, help="where the program works")
    add("--one", action="store_true", help="end after one task")
    add("--max-tasks", type=int, metavar="N", help="end after so many")
    add("--timeout", type=float, metavar="S", help="seconds that a task may take")
    add(
        "--permissions",
        choices=("ask", "reject", "allow"),
        default="ask",
        help="what the program asks for: a person decides [ask], or nobody",
    )
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument(
        "--keep-session", action="store_true", help="one conversation for all tasks"
    )
    kept.add_argument(
        *("--fresh",),
        dest="keep_session",
        action="store_false",
        help="a fresh one for each task (the default)",
    )


def run(args: Namespace) -> int:
    """Work until it is enough, or somebody ends us; return the exit code."""
    _check(args)
    if args.url:
        os.environ["SWARMTUI_URL"] = args.url  # the program's own words go there too
    settings = load(KitSettings, flags={"agent": args.agent}).values
    if settings.disable:
        raise Invalid("SWARMTUI_DISABLE is set: unset it to work for the hub")
    folder = (args.cwd or Path.cwd()).absolute()
    agent = settings.agent or places.default_agent(str(folder))
    _log_in_words()
    asyncio.run(_work(args, agent, args.capability or settings.capabilities, folder))
    return 0


def _check(args: Namespace) -> None:
    if args.product == "acp" and not args.words:
        raise Invalid(
            "no program is named: put it behind --, such as "
            "agentkit worker acp -- gemini --acp"
        )
    if args.cwd is not None and not args.cwd.is_dir():
        raise Invalid(f"--cwd is {args.cwd}: name a folder that is there")
    if args.max_tasks is not None and args.max_tasks < 1:
        raise Invalid(f"--max-tasks is {args.max_tasks}: give 1 or more")
    if args.timeout is not None and not args.timeout > 0:
        raise Invalid(f"--timeout is {args.timeout:g}: give more than 0 seconds")


async def _work(args: Namespace, name: str, able: Sequence[str], folder: Path) -> None:
    from agentkit.agent import Agent
    from agentkit.workers.acp import Acp
    from agentkit.workers.claude import Claude
    from agentkit.workers.codex import Codex
    from agentkit.workers.program import Launch, environment
    from agentkit.workers.serving import Done, Terms, serve

    first = [] if args.product == "acp" else [args.product]
    launch = Launch((*first, *args.words), folder, environment(name))
    drivers: dict[str, type[Claude | Codex | Acp]] = {
        "claude": Claude,
        "codex": Codex,
        "acp": Acp,
    }
    driver = drivers[args.product](launch, keep=args.keep_session)
    terms = Terms(
        rule=args.permissions,
        timeout=args.timeout,
        most=1 if args.one else args.max_tasks,
    )

    def told(done: Done) -> None:
        _tell(args, name, done)

    stop = asyncio.Event()
    _on_signals(stop.set)
    output.words_to(f"{driver.title} works as {name}")
    await serve(Agent(name, capabilities=able), driver, terms, stop, told)


def _tell(args: Namespace, agent: str, done: Any) -> None:
    if args.json:
        output.data(
            {
                "agent": agent,
                "task": done.task,
                "state": done.state,
                "reason": done.reason,
                "seconds": done.seconds,
                "cost": done.bill.cost,
                "tokens_in": done.bill.tokens_in,
                "tokens_out": done.bill.tokens_out,
            }
        )
        return
    why = f": {done.reason}" if done.reason else ""
    output.words_to(f"{done.task} {done.state} after {done.seconds:.0f} s{why}")


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)


class _InWords(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        output.words_to(record.getMessage())


def _log_in_words() -> None:
    """Say what the kit warns of in one line each."""
    log = logging.getLogger("agentkit")
    log.addHandler(_InWords(logging.WARNING))
    log.propagate = False
