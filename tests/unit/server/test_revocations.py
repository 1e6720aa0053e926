"""Who loses work is told, once; who ends it itself is not."""

import json
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from agentkit.protocol import Cancel, Claim, Enqueue, Fail, TaskLeased
from agentkit.rows import Task
from server.claims import as_leased
from server.connection import Connection
from server.hub import Hub
from server.mailroom import Mailroom, Recipient
from server.revocations import Revocations
from server.store.memory import MemoryStore


class Wire:
    """As much of a connection as is written to; keeps what was written."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []

    def send_text(self, text: bytes) -> int:
        self.frames.append(json.loads(text))
        return len(text)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub(MemoryStore(), version="test")
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
def mailroom(hub: Hub) -> Mailroom:
    return Mailroom(hub)


@pytest.fixture
def wire(mailroom: Mailroom) -> Wire:
    """The connection of agent a."""
    wire = Wire()
    mailroom.recipients["a"] = Recipient("a", cast(Connection, wire), 0)
    return wire


@pytest.fixture
async def revocations(hub: Hub, mailroom: Mailroom) -> Revocations:
    revocations = Revocations(hub, mailroom)
    await revocations.open()
    return revocations


async def leased(hub: Hub, key: str, agent: str = "a") -> Task:
    await hub.submit(Enqueue(id=key))
    outcome = await hub.submit(
        Claim(agent=agent, task=key), read=lambda swarm, _: swarm.task(key)
    )
    cursor, event = outcome.events[-1]
    assert isinstance(event, TaskLeased)
    assert outcome.value is not None
    return as_leased(outcome.value, cursor, event)


async def test_a_lease_that_was_called_off_is_revoked(
    hub: Hub, revocations: Revocations, wire: Wire
) -> None:
    task = await leased(hub, "T1")

    await hub.submit(Cancel(id="T1", reason="too late"))

    told = {"type": "revoked", "task": "T1", "fence": task.fence, "reason": "too late"}
    assert wire.frames == [told]


async def test_leases_of_the_last_run_are_known(
    hub: Hub, mailroom: Mailroom, wire: Wire
) -> None:
    await leased(hub, "T1")
    await Revocations(hub, mailroom).open()

    await hub.submit(Cancel(id="T1", by="me"))

    assert [frame["reason"] for frame in wire.frames] == ["it was cancelled by me"]


async def test_who_fails_is_not_told(
    hub: Hub, revocations: Revocations, wire: Wire
) -> None:
    task = await leased(hub, "T1")
    revocations.let_go("T1", "a", task.fence)

    await hub.submit(Fail(agent="a", task="T1", fence=task.fence, final=True))

    assert wire.frames == []


async def test_nobody_lets_go_of_what_another_has(
    hub: Hub, revocations: Revocations, wire: Wire
) -> None:
    task = await leased(hub, "T1")
    revocations.let_go("T1", "b", task.fence)
    revocations.let_go("T1", "a", task.fence - 1)

    await hub.submit(Cancel(id="T1"))

    assert len(wire.frames) == 1


async def test_a_claim_under_a_new_fence_is_not_a_loss(
    hub: Hub, revocations: Revocations, wire: Wire
) -> None:
    await leased(hub, "T1")

    await hub.submit(Claim(agent="a", task="T1"))

    assert wire.frames == []


async def test_what_was_lost_before_it_was_handed_over_is_told_again(
    hub: Hub, revocations: Revocations, wire: Wire
) -> None:
    kept, lost = await leased(hub, "T1"), await leased(hub, "T2")
    await hub.submit(Cancel(id="T2"))
    wire.frames.clear()

    revocations.check([kept, lost])

    assert [frame["task"] for frame in wire.frames] == ["T2"]
    assert "before it was handed over" in wire.frames[0]["reason"]
