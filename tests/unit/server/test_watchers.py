"""What a snapshot shows of tasks, and in which frames."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import islice

import pytest

from agentkit.protocol import Cancel, Claim, Complete, Enqueue, Fail
from server.hub import Hub, count_tasks
from server.store.memory import MemoryStore
from server.watchers import FRAME, RECENT, Picture, _frames, notable


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub(MemoryStore(), version="test")
    await hub.start()
    yield hub
    await hub.stop()


async def shown(hub: Hub, most: int = 5000) -> list[str]:
    return await hub.ask(lambda swarm: [row.id for row in notable(swarm, most)])


async def claimed(hub: Hub, key: str) -> int:
    outcome = await hub.submit(Claim(agent="a", task=key))
    return outcome.events[-1].cursor


async def test_the_most_telling_tasks_come_first(hub: Hub) -> None:
    for key in ("wait", "dies", "held", "done"):
        await hub.submit(Enqueue(id=key, title=key))
    await hub.submit(Enqueue(id="urgent", priority=9))
    later = hub.now() + timedelta(hours=1)
    await hub.submit(Enqueue(id="later", not_before=later))
    dies = await claimed(hub, "dies")
    await hub.submit(Fail(agent="a", task="dies", fence=dies, final=True))
    done = await claimed(hub, "done")
    await hub.submit(Complete(agent="a", task="done", fence=done))
    await claimed(hub, "held")

    assert await shown(hub) == ["held", "dies", "done", "urgent", "wait", "later"]
    assert await shown(hub, 4) == ["held", "dies", "done", "urgent"]
    assert await hub.ask(count_tasks) == {
        "leased": 1,
        "dead": 1,
        "done": 1,
        "queued": 2,
        "scheduled": 1,
    }


async def test_a_few_that_were_settled_last_come_before_what_waits(hub: Hub) -> None:
    for number in range(RECENT + 1):
        await hub.submit(Enqueue(id=f"c{number}"))
        await hub.submit(Cancel(id=f"c{number}"))
    await hub.submit(Enqueue(id="wait"))

    order = await shown(hub)

    assert order[0] == f"c{RECENT}"
    assert order[-2:] == ["wait", "c0"]


async def test_a_frame_is_full_after_so_many_bytes(hub: Hub) -> None:
    body = {"text": "x" * (FRAME // 3)}
    for number in range(5):
        await hub.submit(Enqueue(id=f"T{number}", body=body))
    rows = await hub.ask(lambda swarm: notable(swarm, 5000))

    frames = [
        json.loads(text)
        for text in _frames(Picture(9, {"tasks": list(rows)}, {"queued": 5}))
    ]

    assert [len(frame["tasks"]) for frame in frames] == [3, 2, 0]
    assert [frame["more"] for frame in frames] == [True, True, False]
    assert frames[-1]["counts"] == {"queued": 5}
    assert list(islice(frames[0], 5)) == [
        "type",
        "cursor",
        "more",
        "agents",
        "helps",
    ]
