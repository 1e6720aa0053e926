"""A session of each product, with somebody in front of it."""

import time
from typing import Any

import pytest

from agentkit import Coordinator
from agentkit.settings import Endpoint
from tests.real.bench import Bench
from tests.real.dialects import Failure
from tests.real.tmux import until

pytestmark = pytest.mark.timeout(400)

TITLE = "paint the door"


async def assigned(bench: Bench, **said: Any) -> str:
    """Assign a task to the session, as the dashboard does; return its id."""
    async with Coordinator(Endpoint(bench.hub.url, bench.hub.token)) as boss:
        order = await boss.assign(bench.agent["id"], title=TITLE, **said)
    return order.task


def test_a_session_is_seen_from_its_start_to_its_end(bench: Bench) -> None:
    before = bench.settings()
    bench.agentkit("hooks", "install", bench.program.word)
    assert bench.settings() != before
    with bench.session() as terminal:
        bench.appears(terminal)
        bench.prompts(terminal, "tell me what is there to do")
        agent = bench.becomes(status="idle", task="tell me what is there to do")
        assert bench.reports()[-2:] == ["busy", "idle"]
        assert agent["id"].startswith(f"{bench.program.word}-")
        assert agent["capabilities"] == [bench.program.word]
        terminal.ends(bench.program.leave)
        if bench.program.tells_end:
            until(
                lambda: "its session has ended" in bench.agent["message"],
                f"{bench.agent} has ended",
            )
    bench.agentkit("hooks", "uninstall", bench.program.word)

    assert bench.settings() == before
    assert bench.model.heard("tell me what is there to do")


async def test_a_task_that_is_assigned_is_done(bench: Bench) -> None:
    bench.model.when(TITLE, "It is red.")
    bench.agentkit("hooks", "install", bench.program.word)
    with bench.session() as terminal:
        bench.appears(terminal)
        key = await assigned(bench)
        if not bench.program.wakes:  # it asks for work at the end of a turn
            bench.prompts(terminal, "tell me what is there to do")
        done = bench.ends(key)
        agent = bench.becomes(status="idle")

    assert done["agent"] == agent["id"]
    assert done["attempts"] == 1
    words = {"text": "It is red."} if bench.program.tells_words else {}
    assert done["result"] == words
    assert agent["completed"] == 1


def test_a_permission_is_asked_for_in_the_hub(bench: Bench) -> None:
    if not bench.program.asks:
        pytest.skip(f"{bench.program.word} does not say that it waits for a permission")
    bench.model.when(TITLE, bench.program.shell("touch red"), "It is red.")
    bench.agentkit("hooks", "install", bench.program.word)
    with bench.session() as terminal:
        bench.prompts(terminal, f"please {TITLE}")
        question = bench.becomes(status="help")["message"]
        assert not (bench.cwd / "red").exists()

        def is_allowed() -> bool:
            terminal.press(*bench.program.allow)  # the hub may know before it is asked
            time.sleep(1)
            return (bench.cwd / "red").exists()

        until(is_allowed, "it was allowed")
        bench.becomes(status="idle")

    assert "touch red" in question


WHY = {
    "opencode": "there is no credit left",
    "goose": "Goose did not say why it failed",
}


@pytest.mark.parametrize("word", WHY)
async def test_a_task_fails_with_the_model(bench: Bench) -> None:
    bench.model.when(TITLE, Failure(400, "there is no credit left"))
    bench.agentkit("hooks", "install", bench.program.word)
    with bench.session() as terminal:
        bench.appears(terminal)
        key = await assigned(bench, max_attempts=1)
        if not bench.program.wakes:
            bench.prompts(terminal, "tell me what is there to do")
        failed = bench.ends(key, "dead")
        agent = bench.becomes(status="blocked")

    assert failed["reason"] == agent["message"] == WHY[bench.program.word]


@pytest.mark.parametrize("word", ["claude", "opencode", "goose"])
async def test_a_task_whose_turn_is_interrupted_is_not_done(bench: Bench) -> None:
    bench.agentkit("hooks", "install", bench.program.word)
    with bench.session() as terminal:
        bench.appears(terminal)
        key = await assigned(bench, max_attempts=1)
        with bench.model.thinking(TITLE):
            if not bench.program.wakes:
                terminal.type("tell me what is there to do")
            until(lambda: bench.model.heard(TITLE), "it works on it")
            terminal.insists(
                lambda: terminal.press(*bench.program.interrupt),
                lambda screen: bench.program.interrupted in screen,
                "it is interrupted",
            )
        terminal.type("good night")
        failed = bench.ends(key, "dead")

    assert failed["reason"] == "its user interrupted it"
