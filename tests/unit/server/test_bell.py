"""Who follows the log is woken for what it follows, and for nothing else."""

from collections.abc import AsyncIterator

import pytest

from agentkit.errors import Invalid
from agentkit.protocol import Notify
from agentkit.rows import Report
from server.bell import Bell, Bells
from server.hub import Hub
from server.store.memory import MemoryStore


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub(MemoryStore(), version="test")
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
def bells(hub: Hub) -> Bells:
    bells = Bells()
    hub.subscribe(bells)
    return bells


async def report(hub: Hub, *words: Report) -> int:
    """Report for an agent and return the cursor of the last event."""
    for word in words:
        outcome = await hub.submit(Notify(agent="a1", report=word, via="ws"))
    return outcome.events[-1].cursor


async def rang(bell: Bell) -> bool:
    """Whether it rang since it was last asked."""
    return await bell.wait(0)


async def test_a_bell_rings_for_what_its_pattern_matches(
    hub: Hub, bells: Bells
) -> None:
    with bells.ringing("agent.busy") as bell, bells.ringing("**") as other:
        await report(hub, "idle")
        for_idle = await rang(bell), await rang(other)
        await report(hub, "busy")
        for_busy = await rang(bell), await rang(other)

    assert for_idle == (False, True)
    assert for_busy == (True, True)


async def test_it_says_how_much_of_the_log_need_not_be_read(
    hub: Hub, bells: Bells
) -> None:
    with bells.ringing("agent.busy") as bell:
        before = await report(hub, "idle", "completed", "idle")
        first = await report(hub, "busy")
        await report(hub, "idle", "busy", "idle")

        assert await rang(bell)
        assert bell.since == first - 1 >= before

        next_one = await report(hub, "busy")

        assert await rang(bell)
        assert bell.since == next_one - 1


async def test_two_with_one_pattern_are_both_woken(hub: Hub, bells: Bells) -> None:
    with bells.ringing("agent.*") as one:
        with bells.ringing("agent.*") as two:
            await report(hub, "busy")
            both = await rang(one), await rang(two)
        await report(hub, "idle")

        assert both == (True, True)
        assert await rang(one)
        assert not await rang(two)


async def test_all_are_stopped_with_a_reason_and_later_ones_begin_so(
    bells: Bells,
) -> None:
    with bells.ringing("agent.busy") as bell:
        bells.stop("the hub is stopping")

        assert await rang(bell)
        assert bell.stopped == "the hub is stopping"
    with bells.ringing("**") as late:
        assert late.stopped == "the hub is stopping"


def test_a_malformed_pattern_rings_nothing() -> None:
    with pytest.raises(Invalid), Bells().ringing("agent.b*"):
        pass
