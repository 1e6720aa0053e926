"""Starts the hub and the supervised agent, sends messages, and ends it all.

    python run.py [--messages 2] [--home FOLDER]

Everything that is kept lies in FOLDER/data, else beside this file.
"""

import argparse
import asyncio
import os
import sys
from asyncio.subprocess import create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agentkit import Coordinator

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent

HUB = (BIN / "swarmtui", "serve", "--port", "0")
RUN = (BIN / "agentkit", "run", "--name", "message-agent", "--restart", "--")
AGENT = (*RUN, sys.executable, HERE / "message_agent.py")
CLIENT = (sys.executable, HERE / "client.py")


def settings_of_the_agent() -> dict[str, str]:
    """Return the environment with what stands in config/.env.agent."""
    lines = (HERE / "config" / ".env.agent").read_text().split()
    return {**os.environ, **dict(line.split("=", 1) for line in lines)}


@asynccontextmanager
async def running(*words: object, **options: Any) -> AsyncIterator[None]:
    """Run a command until the block ends."""
    process = await create_subprocess_exec(*map(str, words), **options)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def there(swarm: Coordinator) -> None:
    """Wait for the hub."""
    async for change in swarm.changes():
        if change.kind == "snapshot":
            return


async def handled(swarm: Coordinator, messages: int) -> None:
    """Wait until the agent has handled so many messages."""
    changes = swarm.changes()
    while sum(row.done for row in swarm.broadcasts.values()) < messages:
        await anext(changes)


async def send(swarm: Coordinator) -> None:
    """Send one message and wait until it is handled."""
    before = sum(row.done for row in swarm.broadcasts.values())
    client = await create_subprocess_exec(*map(str, CLIENT))
    await client.wait()
    await handled(swarm, before + 1)


async def main(home: Path, messages: int) -> None:
    """Show a crash, and the recovery from it, for each message."""
    data = home / "data"
    data.mkdir(parents=True, exist_ok=True)
    os.environ["SWARMTUI_HOME"] = str(data)
    with (data / "hub.log").open("ab") as log:
        async with running(*HUB, stderr=log), Coordinator(patient=True) as swarm:
            await there(swarm)
            async with running(*AGENT, cwd=home, env=settings_of_the_agent()):
                for _ in range(messages):
                    await send(swarm)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Show a crash, and the recovery.")
    parser.add_argument("--messages", type=int, default=1, metavar="N")
    parser.add_argument("--home", type=Path, default=HERE, metavar="FOLDER")
    args = parser.parse_args()
    asyncio.run(main(args.home.resolve(), args.messages))
