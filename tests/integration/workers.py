"""Durable agents that work, listen and report until they are killed.

Each writes down what it did, and what it was promised: a line is on the disk before
anything follows from it. Run as a program it starts them as `nursery` does.
"""

import asyncio
import logging
import os
import random
from pathlib import Path
from typing import Any

import websockets.asyncio.client  # noqa: F401 - what every agent needs, once

from agentkit import Agent
from agentkit.agent import Job, Later, Mail, Reject
from tests.integration.nursery import breed

LEASE = 1.5


class Journal:
    """What one agent wrote down, over all its lives."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, *words: object) -> None:
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())
        os.fdatasync(self._file)


async def live(name: str, life: int, journal: Journal, *, talk: bool) -> None:
    """Be an agent; with `talk` report without end, else tell when all is stored."""
    dice = random.Random(f"{name} {life}")
    async with Agent(name, capabilities=["w"], durable=True) as agent:

        @agent.on_work(slots=2, lease=LEASE)
        async def work(job: Job) -> dict[str, Any]:
            journal.write("begun", job.id, job.fence, job.attempt)
            await asyncio.sleep(dice.uniform(0, 0.06))
            match job.body.get("how"):
                case "fails":
                    raise ValueError("as it was told")
                case "rejected":
                    raise Reject("as it was told")
                case "later" if dice.random() < 0.5:
                    raise Later(0.05)
            journal.write("worked", job.id, job.fence)
            return {"fence": job.fence}

        @agent.on_broadcast
        async def listen(mail: Mail) -> None:
            journal.write("heard", mail.seq, mail.ref, mail.attempt)
            await asyncio.sleep(dice.uniform(0, 0.06))
            journal.write("handled", mail.seq, mail.ref)

        number = 0
        while talk:
            number += 1
            await agent.busy(f"R-{life}-{number}")
            journal.write("said", life, number)
            await asyncio.sleep(0.02)
        await agent.flush(60)
        journal.write("flushed", life)
        await agent.run_forever()


def _live(wish: dict[str, Any]) -> None:
    os.environ.update(wish["environment"])
    logging.basicConfig(level=logging.CRITICAL)
    flags = wish["flags"]
    journal = Journal(Path(flags["journal"]))
    life, talk = flags["life"], flags["talk"]
    try:
        asyncio.run(live(flags["name"], life, journal, talk=talk))
    finally:
        os._exit(1)


if __name__ == "__main__":
    breed(_live)
