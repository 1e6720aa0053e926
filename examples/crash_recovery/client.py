"""Sends a message to the agent, and waits until the agent has stored it."""

import asyncio
from typing import NamedTuple

from agentkit import Coordinator

AGENT = "message-agent"


class DeliveryAck(NamedTuple):
    """The agent has the message: a crash does not lose it any more."""

    ok: bool
    delivery: str
    attempts: int


async def send(text: str) -> DeliveryAck:
    """Send a message to the agent, as soon as there is one, and wait for the ack."""
    async with Coordinator() as swarm:
        changes = swarm.changes()
        while AGENT not in swarm.agents:
            await anext(changes)
        print("Sending message to MessageAgent...", flush=True)
        sent = await swarm.broadcast(text, where=f"id:{AGENT}")
        while not _acked(swarm, sent.broadcast):
            await anext(changes)
        (delivery,) = await swarm.ledger(sent.broadcast)
        return DeliveryAck(ok=True, delivery=delivery.id, attempts=delivery.attempts)


def _acked(swarm: Coordinator, broadcast: str) -> bool:
    row = swarm.broadcasts.get(broadcast)
    return row is not None and row.acked > 0


if __name__ == "__main__":
    print(f"Acknowledgment received: {asyncio.run(send('Hello, World!'))}", flush=True)
