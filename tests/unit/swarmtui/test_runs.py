"""Runs in words and figures: signs, bars, rates, the filter, the plan as a picture."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agentkit.errors import BadFilter
from agentkit.progress import RunTree
from agentkit.rows import Run
from swarmtui.run_picture import Picture, stages_of, standing, work_of
from swarmtui.runs import (
    bar,
    compile_runs,
    group_counts,
    per_second,
    share,
    span,
    tally,
    took,
    trouble,
)
from swarmtui.screens.run_columns import brief
from swarmtui.tempo import WINDOW, Tempo
from tests.unit.swarmtui.conftest import NOW
from tests.unit.swarmtui.running import DOCUMENT, busy_runs, item, run


def at(seconds: float) -> Any:
    return NOW + timedelta(seconds=seconds)


def stage(done: int, seconds: float, **fields: Any) -> Run:
    """Return a run of which so many items were done after so many seconds."""
    given: dict[str, Any] = {"entered": True, "visit": 2, "total": 100}
    return run("r", done=done, changed=at(seconds), **(given | fields))


# --- Figures -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"total": 4, "done": 1, "failed": 1, "entered": True}, 0.5),
        ({"total": 0, "entered": True}, None),
        ({"total": 4, "done": 4}, None),
        ({"state": "done"}, 1.0),
        ({"total": 2, "done": 3, "entered": True}, 1.0),
    ],
)
def test_a_share_is_that_of_the_stage(
    fields: dict[str, Any], told: float | None
) -> None:
    assert share(run("r", **fields)) == told


@pytest.mark.parametrize(
    ("part", "drawn"),
    [
        (0.0, "▱▱▱▱▱▱▱▱   0%"),
        (0.999, "▰▰▰▰▰▰▰▱  99%"),
        (1.0, "▰▰▰▰▰▰▰▰ 100%"),
        (None, "▱▱▱▱▱▱▱▱    –"),  # noqa: RUF001  # a dash
    ],
)
def test_a_bar_is_as_wide_whatever_it_says(part: float | None, drawn: str) -> None:
    assert bar(part) == drawn


def test_a_tally_names_what_failed_only_when_something_did() -> None:
    assert tally(run("r", total=1200, done=7)) == "7/1,200"
    assert tally(run("r", total=9, done=7, failed=2)) == "7/9 ×2"  # noqa: RUF001  # the sign
    assert tally(run("r")) == "–"  # noqa: RUF001  # a dash


@pytest.mark.parametrize(
    ("rate", "told"),
    [(None, "–"), (120.0, "120/s"), (1.25, "1.2/s"), (0.5, "30/m"), (0.001, "4/h")],  # noqa: RUF001  # a dash
)
def test_rates_are_short(rate: float | None, told: str) -> None:
    assert per_second(rate) == told


def test_nobody_knows_how_long_is_a_dash() -> None:
    assert span(None) == "–"  # noqa: RUF001  # a dash
    assert span(90) == "1m"


def test_an_item_takes_until_now_while_it_goes_on() -> None:
    running = item("r", 0, began=at(-20))

    assert took(running, NOW) == 20
    assert took(replace(running, state="done", ended=at(-5)), NOW) == 15
    assert took(replace(running, began=None), NOW) is None


def test_an_error_is_told_with_its_type() -> None:
    assert trouble({"_error": "gone", "_error_type": "Timeout"}) == "Timeout: gone"
    assert trouble({"_error": "gone"}) == "gone"
    assert trouble({}) == ""


def test_called_off_runs_are_counted_with_the_failed() -> None:
    assert group_counts(busy_runs().runs.values()) == {
        "running": 3,
        "done": 1,
        "failed": 2,
        "all": 6,
    }


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("text", "text"),
        ({"a": 1, "b": [1, 2]}, "a 1  b 1, 2"),
        (list(range(9)), "9 values"),
        (None, "None"),
    ],
)
def test_an_output_is_told_in_a_line(value: Any, line: str) -> None:
    assert brief(value) == line


def test_of_a_large_output_no_more_is_told_than_there_is_room_for() -> None:
    large = {f"key {n}": "x" * 10_000 for n in range(10_000)}

    assert len(brief(large)) < 1000


# --- Rates ---------------------------------------------------------------------------


def test_a_rate_is_unknown_until_something_was_done() -> None:
    tempo = Tempo()
    tempo.note(stage(0, 0))

    assert tempo.rate("r", at(10)) is None


def test_a_rate_is_that_of_the_last_minute() -> None:
    tempo = Tempo()
    for second in range(200):
        tempo.note(stage(second, second))

    rate = tempo.rate("r", at(199))

    assert rate == pytest.approx(1.0, rel=0.05)
    left = tempo.left(stage(50, 199), at(199))
    assert left == pytest.approx(50, rel=0.05)


def test_a_rate_sinks_while_nothing_happens() -> None:
    tempo = Tempo()
    for second in range(10):
        tempo.note(stage(second, second))

    rates = [tempo.rate("r", at(9 + wait)) or 0.0 for wait in (0, 10, 100)]

    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < rates[0] / 5


def test_a_rate_begins_anew_with_each_stage() -> None:
    tempo = Tempo()
    for second in range(10):
        tempo.note(stage(second, second))
    tempo.note(stage(0, 10, visit=3))

    assert tempo.rate("r", at(12)) is None


def test_a_run_that_ended_has_no_rate() -> None:
    tempo = Tempo()
    for second in range(10):
        tempo.note(stage(second, second))
    ended = stage(10, 10, state="done")
    tempo.note(ended)

    assert tempo.rate("r", at(12)) is None
    assert tempo.left(ended, at(12)) is None


def test_what_is_remembered_for_a_rate_is_bounded() -> None:
    tempo = Tempo()
    for step in range(5000):
        tempo.note(stage(step, step / 100, total=9999))

    assert sum(map(len, tempo._samples.values())) < 300
    assert WINDOW.total_seconds() == 60


# --- Filter --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("state:failed", {"r2"}),
        ("stage:rec*", {"r1", "r3"}),
        ("failed>0", {"r1", "r2"}),
        ("age>1h", {"export", "r3"}),
        ("by:ci", {"export"}),
        ("error:TaskFailed", {"r2"}),
        ("!state:running !by:ci", {"r2", "r3"}),
        ("needed", {"r3"}),
        ("plan:restore", {"r5"}),
        ("total>30 done<40", {"r2"}),
    ],
)
def test_a_filter_looks_at_the_fields_of_runs(text: str, found: set[str]) -> None:
    chosen = compile_runs(text, lambda one: one.machine)
    assert chosen is not None

    assert {r.id for r in busy_runs().runs.values() if chosen(r, NOW)} == found


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("stat:done", "did you mean state?"),
        ("state:runing", "did you mean running?"),
        ("failed:3", "write failed>3"),
    ],
)
def test_a_filter_that_cannot_be_read_says_how(text: str, remedy: str) -> None:
    with pytest.raises(BadFilter, match=remedy.replace("?", r"\?")):
        compile_runs(text, lambda one: one.machine)


# --- The plan ------------------------------------------------------------------------


def test_stages_stand_in_the_order_of_a_run_with_ways_out_last() -> None:
    stages = stages_of(DOCUMENT["machines"]["lessons"])

    assert stages == ["outline", "record", "check", "done", "give_up"]


def test_a_machine_in_a_circle_has_each_stage_once() -> None:
    states = {
        "a": {"type": "initial", "transitions": [{"to": "b"}]},
        "b": {"transitions": [{"to": "a"}, {"to": "nowhere"}]},
    }

    assert stages_of({"states": states}) == ["a", "b"]
    assert stages_of({}) == []


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ({"agent": "writer"}, "writer"),
        ({"agent": "writer", "foreach": "x", "as": "page"}, "each page: writer"),
        ({"machine": ["a", {"name": "b", "input": {}}]}, "a, b"),
        ({"machine": "a", "launch": "b"}, "a, launches b"),
        ({"type": "final"}, "the end"),
        ({}, ""),
    ],
)
def test_what_a_stage_does_is_told_in_words(stage: dict[str, Any], words: str) -> None:
    assert work_of(stage) == words


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("running", ["done", "here", "to come"]),
        ("failed", ["done", "failed", "to come"]),
        ("cancelled", ["done", "cancelled", "to come"]),
        ("done", ["done", "done", "to come"]),
    ],
)
def test_where_a_run_stands_to_each_stage(state: Any, told: list[str]) -> None:
    found = run("r", state=state, stage="b")

    assert [standing(found, name, {"a", "b"}) for name in "abc"] == told


def test_of_many_runs_below_only_some_have_a_line() -> None:
    kids = tuple(
        RunTree(run=run(f"r.{n}", machine="lesson"), progress=0.5, eta=None)
        for n in range(50)
    )
    top = run("r", stage="record", entered=True, total=50)
    tree = RunTree(run=top, progress=0.1, eta=None, children=kids, whole=False)

    lines = [line.plain for line in Picture(top, DOCUMENT, [], tree, 60).lines()]

    assert sum("lesson outline" in line for line in lines) == 6
    assert any(line.endswith("44 more, older ones") for line in lines)


def test_a_picture_is_as_wide_as_its_room() -> None:
    swarm = busy_runs()
    for cells in (30, 41, 60, 120):
        lines = Picture(swarm.runs["r1"], DOCUMENT, ["outline"], None, cells).lines()

        assert max(line.cell_length for line in lines) <= cells
