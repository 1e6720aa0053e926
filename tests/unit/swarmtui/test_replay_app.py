"""The dashboard over a recording: its hand on the scrubber, and what it leaves out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot

from swarmtui.modals.keys import KeysSheet
from swarmtui.preferences import Preferences
from swarmtui.reel import Reel
from swarmtui.replay import Replay
from swarmtui.replay_app import NO_ORDERS, ReplayApp
from swarmtui.screens.traffic import TrafficScreen
from swarmtui.widgets.keys_bar import KeysBar
from swarmtui.widgets.scrubber import TIMES, Scrubber
from swarmtui.widgets.ticker import Ticker
from swarmtui.widgets.topbar import TopBar

DEMO = Path(__file__).parents[2] / "snapshot" / "demo.rec.gz"
"""45 seconds of `swarmtui demo`."""


@asynccontextmanager
async def playing(
    at: float = 0.0, keys: str = "", **chosen: str
) -> AsyncIterator[tuple[ReplayApp, Pilot[None]]]:
    """Open a recording at a second and press keys; it stands still."""
    replay = Replay(Reel(DEMO), at=at, paused=True)
    keymap = tuple(chosen.items())
    app = ReplayApp(replay, settings=Preferences(keymap=keymap))
    async with app.run_test(size=(120, 36)) as pilot:
        while not (app.model.loaded and app.view and app.view.ready):
            await pilot.pause(0.01)
        await press(app, pilot, keys)
        yield app, pilot


async def press(app: ReplayApp, pilot: Pilot[None], keys: str) -> None:
    """Press keys one after the other, and let the dashboard see what they did."""
    for key in keys.split():
        await pilot.press(key)
        await pilot.pause()
        while not (app.view and app.view.ready):
            await pilot.pause(0.01)
        app._tick()
        await pilot.pause()


async def said(app: ReplayApp, pilot: Pilot[None], text: str) -> None:
    """Wait until the ticker says it: a key goes up to the app in steps."""
    while text not in drawn(app, Ticker):
        await pilot.pause(0.01)


def drawn(app: ReplayApp, widget: type[TopBar | KeysBar | Ticker | Scrubber]) -> str:
    """Return what stands on a line of the view."""
    assert app.view is not None
    return "".join(span.text for span in app.view.query_one(widget).line(0, 120))


@pytest.mark.parametrize(
    ("keys", "second"),
    [
        ("full_stop", 25),
        ("comma comma", 10),
        ("greater_than_sign", 44.9),
        ("less_than_sign", 0),
        ("right_parenthesis", 44.9),
        ("left_parenthesis full_stop", 5),
    ],
)
async def test_keys_seek(keys: str, second: float) -> None:
    async with playing(20, keys) as (app, _):
        assert app.replay.second == pytest.approx(second, abs=0.2)
        assert app.now() == app.replay.now()


async def test_the_clock_is_that_of_the_recording() -> None:
    async with playing(10) as (app, _):
        started = app.replay.reel.recording.header.started

        assert app.now() == started + timedelta(seconds=10)
        assert "● recorded" in drawn(app, TopBar)


async def test_it_plays_and_pauses() -> None:
    async with playing(10, "p") as (app, pilot):
        assert app.replay.playing
        while app.replay.second < 10.1:
            await pilot.pause(0.02)
        await press(app, pilot, "p")

        assert not app.replay.playing
        assert drawn(app, Scrubber).startswith("‖ 00:10")


async def test_the_key_says_what_it_does_now() -> None:
    async with playing(10) as (app, pilot):
        assert "p Play" in drawn(app, KeysBar)

        await press(app, pilot, "p")
        assert "p Pause" in drawn(app, KeysBar)


async def test_the_speed_is_shown() -> None:
    async with playing(10, "right_square_bracket right_square_bracket") as (app, _):
        assert f"{TIMES}4" in drawn(app, Scrubber)


async def test_calls_are_gone_to() -> None:
    async with playing(0, "n") as (app, _):
        first = app.replay.reel.call_after(0.5)

        assert app.replay.second == first


async def test_that_nobody_calls_any_more_is_said() -> None:
    async with playing(44.9, "n") as (app, pilot):
        await said(app, pilot, "nobody calls for a person after this")


async def test_a_click_on_the_way_goes_there() -> None:
    async with playing(0) as (app, pilot):
        await pilot.click(Scrubber, offset=(60, 0))
        await pilot.pause()

        assert app.replay.second == pytest.approx(22.5, abs=1)


async def test_an_order_is_refused_calmly() -> None:
    async with playing(10, "a") as (app, pilot):
        await said(app, pilot, NO_ORDERS)
        assert app.screen is app.view
        assert "Assign" not in drawn(app, KeysBar)


async def test_the_key_of_an_order_may_be_another_one() -> None:
    async with playing(10, "a", **{"fleet.assign": "f5"}) as (app, pilot):
        assert NO_ORDERS not in drawn(app, Ticker)

        await press(app, pilot, "f5")

        await said(app, pilot, NO_ORDERS)


async def test_the_calls_of_a_recording_are_silent() -> None:
    async with playing(10, "M") as (app, pilot):
        await said(app, pilot, "long over, and silent")

        assert app.settings.notices == "off"


async def test_the_keys_of_the_scrubber_are_listed() -> None:
    async with playing(10, "question_mark") as (app, _):
        assert isinstance(app.screen, KeysSheet)
        assert "replay.far_on" in {entry.id for entry in app.screen.entries()}


async def test_going_back_takes_back_what_went_over_the_wire() -> None:
    async with playing(44, "4") as (app, pilot):
        view = app.view
        assert isinstance(view, TrafficScreen)
        late = [one.at for one in view.messages.shown]

        await press(app, pilot, "left_parenthesis full_stop")

        early = [one.at for one in view.messages.shown]
        assert 0 < len(early) < len(late)
        assert max(early) <= app.now() < max(late)


async def test_the_past_of_an_agent_is_told() -> None:
    async with playing(44) as (app, _):
        agent = next(iter(app.model.agents))

        events = await app.swarm.history(agent)

        assert events
        assert all(one.event.at <= app.now() for one in events)
