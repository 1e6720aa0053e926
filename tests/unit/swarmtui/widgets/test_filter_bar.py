from collections.abc import Callable
from typing import Any

import pytest
from textual.widget import Widget
from textual.widgets import Input

from agentkit.filters import compile_filter
from swarmtui.widgets.filter_bar import FilterBar, Unit

AGENTS = Unit("agent", "agents")
Host = Callable[[Widget], tuple[Any, dict[str, Any]]]


async def test_a_filter_is_in_force_as_it_is_typed(host: Host) -> None:
    bar = FilterBar(compile_filter)
    app, hook = host(bar)
    async with app.run_test(size=(100, 3), **hook) as pilot:
        bar.edit()
        await pilot.press(*"cost>5")

        said = [message.text for message in app.of(FilterBar.Changed)]
        assert said[-1] == "cost>5"
        assert app.of(FilterBar.Changed)[-1].compiled.text == "cost>5"


async def test_what_cannot_be_read_is_left_out_underlined_and_explained(
    host: Host,
) -> None:
    bar = FilterBar(compile_filter)
    app, hook = host(bar)
    async with app.run_test(size=(100, 3), **hook) as pilot:
        bar.edit()
        await pilot.press(*"busy cost>x")
        await pilot.pause()
        field = app.query_one(Input)

        assert "is not a number" in app.screen.query_one("_Status").render_line(0).text
        assert [(span.start, span.end) for span in field._value.spans] == [(5, 11)]
        assert app.of(FilterBar.Changed)[-1].compiled.text.strip() == "busy"


async def test_escape_goes_back_to_the_filter_that_was_there(host: Host) -> None:
    bar = FilterBar(compile_filter)
    app, hook = host(bar)
    async with app.run_test(size=(100, 3), **hook) as pilot:
        bar.put("state:busy")
        bar.edit()
        await pilot.press("space", *"cap:video", "escape")
        await pilot.pause()

        assert bar.text == "state:busy"
        assert len(app.of(FilterBar.Left)) == 1


async def test_up_brings_earlier_filters_back(host: Host) -> None:
    bar = FilterBar(compile_filter)
    app, hook = host(bar)
    async with app.run_test(size=(100, 3), **hook) as pilot:
        for text in ("one", "two", "one"):
            bar.edit()
            await pilot.press(*["backspace"] * 5, *text, "enter")
        seen = []
        for key in ("up", "up", "up", "down", "down"):
            await pilot.press(key)
            seen.append(bar.text)

        assert seen == ["one", "two", "two", "one", ""]


async def test_the_status_says_how_many_are_left(host: Host) -> None:
    bar = FilterBar(compile_filter)
    app, hook = host(bar)
    async with app.run_test(size=(100, 3), **hook) as pilot:
        status = app.screen.query_one("_Status")
        bar.show(10_000, 10_000, "cost ↓", unit=AGENTS)
        everybody = status.render_line(0).text.strip()
        bar.put("cap:video")
        await pilot.pause()
        bar.show(12, 10_000, "cost ↓", "2 marked", unit=AGENTS)

        assert everybody == "10,000 agents   cost ↓"
        assert (
            status.render_line(0).text.strip()
            == "12 of 10,000 agents   cost ↓   2 marked"
        )


@pytest.mark.parametrize(
    ("typed", "shown", "total", "said"),
    [
        ("", 0, 0, "0 agents"),
        ("", 1, 1, "1 agent"),
        ("", 2, 2, "2 agents"),
        ("cap:video", 0, 1, "0 of 1 agent"),
        ("cap:video", 1, 2, "1 of 2 agents"),
        ("cap:video", 1, 1, "1 agent"),
    ],
)
async def test_one_row_is_called_by_the_singular(
    host: Host, typed: str, shown: int, total: int, said: str
) -> None:
    bar = FilterBar(compile_filter)
    app, hook = host(bar)
    async with app.run_test(size=(100, 3), **hook) as pilot:
        bar.put(typed)
        await pilot.pause()

        bar.show(shown, total, unit=AGENTS)

        status = app.screen.query_one("_Status")
        assert status.render_line(0).text.strip() == said
