"""``agentkit mcp``: the hub's tools for clients that speak MCP over standard input."""

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from agentkit.commands import output
from agentkit.settings import KitSettings, endpoint

ABOUT = "Serve the hub's tools over MCP, on standard input and output. For MCP clients."

EXAMPLES = """\
  claude mcp add swarm -- agentkit mcp
  codex mcp add swarm --env SWARMTUI_AGENT=builder-1 -- agentkit mcp
  agentkit mcp --agent builder-1     who calls; else the folder and the host
"""

OUT: Final = 1
"""The client reads the protocol here, and nothing else may stand in it."""

RUNTIME: Final = "/run/user/{}"
"""Where the files of a user lie who is logged in, as ``XDG_RUNTIME_DIR`` says."""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    output.who(parser)


def run(args: Namespace) -> int:
    """Carry frames until the client has no more; return the exit code."""
    from agentkit.mcp_bridge import Bridge

    _look_around()
    settings = output.settings_of(args)
    if settings.disable:
        output.words_to("SWARMTUI_DISABLE is set: unset it to use the hub over MCP")
        return 1
    sys.stdout = sys.stderr
    bridge = Bridge(
        lambda: endpoint(settings), _agent(settings), _write, output.words_to
    )
    bridge.run(sys.stdin.buffer)
    return 0


def _look_around() -> None:
    """Find the hub as the user's own commands do.

    Codex, and clients made with the SDK of the protocol, keep most of their environment
    from what they start.
    """
    usual = Path(RUNTIME.format(os.getuid()))
    if "XDG_RUNTIME_DIR" not in os.environ and usual.is_dir():
        os.environ["XDG_RUNTIME_DIR"] = str(usual)


def _agent(settings: KitSettings) -> str:
    """Return who calls; an agent's own token says so by itself."""
    if not settings.agent and endpoint(settings).token.startswith("agent."):
        return ""
    return output.program_of(settings)


def _write(line: bytes) -> None:
    """Write a whole line at once; a client that has gone reads no more."""
    while line:
        line = line[os.write(OUT, line) :]
