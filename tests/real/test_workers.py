"""Each product without anybody in front of it, driven by ``agentkit worker``."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from agentkit import Coordinator
from agentkit.settings import Endpoint
from tests.real.bench import Bench
from tests.real.dialects import Failure
from tests.real.tmux import until

pytestmark = pytest.mark.timeout(400)

WORDS: Final[dict[str, tuple[str, ...]]] = {
    "claude": ("claude",),
    "codex": ("codex",),
    "gemini": ("acp", "--", "gemini", "-m", "gemini-2.5-pro", "--acp"),
    "copilot": ("acp", "--", "copilot", "--acp"),
    "opencode": ("acp", "--", "opencode", "acp"),
    "goose": ("acp", "--", "goose", "acp"),
}
"""What is said to ``agentkit worker``, by product."""


@contextmanager
def working(bench: Bench, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """Let the program work, and end it as a person does."""
    worker = subprocess.Popen(
        ["agentkit", "worker", "--name", "builder", *flags, *WORDS[bench.program.word]],
        cwd=bench.cwd,
        env=bench.environ,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: bench.agent or worker.poll() is not None, "a worker")
        yield worker
    finally:
        worker.send_signal(signal.SIGTERM)
        _, said = worker.communicate(timeout=60)
    assert worker.returncode == 0, said


async def asked(boss: Coordinator) -> Any:
    """Wait until a person is needed."""

    def waiting() -> list[Any]:
        return [help_ for help_ in boss.helps.values() if help_.is_open]

    async for _ in boss.changes():
        if waiting():
            break
    return waiting()[0]


async def test_a_task_is_done_and_a_person_permits_what_it_takes(bench: Bench) -> None:
    bench.model.when("paint the door", "it is red")
    shell = bench.program.shell("touch painted")
    bench.model.when("the shell", shell, "it is painted")
    if bench.program.places:
        bench.agentkit("hooks", "install", bench.program.word)
    with working(bench):
        async with Coordinator(Endpoint(bench.hub.url, bench.hub.token)) as boss:
            first = await boss.assign("builder", title="paint the door")
            second = await boss.assign("builder", title="paint with the shell")
            question = await asked(boss)
            (once,) = (
                name
                for name in question.choices
                if name.lower() in ("allow", "allow once", "allow_once")
            )
            await boss.answer(question.id, once)
        assert bench.ends(first.task)["result"] == {"text": "it is red"}
        assert bench.ends(second.task)["result"] == {"text": "it is painted"}
        assert "touch painted" in question.question
        assert (bench.cwd / "painted").exists()
        assert bench.agent["id"] == "builder"  # and its hooks made no other


async def test_a_task_that_is_cancelled_leaves_the_program_ready(bench: Bench) -> None:
    bench.model.when("the shell", bench.program.shell("touch painted"), "painted")
    bench.model.when("the door", "it is red")
    with working(bench):
        async with Coordinator(Endpoint(bench.hub.url, bench.hub.token)) as boss:
            first = await boss.assign("builder", title="paint with the shell")
            await asked(boss)
            await boss.cancel(first.task)
            second = await boss.assign("builder", title="paint the door")
        assert bench.ends(second.task)["result"] == {"text": "it is red"}
    assert not (bench.cwd / "painted").exists()


@pytest.mark.parametrize("word", ["opencode", "goose"])
async def test_a_task_fails_with_the_model(bench: Bench) -> None:
    bench.model.when("the door", Failure(400, "there is no credit left"))
    with working(bench):
        async with Coordinator(Endpoint(bench.hub.url, bench.hub.token)) as boss:
            order = await boss.assign("builder", title="paint the door", max_attempts=1)
        assert "there is no credit left" in bench.ends(order.task, "dead")["reason"]


async def test_what_the_program_used_is_counted(bench: Bench) -> None:
    bench.model.when("the door", "it is red")
    with working(bench, "--one") as worker:
        async with Coordinator(Endpoint(bench.hub.url, bench.hub.token)) as boss:
            order = await boss.assign("builder", title="paint the door")
        bench.ends(order.task)
        until(lambda: worker.poll() is not None, "it has done the one")

    assert (bench.agent["tokens_in"], bench.agent["tokens_out"]) == (100, 20)
    assert (bench.agent["cost"] > 0) is (bench.program.word == "claude")
