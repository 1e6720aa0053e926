from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from textual.widget import Widget

from swarmtui.links import HUB_BUCKETS
from swarmtui.widgets.histogram import Histogram
from swarmtui.widgets.spark import LEVELS, Spark, bar, spark

Host = Callable[[Widget], tuple[Any, dict[str, Any]]]
Lines = Callable[[Widget], list[str]]


@given(st.lists(st.floats(0, 1e6)), st.integers(0, 60), st.floats(0, 1e6))
def test_a_spark_takes_exactly_its_cells(
    values: list[float], cells: int, top: float
) -> None:
    assert len(spark(values, cells, top=top)) == cells


def test_the_oldest_value_is_first_and_the_greatest_fills_its_cell() -> None:
    assert spark([0, 5, 10], 5) == f"{LEVELS[0]}{LEVELS[4]}{LEVELS[-1]}  "
    assert spark([9, 9, 0, 10], 2) == f"{LEVELS[0]}{LEVELS[-1]}"


def test_small_figures_stay_small_below_the_top() -> None:
    assert spark([1, 1], 2, top=10) == LEVELS[1] * 2


def test_nothing_at_all_is_a_flat_line() -> None:
    assert spark([0, 0, 0], 3) == LEVELS[0] * 3


@given(st.floats(0, 1), st.integers(1, 80))
def test_a_bar_takes_exactly_its_cells_and_shows_what_is_not_nothing(
    share: float, cells: int
) -> None:
    drawn = bar(share, cells)

    assert len(drawn) == cells
    assert bool(drawn.strip()) == (share > 0)


def test_a_bar_is_as_long_as_its_share() -> None:
    assert bar(0.5, 10) == "━━━━━     "
    assert bar(0.55, 10) == "━━━━━╸    "
    assert bar(1, 4) == "━━━━"


async def test_a_spark_line_has_label_figure_and_spark(
    host: Host, lines: Lines
) -> None:
    widget = Spark()
    app, hook = host(widget)
    async with app.run_test(size=(24, 3), **hook):
        widget.show("msg/s", "1,625", [1, 2, 4])

        assert lines(widget) == [f"msg/s    1,625 {spark([1, 2, 4], 3)}"]


async def test_a_histogram_has_a_line_for_each_bucket(host: Host, lines: Lines) -> None:
    widget = Histogram()
    app, hook = host(widget)
    async with app.run_test(size=(42, 8), **hook):
        widget.show(HUB_BUCKETS, [75, 20, 4, 1, 0, 0])
        drawn = lines(widget)

        assert [line.split()[0] for line in drawn] == list(HUB_BUCKETS)
        assert drawn[0].endswith("75.0%       75")
        assert drawn[0].count("━") > drawn[1].count("━") > 0
        assert "━" not in drawn[5]
        assert "╸" not in drawn[5]
