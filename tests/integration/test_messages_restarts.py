"""Messages and calls survive those who send, carry and handle them."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent
from agentkit.agent import Message
from agentkit.background import Tasks
from agentkit.errors import CallFailed
from agentkit.inbox import ATTEMPTS

Start = Callable[..., Any]
ROOT = Path(__file__).parents[2]

SENDING = """
import asyncio, os
from agentkit import Agent

async def main():
    async with Agent("a1", durable=True) as agent:
        for number in range(20):
            await agent.send("b1", str(number))
        os.kill(os.getpid(), 9)

asyncio.run(main())
"""
"""An agent that is killed when it has sent, whether or not the hub is there."""

SERVING = """
import asyncio, os, sys
from agentkit import Agent

async def main():
    async with Agent("a1", durable=True) as agent:
        @agent.on_call("work")
        async def work(number):
            print("working", flush=True)
            if sys.argv[1] == "die":
                os.kill(os.getpid(), 9)
            return number + int(sys.argv[2])
        if sys.argv[1] == "die after":
            add = agent._talk.outbox.add
            async def add_and_die(frame):
                await add(frame)
                os.kill(os.getpid(), 9)
            agent._talk.outbox.add = add_and_die
        await agent.run_forever()

asyncio.run(main())
"""
"""An agent that is killed in the middle of a call, or with its answer on the disk."""

NOTIFYING = """
import asyncio, os
from agentkit import Agent
from agentkit.background import Background

async def work(job):
    print("working", flush=True)
    for number in range(6):
        await job.notify({"number": number}, key=str(number))
        if number == 2 and job.attempt == 1:
            os.kill(os.getpid(), 9)

async def main():
    async with Agent("a1", durable=True) as agent:
        Background(agent, work)
        await agent.run_forever()

asyncio.run(main())
"""
"""An agent whose first attempt at a task is killed after the third notification."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let clients find the hub that a test starts."""
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    for name in ("SWARMTUI_URL", "SWARMTUI_TOKEN", "SWARMTUI_AGENT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.005)


async def run(code: str, *words: str) -> asyncio.subprocess.Process:
    """Start an agent in a process of its own."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        *words,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )


async def run_until_killed(code: str, *words: str) -> str:
    """Run an agent until it kills itself; return what it printed."""
    process = await run(code, *words)
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == -signal.SIGKILL
    return said.decode().strip()


async def stop(process: asyncio.subprocess.Process) -> str:
    """End an agent; return what it printed."""
    process.kill()
    said, _ = await process.communicate()
    return said.decode().strip()


def kill(hub: Any) -> None:
    hub.process.kill()
    hub.stop()


async def test_what_was_sent_arrives_though_sender_and_hub_were_killed(
    start: Start, home: Path
) -> None:
    heard: list[str] = []
    kill(start())
    await run_until_killed(SENDING)
    start(home=home)

    async with Agent("b1") as receiver:

        @receiver.on_message
        async def hear(message: Message) -> None:
            heard.append(message.text)

        async with Agent("a1", durable=True) as sender:
            await sender.flush()
        await until(lambda: len(heard) == 20)

    assert heard == [f"{number}" for number in range(20)]


async def test_messages_survive_a_hub_that_is_killed(start: Start, home: Path) -> None:
    heard: list[str] = []
    hub = start()
    async with Agent("b1", durable=True) as receiver, Agent("a1") as sender:

        @receiver.on_message
        async def hear(message: Message) -> None:
            heard.append(message.text)

        for number in range(60):
            await sender.send("b1", f"{number}")
            if number % 20 == 10:
                kill(hub)
                hub = start(home=home)
        await until(lambda: len(heard) == 60)

    assert heard == [f"{number}" for number in range(60)]


@pytest.mark.parametrize(("how", "answered"), [("die", 101), ("die after", 2)])
async def test_a_call_is_answered_though_whoever_was_called_was_killed(
    start: Start, how: str, answered: int
) -> None:
    start()
    async with Agent("b1") as caller:
        calling = asyncio.create_task(caller.call("a1", "work", number=1))
        assert await run_until_killed(SERVING, how, "1") == "working"
        second = await run(SERVING, "live", "100")
        try:
            assert await calling == answered
        finally:
            await stop(second)


async def test_a_call_that_kills_whoever_is_called_fails_in_the_end(
    start: Start,
) -> None:
    start()
    async with Agent("b1") as caller:
        calling = asyncio.create_task(caller.call("a1", "work", timeout=60, number=1))
        for _ in range(ATTEMPTS):
            assert await run_until_killed(SERVING, "die", "1") == "working"
        last = await run(SERVING, "live", "1")
        try:
            with pytest.raises(CallFailed, match="the agent crashed at the last of 7"):
                await calling
        finally:
            assert await stop(last) == ""


async def test_a_call_is_answered_though_the_hub_was_killed(
    start: Start, home: Path
) -> None:
    hub = start()
    begun = asyncio.Event()
    release = asyncio.Event()
    async with Agent("a1") as called, Agent("b1") as caller:

        @called.on_call("work")
        async def work() -> str:
            begun.set()
            await release.wait()
            return "done"

        calling = asyncio.create_task(caller.call("a1", "work"))
        await begun.wait()
        kill(hub)
        release.set()
        start(home=home)

        assert await calling == "done"


async def test_notifications_arrive_once_though_the_notifier_was_killed(
    start: Start,
) -> None:
    start()
    heard: list[int] = []
    async with Agent("b1") as receiver:

        @receiver.on_message
        async def hear(message: Message) -> None:
            heard.append(message.body["number"])

        first = asyncio.create_task(run_until_killed(NOTIFYING))
        tasks = Tasks(receiver, "a1")
        await tasks.register_push_endpoint("T1")
        await tasks.run("T1")
        assert await first == "working"
        second = await run(NOTIFYING)
        try:
            ended = await tasks.wait("T1")
            await until(lambda: len(heard) >= 6)
        finally:
            await stop(second)

    assert (ended.state, ended.attempts) == ("done", 2)
    assert heard == list(range(6))
