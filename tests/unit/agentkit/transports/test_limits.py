"""What waits for a handler, and what is dropped."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import Invalid
from agentkit.transports import Event, Limits
from agentkit.transports.limits import Backlog, Overflowed


def event(number: int, name: str = "a") -> Event:
    return Event(name, {"n": number})


async def drained(backlog: Backlog) -> list[Any]:
    return [(await backlog.take())[0].data["n"] for _ in range(len(backlog))]


async def test_without_room_the_oldest_goes() -> None:
    backlog = Backlog(Limits(messages=2))

    for number in range(4):
        assert backlog.offer(event(number), 1)

    assert await drained(backlog) == [2, 3]
    assert backlog.dropped == 2


async def test_without_room_the_newest_goes() -> None:
    backlog = Backlog(Limits(messages=2, policy="drop_newest"))

    for number in range(4):
        assert backlog.offer(event(number), 1)

    assert await drained(backlog) == [0, 1]
    assert backlog.dropped == 2


async def test_conflated_is_the_latest_of_each_key_in_the_place_of_the_first() -> None:
    backlog = Backlog(Limits(policy="conflate"))

    for number, name in enumerate("abaacb"):
        backlog.offer(event(number, name), 1)

    assert await drained(backlog) == [3, 5, 4]
    assert backlog.dropped == 3


async def test_conflation_goes_by_a_key_of_ones_own() -> None:
    limits = Limits(policy="conflate", key=lambda event: str(event.data["n"] % 2))
    backlog = Backlog(limits)

    for number in range(5):
        backlog.offer(event(number), 1)

    assert await drained(backlog) == [4, 3]


async def test_conflated_keys_are_bounded_too() -> None:
    backlog = Backlog(Limits(policy="conflate", messages=2, bytes=10))

    for number, (name, size) in enumerate([("a", 4), ("b", 4), ("a", 8), ("c", 10)]):
        backlog.offer(event(number, name), size)

    assert await drained(backlog) == [3]
    assert backlog.bytes == 0


async def test_without_room_the_subscription_ends() -> None:
    backlog = Backlog(Limits(messages=1, policy="disconnect"))
    backlog.offer(event(0), 1)

    with pytest.raises(Overflowed):
        backlog.offer(event(1), 1)


async def test_who_brings_an_event_waits_for_room_in_turn() -> None:
    backlog = Backlog(Limits(messages=1, policy="block", timeout=20))
    backlog.offer(event(0), 1)

    waiting = [asyncio.create_task(backlog.wait(event(n), 1)) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    assert not backlog.offer(event(4), 1)
    got = [(await backlog.take())[0].data["n"] for _ in range(4)]
    await asyncio.gather(*waiting)

    assert got == [0, 1, 2, 3]
    assert backlog.dropped == 0


async def test_an_event_does_not_overtake_one_that_waits_for_room() -> None:
    backlog = Backlog(Limits(messages=1, policy="block", timeout=20))
    backlog.offer(event(0), 1)
    waiting = asyncio.create_task(backlog.wait(event(1), 1))
    await asyncio.sleep(0)

    await backlog.take()

    assert not backlog.offer(event(2), 1)
    await waiting
    assert await drained(backlog) == [1]


async def test_who_waited_too_long_has_its_event_dropped() -> None:
    backlog = Backlog(Limits(messages=1, policy="block", timeout=0.01))
    backlog.offer(event(0), 1)

    await backlog.wait(event(1), 1)

    assert backlog.dropped == 1
    assert await drained(backlog) == [0]


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "conflate", "block"])
async def test_an_event_larger_than_all_room_is_dropped_alone(policy: Any) -> None:
    backlog = Backlog(Limits(bytes=10, policy=policy))
    backlog.offer(event(0, "b"), 5)

    assert backlog.offer(event(1), 11)

    assert backlog.dropped == 1
    assert await drained(backlog) == [0]


@given(
    policy=st.sampled_from(["drop_oldest", "drop_newest", "conflate"]),
    messages=st.integers(1, 4),
    room=st.integers(1, 12),
    steps=st.lists(st.tuples(st.sampled_from(["take", *"abc"]), st.integers(1, 14))),
)
def test_bounds_hold_and_all_is_accounted_for(
    policy: Any, messages: int, room: int, steps: list[tuple[str, int]]
) -> None:
    async def play() -> None:
        backlog = Backlog(Limits(messages=messages, bytes=room, policy=policy))
        offered = taken = 0
        numbers = []
        for step, size in steps:
            if step != "take":
                assert backlog.offer(event(offered, step), size)
                offered += 1
            elif len(backlog):
                numbers.append((await backlog.take())[0].data["n"])
                taken += 1
            assert len(backlog) <= messages
            assert backlog.bytes <= room
            assert offered == taken + backlog.dropped + len(backlog)
        numbers += await drained(backlog)
        assert backlog.bytes == 0
        assert len(set(numbers)) == len(numbers)
        if policy != "conflate":
            assert numbers == sorted(numbers)

    asyncio.run(play())


@pytest.mark.parametrize(
    "bounds", [{"messages": 0}, {"bytes": 0}, {"timeout": -1}, {"policy": "pray"}]
)
def test_limits_that_let_nothing_through_are_refused(bounds: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="use"):
        Limits(**bounds)
