"""What of all that a hub commits is an alert, what it says, and what settles it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from agentkit import protocol as p
from agentkit.rows import Report
from server.alerts.facts import (
    ABOUT,
    SETTLES,
    TOLD,
    Alert,
    Key,
    runs_elsewhere,
    still_open,
)
from server.core import Rules
from server.hub import Hub, Pushed
from server.store.memory import MemoryStore

HOUR = timedelta(hours=1)
RULES = Rules(
    escalate_after=HOUR, lost_after=HOUR, budget=5.0, retry_first=timedelta(0)
)
PLAN: dict[str, Any] = {
    "name": "p",
    "main": "main",
    "machines": {
        "main": {
            "states": {
                "all": {
                    "type": "initial",
                    "agent": "first",
                    "foreach": "[1, 2]",
                    "transitions": [{"to": "end"}],
                },
                "end": {"type": "final"},
            }
        }
    },
}


class World:
    """A hub whose clock is set by hand, and whoever makes alerts of what it commits."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 10, 12, tzinfo=UTC)
        self.store = MemoryStore()
        self.hub = self.another()
        self.alerts: list[Alert] = []
        self.settled: list[Key] = []
        self.open: dict[Key, int] = {}
        """The marks of the alerts that are not settled."""

    def another(self) -> Hub:
        """Return a hub with what is in the store, not started."""
        return Hub(self.store, rules=RULES, clock=lambda: self.time)

    async def found(self) -> dict[Key, int]:
        """Return the marks of the alerts that a hub finds which starts now."""
        await self.hub.stop()
        self.hub = self.another()
        await self.hub.start()
        keys = await self.hub.ask(runs_elsewhere)
        runs = {key: run for key in keys if (run := await self.store.run(key))}
        found = await self.hub.ask(lambda swarm: [*still_open(swarm, self.time, runs)])
        return {alert.key: alert.mark for alert in sorted(found, key=lambda x: x.mark)}

    def push(self, pushed: Pushed) -> None:
        for _, event in pushed.turn.events:
            tell, settle = TOLD.get(type(event)), SETTLES.get(type(event))
            if tell and (alert := tell(event, pushed.turn.rows)):
                self.alerts.append(alert)
                self.open[alert.key] = alert.mark
            if settle:
                self.settled.append(settle(event))
                self.open.pop(settle(event), None)

    async def do(self, *commands: p.Command) -> Any:
        for command in commands:
            outcome = await self.hub.submit(command)
        return outcome.events

    async def report(self, agent: str, report: Report, **fields: Any) -> Any:
        return await self.do(p.Notify(agent=agent, report=report, **fields))

    async def ask(self, agent: str = "web-1", **fields: Any) -> str:
        """Ask for help and return the request's id."""
        for _, event in await self.report(agent, "help", **fields):
            if isinstance(event, p.HelpAsked):
                return event.help
        raise AssertionError("it asked for no help")

    async def fail_one(self) -> None:
        """Let the agent a1 fail at an item, for good."""
        while await self.do(p.Tick()):
            pass
        events = await self.do(p.Claim(agent="a1", capabilities=("first",)))
        leased = next(e for _, e in events if isinstance(e, p.TaskLeased))
        task, fence = leased.task, leased.fence
        await self.do(p.Fail(agent="a1", task=task, fence=fence, final=True))

    async def pass_by(self, span: timedelta) -> None:
        self.time += span
        await self.do(p.Tick())

    @property
    def alert(self) -> Alert:
        """The one alert there was."""
        (alert,) = self.alerts
        return alert


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A world in which a hub that starts finds open what was not settled before."""
    world = World()
    await world.hub.start()
    world.hub.subscribe(world)
    yield world
    assert await world.found() == world.open
    await world.hub.stop()


async def test_daily_work_is_no_alert(world: World) -> None:
    await world.report("a1", "idle")
    await world.do(p.Assign(agent="a1", id="T1"), p.SendBroadcast(id="", text="hi"))
    await world.report("a1", "busy", task="T1")
    await world.report("a1", "blocked", message="no access")
    await world.report("a1", "completed", task="T1")

    assert world.alerts == []


# --- help and blocked -----------------------------------------------------------------


async def test_who_asks_for_help_is_told_with_the_question(world: World) -> None:
    key = await world.ask(
        message="Blue or green?", choices=("blue", "green"), task="T1"
    )

    assert world.alert.key == ("help", key)
    assert world.alert.about == "help"
    assert world.alert.title == "web-1 needs help"
    assert world.alert.text == "Blue or green?\none of: blue, green\ntask T1"
    assert not world.alert.urgent


async def test_what_is_critical_is_urgent(world: World) -> None:
    await world.ask(message="it burns", severity="critical")

    assert world.alert.title == "web-1 needs help, it is critical"
    assert world.alert.urgent


@pytest.mark.parametrize(
    "word",
    [
        lambda key: p.Answer(help=key, text="blue"),
        lambda key: p.Take(help=key, by="ana"),
        lambda key: p.AssignHelper(help=key, helper="web-2"),
        lambda key: p.Snooze(help=key, until=datetime(2027, 1, 1, tzinfo=UTC)),
        lambda key: p.Resolve(help=key),
        lambda _: p.Notify(agent="web-1", report="idle"),
    ],
)
async def test_help_is_settled_once_somebody_has_it(world: World, word: Any) -> None:
    await world.report("web-2", "idle")
    key = await world.ask()

    await world.do(word(key))

    assert ("help", key) in world.settled


async def test_a_request_that_was_snoozed_is_told_when_it_comes_back(
    world: World,
) -> None:
    key = await world.ask(message="which?")
    await world.do(p.Snooze(help=key, until=world.time + HOUR))
    await world.pass_by(HOUR)

    first, second = world.alerts
    assert first.key == second.key
    assert second.title == "web-1 needs help"
    assert (second.at, second.mark > first.mark) == (first.at, True)


async def test_who_is_blocked_for_too_long_is_told_once(world: World) -> None:
    await world.report("web-1", "blocked", message="no access", task="T1")
    await world.pass_by(HOUR)
    await world.pass_by(HOUR)

    assert world.alert.about == "blocked"
    assert world.alert.title == "web-1 is blocked for 60 min"
    assert world.alert.text == "no access\ntask T1"
    assert not world.alert.urgent

    await world.report("web-1", "idle")
    assert world.alert.key in world.settled


async def test_a_blocker_that_was_snoozed_comes_back_as_one(world: World) -> None:
    await world.report("web-1", "blocked", message="no access")
    await world.pass_by(HOUR)
    key = world.alert.key[1]
    await world.do(p.Snooze(help=key, until=world.time + HOUR))
    await world.pass_by(HOUR)

    assert [alert.about for alert in world.alerts] == ["blocked", "blocked"]


async def test_who_is_blocked_by_something_else_is_told_again(world: World) -> None:
    await world.report("web-1", "blocked", message="no access")
    await world.pass_by(HOUR)
    await world.report("web-1", "blocked", message="no disk")

    assert [alert.title for alert in world.alerts] == [
        "web-1 is blocked for 60 min",
        "web-1 is blocked",
    ]


async def test_what_somebody_has_taken_is_not_told_when_it_lasts(world: World) -> None:
    await world.report("web-1", "blocked", message="no access")
    ((key, _),) = (await world.hub.ask(lambda swarm: swarm.helps)).items()
    await world.do(p.Take(help=key, by="ana"))
    await world.pass_by(HOUR)

    assert world.alerts == []


# --- lost -----------------------------------------------------------------------------


async def test_who_is_lost_is_told_with_what_it_had(world: World) -> None:
    await world.do(p.Link(agent="web-1"))
    await world.report("web-1", "busy", task="T1")
    await world.do(p.Unlink(agent="web-1"))
    await world.pass_by(HOUR)

    assert world.alert.key == ("lost", "web-1")
    assert world.alert.about == "lost"
    assert world.alert.title == "web-1 is lost"
    assert world.alert.text == "not connected for 60 min\ntask T1"


@pytest.mark.parametrize(
    "word", [p.Link(agent="web-1"), p.Notify(agent="web-1", report="idle")]
)
async def test_who_is_heard_of_is_lost_no_longer(world: World, word: p.Command) -> None:
    await world.do(word)

    assert ("lost", "web-1") in world.settled


async def test_who_only_sends_a_message_is_lost_no_longer(world: World) -> None:
    await world.report("web-2", "idle")
    await world.do(p.Link(agent="web-1"), p.Unlink(agent="web-1"))
    await world.pass_by(HOUR)
    await world.do(p.Send(id="", agent="web-1", to="web-2", text="here I am"))

    assert world.alert.key in world.settled


# --- dead -----------------------------------------------------------------------------


async def test_a_task_whose_last_attempt_failed_is_told(world: World) -> None:
    await world.do(p.Enqueue(id="T1", title="Fix the footer", max_attempts=1))
    ((_, leased), *_) = await world.do(p.Claim(agent="web-1"))
    await world.do(p.Fail(agent="web-1", task="T1", fence=leased.fence, reason="no"))

    assert world.alert.key == ("task", "T1")
    assert world.alert.about == "dead"
    assert world.alert.title == "task T1 is dead"
    assert world.alert.text == "Fix the footer\nno\nlast with web-1"

    await world.do(p.Requeue(id="T1"))
    assert ("task", "T1") in world.settled


async def test_of_a_run_its_items_are_one_alert(world: World) -> None:
    await world.do(p.Launch(id="R", plan=PLAN))
    for _ in range(2):
        await world.fail_one()

    assert {alert.key for alert in world.alerts} == {("run", "R")}
    assert len(world.alerts) == 2
    assert world.alerts[0].title == "in run R an item failed for good"
    assert await world.found() == world.open

    world.hub.subscribe(world)
    await world.do(p.ResumeRun(id="R"))
    assert ("run", "R") in world.settled


async def test_what_an_agent_gave_up_is_told(world: World) -> None:
    await world.do(p.Link(agent="web-1"), p.SendBroadcast(id="B", text="hi"))
    ((cursor, _),) = await world.do(p.SendBroadcast(id="C", text="again"))
    await world.do(p.Sent(deliveries=(("web-1", cursor),)))
    await world.do(p.GiveUp(agent="web-1", seq=cursor, reason="it broke"))

    assert world.alert.key == ("delivery", "web-1", str(cursor))
    assert world.alert.title == "web-1 gave up on broadcast C"
    assert world.alert.text == "it broke"

    await world.do(p.Retry(agent="web-1", seq=cursor))
    assert world.alert.key in world.settled


async def test_a_task_that_was_given_up_is_told_under_one_key(world: World) -> None:
    await world.do(p.Link(agent="web-1"))
    ((cursor, _),) = await world.do(p.Assign(agent="web-1", id="T1"))
    await world.do(p.Sent(deliveries=(("web-1", cursor),)))
    await world.do(p.GiveUp(agent="web-1", seq=cursor, reason="it broke"))

    assert {alert.key for alert in world.alerts} == {("task", "T1")}


@pytest.mark.parametrize("word", [p.Unbury(id="L"), p.Discard(id="L")])
async def test_a_message_that_a_subscription_gave_up_is_told(
    world: World, word: p.Command
) -> None:
    message = {"name": "page.changed", "id": "1", "data": {}}
    await world.do(
        p.Bury(id="L", message=message, subscription="draws", reason="no ink")
    )

    assert world.alert.key == ("letter", "L")
    assert world.alert.title == "a message of page.changed was given up"
    assert world.alert.text == "no ink\nby draws"

    await world.do(word)
    assert ("letter", "L") in world.settled


# --- budget ---------------------------------------------------------------------------


async def test_who_has_spent_its_budget_is_told_until_the_next_day(
    world: World,
) -> None:
    await world.report("web-1", "busy")
    await world.do(p.Spend(agent="web-1", cost=6.5))

    assert world.alert.key == ("budget", "web-1")
    assert world.alert.about == "budget"
    assert world.alert.title == "web-1 has spent its budget"
    assert world.alert.text == "$6.50 of $5.00 on this UTC day: no new work"

    await world.pass_by(timedelta(days=1))
    assert ("budget", "web-1") in world.settled


# --- at a start -----------------------------------------------------------------------


async def test_what_is_open_is_found_however_little_of_the_log_is_kept(
    world: World,
) -> None:
    await world.ask(message="which?")
    await world.do(p.Link(agent="web-2"), p.Unlink(agent="web-2"))
    await world.pass_by(HOUR)
    while not (await world.store.trim(world.time + HOUR, 0)).is_all:
        pass

    assert len(await world.found()) == 2


async def test_of_runs_that_only_the_store_has_failed_items_are_found(
    world: World,
) -> None:
    end = {"end": {"type": "final"}}
    goes_on = {"type": "initial", "transitions": [{"to": "end"}]}
    machines = {
        "main": {"states": {"one": {"machine": "below", **goes_on}, **end}},
        "below": {"states": {"one": {"agent": "first", **goes_on}, **end}},
    }
    await world.do(p.Launch(id="R", plan={**PLAN, "machines": machines}))
    await world.fail_one()

    assert [*world.open] == [("run", "R.1")]
    assert await world.found() == world.open
    assert await world.hub.ask(runs_elsewhere) == {"R.1"}


async def test_of_a_run_whose_items_are_tried_again_nothing_is_open(
    world: World,
) -> None:
    states = PLAN["machines"]["main"]["states"]
    one_by_one = {**states["all"], "concurrency": 1}
    machines = {"main": {"states": {**states, "all": one_by_one}}}
    await world.do(p.Launch(id="R", plan={**PLAN, "machines": machines}))
    for _ in range(2):
        await world.fail_one()
    visit = await world.store.latest_failed_visit("R")
    assert visit
    await world.do(p.RetryRun(id="R", visit=visit))

    begun, waits = await world.store.items("R")
    assert (begun.state, waits.state, bool(waits.ref)) == ("running", "waiting", True)
    assert await world.found() == {}


# --- all of it ------------------------------------------------------------------------


async def test_names_and_reasons_cannot_do_anything(world: World) -> None:
    await world.ask("@everyone<!channel>", message="\x1b]8;;x\x07[a](b)")

    told = world.alert.title + world.alert.text
    assert "@everyone" not in told
    assert "<!" not in told
    assert "](" not in told
    assert all(sign.isprintable() or sign == "\u200b" for sign in told)


def test_the_tables_name_events_and_everything_alerts_are_about() -> None:
    events = set(get_args(p.Event))

    assert set(TOLD) <= events
    assert set(SETTLES) <= events
    assert not set(TOLD) & set(SETTLES)
    assert set(ABOUT) == {"help", "blocked", "lost", "dead", "budget"}
