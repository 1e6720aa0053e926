"""A program that handles events of a stream, for a test to kill: see `main`."""

import asyncio
import sys

from agentkit.transports import Event
from agentkit.transports.redis import RedisTransport


async def main(url: str, prefix: str, lease: str) -> None:
    """Say the number of each event when its handler begins; the third never ends."""

    async def handle(event: Event) -> None:
        print(event.data["n"], flush=True)
        if event.data["n"] == 2:
            await asyncio.Event().wait()

    async with RedisTransport(
        url, channel_prefix=prefix, persistent=True, lease=float(lease)
    ) as transport:
        await transport.subscribe("job.*", handle, name="workers")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
