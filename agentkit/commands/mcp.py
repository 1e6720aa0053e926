"""``agentkit mcp``: the hub's tools for clients that speak MCP over standard input."""

import os
import sys
from argparse import ArgumentParser, Namespace
from typing import Final

from agentkit.commands import output
from agentkit.settings import KitSettings, endpoint

ABOUT = "Serve the hub's tools over MCP, on standard input and output. For MCP clients."

EXAMPLES = """\
  claude mcp add swarm -- agentkit mcp
  codex mcp add swarm -- agentkit mcp
  agentkit mcp --agent builder-1     who calls; else the folder and the host
"""

OUT: Final = 1
"""The client reads the protocol here, and nothing else may stand in it."""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    output.who(parser)


def run(args: Namespace) -> int:
    """Carry frames until the client has no more; return the exit code."""
    from agentkit.mcp_bridge import Bridge

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


def _agent(settings: KitSettings) -> str:
    """Return who calls; an agent's own token says so by itself."""
    if not settings.agent and endpoint(settings).token.startswith("agent."):
        return ""
    return output.program_of(settings)


def _write(line: bytes) -> None:
    """Write a whole line at once; a client that has gone reads no more."""
    while line:
        line = line[os.write(OUT, line) :]
