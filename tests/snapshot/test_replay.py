"""What the dashboard looks like over a recording."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_textual_snapshot import SVGImageExtension
from syrupy.assertion import SnapshotAssertion
from textual.widgets import Input

from swarmtui.preferences import Preferences
from swarmtui.reel import Reel
from swarmtui.replay import Replay
from swarmtui.replay_app import ReplayApp
from tests.snapshot.test_views import SMALL, WIDE, settled, until

DEMO = Path(__file__).with_name("demo.rec.gz")
"""45 seconds of `swarmtui demo`."""

NIGHT, DAY = "swarm-night", "swarm-day"


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


def second(app: ReplayApp) -> None:
    """Let what comes once a second come now."""
    if app.view is not None:
        app.view.second()


async def picture(at: float, keys: str, size: tuple[int, int], theme: str) -> str:
    """Open the recording at a second, press keys and return the screen."""
    app = ReplayApp(
        Replay(Reel(DEMO), at=at, paused=True),
        settings=Preferences(theme=theme, notices="off"),
    )
    async with app.run_test(size=size) as pilot:
        await until(lambda: app.model.loaded and settled(app), pilot)
        second(app)
        for key in keys.split():
            await pilot.press(key)
            await until(lambda: settled(app), pilot)
        app._tick()
        second(app)
        await until(lambda: settled(app), pilot)
        return app.export_screenshot(title="swarmtui", simplify=True)


@pytest.mark.parametrize("theme", [NIGHT, DAY])
@pytest.mark.parametrize("size", [WIDE, SMALL], ids=["wide", "small"])
async def test_a_recording(
    size: tuple[int, int], theme: str, svg: SnapshotAssertion
) -> None:
    assert await picture(21, "", size, theme) == svg


async def test_an_order_to_a_recording(svg: SnapshotAssertion) -> None:
    assert await picture(21, "a right_square_bracket", WIDE, NIGHT) == svg


async def test_help_that_somebody_called_for(svg: SnapshotAssertion) -> None:
    assert await picture(0, "n n 3", WIDE, NIGHT) == svg
