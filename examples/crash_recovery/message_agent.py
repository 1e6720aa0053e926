"""An agent that crashes in the middle of every other message.

It counts the messages that it begins. The count survives the crash, and so does the
message: the next process handles it again, and then the count is even.
"""

import asyncio
import os
import sys
from pathlib import Path

from agentkit import Agent
from agentkit.agent import Mail

COUNTER = Path(os.environ.get("FAME_STORAGE_DB_DIRECTORY", "data/agent")) / "counter"

WORK = 1.0
"""Seconds that a message takes; its acknowledgement does not wait for them."""


def count() -> int:
    """Return how many messages were begun, with this one."""
    number = int(COUNTER.read_text()) + 1 if COUNTER.exists() else 1
    COUNTER.parent.mkdir(parents=True, exist_ok=True)
    fresh = COUNTER.with_suffix(".new")
    fresh.write_text(str(number))
    fresh.replace(COUNTER)
    return number


async def handle(mail: Mail) -> None:
    """Process a message, or crash over it."""
    number = count()
    await asyncio.sleep(WORK)
    if number % 2:
        print("MessageAgent simulating crash while processing message...", flush=True)
        sys.exit(1)
    print(f"MessageAgent processed message successfully: {mail.text}", flush=True)


async def main() -> None:
    """Wait for messages; the environment says who we are, and that we are durable."""
    async with Agent() as agent:
        agent.on_broadcast(handle)
        await agent.idle()
        await agent.run_forever()


if __name__ == "__main__":
    asyncio.run(main())
