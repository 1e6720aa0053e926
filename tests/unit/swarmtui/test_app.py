"""The dashboard by its keys, over a swarm that stands still."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from textual.pilot import Pilot

from agentkit.coordinator import Heard, Link
from agentkit.errors import HubRefused
from agentkit.protocol import TaskDone
from swarmtui.app import SwarmApp
from swarmtui.modals.assign import AssignSheet
from swarmtui.modals.broadcast import BroadcastSheet
from swarmtui.modals.confirm import ConfirmSheet, CountInput
from swarmtui.modals.keys import KeysSheet
from swarmtui.modals.sheet import Sheet
from swarmtui.pace import PATIENCE, SLOW
from swarmtui.preferences import Preferences
from swarmtui.screens.base import HOLD
from swarmtui.screens.help import HelpScreen
from swarmtui.screens.tables import TableScreen
from swarmtui.widgets.ticker import Ticker
from swarmtui.widgets.topbar import TopBar
from tests.unit.swarmtui.conftest import (
    NOW,
    StillSwarm,
    agent,
    asked,
    lively,
    request,
    task,
)


async def until(ready: Callable[[], Any], pilot: Pilot[None]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(20):
        while not ready():
            await asyncio.sleep(0.02)
    await pilot.pause()


@asynccontextmanager
async def shown(
    swarm: StillSwarm,
    *,
    embedded: bool = False,
    clock: Callable[[], datetime] = lambda: NOW,
    size: tuple[int, int] = (120, 36),
    **settings: Any,
) -> AsyncIterator[tuple[SwarmApp, Pilot[None]]]:
    """Show a swarm and wait until it is drawn."""
    app = SwarmApp(
        swarm,
        clock=clock,
        settings=Preferences(**({"notices": "off"} | settings)),
        embedded=embedded,
    )
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(lambda: app.model.link and app.view and app.view.ready, pilot)
        yield app, pilot


def view(app: SwarmApp) -> TableScreen:
    """Return the view that is open."""
    assert isinstance(app.view, TableScreen)
    return app.view


def news(app: SwarmApp) -> str:
    """Return the text of the line with the news."""
    return "".join(span.text for span in view(app).query_one(Ticker).line(0, 120))


async def press(pilot: Pilot[None], keys: str) -> None:
    """Press keys one after the other, each on what the last one led to."""
    for key in keys.split():
        await pilot.press(key)
        await pilot.pause()


def three() -> StillSwarm:
    """Return a swarm of three idle agents."""
    return StillSwarm(*(agent(key, ticket=1) for key in ("a", "b", "c")))


async def test_the_views_are_on_number_keys_and_minus_goes_back() -> None:
    async with shown(lively(30)) as (app, pilot):
        modes = []
        for key in ("2", "3", "4", "1", "minus"):
            await pilot.press(key)
            await pilot.pause()
            modes.append(app.current_mode)

        assert modes == ["queue", "help", "traffic", "fleet", "traffic"]


async def test_a_filter_is_in_force_as_it_is_typed_and_escape_clears_it() -> None:
    async with shown(lively(60)) as (app, pilot):
        await press(pilot, "slash s t a t e : i d l e")
        filtered = {app.model.agents[key].state for key in view(app).table.order}
        await press(pilot, "enter escape")

        assert filtered == {"idle"}
        assert len(view(app).table.order) == 60


async def test_a_term_that_cannot_be_read_is_left_out_of_the_filter() -> None:
    async with shown(lively(60)) as (app, pilot):
        await press(pilot, "slash s t a t e : i d l e")
        before = list(view(app).tables[0].order)
        await press(pilot, "space c o s t greater_than_sign")

        assert view(app).tables[0].order == before


async def test_an_order_goes_to_every_marked_agent() -> None:
    swarm = three()
    async with shown(swarm) as (app, pilot):
        await press(pilot, "space space a")
        assert isinstance(app.screen, AssignSheet)
        await press(pilot, "g o enter")
        await until(lambda: len(app.model.tasks) == 2, pilot)
        await press(pilot, "escape")

        assert swarm.given == [
            ("assign", "a", "T1.1", "go"),
            ("assign", "b", "T1.2", "go"),
        ]
        assert not view(app).table.marks


async def test_many_recipients_are_confirmed_by_typing_their_number() -> None:
    swarm = lively(60)
    async with shown(swarm) as (app, pilot):
        await press(pilot, "asterisk a g o enter")
        assert not swarm.given
        assert isinstance(app.focused, CountInput)

        await press(pilot, "5 9 enter")
        assert not swarm.given

        await press(pilot, "backspace backspace 6 0 enter")
        assert len(swarm.given) == 60


async def test_a_message_begins_with_its_recipient() -> None:
    async with shown(three()) as (app, pilot):
        await press(pilot, "j m")

        assert isinstance(app.screen, BroadcastSheet)
        assert app.screen.query_one("#to").value == 'id:"b"'  # type: ignore[attr-defined]


async def test_the_bang_leads_to_who_calls_from_anywhere() -> None:
    swarm = three()
    swarm.helps = {
        "h1": request("h1", "a", opened=NOW - timedelta(hours=1)),
        "h2": request("h2", "b"),
    }
    async with shown(swarm) as (app, pilot):
        await press(pilot, "exclamation_mark")
        await until(lambda: view(app).call_under_cursor() == "h1", pilot)
        await press(pilot, "exclamation_mark")
        await until(lambda: view(app).call_under_cursor() == "h2", pilot)

        assert isinstance(app.screen, HelpScreen)


async def test_settled_requests_are_folded_away() -> None:
    swarm = three()
    swarm.helps = {
        "h1": request("h1", "a"),
        "h2": request("h2", "b", state="answered", settled=NOW),
    }
    async with shown(swarm) as (app, pilot):
        await press(pilot, "3")
        await until(lambda: view(app).table.order, pilot)
        folded = list(view(app).table.order)
        await press(pilot, "o")

        assert folded == ["h1"]
        assert view(app).table.order == ["h1", "h2"]


async def test_a_taken_request_calls_no_longer() -> None:
    swarm = three()
    swarm.helps = {"h1": request("h1", "a")}
    async with shown(swarm) as (app, pilot):
        await press(pilot, "3")
        await until(lambda: view(app).table.cursor, pilot)
        await press(pilot, "t")
        await until(lambda: not app.model.calling, pilot)

        assert swarm.given == [("take", "h1")]
        assert app.check_action("next_call", ()) is None


async def test_going_to_an_agent_by_a_part_of_its_name() -> None:
    async with shown(lively(60)) as (app, pilot):
        await press(pilot, "2 colon 0 0 4 2 enter")
        await until(lambda: app.current_mode == "fleet", pilot)

        assert view(app).table.cursor == next(
            key for key in app.model.agents if "0042" in key
        )


async def test_a_key_can_be_found_by_what_it_does() -> None:
    async with shown(three()) as (app, pilot):
        await press(pilot, "question_mark w a i t s")
        assert isinstance(app.screen, KeysSheet)
        await press(pilot, "enter")
        await until(lambda: app.current_mode == "queue", pilot)


async def test_a_remapped_key_works_and_its_old_one_does_not() -> None:
    async with shown(three(), keymap=(("view.queue", "f2"),)) as (app, pilot):
        await press(pilot, "2")
        assert app.current_mode == "fleet"

        await press(pilot, "f2")
        assert app.current_mode == "queue"


async def test_a_paused_view_stands_still_and_misses_nothing() -> None:
    swarm = three()
    async with shown(swarm) as (app, pilot):
        await press(pilot, "p")
        swarm.change(agent("d"))
        swarm.hear(asked("d", "why?"))
        await until(lambda: app.backlog == 1, pilot)
        assert "d" not in app.model.agents

        await press(pilot, "p")
        await until(lambda: "d" in app.model.agents, pilot)


async def test_without_a_hub_orders_are_out_of_reach_and_rows_stay() -> None:
    swarm = three()
    async with shown(swarm) as (app, pilot):
        assert view(app).check_action("assign", ()) is True

        swarm.relink(Link("waiting", "it went away", NOW + timedelta(seconds=4)))
        await until(lambda: not app.model.live, pilot)
        view(app).second()
        bar = view(app).query_one(TopBar)
        words = "".join(span.text for span in bar.line(0, 120))

        assert view(app).check_action("assign", ()) is None
        assert view(app).table.order == ["a", "b", "c"]
        assert view(app).table.dimmed
        assert "trying again in 4 s: it went away" in words

        swarm.relink(Link("live"))
        await until(lambda: app.model.live, pilot)
        assert view(app).check_action("assign", ()) is True


async def test_a_hub_that_does_not_want_us_ends_it_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    swarm = three()

    async def refuse(_self: StillSwarm) -> StillSwarm:
        raise HubRefused("the token is not the hub's")

    monkeypatch.setattr(StillSwarm, "__aenter__", refuse)
    app = SwarmApp(swarm, clock=lambda: NOW)
    async with app.run_test() as pilot:
        await until(lambda: not app.is_running, pilot)

    assert app.return_code == HubRefused.exit_code


async def test_the_clipboard_gets_the_id_or_the_first_command() -> None:
    async with shown(three()) as (app, pilot):
        await press(pilot, "y")
        assert app.clipboard == "a"

    async with shown(StillSwarm()) as (app, pilot):
        await press(pilot, "y")
        assert app.clipboard == "agentkit hooks install claude"


async def test_leaving_asks_only_when_agents_lose_their_hub() -> None:
    linked = StillSwarm(agent("a", linked=True))
    async with shown(linked, embedded=True) as (app, pilot):
        await until(lambda: app.model.agents, pilot)
        await press(pilot, "q")
        assert isinstance(app.screen, ConfirmSheet)
        await press(pilot, "n")
        assert app.is_running
        await press(pilot, "q y")
        assert not app.is_running

    async with shown(three(), embedded=True) as (app, pilot):
        await press(pilot, "q")
        assert not app.is_running


async def test_a_call_is_said_once_however_many_come() -> None:
    swarm = three()
    async with shown(swarm) as (app, pilot):
        swarm.hear(asked("a", "why?"), asked("b", "how?"))
        await until(lambda: app._notifications, pilot)

        (notice,) = app._notifications
        assert notice.message == "▲ 2 agents need you"


async def test_the_first_line_has_what_was_spent_today() -> None:
    day: dict[str, Any] = {"spent_on": "2026-01-01"}
    swarm = StillSwarm(
        agent("a", spent=1.25, **day), agent("b", spent=3, **day), agent("c", spent=9)
    )
    async with shown(swarm) as (app, _):
        bar = view(app).query_one(TopBar)
        wide, narrow = (
            "".join(span.text for span in bar.line(0, cells)) for cells in (120, 48)
        )

        assert "$4.25 today" in wide
        assert "today" not in narrow


async def test_silence_is_shown_as_long_as_it_lasts() -> None:
    def badge() -> str:
        bar = view(app).query_one(TopBar)
        return "".join(span.text for span in bar.line(0, 120))

    async with shown(three(), notices="both") as (app, pilot):
        await pilot.press("M")
        await until(lambda: "SILENT" in badge(), pilot)
        await until(lambda: "calls are silent" in news(app), pilot)

        await pilot.press("M")
        await until(lambda: "SILENT" not in badge(), pilot)


async def test_what_a_person_did_stays_in_the_news_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SwarmApp, "_second", lambda _self: None)
    swarm = three()
    async with shown(swarm) as (app, pilot):
        app.tell("sent")
        done = TaskDone(at=NOW, agent="a", task="T9")
        swarm.hear(Heard(201, done, 10, 0.1))
        await until(lambda: app.model.traffic, pilot)

        said = []
        for _ in range(HOLD):
            said.append("T9" in news(app))
            view(app).second()

        assert not any(said)
        assert "T9" in news(app)


async def test_a_call_does_not_wait_for_its_turn_in_the_news() -> None:
    swarm = three()
    async with shown(swarm) as (app, pilot):
        app.tell("sent")
        swarm.hear(asked("a", "why?"))
        await until(lambda: app.model.traffic, pilot)
        view(app).second()

        assert "why?" in news(app)


async def test_overload_lowers_the_rate_and_says_so() -> None:
    async with shown(three()) as (app, _):
        for _ in range(PATIENCE):
            app.pace.note(SLOW * 2)
        view(app).second()
        bar = view(app).query_one(TopBar)

        assert "4 times a second" in "".join(s.text for s in bar.line(0, 120))


async def test_the_cursor_rests_on_top_until_somebody_takes_it_elsewhere() -> None:
    swarm = StillSwarm(agent("m"))
    seconds = count()
    async with shown(swarm, clock=lambda: NOW + timedelta(seconds=next(seconds))) as (
        app,
        pilot,
    ):
        swarm.change(agent("c"))
        await until(lambda: view(app).table.order == ["c", "m"], pilot)
        assert view(app).table.cursor == "c"

        await press(pilot, "j")
        swarm.change(agent("a"))
        await until(lambda: view(app).table.order == ["a", "c", "m"], pilot)
        assert view(app).table.cursor == "m"


async def test_what_agents_write_is_drawn_as_text() -> None:
    hostile = "[bold]\x1b[31mred\x1b]0;title\x07"
    swarm = StillSwarm(agent("[red]a", status="help", message=hostile, help="h1"))
    swarm.helps = {"h1": request("h1", "[red]a", question=hostile)}
    swarm.tasks = {"T1": task("T1", "[red]a", title=hostile)}
    async with shown(swarm) as (app, pilot):
        for keys in ("1", "2", "3", "r", "escape a", "escape 1 a", "escape w"):
            await press(pilot, keys)
            picture = app.export_screenshot()

            assert "\x1b" not in picture
            assert "\x07" not in picture
        assert "[red]a" in picture.replace("&#160;", " ")


async def test_every_sheet_leaves_on_escape() -> None:
    async with shown(lively(120)) as (app, pilot):
        for keys in ("a", "b", "m", "w", "colon", "question_mark", "3", "r", "z", "a"):
            await press(pilot, keys)
            if keys == "3":
                await until(lambda: view(app).table.cursor, pilot)
                continue
            assert isinstance(app.screen, Sheet), keys

            await press(pilot, "escape")
            assert not isinstance(app.screen, Sheet), keys


async def test_a_target_that_takes_no_alerts_is_news_until_it_does_again() -> None:
    async with shown(three()) as (app, pilot):
        swarm = app.swarm
        assert isinstance(swarm, StillSwarm)

        swarm.beat(alerts_failing={"slack://…": "it answered 403"})
        await until(lambda: "alerts do not reach slack://…" in news(app), pilot)
        swarm.beat()
        await until(lambda: "alerts reach slack://… again" in news(app), pilot)
