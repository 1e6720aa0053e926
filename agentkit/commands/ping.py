"""``agentkit ping``: is the hub there, how far is it, and who am I to it."""

import time
from argparse import ArgumentParser, Namespace

from agentkit.calls import Caller
from agentkit.commands import output
from agentkit.errors import HubRefused, NotFound
from agentkit.settings import endpoint

ABOUT = "Ask the hub whether it is there, and whether it knows us."

EXAMPLES = """\
  agentkit ping
  agentkit ping --json --url http://127.0.0.1:8765
"""

ROUNDS = 5


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    output.who(parser)
    parser.add_argument("--timeout", type=float, default=5.0, metavar="S")


def run(args: Namespace) -> int:
    """Ping the hub; return the exit code."""
    settings = output.settings_of(args)
    agent, hub = output.agent_of(settings), endpoint(settings)
    with Caller(hub, args.timeout) as caller:
        health = caller.request("GET", "/healthz")
        if health.get("hub") != "swarmtui":
            raise HubRefused(f"what answers at {hub.url} is not a swarmtui hub")
        fastest = min(_round(caller) for _ in range(ROUNDS))
        known = _knows(caller, agent)
    found = {
        "url": hub.url,
        "version": health["version"],
        "round_trip_ms": round(fastest * 1000, 3),
        "agent": agent,
        "known": known,
    }
    if args.json:
        output.data(found)
        return 0
    output.line(f"hub     {hub.url}, version {health['version']}")
    output.line(f"answers in {fastest * 1000:.2f} ms, and takes our token")
    output.line(f"agent   {agent}, {'known' if known else 'not seen yet'}")
    return 0


def _round(caller: Caller) -> float:
    start = time.perf_counter()
    caller.request("GET", "/healthz")
    return time.perf_counter() - start


def _knows(caller: Caller, agent: str) -> bool:
    try:
        caller.get("agents", agent)
    except NotFound:
        return False
    return True
