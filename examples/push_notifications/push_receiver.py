"""Has the sender run a task, and prints what is pushed while it runs."""

from uuid import NAMESPACE_OID, uuid5

from common import HOME, RECEIVER_AGENT_ADDR, SENDER_AGENT_ADDR, TASKS, joined, run

from agentkit import Agent, Background, Job, Message, Tasks

PRINTED = HOME / "printed"
"""Which notification was printed last, for whoever goes on after a crash."""


def last_printed() -> str:
    """Return the id of the notification that was printed last."""
    return PRINTED.read_text() if PRINTED.exists() else ""


class PushReceiver(Background):
    """Registers its own address at the sender, and handles what comes to it."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent, self.run_background_task, slots=TASKS)
        self.sender = Tasks(agent, SENDER_AGENT_ADDR, timeout=None)
        agent.on_message(self.on_message)

    async def run_background_task(self, job: Job) -> None:
        """Run a task at the sender, the same one in every attempt."""
        task_id = uuid5(NAMESPACE_OID, job.id).hex
        print(f"PushReceiver running task: {task_id}", flush=True)
        await self.sender.register_push_endpoint(task_id, RECEIVER_AGENT_ADDR)
        await self.sender.run(task_id)
        await self.sender.wait(task_id)
        print(f"PushReceiver completed task: {job.id}", flush=True)

    async def on_message(self, message: Message) -> None:
        """Print a notification, also when a crash came after it was printed, once."""
        if message.attempt > 1 and last_printed() == message.id:
            return
        print(f"PushReceiver got notification: {message.body}", flush=True)
        PRINTED.write_text(message.id)


async def main() -> None:
    """Serve until it is ended."""
    async with joined("receiver", durable=True) as agent:
        PushReceiver(agent)
        await agent.run_forever()


if __name__ == "__main__":
    run(main())
