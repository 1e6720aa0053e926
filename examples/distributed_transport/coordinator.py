"""Publishes tasks, and waits until a worker has done them all.

Called with the URL of a transport: python coordinator.py redis://localhost:6379
"""

import asyncio
import sys
from contextlib import suppress
from uuid import uuid4

from agentkit.errors import AgentkitError
from agentkit.transports import Event, PublishError, Transport, open_transport

DESCRIPTIONS = ("Analyze the data", "Write the report", "Tell everybody")

AGAIN = 1.0
"""Seconds until a task that nobody has answered is published again."""


class Coordinator:
    """Holds on to its tasks until they are answered.

    With pub/sub an event reaches who listens just then, and nobody keeps it for a
    worker that is started later. So what is not answered is published again, as the
    same event. A persistent transport keeps it, and knows it by its id: there it is no
    more work for anybody.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        ids = [uuid4().hex[:8] for _ in DESCRIPTIONS]
        self.open = {
            task: Event("task.created", {"id": task, "description": description})
            for task, description in zip(ids, DESCRIPTIONS, strict=True)
        }
        self.all_done = asyncio.Event()

    async def handle(self, event: Event) -> None:
        """Take an answer; those to others, and those that come twice, are none."""
        if self.open.pop(event.data["task_id"], None):
            print(f"task {event.data['task_id']} done: {event.data['result']}")
        if not self.open:
            self.all_done.set()

    async def publish(self) -> None:
        """Publish what is open, again and again."""
        while True:
            for event in tuple(self.open.values()):
                with suppress(PublishError):  # the broker is away: it comes again too
                    await self.transport.publish(event)
            await asyncio.sleep(AGAIN)


async def main(url: str) -> None:
    """Have all tasks done over the transport of a URL."""
    async with open_transport(url) as transport:
        coordinator = Coordinator(transport)
        await transport.subscribe(
            "task.completed", coordinator.handle, name="coordinator"
        )
        print(f"coordinator: {len(coordinator.open)} tasks", flush=True)
        publishing = asyncio.create_task(coordinator.publish())
        await coordinator.all_done.wait()
        publishing.cancel()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python coordinator.py URL")
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(main(sys.argv[1]))
    except AgentkitError as error:
        sys.exit(f"coordinator: {error}")
