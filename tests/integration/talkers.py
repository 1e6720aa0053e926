"""Durable agents that send to each other and call each other until they are killed.

Each writes down what it was promised, what it heard and what it did. Run as a program
it starts them as `nursery` does.
"""

import asyncio
import logging
import os
import random
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import websockets.asyncio.client  # noqa: F401 - what every agent needs, once

from agentkit import Agent, Message
from agentkit.errors import CallFailed, CallTimeout
from tests.integration.nursery import breed
from tests.integration.workers import Journal

PAUSE = 0.02
PATIENCE = 60.0


async def send(agent: Agent, to: list[str], life: int, journal: Journal) -> None:
    """Send to one after the other, without end."""
    number = 0
    while True:
        number += 1
        peer = to[number % len(to)]
        await agent.send(peer, f"{life} {number}")
        journal.write("said", peer, life, number)
        await asyncio.sleep(2 * PAUSE)


async def call(
    agent: Agent, to: list[str], life: int, journal: Journal, numbers: Iterable[int]
) -> None:
    """Call one after the other; what is answered is written down."""
    for number in numbers:
        key = f"{agent.id}-{life}-{number}"
        with suppress(CallFailed, CallTimeout):
            peer = to[number % len(to)]
            answer = await agent.call(peer, "work", timeout=PATIENCE, key=key)
            journal.write("answered", key, answer)
        await asyncio.sleep(PAUSE)


async def live(name: str, others: list[str], life: int, journal: Journal) -> None:
    """Be an agent: talk without end, or in its last life to the end."""
    dice = random.Random(f"{name} {life}")
    async with Agent(name, durable=True) as agent:

        @agent.on_message
        async def listen(message: Message) -> None:
            words = message.seq, message.sender, message.text, message.attempt
            journal.write("heard", *words)
            await asyncio.sleep(dice.uniform(0, PAUSE))
            journal.write("handled", message.seq)

        @agent.on_call("work")
        async def work(key: str) -> str:
            await asyncio.sleep(dice.uniform(0, PAUSE))
            journal.write("did", key)
            return f"{key}!"

        if life:
            talking = send(agent, others, life, journal)
            await asyncio.gather(talking, call(agent, others, life, journal, count(1)))
        await call(agent, others, life, journal, range(1, len(others) + 1))
        await agent.flush(PATIENCE)
        journal.write("flushed")
        await agent.run_forever()


def _live(wish: dict[str, Any]) -> None:
    os.environ.update(wish["environment"])
    logging.basicConfig(level=logging.CRITICAL)
    flags = wish["flags"]
    journal = Journal(Path(flags["journal"]))
    try:
        asyncio.run(live(flags["name"], flags["others"], flags["life"], journal))
    finally:
        os._exit(1)


if __name__ == "__main__":
    breed(_live)
