"""A program that handles events of a stream, for a test to kill: see `main`."""

import asyncio
import sys

from agentkit.transports import Event
from agentkit.transports.nats import NatsTransport


async def main(url: str, prefix: str, ack_wait: str, stuck: str) -> None:
    """Say the number of each event when it is handled; one of them never is."""

    async def handle(event: Event) -> None:
        await asyncio.sleep(0.002)
        print(event.data["n"], flush=True)
        if event.data["n"] == int(stuck):
            await asyncio.Event().wait()

    async with NatsTransport(
        url, prefix=prefix, persistent=True, ack_wait=float(ack_wait)
    ) as transport:
        await transport.subscribe("job.*", handle, name="workers")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
