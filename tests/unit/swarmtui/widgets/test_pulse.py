from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.widget import Widget

from swarmtui.widgets.pulse import STROKES, Pulse, shares

Host = Callable[[Widget], tuple[Any, dict[str, Any]]]
Lines = Callable[[Widget], list[str]]

COUNTS = {"idle": 1814, "busy": 7047, "blocked": 484, "help": 90, "lost": 113}


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=5), st.integers(5, 200))
def test_the_bar_is_full_and_everybody_is_in_it(amounts: list[int], cells: int) -> None:
    found = shares(amounts, cells)

    assert [bool(part) for part in found] == [bool(amount) for amount in amounts]
    assert sum(found) == (cells if any(amounts) else 0)


async def test_three_rows_say_counts_shares_and_pace(host: Host, lines: Lines) -> None:
    pulse = Pulse()
    app, hook = host(pulse)
    async with app.run_test(size=(120, 5), **hook):
        pulse.show(COUNTS, [1500.0, 1625.0], [1.3])
        counts, bar, percents = lines(pulse)

        assert counts.split("  ")[0] == "○ idle 1,814"
        assert "▲ help 90" in counts
        assert "msg/s" in counts
        assert "1,625" in counts
        assert bar.count(STROKES["busy"]) > bar.count(STROKES["idle"]) > 0
        assert STROKES["help"] in bar
        assert "73.8%" in percents
        assert "1.3" in percents


@pytest.mark.parametrize("cells", [60, 80, 100, 109, 110, 120, 200])
@pytest.mark.parametrize("rows", [1, 3])
async def test_no_width_cuts_the_counts(
    host: Host, lines: Lines, cells: int, rows: int
) -> None:
    pulse = Pulse()
    pulse.styles.height = rows
    app, hook = host(pulse)
    few = {"idle": 12, "busy": 104, "blocked": 3, "help": 2, "lost": 1}
    async with app.run_test(size=(cells, 5), **hook):
        pulse.show(few, [3.0], [0.4])

        assert "lost 1" in lines(pulse)[0]
        assert max(map(len, lines(pulse))) <= cells - 2


async def test_a_click_on_a_state_says_which(host: Host) -> None:
    pulse = Pulse()
    app, hook = host(pulse)
    async with app.run_test(size=(120, 5), **hook) as pilot:
        pulse.show(COUNTS, [], [])
        await pilot.pause()
        await pilot.click(pulse, offset=(4, 0))
        await pilot.click(pulse, offset=(60, 1))

        assert [message.state for message in app.of(Pulse.Pressed)] == ["idle", "busy"]


async def test_an_empty_swarm_has_a_pulse_too(host: Host, lines: Lines) -> None:
    pulse = Pulse()
    app, hook = host(pulse)
    async with app.run_test(size=(120, 5), **hook):
        pulse.show({}, [], [])

        assert "○ idle 0" in lines(pulse)[0]
