"""A durable agent is killed, and the next process goes on where it was."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Coordinator
from agentkit.agent import Job, Mail
from agentkit.inbox import ATTEMPTS
from agentkit.inbox import CRASHED as CRASHED_HANDLING
from agentkit.outbox import CRASHED as CRASHED_WORKING
from agentkit.rows import Broadcast, Delivery, Task
from agentkit.sealing import WrongKey

Start = Callable[..., Any]
ROOT = Path(__file__).parents[2]
KEY = "correct horse battery staple"

FATAL = """
import asyncio, os, sys
from agentkit import Agent

async def main():
    async with Agent("a1", durable=True) as agent:
        async def die(thing):
            print(thing.attempt, flush=True)
            os.kill(os.getpid(), 9)
        getattr(agent, sys.argv[1])(die)
        await agent.run_forever()

asyncio.run(main())
"""
"""An agent that is killed by the first thing that it is given to handle."""

ASKING = """
import asyncio, os
from agentkit import Agent

async def main():
    async with Agent("a1", durable=True) as agent:
        asking = asyncio.create_task(agent.ask("which one?"))
        await asyncio.sleep(0)
        while not agent.link.state == "live":
            await asyncio.sleep(0.01)
        for number in range(5):
            await agent.busy(f"T{number}")
        await agent.help("and then?")
        os.kill(os.getpid(), 9)

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let clients find the hub that a test starts."""
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    for name in ("SWARMTUI_URL", "SWARMTUI_TOKEN", "SWARMTUI_AGENT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not holds():
            await asyncio.sleep(0.005)


async def run_until_killed(code: str, *words: str) -> str:
    """Run an agent in a process of its own until it kills itself."""
    return await run_until_it_ends(code, -9, *words)


async def run_until_it_ends(code: str, status: int, *words: str) -> str:
    """Run an agent in a process of its own; return what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        *words,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == status
    return said.decode().strip()


async def mail_of(swarm: Coordinator, agent: str) -> dict[str, Delivery]:
    return {row.ref: row for row in await swarm.mailbox(agent)}


async def join(*names: str) -> None:
    """Let the hub know agents, so that mail can be sent to them."""
    for name in names:
        async with Agent(name) as agent:
            await agent.idle()


async def test_mail_that_killed_its_agent_is_handled_again(start: Start) -> None:
    start()
    await join("a1")
    heard: list[tuple[str, int]] = []
    async with Coordinator() as swarm:
        for text in ("one", "two"):
            await swarm.broadcast(text)
        assert await run_until_killed(FATAL, "on_broadcast") == "1"
        assert await run_until_killed(FATAL, "on_broadcast") == "2"

        async with Agent("a1", durable=True) as agent:

            @agent.on_broadcast
            async def listen(mail: Mail) -> None:
                heard.append((mail.text, mail.attempt))

            last = await swarm.broadcast("three")
            await until(lambda: swarm.broadcasts[last.broadcast].done == 1)

    assert heard == [("one", 3), ("two", 1), ("three", 1)]


async def test_mail_that_kills_its_agent_is_a_dead_letter(start: Start) -> None:
    start()
    await join("a1")
    heard: list[str] = []
    async with Coordinator() as swarm:
        fatal = await swarm.broadcast("die")
        for attempt in range(1, ATTEMPTS + 1):
            said = await run_until_killed(FATAL, "on_broadcast")
            assert said == str(attempt)

        async with Agent("a1", durable=True) as agent:

            @agent.on_broadcast
            async def listen(mail: Mail) -> None:
                heard.append(mail.text)

            def ledger() -> Broadcast:
                return swarm.broadcasts[fatal.broadcast]

            await until(lambda: ledger().dead == 1)
            row = (await mail_of(swarm, "a1"))[fatal.broadcast]
            assert (row.state, row.reason, heard) == ("dead", CRASHED_HANDLING, [])

            await swarm.retry(row.id)
            await until(lambda: ledger().done == 1)

    assert heard == ["die"]
    assert ledger().dead == 0


async def test_work_that_killed_its_agent_is_failed_by_the_next(start: Start) -> None:
    start("--task-lease", "3600", "--retry-first", "0")
    async with Coordinator() as swarm:
        await swarm.enqueue(task="T1", max_attempts=3)
        assert await run_until_killed(FATAL, "on_work") == "1"
        assert (swarm.tasks["T1"].state, swarm.tasks["T1"].attempts) == ("leased", 1)
        assert await run_until_killed(FATAL, "on_work") == "2"

        async with Agent("a1", durable=True) as agent:

            def task() -> Task:
                return swarm.tasks["T1"]

            await until(lambda: task().state != "leased")
            assert (task().reason, task().attempts) == (CRASHED_WORKING, 2)

            @agent.on_work
            async def work(_: Job) -> None:
                pass

            await until(lambda: task().state == "done")
            assert task().attempts == 3


async def test_at_most_once_leaves_what_it_had_begun(start: Start) -> None:
    start()
    await join("a1")
    code = FATAL.replace("durable=True", 'durable=True, guarantee="at-most-once"')
    heard: list[str] = []
    async with Coordinator() as swarm:
        first = await swarm.broadcast("one")
        assert await run_until_killed(code, "on_broadcast") == "1"

        async with Agent("a1", durable=True, guarantee="at-most-once") as agent:
            assert swarm.agents["a1"].guarantee == "at-most-once"

            @agent.on_broadcast
            async def listen(mail: Mail) -> None:
                heard.append(mail.text)

            await swarm.broadcast("two")
            await until(lambda: heard == ["two"])
            await until(lambda: swarm.broadcasts[first.broadcast].done == 1)


async def test_an_answer_to_a_question_before_the_crash_goes_to_the_handler(
    start: Start,
) -> None:
    start()
    await run_until_killed(ASKING)
    late: list[tuple[str, str]] = []
    async with Coordinator() as swarm, Agent("a1", durable=True) as agent:

        @agent.on_answer
        async def listen(mail: Mail) -> None:
            late.append((str(mail.body["question"]), mail.text))

        await agent.flush()
        await until(lambda: any(asked.is_open for asked in swarm.helps.values()))
        (request,) = [asked for asked in swarm.helps.values() if asked.is_open]
        await swarm.answer(request.id, "b")

        await until(lambda: bool(late))
        reports = await swarm.history("a1", limit=1000)
    assert late == [("and then?", "b")]
    said = [heard.event for heard in reversed(reports)]
    busy = [event for event in said if event.subject == "agent.busy"]
    assert [getattr(event, "task") for event in busy] == [f"T{n}" for n in range(5)]  # noqa: B009


async def test_a_sealed_agent_goes_on_with_its_key_alone(
    start: Start, home: Path
) -> None:
    with_key = Agent("a1", durable=True, key=KEY)
    async with with_key as agent:
        await agent.busy("midnight")
        assert b"midnight" not in held(home)

    with pytest.raises(WrongKey, match=r"a1\.db"):
        await Agent("a1", durable=True).__aenter__()
    with pytest.raises(WrongKey, match="the key does not fit"):
        await Agent("a1", durable=True, key="another horse battery").__aenter__()
    start()
    async with Agent("a1", durable=True, key=KEY) as again, Coordinator() as swarm:
        await again.flush()
        await until(lambda: swarm.agents["a1"].task == "midnight")


def held(home: Path) -> bytes:
    """Return all that is in the agents' files."""
    files = (home / "outbox" / "agents").iterdir()
    return b"".join(file.read_bytes() for file in files)


async def test_a_handler_may_end_the_process(start: Start) -> None:
    start()
    await join("a1")
    code = FATAL.replace("os.kill(os.getpid(), 9)", "sys.exit(3)")
    async with Coordinator() as swarm:
        await swarm.broadcast("one")
        assert await run_until_it_ends(code, 3, "on_broadcast") == "1"
        assert await run_until_it_ends(code, 3, "on_broadcast") == "2"

        await swarm.enqueue(task="T1")
        assert await run_until_it_ends(code, 3, "on_work") == "1"
        async with Agent("a1", durable=True) as agent:
            await agent.flush()
            await until(lambda: swarm.tasks["T1"].reason == CRASHED_WORKING)
