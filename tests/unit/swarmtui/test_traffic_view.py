"""The mode Traffic by its keys, over a swarm that stands still."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from agentkit.coordinator import Link
from agentkit.settings import paths
from swarmtui.app import SwarmApp
from swarmtui.modals.confirm import SureSheet
from swarmtui.modals.message import MessageSheet
from swarmtui.screens.traffic import TrafficScreen
from swarmtui.widgets.filter_bar import FilterBar, _Status
from swarmtui.widgets.line_table import LineTable
from swarmtui.widgets.tabs import Tabs
from tests.unit.swarmtui.conftest import NOW, StillSwarm, lively
from tests.unit.swarmtui.test_app import press, shown, until
from tests.unit.swarmtui.wire import heard, letter, link, links, tapped, wired


def wire(app: SwarmApp) -> TrafficScreen:
    """Return the view."""
    assert isinstance(app.view, TrafficScreen)
    return app.view


async def opened(app: SwarmApp, pilot: Pilot[None]) -> TrafficScreen:
    """Open the view, and wait until the hub shows what goes by."""
    await press(pilot, "4")
    await until(lambda: isinstance(app.view, TrafficScreen) and app.view.ready, pilot)
    await until(lambda: wire(app).tap.pattern, pilot)
    return wire(app)


def views(swarm: StillSwarm) -> list[tuple[str, ...]]:
    """Return what the hub was asked to show, in order."""
    return [given for given in swarm.given if given[0] in ("tap", "links")]


def subjects(view: TrafficScreen) -> list[str]:
    """Return the subjects of the messages on show."""
    return [message.subject for message in view.messages.shown]


def status(view: TrafficScreen) -> str:
    """Return what stands beside the filter."""
    return "".join(span.text for span in view.query_one(_Status).spans)


def tabs(view: TrafficScreen) -> str:
    """Return the line with the tables' names."""
    line = view.query_one(Tabs).line(0, 60)
    return " ".join("".join(span.text for span in line).split())


# --- Messages ------------------------------------------------------------------------


async def test_the_hub_shows_what_goes_by_only_while_the_view_is_open() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        assert views(swarm) == []

        await opened(app, pilot)
        await until(lambda: len(views(swarm)) == 2, pilot)
        assert views(swarm) == [("tap", "**"), ("links", "True")]

        await press(pilot, "1")
        await until(lambda: len(views(swarm)) == 4, pilot)
        assert views(swarm)[2:] == [("tap", ""), ("links", "False")]


async def test_a_sheet_over_the_view_leaves_it_open() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await press(pilot, "question_mark")
        swarm.pass_by(tapped("build.web.done"))
        await until(lambda: subjects(view) == ["build.web.done"], pilot)
        await press(pilot, "escape")

        assert ("tap", "") not in views(swarm)


async def test_events_and_messages_stand_in_the_order_of_time() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        swarm.hear(heard(100, 1.0), heard(101, 3.0, "idle"))
        await until(lambda: len(subjects(view)) == 2, pilot)
        swarm.pass_by(tapped("a.b", 0.5), tapped("a.c", 2.0), tapped("a.d", 4.0))
        await until(lambda: len(subjects(view)) == 5, pilot)

        assert subjects(view) == ["a.b", "agent.busy", "a.c", "agent.idle", "a.d"]
        assert [one.link for one in view.messages.shown][:2] == ["bus", "hub"]


async def test_messages_that_come_with_a_snapshot_are_shown_once() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        swarm.pass_by(tapped("a.b"))
        swarm.relink(Link("live"))
        swarm.pass_by(tapped("a.c"))
        await until(lambda: "a.c" in subjects(view), pilot)

        assert subjects(view) == ["a.b", "a.c"]


async def test_a_pattern_in_the_filter_narrows_what_the_hub_shows() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        swarm.pass_by(tapped("build.web.done", 0.1), tapped("deploy.web.done", 0.2))
        await until(lambda: len(subjects(view)) == 2, pilot)
        view.filter_bar.put("build.**")
        await until(lambda: ("tap", "build.**") in swarm.given, pilot)
        assert subjects(view) == ["build.web.done"]

        view.filter_bar.put("")
        await until(lambda: views(swarm)[-1] == ("tap", "**"), pilot)
        assert len(subjects(view)) == 2
        assert views(swarm).count(("links", "True")) == 1


async def test_a_hub_that_was_away_is_asked_anew() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        swarm.relink(Link("waiting", "gone"))
        await until(lambda: not app.model.live, pilot)
        assert view.tap.pattern == ""

        swarm.relink(Link("live"))
        await until(lambda: views(swarm).count(("tap", "**")) == 2, pilot)


async def test_what_came_too_fast_is_counted_until_another_pattern_is_wanted() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        swarm.pass_by(tapped("a.b"), dropped=1200)
        swarm.pass_by(tapped("a.c"), dropped=3)
        await until(lambda: app.model.left_out == 1203, pilot)
        view.second()
        assert "1,203 left out: too fast" in status(view)

        view.filter_bar.put("a.*")
        await until(lambda: view.tap.pattern == "a.*", pilot)
        view.second()
        assert "left out" not in status(view)


async def test_a_held_list_counts_what_comes_and_shows_the_message() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        swarm.pass_by(tapped("a.b", 1, data={"text": "[red]\x1b[31mhello"}))
        await until(lambda: subjects(view), pilot)
        await press(pilot, "up")
        swarm.pass_by(tapped("a.c", 2))
        await until(lambda: view.messages.missed == 1, pilot)
        view.second()
        said = str(view.query_one("#json", Static).visual)

        assert "held, 1 newer" in status(view)
        assert '"text": "[red]\\u001b[31mhello"' in said

        await press(pilot, "end")
        assert view.messages.following


async def test_enter_shows_all_of_a_message_and_y_copies_it() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        swarm.pass_by(tapped("a.b", data={"lines": list(range(60))}))
        await until(lambda: subjects(view), pilot)
        await press(pilot, "up enter")
        sheet = app.screen
        assert isinstance(sheet, MessageSheet)

        await press(pilot, "pagedown down G")
        assert sheet.query_one("#form").scroll_offset.y > 20
        await press(pilot, "g y escape")

        assert json.loads(app.clipboard)["data"] == {"lines": list(range(60))}
        assert app.screen is view


async def test_pause_holds_everything_and_loses_nothing() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await press(pilot, "p")
        swarm.pass_by(tapped("a.b", 1))
        await until(lambda: app.backlog == 1, pilot)
        assert subjects(view) == []

        await press(pilot, "p")
        await until(lambda: subjects(view) == ["a.b"], pilot)


async def test_what_the_filter_shows_is_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        swarm.pass_by(tapped("a.b", 0.1), tapped("c.d", 0.2), tapped("a.e", 0.3))
        await until(lambda: len(subjects(view)) == 3, pilot)
        view.filter_bar.put("a.*")
        await press(pilot, "e")
    (path,) = paths().recordings.iterdir()
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    assert [line["subject"] for line in lines] == ["a.b", "a.e"]
    assert [line["schema_version"] for line in lines] == [1, 1]


async def test_only_shows_whom_a_message_is_from() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        swarm.pass_by(tapped("a.b", 1, source="ci"), tapped("a.c", 2, source="web"))
        await until(lambda: len(subjects(view)) == 2, pilot)
        await press(pilot, "up up o")

        assert view.filter_bar.text == "agent:ci"
        assert subjects(view) == ["a.b"]


# --- Links ---------------------------------------------------------------------------


async def test_links_have_rates_and_the_facts_of_the_one_under_the_cursor() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        for step in range(1, 4):
            swarm.relate(*links(step))
            await until(lambda: app.model.links[0].received == 1700 * step, pilot)  # noqa: B023
            view.second()
        bus = view.pane.links["bus bus"]
        assert bus.rate_in > 0
        assert bus.is_pressed
        assert bus.is_losing

        await press(pilot, "l")
        await until(lambda: len(view.pane.table.order) > 3, pilot)
        await press(pilot, "j j j")
        await until(lambda: view.pane.chosen_link.name == "bus", pilot)
        facts = str(view.query_one("#pressure", Static).visual)
        assert facts.index("archive") < facts.index("deployer")
        assert "p99 4.1 ms" in str(view.query_one("#latency", Static).visual)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("all", ""),
        ("agents agents", "link:hub"),
        ("bus bus", "link:bus"),
        ("redis redis", "link:redis"),
        ("hub ci", "agent:ci"),
    ],
)
async def test_enter_on_a_link_shows_its_messages(name: str, text: str) -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await until(lambda: app.model.links, pilot)
        view.second()
        await press(pilot, "l")
        assert view.query_one("#links", LineTable).move_to(name)
        await press(pilot, "enter")

        assert view.filter_bar.text == text
        assert app.focused is view.messages


async def test_links_that_are_gone_leave() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await until(lambda: app.model.links, pilot)
        swarm.relate(link("bus"))
        await until(lambda: len(app.model.links) == 1, pilot)
        view.second()

        assert list(view.pane.links) == ["all", "bus bus"]
        assert tabs(view).startswith("Links 1 ")


async def test_a_subject_is_counted_and_can_be_shown_alone() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        swarm.pass_by(*(tapped("a.b", n) for n in range(5)), tapped("c.d", 9))
        await until(lambda: len(subjects(view)) == 6, pilot)
        view.second()
        await press(pilot, "right enter")

        assert view.filter_bar.text == "subject:a.b"
        assert view.pane.subjects["a.b"].total == 5
        assert subjects(view) == ["a.b"] * 5


# --- Letters -------------------------------------------------------------------------


async def test_letters_are_shown_with_their_reason() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await until(lambda: view.pane.letters, pilot)
        assert tabs(view).endswith("Letters 3")

        await press(pilot, "left enter")
        assert isinstance(app.screen, MessageSheet)
        await press(pilot, "y escape")
        assert json.loads(app.clipboard)["reason"].startswith("ValueError")


async def test_a_letter_is_requeued_at_once_and_leaves_the_list() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await until(lambda: view.pane.letters, pilot)
        await press(pilot, "left r")
        await until(lambda: ("unbury", "l1") in swarm.given, pilot)
        view.second()
        await until(lambda: len(view.pane.letters) == 2, pilot)

        assert tabs(view).endswith("Letters 2")


async def test_marked_letters_are_requeued_oldest_first() -> None:
    swarm = wired()
    newest_first = [
        letter(f"l{n}", at=NOW - timedelta(minutes=n), version=9 - n) for n in range(4)
    ]
    swarm.bus_letters = newest_first
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await until(lambda: len(view.pane.letters) == 4, pilot)
        await press(pilot, "left asterisk r enter y")
        await until(lambda: not swarm.bus_letters, pilot)

    given = [given[1] for given in swarm.given if given[0] == "unbury"]
    assert given == ["l3", "l2", "l1", "l0"]


async def test_letters_are_discarded_together_and_only_when_that_is_meant() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await until(lambda: view.pane.letters, pilot)
        await press(pilot, "left space space d")
        assert isinstance(app.screen, SureSheet)
        said = str(app.screen.query_one(".part", Static).visual)
        await press(pilot, "n")
        assert not [given for given in swarm.given if given[0] == "discard"]

        await press(pilot, "d y")
        await until(lambda: ("discard", "l2") in swarm.given, pilot)
        assert "2 letters" in said
        assert "cannot be taken back" in said
        assert ("discard", "l1") in swarm.given
        assert ("discard", "l3") not in swarm.given


async def test_many_letters_want_their_number_typed() -> None:
    swarm = lively(8)
    swarm.bus_letters = [letter(f"l{n}") for n in range(60)]
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await until(lambda: view.pane.letters, pilot)
        await press(pilot, "left asterisk r enter")
        assert isinstance(app.screen, SureSheet)

        await press(pilot, "6 0 enter")
        await until(lambda: len(swarm.bus_letters) == 0, pilot)


async def test_orders_about_letters_are_out_of_reach_elsewhere() -> None:
    swarm = wired()
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await until(lambda: view.pane.letters, pilot)
        await press(pilot, "r d")
        assert app.screen is view

        await press(pilot, "left l r d")
        assert app.screen is view
        assert not [given for given in swarm.given if given[0] == "unbury"]


# --- Room ----------------------------------------------------------------------------


async def test_in_a_small_terminal_l_gives_the_pane_all_the_room() -> None:
    async with shown(wired(), size=(80, 24)) as (app, pilot):
        view = await opened(app, pilot)
        figures, wire = view.pane, view.query_one("#wire")
        assert not figures.display or not figures.region
        before = wire.region.width
        await press(pilot, "l")
        assert (figures.region.width, wire.region.width) == (80, 0)

        await press(pilot, "escape")
        assert (figures.region.width, wire.region.width) == (0, before)
        assert app.focused is view.messages


async def test_tab_goes_to_the_pane_and_back() -> None:
    async with shown(wired()) as (app, pilot):
        view = await opened(app, pilot)
        await press(pilot, "tab")
        there = app.focused
        await press(pilot, "tab")
        assert (there, app.focused) == (view.pane.table, view.messages)
        await pilot.click(Tabs, offset=(14, 0))
        assert view.pane.group == "subjects"


async def test_the_status_takes_the_room_that_it_needs() -> None:
    async with shown(wired()) as (app, pilot):
        view = await opened(app, pilot)
        bar = view.query_one(FilterBar)
        bar.show(2000, 2000, "1,234,567 left out: too fast", "held, 123,456 newer")
        await pilot.pause()
        long = bar.query_one(_Status).size.width
        bar.show(2000, 2000, "following")
        await pilot.pause()

        assert long > bar.query_one(_Status).size.width == 44
