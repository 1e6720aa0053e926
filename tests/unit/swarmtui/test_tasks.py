"""The work queue by its keys, over a swarm that stands still."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from textual.pilot import Pilot
from textual.widgets import Input

from swarmtui.app import SwarmApp
from swarmtui.modals.confirm import CountInput, SureSheet
from swarmtui.modals.enqueue import EnqueueSheet
from swarmtui.modals.ledger_sheet import LedgerSheet
from swarmtui.screens.tasks import TasksScreen
from swarmtui.widgets.line_table import LineTable
from swarmtui.widgets.tabs import Tabs
from tests.unit.swarmtui.conftest import NOW, StillSwarm, agent, lively, task
from tests.unit.swarmtui.test_app import news, press, shown, until


def work(app: SwarmApp) -> TasksScreen:
    """Return the work queue."""
    assert isinstance(app.view, TasksScreen)
    return app.view


async def opened(app: SwarmApp, pilot: Pilot[None]) -> TasksScreen:
    """Open the work queue and wait for what only the hub knows."""
    await until(lambda: app.model.loaded, pilot)
    await press(pilot, "5")
    await until(lambda: isinstance(app.view, TasksScreen) and app.view.ready, pilot)
    await until(lambda: len(app.model.letters) == len(swarm_of(app).dead_mail), pilot)
    return work(app)


def swarm_of(app: SwarmApp) -> StillSwarm:
    """Return the swarm that stands still."""
    assert isinstance(app.swarm, StillSwarm)
    return app.swarm


def groups(app: SwarmApp) -> str:
    """Return the text of the line with the groups."""
    line = work(app).query_one(Tabs).line(0, 76)
    return " ".join("".join(span.text for span in line).split())


def some(count: int, **fields: object) -> StillSwarm:
    """Return a swarm of two agents with so many tasks that wait."""
    swarm = StillSwarm(agent("a", ticket=1, capabilities=("sql",)), agent("b"))
    rows = (task(f"T{n}", "", place=n, **fields) for n in range(1, count + 1))
    swarm.tasks = {row.id: row for row in rows}
    return swarm


async def test_groups_turn_with_the_arrows_tab_and_the_mouse() -> None:
    async with shown(lively(30)) as (app, pilot):
        view = await opened(app, pilot)
        seen = [view.group]
        for key in ("right", "tab", "right", "right", "left"):
            await press(pilot, key)
            seen.append(view.group)
        await pilot.click(Tabs, offset=(14, 0))

        assert seen == ["ready", "leased", "done", "dead", "ready", "dead"]
        assert view.group == "leased"
        assert groups(app) == "Ready 6 Leased 3 Done 2 Dead 2"


async def test_a_group_keeps_its_cursor_while_another_is_open() -> None:
    async with shown(lively(30)) as (app, pilot):
        view = await opened(app, pilot)
        await press(pilot, "j j")
        before = view.table.cursor
        await press(pilot, "right left")

        assert view.table.cursor == before


async def test_what_can_be_claimed_stands_in_the_order_of_claiming() -> None:
    async with shown(lively(30)) as (app, pilot):
        view = await opened(app, pilot)

        assert view.table.order == ["T1", "T2", "T9", "T12", "T3", "T8"]


async def test_a_claimed_task_moves_to_the_leased_ones() -> None:
    swarm = some(2)
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        held = replace(
            swarm.tasks["T1"], state="leased", agent="a", attempts=1, version=9
        )
        swarm.change(held)
        await until(lambda: groups(app) == "Ready 1 Leased 1 Done 0 Dead 0", pilot)
        await press(pilot, "right")

        assert view.table.order == ["T1"]


async def test_dead_tasks_and_dead_deliveries_are_in_one_place() -> None:
    async with shown(lively(30)) as (app, pilot):
        view = await opened(app, pilot)
        await press(pilot, "left")

        assert set(view.table.order) == {"T4", swarm_of(app).dead_mail[0].id}


async def test_a_dead_delivery_of_a_dead_task_is_not_listed_twice() -> None:
    swarm = lively(30)
    (letter,) = swarm.dead_mail
    swarm.dead_mail.append(replace(letter, seq=99, kind="task", ref="T4"))
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await press(pilot, "left")

        assert set(view.table.order) == {"T4", letter.id}


async def test_requeueing_serves_tasks_and_deliveries_alike() -> None:
    swarm = lively(30)
    (letter,) = swarm.dead_mail
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await press(pilot, "left asterisk r")
        assert isinstance(app.screen, SureSheet)
        await press(pilot, "y")
        await until(lambda: not view.table.order, pilot)

        assert sorted(swarm.given) == [("requeue", "T4"), ("retry", letter.id)]
        assert not view.table.marks


async def test_one_dead_task_is_requeued_without_a_question() -> None:
    swarm = some(1, state="dead")
    async with shown(swarm) as (app, pilot):
        await opened(app, pilot)
        await press(pilot, "left r")
        await until(lambda: swarm.given, pilot)

        assert swarm.given == [("requeue", "T1")]
        await until(lambda: "requeued T1" in news(app), pilot)


async def test_requeueing_what_somebody_works_on_is_asked_first() -> None:
    swarm = some(1, state="leased", lease=60.0, lease_until=NOW + timedelta(minutes=1))
    async with shown(swarm) as (app, pilot):
        await opened(app, pilot)
        await press(pilot, "right r")
        assert isinstance(app.screen, SureSheet)
        await press(pilot, "n")

        assert not swarm.given


async def test_cancelling_is_asked_first_and_only_offered_for_what_is_open() -> None:
    swarm = some(2)
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await press(pilot, "c")
        assert isinstance(app.screen, SureSheet)
        await press(pilot, "y")
        await until(lambda: groups(app) == "Ready 1 Leased 0 Done 1 Dead 0", pilot)
        await press(pilot, "right right")

        assert swarm.given == [("cancel", "T1")]
        assert view.table.order == ["T1"]
        assert view.check_action("cancel", ()) is None


async def test_more_than_fifty_want_their_number_typed() -> None:
    swarm = some(60)
    async with shown(swarm) as (app, pilot):
        await opened(app, pilot)
        await press(pilot, "asterisk c enter")
        assert isinstance(app.focused, CountInput)
        await press(pilot, "5 9 enter")
        assert not swarm.given

        await press(pilot, "backspace 0 enter")
        assert not swarm.given
        await press(pilot, "backspace backspace 6 0 enter")
        await until(lambda: len(swarm.given) == 60, pilot)


async def test_a_task_is_queued_from_its_form_and_gets_the_cursor() -> None:
    swarm = some(3)
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await press(pilot, "right e P a r s e tab tab s q l enter")
        await until(lambda: view.table.cursor == "T4", pilot)

        assert swarm.given == [("enqueue", "T4", "Parse", "sql")]
        assert view.group == "ready"


async def test_the_form_says_who_is_able_and_what_is_missing() -> None:
    async with shown(some(0)) as (app, pilot):
        await opened(app, pilot)
        await press(pilot, "e enter")
        assert isinstance(app.screen, EnqueueSheet)
        assert text_of(app, "notes") == "Say what is to be done."

        await press(pilot, "x tab tab s q l")
        assert text_of(app, "able") == "1 agent may take it, 1 idle"
        await press(pilot, "x")
        assert text_of(app, "able") == "no agent covers it: it waits until one does"

        await press(pilot, "tab a enter")
        assert "either what it needs or for whom" in text_of(app, "notes")
        assert app.focused is app.screen.query_one("#agent", Input)


async def test_a_task_for_one_agent_goes_into_its_mailbox() -> None:
    swarm = some(0)
    async with shown(swarm) as (app, pilot):
        await opened(app, pilot)
        await press(pilot, "e g o tab tab tab b enter")
        await until(lambda: swarm.given, pilot)

        assert swarm.given == [("assign", "b", "T1", "go")]


def text_of(app: SwarmApp, name: str) -> str:
    """Return the text of a part of the sheet."""
    return str(app.screen.query_one(f"#{name}").render())


async def test_tasks_are_handed_to_one_agent() -> None:
    swarm = some(2, needs=("sql",))
    async with shown(swarm) as (app, pilot):
        await opened(app, pilot)
        await press(pilot, "space space a enter")
        await until(lambda: len(swarm.given) == 2, pilot)

        assert [given[:3] for given in swarm.given] == [
            ("assign", "a", "T1"),
            ("assign", "a", "T2"),
        ]


async def test_a_task_is_found_by_its_id_in_whichever_group() -> None:
    async with shown(lively(30)) as (app, pilot):
        await until(lambda: app.model.tasks, pilot)
        await press(pilot, "colon T 4 enter")
        await until(lambda: app.current_mode == "tasks", pilot)
        await until(lambda: work(app).group == "dead", pilot)

        assert work(app).table.cursor == "T4"


async def test_a_filter_is_in_force_in_every_group() -> None:
    async with shown(lively(30)) as (app, pilot):
        view = await opened(app, pilot)
        await press(pilot, "slash n e e d : p y t h o n enter")
        ready = list(view.table.order)
        await press(pilot, "right")

        assert ready == ["T2", "T8"]
        assert view.table.order == ["T6"]


async def test_the_ledger_has_every_recipient_and_sends_a_dead_one_again() -> None:
    swarm = lively(30)
    (letter,) = swarm.dead_mail
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await press(pilot, "left")
        view.move_to(letter.id)
        await press(pilot, "l")
        assert isinstance(app.screen, LedgerSheet)
        table = app.screen.query_one(LineTable)
        await until(lambda: len(table.order) == 4, pilot)
        assert table.cursor == letter.id
        await press(pilot, "r")
        await until(lambda: swarm.given, pilot)

        assert swarm.given == [("retry", letter.id)]


async def test_what_is_not_kept_here_is_counted_all_the_same() -> None:
    swarm = some(3)
    async with shown(swarm) as (app, pilot):
        await opened(app, pilot)
        swarm._count_tasks = lambda: None  # type: ignore[method-assign]
        swarm.task_counts.update(queued=100_312)
        swarm.change(replace(swarm.tasks["T1"], version=9))
        await until(lambda: "100,312" in groups(app), pilot)

        assert groups(app).endswith("3 of 100,312 are here")


async def test_an_empty_queue_says_how_to_begin_and_its_command_is_copied() -> None:
    async with shown(some(0)) as (app, pilot):
        await opened(app, pilot)
        await press(pilot, "y")

        assert app.clipboard.startswith("swarmtui enqueue ")


async def test_five_thousand_tasks_are_drawn_within_a_beat() -> None:
    swarm = some(5000)
    async with shown(swarm) as (app, pilot):
        view = await opened(app, pilot)
        await press(pilot, "G")

        assert view.table.cursor == "T5000"
        assert len(view.table._lines) < 200


async def test_what_agents_say_of_their_work_is_drawn_as_text() -> None:
    hostile = "[bold]\x1b[31mred\x1b]0;title\x07"
    swarm = some(1, title=hostile, reason=hostile, state="dead", result={"x": hostile})
    swarm.tasks["T1"] = replace(swarm.tasks["T1"], body={hostile: hostile})
    swarm.dead_mail = [replace(one, reason=hostile) for one in lively(9).dead_mail]
    async with shown(swarm) as (app, pilot):
        await opened(app, pilot)
        for keys in ("left", "j", "l", "escape r", "escape asterisk r", "escape a"):
            await press(pilot, keys)
            picture = app.export_screenshot()

            assert "\x1b" not in picture
            assert "\x07" not in picture


async def test_what_changes_while_a_sheet_is_put_together_stops_nothing() -> None:
    swarm = some(0)
    async with shown(swarm) as (app, pilot):
        app.push_screen(EnqueueSheet())
        swarm.change(agent("a2"))
        while "a2" not in app.model.agents:
            app._tick()
            await asyncio.sleep(0)

        await until(lambda: app.screen.is_mounted, pilot)
        assert isinstance(app.screen, EnqueueSheet)
