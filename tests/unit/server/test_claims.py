"""Claims that wait: in order, without a herd, and given back when nobody is there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from agentkit.errors import Conflict, HubUnavailable, NotFound
from agentkit.protocol import (
    Assign,
    Claim,
    Complete,
    Enqueue,
    Notify,
    SendBroadcast,
    Spend,
    TaskLeased,
    Tick,
)
from agentkit.rows import Task
from server.claims import Claimant, Claims
from server.core import Rules, Turn
from server.hub import Hub
from server.store.base import StoreError, Write
from server.store.memory import MemoryStore


class Breakable(MemoryStore):
    """A store that can be told to fail."""

    broken = False

    async def turn(self, write: Write) -> Turn:
        if self.broken:
            write(())
            raise StoreError("the disk is full; make room")
        return await super().turn(write)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub(Breakable(), version="test")
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
async def claims(hub: Hub) -> Claims:
    claims = Claims(hub)
    await claims.open()
    return claims


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0)


async def waiting(claims: Claims, *wishes: Claim) -> list[Claimant]:
    """Let claims wait, the first longest."""
    entered = [claims.enter(wish, wait=True) for wish in wishes]
    await until(lambda: len(claims) == len(wishes))
    return entered


async def enqueue(hub: Hub, key: str, *needs: str, priority: int = 0) -> None:
    await hub.submit(Enqueue(id=key, needs=needs, priority=priority))


async def taken(claimant: Claimant) -> list[str]:
    return [task.id for task in await asyncio.wait_for(claimant.answer, 10)]


async def task(hub: Hub, key: str) -> Task:
    return await hub.ask(lambda swarm: swarm.task(key))


async def test_what_is_ready_is_had_at_once(hub: Hub, claims: Claims) -> None:
    await enqueue(hub, "T1")

    claimant = claims.enter(Claim(agent="a"), wait=True)

    assert await taken(claimant) == ["T1"]
    assert len(claims) == 0


async def test_without_waiting_nothing_is_an_answer(claims: Claims) -> None:
    assert await taken(claims.enter(Claim(agent="a"))) == []


async def test_who_came_first_is_given_first(hub: Hub, claims: Claims) -> None:
    wishes = [Claim(agent=f"a{number}") for number in range(3)]
    first, second, third = await waiting(claims, *wishes)

    await enqueue(hub, "T1")
    await enqueue(hub, "T2")

    assert [await taken(first), await taken(second)] == [["T1"], ["T2"]]
    assert not third.answer.done()


async def test_one_task_costs_one_claim_however_many_wait(
    hub: Hub, claims: Claims
) -> None:
    wishes = [Claim(agent=f"a{number}") for number in range(10_000)]
    claimants = await waiting(claims, *wishes)
    before = hub.stats.commands

    await enqueue(hub, "T1")

    assert await taken(claimants[0]) == ["T1"]
    assert hub.stats.commands - before == 2
    assert len(claims) == 9_999


async def test_a_thousand_waiting_claims_get_a_thousand_tasks_in_order(
    hub: Hub, claims: Claims
) -> None:
    wishes = [Claim(agent=f"a{number}") for number in range(1000)]
    claimants = await waiting(claims, *wishes)
    before = hub.stats.commands

    await asyncio.gather(*(enqueue(hub, f"T{number:03}") for number in range(1000)))

    got = [await taken(claimant) for claimant in claimants]
    assert got == [[f"T{number:03}"] for number in range(1000)]
    assert hub.stats.commands - before == 2000


async def test_only_who_is_able_is_asked_for(hub: Hub, claims: Claims) -> None:
    await hub.submit(Notify(agent="knows", report="idle", capabilities=("video",)))
    clumsy, knows, says = await waiting(
        claims,
        Claim(agent="clumsy", capabilities=("audio",)),
        Claim(agent="knows"),
        Claim(agent="says", capabilities=("video",)),
    )
    before = hub.stats.commands

    await enqueue(hub, "T1", "video")
    await enqueue(hub, "T2", "video")

    assert [await taken(knows), await taken(says)] == [["T1"], ["T2"]]
    assert not clumsy.answer.done()
    assert hub.stats.commands - before == 4


async def test_a_task_for_one_agent_goes_to_its_claim(hub: Hub, claims: Claims) -> None:
    await hub.submit(Notify(agent="b", report="idle"))
    other, own = await waiting(claims, Claim(agent="a"), Claim(agent="b"))

    await hub.submit(Assign(agent="b", id="T1"))

    assert await taken(own) == ["T1"]
    assert not other.answer.done()


async def test_an_agent_that_learns_is_given_what_it_is_able_to_do_now(
    hub: Hub, claims: Claims
) -> None:
    await hub.submit(Notify(agent="a", report="idle"))
    (claimant,) = await waiting(claims, Claim(agent="a"))
    await enqueue(hub, "T1", "video")

    await hub.submit(Notify(agent="a", report="idle", capabilities=("video",)))

    assert await taken(claimant) == ["T1"]


async def test_a_claim_may_take_many(hub: Hub, claims: Claims) -> None:
    (claimant,) = await waiting(claims, Claim(agent="a", tasks=3))

    await asyncio.gather(*(enqueue(hub, f"T{number}") for number in range(5)))

    assert await taken(claimant) == ["T0", "T1", "T2"]


async def test_what_a_claim_leaves_is_offered_on(hub: Hub, claims: Claims) -> None:
    both, video = await waiting(
        claims,
        Claim(agent="both", capabilities=("audio", "video")),
        Claim(agent="video", capabilities=("video",)),
    )

    # Both tasks become ready in one turn; whoever can do either takes the urgent one.
    await asyncio.gather(
        enqueue(hub, "T1", "video"), enqueue(hub, "T2", "audio", priority=9)
    )

    assert await taken(both) == ["T2"]
    assert await taken(video) == ["T1"]


async def test_two_racing_claims_never_get_the_same(hub: Hub, claims: Claims) -> None:
    waiters = await waiting(claims, *(Claim(agent=f"w{n}") for n in range(20)))
    adding = asyncio.gather(*(enqueue(hub, f"T{n:02}") for n in range(30)))
    racers = [claims.enter(Claim(agent=f"r{n}"), wait=True) for n in range(20)]
    await adding

    await until(lambda: sum(one.answer.done() for one in (*waiters, *racers)) == 30)
    got = [
        task.id
        for one in (*waiters, *racers)
        if one.answer.done()
        for task in one.answer.result()
    ]
    assert sorted(got) == [f"T{n:02}" for n in range(30)]
    assert len(claims) == 10


async def test_who_went_away_is_forgotten(hub: Hub, claims: Claims) -> None:
    gone, here = await waiting(claims, Claim(agent="a"), Claim(agent="b"))

    claims.leave(gone)
    await enqueue(hub, "T1")

    assert await taken(here) == ["T1"]
    assert gone.answer.cancelled()


async def test_what_nobody_takes_any_more_is_given_back(
    hub: Hub, claims: Claims
) -> None:
    gone, here = await waiting(claims, Claim(agent="a"), Claim(agent="b"))

    adding = asyncio.create_task(enqueue(hub, "T1"))
    await until(lambda: len(claims) == 1)
    claims.leave(gone)
    await adding

    assert await taken(here) == ["T1"]
    row = await task(hub, "T1")
    assert (row.agent, row.attempts) == ("b", 1)


async def test_what_was_won_and_not_handed_over_is_given_back(
    hub: Hub, claims: Claims
) -> None:
    await enqueue(hub, "T1")
    claimant = claims.enter(Claim(agent="a"))
    await taken(claimant)

    claims.leave(claimant)

    assert await taken(claims.enter(Claim(agent="b"), wait=True)) == ["T1"]
    assert (await task(hub, "T1")).attempts == 1


async def test_a_dismissed_claim_is_answered_with_nothing(claims: Claims) -> None:
    (claimant,) = await waiting(claims, Claim(agent="a"))

    claims.dismiss(claimant)

    assert claimant.answer.result() == []
    assert len(claims) == 0


async def test_a_claim_dismissed_while_it_is_decided_keeps_what_it_wins(
    hub: Hub, claims: Claims
) -> None:
    await enqueue(hub, "T1")
    claimant = claims.enter(Claim(agent="a"), wait=True)

    claims.dismiss(claimant)

    assert await taken(claimant) == ["T1"]


async def test_a_named_task_is_had_or_refused(hub: Hub, claims: Claims) -> None:
    await enqueue(hub, "T1")
    await taken(claims.enter(Claim(agent="a", task="T1"), wait=True))

    with pytest.raises(Conflict, match="leased by a"):
        await taken(claims.enter(Claim(agent="b", task="T1"), wait=True))
    with pytest.raises(NotFound):
        await taken(claims.enter(Claim(agent="b", task="none"), wait=True))


async def test_the_same_key_gives_the_same_tasks(hub: Hub, claims: Claims) -> None:
    await enqueue(hub, "T1")
    await enqueue(hub, "T2")

    first = await claims.enter(Claim(agent="a"), key="k").answer
    again = await claims.enter(Claim(agent="a"), key="k").answer

    assert [row.id for row in first] == ["T1"]
    assert again == first
    assert first[0] == await task(hub, "T1")


async def test_a_key_that_got_nothing_may_get_something_later(
    hub: Hub, claims: Claims
) -> None:
    assert await taken(claims.enter(Claim(agent="a"), key="k")) == []
    claimant = claims.enter(Claim(agent="a"), wait=True, key="k")
    await until(lambda: len(claims) == 1)

    await enqueue(hub, "T1")

    assert await taken(claimant) == ["T1"]
    assert await taken(claims.enter(Claim(agent="a"), key="k")) == ["T1"]


async def test_a_key_of_something_else_is_a_conflict(hub: Hub, claims: Claims) -> None:
    await hub.submit(Enqueue(id="T1"), key="k")

    with pytest.raises(Conflict, match="used for something else"):
        await taken(claims.enter(Claim(agent="a"), key="k"))


async def test_a_hub_that_stops_lets_everybody_go(hub: Hub, claims: Claims) -> None:
    first, second = await waiting(claims, Claim(agent="a"), Claim(agent="b"))

    claims.release()

    assert [await taken(first), await taken(second)] == [[], []]
    assert await taken(claims.enter(Claim(agent="c"), wait=True)) == []


async def test_a_hub_that_cannot_write_tells_everybody_who_waits(
    hub: Hub, claims: Claims
) -> None:
    store = hub.store
    assert isinstance(store, Breakable)
    waiters = await waiting(claims, Claim(agent="a"), Claim(agent="b"))

    store.broken = True
    late = claims.enter(Claim(agent="c"), wait=True)

    for claimant in (late, *waiters):
        with pytest.raises(HubUnavailable, match="disk is full"):
            await claimant.answer
    store.broken = False


async def test_leases_come_with_their_rows(hub: Hub, claims: Claims) -> None:
    await hub.submit(Enqueue(id="T1", title="look", body={"x": 1}))

    (row,) = await claims.enter(Claim(agent="a", lease=60)).answer

    (event,) = [
        logged
        for logged in await hub.store.events()
        if isinstance(logged.event, TaskLeased)
    ]
    assert (row.state, row.agent, row.fence) == ("leased", "a", event.cursor)
    assert (row.title, row.body) == ("look", {"x": 1, "id": "T1"})
    assert row.lease == 60


async def test_what_was_offered_to_a_claim_that_is_refused_goes_to_the_next(
    hub: Hub, claims: Claims
) -> None:
    refused = claims.enter(Claim(agent="a"), wait=True, key="k")
    await until(lambda: len(claims) == 1)
    patient = claims.enter(Claim(agent="b"), wait=True)
    await until(lambda: len(claims) == 2)
    await hub.submit(SendBroadcast(id="x1", text="hello"), key="k")

    await enqueue(hub, "T1")

    with pytest.raises(Conflict, match="Idempotency-Key was used"):
        await taken(refused)
    assert await taken(patient) == ["T1"]


async def test_who_comes_back_with_its_key_has_what_was_not_handed_over(
    hub: Hub, claims: Claims
) -> None:
    await enqueue(hub, "T1")
    gone = claims.enter(Claim(agent="a"), key="k")
    await taken(gone)
    claims.leave(gone)
    other = claims.enter(Claim(agent="b"))
    await taken(other)

    (again,) = await claims.enter(Claim(agent="a"), key="k").answer
    await hub.submit(Complete(agent="a", task="T1", fence=again.fence))

    assert await taken(other) == []
    assert (await task(hub, "T1")).state == "done"


async def test_a_claim_over_budget_waits_until_its_agent_gets_work_again() -> None:
    clock = [datetime(2026, 1, 1, tzinfo=UTC)]
    hub = Hub(MemoryStore(), rules=Rules(budget=1.0), clock=lambda: clock[0])
    await hub.start()
    claims = Claims(hub)
    await claims.open()
    await hub.submit(Notify(agent="a", report="idle"))
    await hub.submit(Spend(agent="a", cost=1.0))
    await enqueue(hub, "T1")
    (claimant,) = await waiting(claims, Claim(agent="a"))

    clock[0] += timedelta(days=1)
    await hub.submit(Tick())

    assert await taken(claimant) == ["T1"]
    await hub.stop()


async def test_what_one_may_not_have_over_budget_goes_to_the_next() -> None:
    hub = Hub(MemoryStore(), rules=Rules(budget=1.0))
    await hub.start()
    claims = Claims(hub)
    await claims.open()
    await hub.submit(Notify(agent="a", report="idle"))
    await hub.submit(Spend(agent="a", cost=1.0))
    first, second = await waiting(claims, Claim(agent="a"), Claim(agent="b"))

    await enqueue(hub, "T1")

    assert await taken(second) == ["T1"]
    assert not first.answer.done()
    claims.leave(first)
    await hub.stop()
