"""The mode Runs by its keys, over a swarm that stands still."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

from textual.pilot import Pilot
from textual.widgets import Input, Static

from agentkit.coordinator import Heard
from agentkit.protocol import ItemDone, ItemStarted, RunMoved
from swarmtui.app import SwarmApp
from swarmtui.modals.confirm import ConfirmSheet, SureSheet
from swarmtui.modals.item import ItemSheet
from swarmtui.modals.launch import LaunchSheet
from swarmtui.screens.run_pane import RunPane
from swarmtui.screens.runs import RunsScreen
from swarmtui.screens.tasks import TasksScreen
from swarmtui.widgets.tabs import Tabs
from tests.unit.swarmtui.conftest import NOW
from tests.unit.swarmtui.running import RunningSwarm, busy_runs, item, run
from tests.unit.swarmtui.test_app import news, press, shown, until

PLAN = """\
spec: flatmachine
data:
  name: pages
  agents: {writer: {capabilities: [css]}}
  states:
    fix: {type: initial, agent: writer, transitions: [{to: done}]}
    done: {type: final}
"""


def runs(app: SwarmApp) -> RunsScreen:
    """Return the view of the runs."""
    assert isinstance(app.view, RunsScreen)
    return app.view


def pane(app: SwarmApp) -> RunPane:
    """Return the pane."""
    return runs(app).query_one(RunPane)


def facts(app: SwarmApp) -> str:
    """Return what stands above the parts of the pane."""
    text = pane(app).query_one("#pane-text", Static)
    return str(text.content)


async def opened(app: SwarmApp, pilot: Pilot[None]) -> RunsScreen:
    """Open the runs, and wait until the hub has told about the first."""
    await until(lambda: app.model.loaded, pilot)
    await press(pilot, "6")
    await until(lambda: isinstance(app.view, RunsScreen) and app.view.ready, pilot)
    await told(app, pilot)
    return runs(app)


async def told(app: SwarmApp, pilot: Pilot[None]) -> None:
    """Wait until the hub has told about the run in the pane."""
    await until(lambda: pane(app).row is None or pane(app).view is not None, pilot)


async def at(app: SwarmApp, pilot: Pilot[None], key: str) -> None:
    """Put the cursor on a run, and wait until the hub has told about it."""
    assert runs(app).move_to(key)
    await until(lambda: pane(app).row == key, pilot)
    await told(app, pilot)


async def test_groups_have_the_runs_by_how_they_are() -> None:
    async with shown(busy_runs()) as (app, pilot):
        view = await opened(app, pilot)
        seen = []
        for _ in range(4):
            seen.append((view.group, sorted(view.table.order)))
            await press(pilot, "right")

        assert seen == [
            ("running", ["r1", "r4", "r5"]),
            ("done", ["export"]),
            ("failed", ["r2", "r3"]),
            ("all", ["export", "r1", "r2", "r3", "r4", "r5"]),
        ]


async def test_the_mode_counts_what_is_in_progress() -> None:
    swarm = busy_runs()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        swarm.change(replace(swarm.runs["r4"], state="done", ended=NOW, version=99))
        await until(lambda: app.model.running == 2, pilot)
        tabs = view.query_one("#groups", Tabs).line(0, 76)

        assert "Running 2" in " ".join("".join(one.text for one in tabs).split())


async def test_the_plan_shows_where_the_run_is_and_the_runs_below_it() -> None:
    async with shown(busy_runs()) as (app, pilot):
        await opened(app, pilot)
        await at(app, pilot, "r1")

        lines = [" ".join(line.split()) for line in facts(app).splitlines()]
        assert "✓ outline planner" in lines
        assert "● record each lesson: lesson" in lines
        assert "○ done the end" in lines
        assert any("r1.14 lesson film" in line and "60%" in line for line in lines)
        assert "└ 11 done, 1 failed" in lines


async def test_a_failed_run_says_where_and_why() -> None:
    async with shown(busy_runs()) as (app, pilot):
        await opened(app, pilot)
        await at(app, pilot, "r2")

        assert "TaskFailed: 550 no such user" in facts(app)
        assert "× check" in facts(app)  # noqa: RUF001  # the sign


async def test_a_plan_that_nobody_knows_is_drawn_as_far_as_the_run_went() -> None:
    async with shown(busy_runs()) as (app, pilot):
        await opened(app, pilot)
        await press(pilot, "j")
        await until(lambda: "restore" in facts(app), pilot)

        assert "● begin" in facts(app)


async def test_items_follow_what_happens() -> None:
    swarm = busy_runs()
    async with shown(swarm) as (app, pilot):
        await opened(app, pilot)
        await at(app, pilot, "r4")
        begun = ItemStarted(
            at=NOW,
            run="r4",
            visit=1,
            index=0,
            attempt=1,
            kind="agent",
            name="planner",
            key="",
            ref="r4.1",
        )
        swarm.hear(Heard(801, begun))
        await until(lambda: pane(app).item is not None, pilot)
        done = ItemDone(at=NOW, run="r4", visit=1, index=0, output={"parts": 3})
        moved = RunMoved(
            at=NOW, run="r4", visit=1, stage="record", changes={}, checkpoint=1
        )
        swarm.hear(Heard(802, done), Heard(803, moved))
        await until(lambda: len(pane(app).book.checkpoints) == 1, pilot)

        shown_item = pane(app).item
        assert shown_item is not None
        assert (shown_item.state, shown_item.output) == ("done", {"parts": 3})


async def test_an_item_is_shown_whole_and_copied() -> None:
    async with shown(busy_runs()) as (app, pilot):
        await opened(app, pilot)
        await at(app, pilot, "r2")
        await press(pilot, "tab j j j j enter")
        assert isinstance(app.screen, ItemSheet)
        await press(pilot, "y")

        assert '"_error": "550 no such user"' in app.clipboard
        assert '"index": 4' in app.clipboard


async def test_from_an_item_one_comes_to_its_task() -> None:
    async with shown(busy_runs()) as (app, pilot):
        await opened(app, pilot)
        await at(app, pilot, "r2")
        await press(pilot, "tab enter t")
        await until(lambda: isinstance(app.view, TasksScreen), pilot)
        view = cast("TasksScreen", app.view)
        await until(lambda: view.ready and view.table.cursor == "r2.1", pilot)

        assert view.group == "done"


async def test_from_an_item_one_comes_to_its_run_and_back() -> None:
    async with shown(busy_runs()) as (app, pilot):
        await opened(app, pilot)
        await at(app, pilot, "r1")
        await press(pilot, "tab t")
        await told(app, pilot)
        below = pane(app).row
        await press(pilot, "escape")
        above = pane(app).row
        await press(pilot, "escape")

        assert (below, above) == ("r1.2", "r1")
        assert runs(app).focused is runs(app).table


async def test_who_looks_into_a_run_keeps_it_when_it_ends() -> None:
    swarm = busy_runs()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await at(app, pilot, "r1")
        await press(pilot, "tab")
        swarm.change(replace(swarm.runs["r1"], state="done", ended=NOW, version=99))
        await until(lambda: app.model.running == 2, pilot)
        view.table.rebuild(NOW)
        await until(lambda: "r1" not in view.table.order, pilot)

        assert pane(app).row == "r1"
        await press(pilot, "escape")
        await until(lambda: pane(app).row in ("r4", "r5"), pilot)


async def test_a_run_is_called_off_after_a_question() -> None:
    swarm = busy_runs()
    async with shown(swarm) as (app, pilot):
        await opened(app, pilot)
        await at(app, pilot, "r1")
        await press(pilot, "c")
        assert isinstance(app.screen, SureSheet)
        await press(pilot, "n c y")
        await until(lambda: swarm.given, pilot)

        assert swarm.given == [("cancel_run", "r1")]


async def test_marked_runs_go_on_together() -> None:
    swarm = busy_runs()
    async with shown(swarm) as (app, pilot):
        await opened(app, pilot)
        await press(pilot, "right right asterisk r")
        await until(lambda: len(swarm.given) == 2, pilot)

        assert sorted(swarm.given) == [("resume_run", "r2"), ("resume_run", "r3")]


async def test_only_what_failed_is_done_again() -> None:
    swarm = busy_runs()
    async with shown(swarm) as (app, pilot):
        await opened(app, pilot)
        await at(app, pilot, "r2")
        await press(pilot, "R")
        await until(lambda: swarm.given, pilot)

        assert swarm.given == [("retry_failed", "r2")]


async def test_a_new_run_begins_at_a_checkpoint() -> None:
    swarm = busy_runs()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await at(app, pilot, "r2")
        await press(pilot, "tab right j y h")
        assert isinstance(app.screen, ConfirmSheet)
        await press(pilot, "y")
        await until(lambda: view.table.cursor == "r7", pilot)

        assert app.clipboard == "swarm://r2/checkpoint/1"
        assert swarm.given == [("launch_from", "swarm://r2/checkpoint/1")]


async def test_what_cannot_be_done_with_a_run_is_not_offered() -> None:
    async with shown(busy_runs()) as (app, pilot):
        view = await opened(app, pilot)
        await at(app, pilot, "export")
        offered = {
            name: view.check_action(name, ())
            for name in ("launch", "cancel", "resume", "again", "from_here", "task")
        }

        assert offered == {
            "launch": True,
            "cancel": None,
            "resume": None,
            "again": True,
            "from_here": None,
            "task": None,
        }


async def test_the_output_of_a_run_is_shown() -> None:
    async with shown(busy_runs()) as (app, pilot):
        await opened(app, pilot)
        await at(app, pilot, "export")
        await press(pilot, "enter right right")
        text = pane(app).query_one("#output-text", Static)

        assert '"minutes": 214' in str(text.content)


async def test_the_address_of_a_run_is_copied() -> None:
    async with shown(busy_runs()) as (app, pilot):
        await opened(app, pilot)
        await at(app, pilot, "export")
        await press(pilot, "y")

        assert app.clipboard == "swarm://export/result"


async def test_no_runs_at_all_says_how_to_begin() -> None:
    async with shown(RunningSwarm()) as (app, pilot):
        view = await opened(app, pilot)
        await press(pilot, "y")

        assert app.clipboard.startswith("swarmtui run examples/peering/")
        assert "no runs yet" in view.empty(view.table)


async def test_a_filter_chooses_runs_by_the_name_of_their_plan() -> None:
    async with shown(busy_runs()) as (app, pilot):
        view = await opened(app, pilot)
        await until(lambda: "sha-lessons" in app.model.plans, pilot)
        await press(pilot, "left slash")
        view.filter_bar.put("plan:lessons failed>0")
        await until(lambda: set(view.table.order) == {"r1", "r2"}, pilot)

        assert set(view.table.order) == {"r1", "r2"}


async def test_a_plan_is_checked_and_then_launched(tmp_path: Path) -> None:
    file = tmp_path / "pages.yml"
    file.write_text(PLAN)
    swarm = busy_runs()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await press(pilot, "e")
        sheet = app.screen
        assert isinstance(sheet, LaunchSheet)
        sheet.query_one("#path", Input).value = str(file)
        said = sheet.query_one("#told", Static)
        await until(lambda: "pages" in str(said.content), pilot)
        assert "fix → done" in str(said.content)
        sheet.query_one("#in", Input).value = '{"n": 3}'
        await press(pilot, "enter")
        await until(lambda: view.table.cursor == "r7", pilot)

        assert swarm.given == [("launch", "pages", "{'n': 3}", "r7")]
        assert "launched r7" in news(app)


async def test_a_plan_with_mistakes_is_not_launched(tmp_path: Path) -> None:
    file = tmp_path / "pages.yml"
    file.write_text(PLAN.replace("to: done", "to: doen"))
    swarm = busy_runs()
    async with shown(swarm) as (app, pilot):
        await opened(app, pilot)
        await press(pilot, "e")
        sheet = app.screen
        sheet.query_one("#path", Input).value = str(file)
        await press(pilot, "enter")
        said = sheet.query_one("#told", Static)
        await until(lambda: "doen" in str(said.content), pilot)

        assert "pages.yml:6:" in str(said.content)
        assert isinstance(app.screen, LaunchSheet)
        assert swarm.given == []


async def test_an_input_that_cannot_be_read_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "pages.yml"
    file.write_text(PLAN)
    swarm = busy_runs()
    async with shown(swarm) as (app, pilot):
        await opened(app, pilot)
        await press(pilot, "e")
        sheet = app.screen
        sheet.query_one("#path", Input).value = str(file)
        sheet.query_one("#in", Input).value = "[1, 2"
        await press(pilot, "enter")
        notes = sheet.query_one("#notes", Static)
        await until(lambda: str(notes.content), pilot)

        assert "cannot be read: no such file" in str(notes.content)
        assert swarm.given == []


async def test_what_agents_say_of_their_items_is_drawn_as_text() -> None:
    hostile = "[bold]\x1b[31mred\x1b]0;title\x07"
    swarm = busy_runs()
    bad = item("r4", 0, key=hostile, output={hostile: hostile})
    swarm.held["r4"] = [replace(bad, state="done", ended=NOW)]
    swarm.runs["r4"] = replace(
        swarm.runs["r4"], stage=hostile, by=hostile, error={"_error": hostile}
    )
    async with shown(swarm) as (app, pilot):
        await opened(app, pilot)
        await at(app, pilot, "r4")
        for keys in ("tab", "enter", "escape right", "right", "escape c"):
            await press(pilot, keys)
            picture = app.export_screenshot()

            assert "\x1b" not in picture
            assert "\x07" not in picture


async def test_a_thousand_items_are_drawn_within_a_beat() -> None:
    swarm = busy_runs()
    swarm.held["r4"] = [item("r4", n) for n in range(1000)]
    async with shown(swarm) as (app, pilot):
        await opened(app, pilot)
        await at(app, pilot, "r4")
        await until(lambda: len(pane(app).book.items) == 1000, pilot)
        await press(pilot, "tab G")
        last = pane(app).item

        assert last is not None
        assert last.index == 999


async def test_going_to_a_run_by_its_name() -> None:
    async with shown(busy_runs()) as (app, pilot):
        await until(lambda: app.model.loaded, pilot)
        await press(pilot, "colon e x p o r t enter")
        await until(lambda: isinstance(app.view, RunsScreen) and app.view.ready, pilot)
        await until(lambda: runs(app).table.cursor == "export", pilot)

        assert runs(app).group == "done"


async def test_a_rate_is_shown_when_it_is_known() -> None:
    swarm = RunningSwarm(run("r1", entered=True, visit=1, total=60, version=1))
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        (left,) = [one for one in view.table._face.columns if one.key == "left"]
        before = left.text(app.model.runs["r1"], NOW)
        ten = replace(
            swarm.runs["r1"], done=30, version=2, changed=NOW - timedelta(seconds=1)
        )
        swarm.change(ten)
        await until(lambda: app.model.runs["r1"].done == 30, pilot)

        assert before == "–"  # noqa: RUF001  # a dash
        assert left.text(app.model.runs["r1"], NOW) == "1m"
