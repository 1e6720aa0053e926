"""What the programs share: their addresses, and where they find the sentinel."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from agentkit import Agent
from agentkit.settings import discover

SENDER_AGENT_ADDR = "sender@swarm"
RECEIVER_AGENT_ADDR = "receiver@swarm"

NOTIFICATIONS = 10
PAUSE = 0.3
"""Seconds between two notifications."""

TASKS = 8
"""How many tasks an agent works on at the same time."""

HOME = Path(__file__).resolve().parent / "data"
"""Where all of them keep what they keep, and where the sentinel says where it is."""

os.environ["SWARMTUI_HOME"] = str(HOME)
os.environ.pop("SWARMTUI_URL", None)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a program until it ends, or somebody presses Ctrl-C."""
    with suppress(KeyboardInterrupt):
        asyncio.run(main)


@asynccontextmanager
async def joined(name: str, **options: Any) -> AsyncIterator[Agent]:
    """Join the swarm as an agent, as soon as the sentinel has been started."""
    while discover() is None:  # noqa: ASYNC110 - a file of another program
        await asyncio.sleep(PAUSE)
    async with Agent(name, **options) as agent:
        yield agent
