"""Does the tasks that a coordinator publishes, until it is interrupted.

Called with the URL of a transport: python worker.py redis://localhost:6379
"""

import asyncio
import sys
from contextlib import suppress

from agentkit.errors import AgentkitError
from agentkit.transports import Event, Transport, open_transport


class Worker:
    """Answers each task, and works on it only once.

    A coordinator publishes a task again until it has heard the answer. So a task that
    was done is answered again, with what was found the first time.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.done: dict[str, dict[str, str]] = {}

    async def handle(self, event: Event) -> None:
        """Do a task; what it raises would be tried again, and then a dead letter."""
        task, description = event.data["id"], event.data["description"]
        if task not in self.done:
            print(f"worker: task {task}: {description}", flush=True)
            self.done[task] = {"task_id": task, "result": work(description)}
        await self.transport.publish(Event("task.completed", self.done[task]))


def work(description: str) -> str:
    """Think hard about a task."""
    return f"{len(description.split())} words"


async def main(url: str) -> None:
    """Work for whoever publishes at a URL."""
    async with open_transport(url) as transport:
        await transport.subscribe(
            "task.created", Worker(transport).handle, name="worker"
        )
        print("worker: waiting for tasks", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python worker.py URL")
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(main(sys.argv[1]))
    except AgentkitError as error:
        sys.exit(f"worker: {error}")
