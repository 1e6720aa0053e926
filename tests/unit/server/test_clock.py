"""Time never goes back, whatever is done to the machine's clock."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from agentkit.protocol import HelpEscalated, Notify
from server.clock import Clock
from server.core import Rules
from server.hub import Hub
from server.store.memory import MemoryStore

NOON = datetime(2025, 11, 12, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


class Machine:
    """A machine whose clock can be set."""

    def __init__(self) -> None:
        self.wall = NOON
        self.steady = 1000.0
        self.clock = Clock(lambda: self.wall, lambda: self.steady)

    def run(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.steady += seconds


def test_time_passes_as_the_machines_does() -> None:
    machine = Machine()

    machine.run(5)

    assert machine.clock() == NOON + 5 * SECOND


def test_after_a_step_back_time_goes_on_evenly() -> None:
    machine = Machine()

    machine.wall -= DAY
    machine.run(5)

    assert machine.clock() == NOON + 5 * SECOND


def test_a_step_forward_is_followed_and_kept() -> None:
    machine = Machine()

    machine.wall += DAY
    slept = machine.clock()
    machine.wall -= DAY
    machine.run(5)

    assert slept == NOON + DAY
    assert machine.clock() == NOON + DAY + 5 * SECOND


@pytest.mark.parametrize("step", [-DAY, -SECOND, timedelta(0), DAY])
async def test_a_step_disturbs_neither_order_nor_deadlines(step: timedelta) -> None:
    offset = timedelta(0)
    clock = Clock(lambda: datetime.now(UTC) + offset)
    rules = Rules(escalate_after=timedelta(seconds=0.2))
    hub = Hub(MemoryStore(), rules=rules, clock=clock)
    await hub.start()
    await hub.submit(Notify(agent="a", report="blocked", message="why"))

    offset = step
    await hub.submit(Notify(agent="b", report="busy"))
    async with asyncio.timeout(10):
        while not await hub.ask(lambda swarm: swarm.agents["a"].escalated):
            await asyncio.sleep(0.01)
    log = await hub.store.events()
    await hub.stop()

    times = [logged.event.at for logged in log]
    assert times == sorted(times)
    escalations = [1 for _, event in log if isinstance(event, HelpEscalated)]
    assert len(escalations) == 1


async def test_a_clock_that_does_go_back_stops_nothing() -> None:
    offset = timedelta(0)
    hub = Hub(MemoryStore(), clock=lambda: datetime.now(UTC) + offset)
    await hub.start()
    await hub.submit(Notify(agent="a", report="blocked", message="why"))

    offset = -365 * DAY
    await hub.submit(Notify(agent="a", report="busy"))
    offset = 365 * DAY
    await hub.submit(Notify(agent="a", report="idle"))

    assert await hub.ask(lambda swarm: swarm.agent("a").status) == "idle"
    await hub.stop()
