"""``agentkit ask``: put a question to the people who coordinate."""

import math
import os
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

from agentkit.commands import output
from agentkit.commands.notify import tell
from agentkit.errors import HubUnreachable
from agentkit.integrations.session import of_shell
from agentkit.mailbox import Mailbox
from agentkit.oneshot import notify
from agentkit.settings import KitSettings, endpoint

ABOUT = "Ask a person; with --wait, print the answer."

EXAMPLES = """\
  agentkit ask "may I drop the table?" --choice yes --choice no --wait
  agentkit ask "which region?" --wait --timeout 600 || echo "nobody answered"
  agentkit ask "please review T1"    the answer comes with agentkit wait
"""


PATIENCE = 10.0
"""Seconds that the hub may take to store the question."""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("text", metavar="TEXT", help="the question")
    output.who(parser)
    add = parser.add_argument
    add("--choice", metavar="C", action="append", default=[], help="an answer to offer")
    add("--severity", choices=("low", "normal", "high", "critical"))
    add("--task", metavar="T", help="what the question is about")
    add("--wait", action="store_true", help="wait for the answer and print it")
    add("--timeout", type=float, metavar="S", help="seconds to wait; exit code 4 then")


def run(args: Namespace) -> int:
    """Ask; return the exit code."""
    settings = output.settings_of(args)
    agent, question = output.agent_of(settings), f"h-{os.urandom(8).hex()}"
    sent = notify(
        "help",
        task=args.task,
        message=args.text,
        agent=agent,
        severity=args.severity,
        choices=args.choice,
        help_id=question,
        via="cli",
        key=args.attempt.key,
        timeout=PATIENCE,
        settings=settings,
    )
    tell(sent)
    if not args.wait:
        if args.json:
            output.data({"help": question, "delivered": sent.delivered})
        return 0
    if not sent.delivered:
        raise HubUnreachable("nobody can answer yet: ask again when the hub is back")
    return _answer(args, settings, agent, question)


def _goes_on(settings: KitSettings, agent: str) -> None:
    """Say that the session that runs us is at work again, as nothing else does."""
    session = of_shell(os.environ)
    if session is not None and session.agent == agent:
        notify("busy", agent=agent, via="cli", timeout=PATIENCE, settings=settings)


def _answer(args: Namespace, settings: KitSettings, agent: str, question: str) -> int:
    timeout = math.inf if args.timeout is None else args.timeout
    from agentkit.questions import why_unanswered  # which knows of SQLite

    box = Mailbox(lambda: endpoint(settings), agent)

    def look() -> None:
        closed = why_unanswered(lambda: endpoint(settings), question)
        if closed is not None:
            raise closed

    item = _await(box, question, time.monotonic() + timeout, look)
    if item is None:
        output.words_to(
            f"nobody answered within {timeout:g} s: the question stays open"
        )
        return 4
    box.sign(done=[item["seq"]])
    _goes_on(settings, agent)
    if args.json:
        output.data(
            {"help": question, "answer": item["body"]["text"], "by": item["by"]}
        )
    else:
        output.line(item["body"]["text"])
    return 0


def _await(
    box: Mailbox, question: str, until: float, look: Callable[[], None]
) -> dict[str, Any] | None:
    """Return the answer when it comes; all other mail stays where it is."""
    for mail in box.poll(until, 0, look):
        for item in mail:
            if item["kind"] == "answer" and item["ref"] == question:
                return item
    return None
