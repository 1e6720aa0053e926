"""Durable agents that do items of runs until they are killed.

Each writes down what it begins: a line is on the disk before anything follows from it.
Run as a program it starts them as `nursery` does.
"""

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

import websockets.asyncio.client  # noqa: F401 - what every agent needs, once

from agentkit import Agent
from agentkit.agent import Job
from tests.integration.nursery import breed
from tests.integration.workers import Journal

SLOTS = 8
LEASE = 1.5


async def live(name: str, journal: Journal) -> None:
    """Square what the items of runs are given."""
    async with Agent(name, capabilities=["squares"], durable=True) as agent:

        @agent.on_work(slots=SLOTS, lease=LEASE)
        async def work(job: Job) -> dict[str, Any]:
            journal.write("begun", job.id, job.fence)
            number = job.body["input"]["number"]
            return {"square": number * number}

        await agent.run_forever()


def _live(wish: dict[str, Any]) -> None:
    os.environ.update(wish["environment"])
    logging.basicConfig(level=logging.CRITICAL)
    flags = wish["flags"]
    try:
        asyncio.run(live(flags["name"], Journal(Path(flags["journal"]))))
    finally:
        os._exit(1)


if __name__ == "__main__":
    breed(_live)
