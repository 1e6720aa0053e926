"""The scrubber: one line that says where one is, and takes one elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from textual.widget import Widget

from swarmtui.widgets.scrubber import TIMES, Place, Scrubber, timecode

Host = Callable[[Widget], tuple[Any, dict[str, Any]]]

PLACE = Place(second=30, length=60, speed=1, playing=True)


def line(place: Place, cells: int = 40) -> str:
    scrubber = Scrubber()
    scrubber._place = place
    return "".join(span.text for span in scrubber.line(0, cells))


@pytest.mark.parametrize(
    ("place", "drawn"),
    [
        (Place(), "‖ 00:00 ╸───────────────────── 00:00 x1"),
        (PLACE, "▶ 00:30 ━━━━━━━━━━━╸────────── 01:00 x1"),
        (Place(60, 60, 0.25), "‖ 01:00 ━━━━━━━━━━━━━━━━━━━━━╸ 01:00 x¼"),
        (Place(0, 3700, 64), "‖   00:00 ╸───────────────── 1:01:40 x64"),
        (
            Place(0, 60, 4, calls=(0, 30, 59.9), gaps=((40, 45),)),
            "‖ 00:00 ▲──────────▲──┄┄┄────▲ 01:00 x4",
        ),
    ],
)
def test_it_says_where_one_is(place: Place, drawn: str) -> None:
    assert line(place).rstrip() == drawn.replace("x", TIMES)


def test_times_are_short() -> None:
    assert timecode(0) == "00:00"
    assert timecode(59.99) == "00:59"
    assert timecode(754) == "12:34"
    assert timecode(3600 * 12 + 61) == "12:01:01"


def test_it_always_fits() -> None:
    for cells in range(24, 200):
        assert len(line(PLACE, cells)) == cells


async def test_a_click_on_the_way_seeks(host: Host) -> None:
    scrubber = Scrubber()
    app, hook = host(scrubber)
    async with app.run_test(size=(62, 3), **hook) as pilot:
        scrubber.show(PLACE)
        await pilot.pause()
        await pilot.click(scrubber, offset=(4, 0))
        assert app.of(Scrubber.Sought) == []

        await pilot.click(scrubber, offset=(31, 0))

        [sought] = app.of(Scrubber.Sought)
        assert sought.second == pytest.approx(32, abs=1)


async def test_it_draws_anew_only_what_changed(host: Host) -> None:
    scrubber = Scrubber()
    app, _ = host(scrubber)
    async with app.run_test(size=(62, 3)) as pilot:
        scrubber.show(PLACE)
        await pilot.pause()
        drawn: list[bool] = []
        scrubber.refresh = lambda *_: drawn.append(True)  # type: ignore[assignment, method-assign]

        scrubber.show(replace(PLACE, second=30.01))
        assert drawn == []
        scrubber.show(replace(PLACE, second=33))
        assert drawn == [True]
