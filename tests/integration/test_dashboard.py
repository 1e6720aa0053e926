"""The dashboard over a real hub in a process of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Static

from agentkit import Agent, Coordinator
from agentkit.agent import Mail
from agentkit.settings import Endpoint
from swarmtui.app import SwarmApp
from swarmtui.modals.answer import AnswerSheet
from swarmtui.modals.assign import AssignSheet
from swarmtui.modals.broadcast import BroadcastSheet
from swarmtui.modals.confirm import ConfirmSheet
from swarmtui.modals.enqueue import EnqueueSheet
from swarmtui.preferences import Preferences
from swarmtui.screens.help import HelpScreen
from swarmtui.screens.tables import TableScreen
from swarmtui.screens.tasks import TasksScreen
from swarmtui.widgets.ticker import Ticker
from swarmtui.widgets.topbar import TopBar
from tests.integration.conftest import RunningHub, Start

Ready = Callable[[], bool]


async def until(ready: Ready, pilot: Pilot[None], seconds: float = 15) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not ready():
            await asyncio.sleep(0.05)
    await pilot.pause()


@asynccontextmanager
async def dashboard(
    hub: RunningHub, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[tuple[SwarmApp, Pilot[None]]]:
    """Open the dashboard over a hub and wait until it is drawn."""
    swarm = Coordinator(Endpoint(hub.url, hub.token), batch_ms=100)
    app = SwarmApp(swarm, settings=Preferences(notices="off"))
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(lambda: app.model.loaded and view(app).ready, pilot)
        yield app, pilot


def view(app: SwarmApp) -> TableScreen:
    """Return the view that is open."""
    assert isinstance(app.view, TableScreen)
    return app.view


def first_line(app: SwarmApp) -> str:
    """Return the text of the line on the hub."""
    bar = view(app).query_one(TopBar)
    return "".join(span.text for span in bar.line(0, 120))


def task_state(app: SwarmApp, task: str) -> str:
    """Return how far a task got, as the dashboard knows."""
    held = app.model.tasks.get(task)
    return held.state if held else ""


def news(app: SwarmApp) -> str:
    """Return the text of the line with the news."""
    return "".join(span.text for span in view(app).query_one(Ticker).line(0, 120))


async def test_agents_appear_as_they_report(fresh: RunningHub) -> None:
    async with dashboard(fresh) as (app, pilot):
        assert "live" in first_line(app)

        fresh.report("a1", "busy", task="T1")

        await until(lambda: view(app).table.order == ["a1"], pilot)
        assert app.model.counts["busy"] == 1


async def test_an_assigned_task_reaches_its_agent(fresh: RunningHub) -> None:
    received: asyncio.Queue[Mail] = asyncio.Queue()
    async with (
        Agent("a1", hub=Endpoint(fresh.url, fresh.token)) as agent,
        dashboard(fresh) as (app, pilot),
    ):
        agent.on_task(received.put)
        await until(lambda: view(app).table.cursor == "a1", pilot)

        await pilot.press("a")
        await until(lambda: isinstance(app.screen, AssignSheet), pilot)
        await pilot.press(*"Encode", "enter")

        mail = await asyncio.wait_for(received.get(), 10)
        assert mail.body["title"] == "Encode"
        await until(lambda: task_state(app, mail.ref) == "acked", pilot)
        await agent.completed(mail.ref)
        await until(lambda: task_state(app, mail.ref) == "done", pilot)
        await pilot.press("enter")
        await until(lambda: not isinstance(app.screen, AssignSheet), pilot)


async def test_what_a_session_asks_on_its_own_screen_is_said_to_wait_there(
    fresh: RunningHub,
) -> None:
    async with dashboard(fresh) as (app, pilot):
        fresh.report("a1", "help", message="allow? Bash rm -r x", via="hook")
        await until(lambda: bool(app.model.calling), pilot)

        await pilot.press("exclamation_mark")
        await until(lambda: isinstance(app.screen, HelpScreen), pilot)
        await until(lambda: bool(view(app).table.cursor), pilot)
        await pilot.press("r")
        await until(lambda: isinstance(app.screen, AnswerSheet), pilot)

        said = [str(part.render()) for part in app.screen.query(Static)]
        assert any("grant it there" in text for text in said), said


async def test_an_answer_reaches_who_asked(fresh: RunningHub) -> None:
    async with (
        Agent("a1", hub=Endpoint(fresh.url, fresh.token)) as agent,
        dashboard(fresh) as (app, pilot),
    ):
        asking = asyncio.create_task(
            agent.ask("which one?", choices=["red", "blue"], timeout=20)
        )
        await until(lambda: bool(app.model.calling), pilot)

        await pilot.press("exclamation_mark")
        await until(lambda: isinstance(app.screen, HelpScreen), pilot)
        await until(lambda: bool(view(app).table.cursor), pilot)
        await pilot.press("r")
        await pilot.pause()
        await pilot.press("2")

        assert await asking == "blue"
        await until(lambda: not app.model.calling, pilot)
        await until(lambda: "a1 has the answer" in news(app), pilot)


async def test_a_broadcast_shows_its_ledger(fresh: RunningHub) -> None:
    received: asyncio.Queue[Mail] = asyncio.Queue()
    async with (
        Agent("a1", hub=Endpoint(fresh.url, fresh.token)) as agent,
        dashboard(fresh) as (app, pilot),
    ):
        agent.on_broadcast(received.put)
        fresh.report("a2", "busy")
        await until(lambda: len(app.model.agents) == 2, pilot)

        await pilot.press("b")
        await until(lambda: isinstance(app.screen, BroadcastSheet), pilot)
        await pilot.press(*"freeze", "tab", *"id:a1", "enter")

        mail = await asyncio.wait_for(received.get(), 10)
        assert mail.body["text"] == "freeze"
        await until(
            lambda: any(
                row.acked == row.recipients == 1
                for row in app.model.broadcasts.values()
            ),
            pilot,
        )


async def test_a_hub_that_dies_is_said_and_comes_back(
    start: Start, tmp_path: Path
) -> None:
    hub = start()
    hub.report("a1", "busy", task="T1")
    async with dashboard(hub) as (app, pilot):
        await until(lambda: view(app).table.cursor == "a1", pilot)

        hub.process.kill()

        await until(lambda: not app.model.live, pilot)
        await until(lambda: "again" in first_line(app), pilot)
        assert view(app).table.order == ["a1"]
        assert view(app).check_action("assign", ()) is None
        await until(lambda: view(app).table.dimmed, pilot)

        hub.process.wait(timeout=10)
        again = start("--port", str(hub.port), home=tmp_path)

        await until(lambda: app.model.live, pilot, 40)
        await until(lambda: not view(app).table.dimmed, pilot)
        assert view(app).check_action("assign", ()) is True
        again.report("a2", "idle")
        await until(lambda: view(app).table.order == ["a1", "a2"], pilot)


async def test_what_the_hub_refuses_is_one_sentence(fresh: RunningHub) -> None:
    fresh.report("a1", "help", message="how?")
    async with dashboard(fresh) as (app, pilot):
        await until(lambda: bool(app.model.helps), pilot)
        (request,) = app.model.helps

        fresh.post(f"/v1/help/{request}/resolve", {}).raise_for_status()
        refused = await app.carry_out(app.swarm.answer(request, "too late"))

        assert refused is None
        await pilot.pause()
        (notice,) = app._notifications
        assert "was resolved" in notice.message


async def test_it_works_in_a_small_terminal(fresh: RunningHub) -> None:
    fresh.report("a1", "busy", task="T1")
    async with dashboard(fresh, (80, 24)) as (app, pilot):
        await until(lambda: view(app).table.cursor == "a1", pilot)
        pane = view(app).pane
        assert pane is not None
        assert not pane.display

        await pilot.press("enter")
        assert pane.display

        await pilot.press("escape")
        assert not pane.display


async def test_a_terminal_too_small_asks_for_room(fresh: RunningHub) -> None:
    async with dashboard(fresh, (50, 12)) as (app, _):
        assert app.screen.query_one("#small").display
        assert not view(app).query_one("#body").display


def row_of(app: SwarmApp, task: str) -> str:
    """Return the row of a task as its table draws it; empty when it is not there."""
    table = view(app).table
    if task not in table.order:
        return ""
    (strip,) = table._row(table.order.index(task), table.size.width)
    return strip.text


async def test_a_task_is_queued_claimed_failed_and_requeued(fresh: RunningHub) -> None:
    fresh.report("a1", "idle", capabilities=["python"])
    async with dashboard(fresh) as (app, pilot):
        await until(lambda: bool(app.model.agents), pilot)
        await pilot.press("5")
        await until(lambda: isinstance(app.view, TasksScreen), pilot)
        await until(lambda: view(app).ready, pilot)
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, EnqueueSheet), pilot)
        await pilot.press(*"Parse", "tab", "tab", *"python", "enter")
        await until(lambda: "queued" in row_of(app, "T1"), pilot)

        claim = fresh.post("/v1/claims", {"agent": "a1"}).raise_for_status().json()
        (held,) = claim["tasks"]
        await pilot.press("right")
        await until(lambda: "leased" in row_of(app, "T1"), pilot)
        assert "a1" in row_of(app, "T1")
        assert "1/3" in row_of(app, "T1")

        failed = {"agent": "a1", "fence": held["fence"], "reason": "no", "final": True}
        fresh.post("/v1/tasks/T1/fail", failed).raise_for_status()
        await pilot.press("left", "left")
        await until(lambda: "† task" in row_of(app, "T1"), pilot)
        assert row_of(app, "T1").rstrip().endswith("no")

        await pilot.press("r")
        await until(lambda: task_state(app, "T1") == "queued", pilot)
        await pilot.press("right")
        await until(lambda: "queued" in row_of(app, "T1"), pilot)
        assert app.model.task_counts == {"queued": 1}


async def test_a_task_under_the_cursor_can_be_called_off(fresh: RunningHub) -> None:
    fresh.post("/v1/tasks", {"id": "T1", "title": "Parse"}).raise_for_status()
    async with dashboard(fresh) as (app, pilot):
        await pilot.press("5")
        await until(lambda: isinstance(app.view, TasksScreen), pilot)
        await until(lambda: view(app).table.cursor == "T1", pilot)

        await pilot.press("c")
        await until(lambda: isinstance(app.screen, ConfirmSheet), pilot)
        await pilot.press("y")

        await until(lambda: task_state(app, "T1") == "cancelled", pilot)


async def test_a_dead_delivery_is_sent_again(fresh: RunningHub) -> None:
    async with fresh.agent("a1") as line, dashboard(fresh) as (app, pilot):
        fresh.post("/v1/broadcasts", {"text": "freeze main"}).raise_for_status()
        mail = await line.hear("mail")
        await line.say("dead", seq=mail["seq"], reason="KeyError")

        await pilot.press("5")
        await until(lambda: isinstance(app.view, TasksScreen), pilot)
        await pilot.press("left")
        await until(lambda: view(app).table.cursor == f"{mail['seq']}@a1", pilot)
        await pilot.press("r")

        again = await line.hear("mail")
        assert again["ref"] == mail["ref"]
        assert again["seq"] > mail["seq"]
        await until(lambda: not view(app).table.order, pilot)
