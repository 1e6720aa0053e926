"""The README's lines do what it says, as they stand there."""

import asyncio
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Coordinator
from agentkit.settings import Endpoint

README = Path(__file__).parents[2] / "README.md"
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


def surroundings(hub: Any) -> dict[str, str]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "SWARMTUI_HOME": str(hub.home), "PATH": path}


def test_every_line_of_shell_reaches_the_hub(fresh: Any) -> None:
    reports = blocks("sh")[:2]
    assert [line.split()[0] for line in reports] == ["agentkit", "curl"]

    for line in reports:
        here = line.replace("localhost:8765", f"localhost:{fresh.port}")
        subprocess.run(["bash", "-c", here], env=surroundings(fresh), check=True)
        agent = fresh.get("/v1/agents/web-1").json()["agent"]

        assert agent["status"] == ("idle" if "idle" in line else "busy")


def test_work_that_is_handed_out_in_a_shell_is_done(fresh: Any) -> None:
    subprocess.run(
        ["bash", "-ec", blocks("sh")[2]], env=surroundings(fresh), check=True
    )

    assert fresh.get("/v1/tasks/footer").json()["task"]["state"] == "done"


def test_the_short_python_reaches_the_hub(
    fresh: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMTUI_HOME", str(fresh.home))

    exec(blocks("python")[0])  # noqa: S102  # our own page

    agent = fresh.get("/v1/agents/web-1").json()["agent"]
    assert (agent["status"], agent["message"]) == ("help", "Blue or green?")


def begin(number: int, **scope: Any) -> asyncio.Task[None]:
    """Run a block of Python that awaits."""
    body = textwrap.indent(blocks("python")[number], "    ")
    exec(f"async def main():\n{body}", scope)  # noqa: S102  # our own page
    return asyncio.create_task(scope["main"]())


async def end(main: asyncio.Task[None]) -> None:
    main.cancel()
    with pytest.raises(asyncio.CancelledError):
        await main


async def test_the_python_that_works_is_pushed_its_work(
    fresh: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMTUI_HOME", str(fresh.home))

    async def fix(title: str) -> int:
        return len(title)

    main = begin(2, Agent=Agent, fix=fix)

    async with Coordinator(Endpoint(fresh.url, fresh.token)) as swarm:
        changes = swarm.changes()
        await swarm.enqueue("Fix the footer", task="footer", needs=["css"])
        while "footer" not in swarm.tasks or swarm.tasks["footer"].state != "done":
            await anext(changes)

    assert swarm.tasks["footer"].result == {"pages": 14}
    await end(main)


async def test_the_long_python_is_a_whole_agent(
    fresh: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMTUI_HOME", str(fresh.home))
    main = begin(1)

    async with Coordinator(Endpoint(fresh.url, fresh.token)) as swarm:
        changes = swarm.changes()
        while "web-1" not in swarm.agents:
            await anext(changes)
        await swarm.assign("web-1", "T7")
        while not swarm.helps:
            await anext(changes)
        (question,) = swarm.helps.values()
        await swarm.answer(question.id, "blue")
        while swarm.tasks["T7"].state != "done":
            await anext(changes)

    assert question.choices == ("blue", "green")
    await end(main)
