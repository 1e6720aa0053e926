"""What somebody does in the dashboard, key by key, and what a session makes of it."""

import pytest

from tests.real.bench import Bench
from tests.real.tmux import Terminal

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
                session.type("tell me what is there to do")
            dashboard.shows("busy 1")
            dashboard.shows(CURSOR, "\N{BLACK CIRCLE} busy", "T1")
        dashboard.shows("idle 2")
        dashboard.press("5")
        dashboard.shows("Done 1")
        dashboard.press("Right", "Right")
        done = dashboard.shows("done", "T1", TITLE)

    assert bench.program.word in done
    assert bench.task("T1")["agent"] == agent
