"""Runs tasks that push ten notifications to whoever registered for them."""

import asyncio

from common import NOTIFICATIONS, PAUSE, TASKS, joined, run

from agentkit import Agent, Background, Job


class PushSender(Background):
    """Knows nothing of those it notifies but their addresses."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent, self.run_background_task, slots=TASKS)

    async def register_push_endpoint(self, id: str, endpoint: str = "") -> bool:  # noqa: A002
        """Let the caller have the notifications of a task."""
        is_new = await super().register_push_endpoint(id, endpoint)
        if is_new:
            print(f"PushSender configured endpoint for task {id}", flush=True)
        return is_new

    async def run_background_task(self, job: Job) -> None:
        """Push the notifications; each has a key: no attempt repeats it."""
        print(f"PushSender running task {job.id}", flush=True)
        for number in range(1, NOTIFICATIONS + 1):
            payload = {"task_id": job.id, "message": f"Notification #{number}"}
            await job.notify(payload, key=str(number))
            await job.progress(number / NOTIFICATIONS)
            print(f"PushSender sent notification {payload}", flush=True)
            await asyncio.sleep(PAUSE)
        print(f"PushSender completed task {job.id}", flush=True)


async def main() -> None:
    """Serve until it is ended."""
    async with joined("sender", durable=True) as agent:
        PushSender(agent)
        await agent.run_forever()


if __name__ == "__main__":
    run(main())
