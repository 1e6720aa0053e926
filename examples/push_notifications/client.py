"""Has the receiver run one task, and waits for its end."""

import sys
from uuid import uuid4

from common import RECEIVER_AGENT_ADDR, joined, run

from agentkit import Tasks


async def main() -> None:
    """Run a task; the receiver tells of it."""
    async with joined(f"client-{uuid4().hex[:8]}") as agent:
        receiver = Tasks(agent, RECEIVER_AGENT_ADDR, timeout=None)
        started = await receiver.run()
        ended = await receiver.wait(started.task)
    if ended.state != "done":
        sys.exit(f"task {ended.task} is {ended.state}: {ended.reason}")


if __name__ == "__main__":
    run(main())
