"""Tasks by id and state: a page costs a page, however many there are."""

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.protocol import Cancel, Claim, Complete, Enqueue, Requeue
from agentkit.rows import Task
from server.core import Rules, Swarm
from server.hub import Hub, Query, T
from server.shelf import BLOCK, LOOK, Ids, Shelf
from server.store.memory import MemoryStore

MANY = 50_000


class WatchedHub(Hub):
    """A hub that notes how many tasks a question looks at."""

    looked = 0

    async def ask(self, query: Query[T]) -> T:
        hub = self

        class Watched(dict[str, Task]):
            def __getitem__(self, key: str) -> Task:
                hub.looked += 1
                return super().__getitem__(key)

            def values(self) -> Any:
                hub.looked += len(self)
                return super().values()

        def watched(swarm: Swarm) -> T:
            tasks, swarm.tasks = swarm.tasks, Watched(swarm.tasks)
            try:
                return query(swarm)
            finally:
                swarm.tasks = tasks

        return await super().ask(watched)


@pytest.fixture
async def hub() -> AsyncIterator[WatchedHub]:
    hub = WatchedHub(MemoryStore(), rules=Rules(keep_settled=10), version="test")
    await hub.start()
    yield hub
    await hub.stop()


async def shelf_of(hub: Hub) -> Shelf:
    shelf = Shelf(hub)
    await shelf.open()
    return shelf


async def listed(shelf: Shelf, limit: int = 100, **question: str) -> list[str]:
    rows, _, _ = await shelf.page(question, limit)
    return [row.id for row in rows]


async def test_tasks_move_from_state_to_state(hub: Hub) -> None:
    for number in range(3):
        await hub.submit(Enqueue(id=f"T{number}"))
    shelf = await shelf_of(hub)
    outcome = await hub.submit(Claim(agent="a", task="T1"))
    await hub.submit(Cancel(id="T2"))
    await hub.submit(Enqueue(id="T3"))

    fence = outcome.events[-1].cursor
    leased = await listed(shelf, state="leased")
    await hub.submit(Complete(agent="a", task="T1", fence=fence))

    assert leased == ["T1"]
    assert await listed(shelf) == ["T0", "T1", "T2", "T3"]
    assert await listed(shelf, state="queued") == ["T0", "T3"]
    assert await listed(shelf, state="done", agent="a") == ["T1"]
    assert await listed(shelf, state="leased") == []


async def test_of_settled_tasks_as_many_are_listed_as_the_hub_keeps(hub: Hub) -> None:
    shelf = await shelf_of(hub)
    for number in range(15):
        await hub.submit(Enqueue(id=f"T{number:02}"))
        await hub.submit(Cancel(id=f"T{number:02}"))
    await hub.submit(Requeue(id="T07"))

    everything = [f"T{number:02}" for number in range(5, 15)]
    assert await listed(shelf) == everything
    assert "T07" not in await listed(shelf, state="cancelled")
    assert await listed(shelf, state="queued") == ["T07"]


async def test_a_page_of_many_tasks_looks_at_a_page(hub: WatchedHub) -> None:
    random_order = random.Random(7).sample(range(MANY), MANY)
    for number in random_order:
        hub.post(Enqueue(id=f"T{number:05}"))
    shelf = await shelf_of(hub)
    hub.looked = 0

    rows, after, counts = await shelf.page({"state": "queued", "after": "T24999"}, 100)

    assert [row.id for row in rows] == [f"T{n}" for n in range(25_000, 25_100)]
    assert (after, counts) == ("T25099", {"queued": MANY})
    assert hub.looked <= 2 * 101


async def test_who_looks_for_few_lets_others_go_in_between(hub: WatchedHub) -> None:
    last = f"T{5 * LOOK - 1:05}"
    for number in range(5 * LOOK):
        hub.post(Enqueue(id=f"T{number:05}"))
    await hub.submit(Claim(agent="a", task=last))
    shelf = await shelf_of(hub)
    most = 0

    async def ask(query: Query[T]) -> T:
        nonlocal most
        hub.looked = 0
        answer = await WatchedHub.ask(hub, query)
        most = max(most, hub.looked)
        return answer

    hub.ask = ask  # type: ignore[method-assign]
    found = await listed(shelf, agent="a")

    assert found == [last]
    assert 0 < most <= 2 * LOOK


@given(st.lists(st.integers(0, 3000), max_size=300), st.integers(0, 3000))
def test_ids_are_kept_in_order(changes: list[int], after: int) -> None:
    ids, known = Ids(), set[str]()
    for number in (*range(0, 3000, 2), *changes):
        key = f"{number:04}"
        if key in known:
            ids.remove(key)
            known.discard(key)
        else:
            ids.add(key)
            known.add(key)

    walked, key = [], f"{after:04}"
    while page := ids.after(key, 700):
        walked += page
        key = page[-1]
    assert walked == sorted(key for key in known if key > f"{after:04}")
    assert len(ids) == len(known)


def test_no_ids_are_none() -> None:
    ids = Ids()
    for number in range(3 * BLOCK):
        ids.add(str(number))
    for number in range(3 * BLOCK):
        ids.remove(str(number))

    assert (len(ids), ids.after("", 10)) == (0, [])
