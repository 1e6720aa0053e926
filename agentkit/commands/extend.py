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
"""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    held.arguments(parser)
    parser.add_argument("--lease", type=float, metavar="S", help="seconds from now on")


def run(args: Namespace) -> int:
    """Extend the lease; return the exit code."""
    settings = output.settings_of(args)
    if settings.disable:
        return 0
    claim = held.lease(args, settings)
    task = extend(settings, claim, args.lease)
    if args.json:
        output.data({"task": task})
    return 0


def extend(
    settings: KitSettings, claim: Claim, lease: float | None = None
) -> dict[str, Any]:
    """Let a lease last from now on; return the task.

    Raises:
        Conflict: the lease has ended; the claim is forgotten.
        SwarmError: it was refused for another reason.
        HubError: the hub could not be asked.
    """
    wish = {"agent": claim.agent, "fence": claim.fence, "lease": lease}
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
