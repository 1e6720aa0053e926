"""What every view and sheet looks like, over a swarm that stands still."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot
from textual.widgets import Input, Static

from agentkit.coordinator import Link
from swarmtui.app import SwarmApp
from swarmtui.modals.launch import LaunchSheet
from swarmtui.preferences import Preferences
from swarmtui.screens.tables import TableScreen
from swarmtui.screens.traffic import TrafficScreen
from tests.unit.swarmtui.conftest import NOW, StillSwarm, lively
from tests.unit.swarmtui.running import busy_runs
from tests.unit.swarmtui.wire import links, traffic, wired

WIDE = (120, 36)
SMALL = (80, 24)


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stop what depends on the machine: the time zone and the blinking cursor."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(Input, "_toggle_cursor", lambda _self: None)
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def svg(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Compare with the picture of before."""
    return snapshot.use_extension(SVGImageExtension)


async def until(ready: Callable[[], Any], pilot: Pilot[None]) -> None:
    """Wait until something holds and is drawn."""
    async with asyncio.timeout(20):
        while not ready():
            await asyncio.sleep(0.02)
    await pilot.pause()


def settled(app: SwarmApp) -> bool:
    """Say whether everything that was asked for has arrived."""
    view = app.view
    if view is None or not view.ready or app._feed.backlog:
        return False
    if not isinstance(view, TableScreen) or view.pane is None:
        return True
    empty = not view.pane.display or view.pane.row is None
    return empty or not app.model.live or view.pane._events is not None


async def picture(
    keys: str = "",
    *,
    size: tuple[int, int] = WIDE,
    theme: str = "swarm-night",
    swarm: StillSwarm | None = None,
    loaded: bool = True,
) -> str:
    """Press keys one after the other and return the screen."""
    app = SwarmApp(
        lively() if swarm is None else swarm,
        clock=lambda: NOW,
        settings=Preferences(theme=theme, notices="off"),
    )
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(lambda: app.model.loaded == loaded and app.model.link, pilot)
        await until(lambda: settled(app), pilot)
        for key in keys.split():
            await pilot.press(key)
            await until(lambda: settled(app), pilot)
        _settle_second(app)
        await pilot.pause()
        return app.export_screenshot(title="swarmtui", simplify=True)


def _settle_second(app: SwarmApp) -> None:
    """Let what comes once a second come now."""
    if app.view is not None:
        app.view.second()


VIEWS = {
    "fleet": ("", WIDE),
    "fleet-small": ("", SMALL),
    "fleet-filtered": ("slash s t a t e : i d l e enter space space", WIDE),
    "fleet-opened-small": ("enter", SMALL),
    "queue": ("2", WIDE),
    "queue-small": ("2", SMALL),
    "help": ("3", WIDE),
    "help-small": ("3 o", SMALL),
    "tasks": ("5", WIDE),
    "tasks-small": ("5 right", SMALL),
    "tasks-leased": ("5 right", WIDE),
    "tasks-dead": ("5 left", WIDE),
    "tasks-dead-small": ("5 left enter", SMALL),
    "enqueue": ("5 e G o tab tab r u s t", WIDE),
    "enqueue-small": ("5 e", SMALL),
    "recipients": ("5 left l", WIDE),
    "cancel": ("5 space space c", WIDE),
    "assign": ("space space space a", WIDE),
    "assign-small": ("a", SMALL),
    "ledger": ("space space a g o enter", WIDE),
    "broadcast": ("b", WIDE),
    "broadcast-wrong": ("b tab s t a t e : i d l", WIDE),
    "answer": ("3 r", WIDE),
    "snooze": ("3 z", WIDE),
    "helper": ("3 a", WIDE),
    "why": ("w", WIDE),
    "keys": ("question_mark", WIDE),
    "goto": ("colon 0 0 1", WIDE),
}
"""The keys that lead to each picture, and the size of the terminal."""


@pytest.mark.parametrize("name", VIEWS)
async def test_views_and_sheets(name: str, svg: SnapshotAssertion) -> None:
    keys, size = VIEWS[name]

    assert await picture(keys, size=size) == svg


@pytest.mark.parametrize("theme", ["swarm-day", "swarm-clear", "ansi-dark"])
async def test_themes(theme: str, svg: SnapshotAssertion) -> None:
    assert await picture(theme=theme) == svg


RUNS = {
    "runs": ("j j", WIDE, "swarm-night"),
    "runs-day": ("right right", WIDE, "swarm-day"),
    "runs-small": ("", SMALL, "swarm-night"),
    "runs-small-day": ("left j j", SMALL, "swarm-day"),
    "runs-opened": ("j j enter", WIDE, "swarm-day"),
    "runs-opened-small": ("right right enter j j j j", SMALL, "swarm-night"),
    "runs-below": ("j j tab t", WIDE, "swarm-night"),
    "runs-item": ("right right tab j j j j enter", WIDE, "swarm-night"),
    "runs-item-small": ("right right enter enter", SMALL, "swarm-day"),
    "runs-checkpoints": ("right right tab right j", WIDE, "swarm-night"),
    "runs-output": ("right enter left", WIDE, "swarm-day"),
    "runs-cancel": ("left asterisk c", WIDE, "swarm-night"),
    "runs-keys": ("question_mark", SMALL, "swarm-night"),
}
"""The keys that lead to pictures of runs, and how they are drawn."""


@pytest.mark.parametrize("name", RUNS)
async def test_runs(name: str, svg: SnapshotAssertion) -> None:
    keys, size, theme = RUNS[name]
    swarm = busy_runs()

    assert await picture(f"6 {keys}", size=size, theme=theme, swarm=swarm) == svg


PLAN = """\
spec: flatmachine
data:
  name: pages
  agents: {writer: {capabilities: [css]}}
  states:
    fix: {type: initial, agent: writer, transitions: [{to: done}]}
    done: {type: final}
"""


@pytest.mark.parametrize(
    ("size", "theme"),
    [(WIDE, "swarm-night"), (SMALL, "swarm-day")],
    ids=["wide", "small"],
)
async def test_a_plan_is_launched(
    size: tuple[int, int],
    theme: str,
    svg: SnapshotAssertion,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "pages.yml").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    settings = Preferences(theme=theme, notices="off")
    app = SwarmApp(busy_runs(), clock=lambda: NOW, settings=settings)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(lambda: app.model.loaded and settled(app), pilot)
        await pilot.press("6")
        await until(lambda: app.scope == "runs" and settled(app), pilot)
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, LaunchSheet), pilot)
        app.screen.query_one("#path", Input).value = "pages.yml"
        said = app.screen.query_one("#told", Static)
        await until(lambda: str(said.content), pilot)
        _settle_second(app)
        await pilot.pause()

        assert app.export_screenshot(title="swarmtui", simplify=True) == svg


TRAFFIC = {
    "traffic": ("", WIDE, "swarm-night"),
    "traffic-day": ("l j j j", WIDE, "swarm-day"),
    "traffic-small": ("", SMALL, "swarm-night"),
    "traffic-small-day": ("up up up", SMALL, "swarm-day"),
    "traffic-links-small": ("l j j j", SMALL, "swarm-night"),
    "traffic-subjects": (
        "slash b u i l d . * * enter right right",
        WIDE,
        "swarm-night",
    ),
    "traffic-letters": ("left j", WIDE, "swarm-night"),
    "traffic-letters-small": ("left space j", SMALL, "swarm-day"),
    "traffic-message": ("up enter", WIDE, "swarm-night"),
    "traffic-discard": ("left space space d", WIDE, "swarm-night"),
}
"""The keys that lead to pictures of the wire, and how they are drawn."""


@pytest.mark.parametrize("name", TRAFFIC)
async def test_the_wire(
    name: str, svg: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, size, theme = TRAFFIC[name]
    monkeypatch.setattr(SwarmApp, "_second", lambda _self: None)

    assert await wire_picture(keys, size, theme) == svg


async def wire_picture(keys: str, size: tuple[int, int], theme: str) -> str:
    """Let messages go by for some seconds, press keys, and return the screen."""
    swarm = wired()
    settings = Preferences(theme=theme, notices="off")
    app = SwarmApp(swarm, clock=lambda: NOW, settings=settings)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(lambda: app.model.loaded and settled(app), pilot)
        await pilot.press("4")
        await until(lambda: app.scope == "traffic" and settled(app), pilot)
        view = app.view
        assert isinstance(view, TrafficScreen)
        await until(lambda: app.model.links and view.pane.letters, pilot)
        for step in range(1, 6):
            swarm.relate(*links(step))
            await until(lambda: app.model.links[1].received == 2 * step, pilot)  # noqa: B023
            view.second()
        told, passed = traffic()
        swarm.hear(*told)
        swarm.pass_by(*passed, dropped=1203)
        await until(lambda: view.messages.kept == len(told) + len(passed), pilot)
        for key in keys.split():
            await pilot.press(key)
            await pilot.pause()
        view.pane.show()
        view.second()
        await pilot.pause()
        return app.export_screenshot(title="swarmtui", simplify=True)


async def test_an_empty_fleet_says_how_to_begin(svg: SnapshotAssertion) -> None:
    assert await picture(swarm=StillSwarm()) == svg


async def test_no_runs_say_how_to_begin(svg: SnapshotAssertion) -> None:
    assert await picture("6", swarm=StillSwarm()) == svg


async def test_an_empty_queue_says_how_to_begin(svg: SnapshotAssertion) -> None:
    assert await picture("5", swarm=StillSwarm()) == svg


async def test_a_hub_that_never_answered(svg: SnapshotAssertion) -> None:
    link = Link("waiting", "no hub answers here", NOW + timedelta(seconds=4))
    still = StillSwarm(link=link)

    assert await picture(swarm=still, loaded=False) == svg
