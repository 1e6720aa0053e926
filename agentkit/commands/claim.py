"""``agentkit claim``: take work under a lease."""

import time
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from typing import Any

from agentkit.calls import Caller, asked_again, asked_twice
from agentkit.claims import Claim, Claims
from agentkit.commands import output
from agentkit.commands.notify import tell
from agentkit.errors import HubError
from agentkit.oneshot import catch_up
from agentkit.settings import KitSettings, endpoint

ABOUT = "Take the most urgent task that the agent is able to do, under a lease."

EXAMPLES = """\
  agentkit claim                     exit code 4 when there is nothing
  agentkit claim --wait 300          wait for it; the id, a tab and the title
  agentkit claim --task T1 --lease 3600
  read -r id title < <(agentkit claim --wait 300) && make && agentkit done "$id"
"""

POLL = 50.0
"""Seconds that the hub is asked to wait in one request."""

PATIENCE = 10.0
"""Seconds that the hub may take to answer beyond those."""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    output.who(parser)
    add = parser.add_argument
    add("--wait", type=float, metavar="S", help="seconds to wait for work; inf: ever")
    add("--task", metavar="ID", help="this task, and no other")
    add("--lease", type=float, metavar="S", help="seconds until it is another's again")
    add("--capability", metavar="C", action="append", help="what it can do; repeatable")


def run(args: Namespace) -> int:
    """Claim a task and print it; return the exit code."""
    settings = output.settings_of(args)
    if settings.disable:
        return 4
    agent = output.agent_of(settings)
    with suppress(HubError):
        tell(catch_up(agent, settings))
    task = _claimed(args, settings, _wish(args, settings, agent))
    if task is None:
        return 4
    claim = Claim(agent, task["id"], task["fence"], task["lease"])
    Claims.of(settings).keep(claim)
    if args.json:
        output.data({"task": task})
    else:
        output.line(f"{task['id']}\t{output.cell(task['title'])}")
    return 0


def _wish(args: Namespace, settings: KitSettings, agent: str) -> dict[str, Any]:
    said = {
        "agent": agent,
        "task": args.task,
        "lease": args.lease,
        "capabilities": list(args.capability or settings.capabilities) or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _claimed(
    args: Namespace, settings: KitSettings, wish: dict[str, Any]
) -> dict[str, Any] | None:
    """Return the task that the hub gave us.

    Every request has the same idempotency key: if an answer is lost, the next one gets
    the task that it told of, and not another.
    """

    def ask(left: float) -> dict[str, Any] | None:
        wait = min(max(left, 0.0), POLL)
        with Caller(endpoint(settings), wait + PATIENCE) as caller:
            body = {**wish, "wait": round(wait, 3)}
            tasks = caller.post("claims", body=body, key=args.attempt.key)["tasks"]
        return tasks[0] if tasks else None

    if not args.wait:
        return asked_twice(lambda: ask(0))
    until = time.monotonic() + args.wait
    return next(filter(None, asked_again(ask, until)), None)
