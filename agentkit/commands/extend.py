"""``agentkit extend``: whoever has a task is alive."""

from argparse import ArgumentParser, Namespace
from typing import Any

from agentkit.calls import Caller, asked_twice
from agentkit.claims import Claim, Claims
from agentkit.commands import held, output
from agentkit.errors import Conflict
from agentkit.settings import KitSettings, endpoint

ABOUT = "Say that a claimed task is still being worked on: its lease lasts from now on."

EXAMPLES = """\
  agentkit extend T1                 for as long as the lease was
  agentkit extend T1 --lease 3600    exit code 5 when it has gone to somebody else
  agentkit extend T1 --progress 0.4 --note "4 of 10 files"
"""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    held.arguments(parser)
    add = parser.add_argument
    add("--lease", type=float, metavar="S", help="seconds from now on")
    add("--progress", type=float, metavar="X", help="how much of it is done, 0 to 1")
    add("--note", metavar="TEXT", help="what is being done just now")


def run(args: Namespace) -> int:
    """Extend the lease; return the exit code."""
    settings = output.settings_of(args)
    if settings.disable:
        return 0
    claim = held.lease(args, settings)
    said = {"lease": args.lease, "progress": args.progress, "note": args.note}
    task = extend(settings, claim, **said)
    if args.json:
        output.data({"task": task})
    return 0


def extend(
    settings: KitSettings, claim: Claim, **said: float | str | None
) -> dict[str, Any]:
    """Let a lease last from now on; return the task.

    Args:
        settings: where the hub is.
        claim: whose task it is, and under which fence.
        said: ``lease``, ``progress`` and ``note``; what is None stays as it is.

    Raises:
        Conflict: the lease has ended; the claim is forgotten.
        SwarmError: it was refused for another reason.
        HubError: the hub could not be asked.
    """
    wish = {"agent": claim.agent, "fence": claim.fence, **said}
    body = {name: value for name, value in wish.items() if value is not None}

    def ask() -> dict[str, Any]:
        with Caller(endpoint(settings), held.PATIENCE) as caller:
            return caller.post("tasks", claim.task, "extend", body=body)

    try:
        task: dict[str, Any] = asked_twice(ask)["task"]
    except Conflict:
        Claims.of(settings).forget(claim)
        raise
    return task
