"""What somebody does in the dashboard, key by key, and what a session makes of it."""

import sys
from pathlib import Path

import pytest

from tests.real.bench import Bench
from tests.real.tmux import Terminal, until

pytestmark = pytest.mark.timeout(400)

TITLE = "paint the door"

CURSOR = "\N{LEFT HALF BLOCK}"


def selects(dashboard: Terminal, agent: str) -> None:
    """Move the cursor to an agent, which is when the pane beside is about it."""
    dashboard.press("Home")
    dashboard.insists(
        lambda: dashboard.press("Down"),
        lambda screen: f"\N{LEFT ONE EIGHTH BLOCK} {agent}" in screen,
        f"{agent} is selected",
    )


def test_what_is_assigned_in_the_dashboard_is_done_by_the_session(bench: Bench) -> None:
    bench.model.when(TITLE, "It is red.")
    bench.agentkit("hooks", "install", bench.program.word)
    with bench.dashboard() as dashboard, bench.session() as session:
        agent = bench.appears(session)["id"]
        bench.hub.report("a-first", "idle")  # so that there is one to choose
        dashboard.shows("a-first")
        selects(dashboard, agent)
        with bench.model.thinking(TITLE):
            dashboard.press("a")
            dashboard.shows("Assign a task")
            dashboard.type(TITLE)
            dashboard.shows(f"T1 \N{RIGHTWARDS ARROW} {agent}")
            dashboard.press("Escape")
            if not bench.program.wakes:  # it asks for work at the end of a turn
                bench.prompts(session, "tell me what is there to do")
            dashboard.shows("busy 1")
            dashboard.shows(CURSOR, "\N{BLACK CIRCLE} busy", "T1")
        dashboard.shows("idle 2")
        dashboard.press("5")
        dashboard.shows("Done 1")
        dashboard.press("Right", "Right")
        done = dashboard.shows("done", "T1", TITLE)

    assert bench.program.word[:6] in done  # a name is cut to the width
    assert bench.task("T1")["agent"] == agent


def test_a_permission_that_is_asked_for_stands_in_help_until_it_is_given(
    bench: Bench,
) -> None:
    if not bench.program.asks:
        pytest.skip(f"{bench.program.word} does not say that it waits for a permission")
    bench.model.when(TITLE, bench.program.shell("touch red"), "It is red.")
    bench.agentkit("hooks", "install", bench.program.word)
    with bench.dashboard() as dashboard, bench.session() as session:
        dashboard.press("3")
        dashboard.shows("words of the question")
        bench.prompts(session, f"please {TITLE}")
        dashboard.shows(CURSOR, "\N{BLACK UP-POINTING TRIANGLE} help")
        dashboard.shows("touch red")
        session.insists(
            lambda: session.press(*bench.program.allow),
            lambda _: (bench.cwd / "red").exists(),
            "it is allowed",
        )
        dashboard.shows("nobody needs you")


@pytest.mark.parametrize("word", ["claude", "codex"])
def test_an_answer_that_is_given_in_the_dashboard_reaches_the_session(
    bench: Bench,
) -> None:
    ours = Path(sys.executable).with_name("agentkit")  # Codex starts a login shell
    question = f"{ours} ask 'Which colour?' --choice red --choice blue --wait"
    bench.model.when(TITLE, bench.program.shell(question), "It is as you like.")
    bench.agentkit("hooks", "install", bench.program.word)
    with bench.dashboard() as dashboard, bench.session() as session:
        bench.prompts(session, f"please {TITLE}")
        bench.becomes(status="help")  # may it run that?
        dashboard.press("3")
        session.insists(
            lambda: session.press(*bench.program.allow),
            lambda _: bench.agent["message"] == "Which colour?",
            "it asks",
        )
        dashboard.shows("\N{LEFT DOUBLE QUOTATION MARK}Which colour?")
        dashboard.press("r")
        dashboard.answers("1 red", ("1",))
        until(lambda: bench.model.heard("red", "tool"), "it has the answer")
        dashboard.shows("nobody needs you")
        bench.becomes(status="idle")


@pytest.mark.parametrize("word", ["claude", "codex", "gemini"])
def test_a_broadcast_is_told_to_the_session_with_its_next_prompt(bench: Bench) -> None:
    bench.agentkit("hooks", "install", bench.program.word)
    with bench.dashboard() as dashboard, bench.session() as session:
        bench.appears(session)
        dashboard.shows(CURSOR)
        dashboard.press("b")
        dashboard.shows("Broadcast")
        dashboard.type("the tests are red")
        dashboard.shows("the tests are red", "to 1 agent")
        assert not bench.model.heard("the tests are red")
        bench.prompts(session, "good evening")
        until(
            lambda: any(
                asked.has("good evening") and asked.has("the tests are red")
                for asked in bench.model.asked
            ),
            "it hears of the tests",
        )
        dashboard.shows("done 1")
