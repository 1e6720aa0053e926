"""The way to a target: in order, again until it arrives, and not for ever."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from server.alerts.message import Message
from server.alerts.post import PATIENCE, QUEUE, Post, Tally
from server.alerts.targets import targets
from tests.integration.receivers import Hooks, hooks

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


def message(number: int) -> Message:
    return Message(str(number), "body", "warning", NOW)


@pytest.fixture
def receiver() -> Iterator[Hooks]:
    with hooks() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
async def post(receiver: Hooks, clock: Clock, tally: Tally) -> AsyncIterator[Post]:
    (target,) = targets([f"json://{receiver.place}/x"])
    post = Post(target, tally, clock, first=0.001)
    yield post
    await post.close(0)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


async def test_messages_arrive_in_order(
    post: Post, receiver: Hooks, tally: Tally
) -> None:
    for number in range(5):
        post.put(message(number))
    assert post.waiting == 5

    post.open()
    await until(lambda: tally.sent == 5)

    assert [receiver.next().body["title"] for _ in range(5)] == list("01234")
    assert post.waiting == 0


async def test_what_did_not_arrive_is_tried_again(
    post: Post, receiver: Hooks, tally: Tally, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    receiver.answers = [503, 503, 503]
    post.put(message(1))
    post.put(message(2))

    post.open()
    await until(lambda: tally.sent == 2)

    assert tally.failed == 3
    assert tally.dropped == 0
    assert [receiver.next().body["title"] for _ in range(2)] == ["1", "2"]
    assert caplog.messages == [
        f"alerts do not reach json://{receiver.place}: it answered 503; trying again",
        f"alerts reach json://{receiver.place} again",
    ]


async def test_after_an_hour_a_message_is_dropped_and_the_next_one_tried(
    post: Post, receiver: Hooks, tally: Tally, clock: Clock
) -> None:
    receiver.answers = [503] * 100_000
    post.put(message(1))
    post.open()
    await until(lambda: tally.failed > 0)

    clock.time += PATIENCE + timedelta(seconds=1)
    await until(lambda: tally.dropped == 1)
    receiver.answers = []
    post.put(message(2))

    assert (await asyncio.to_thread(receiver.next)).body["title"] == "2"


async def test_what_waits_is_bounded_and_the_oldest_goes_first(
    post: Post, receiver: Hooks, tally: Tally
) -> None:
    for number in range(QUEUE + 2):
        post.put(message(number))

    assert (post.waiting, tally.dropped) == (QUEUE, 2)
    post.open()
    assert (await asyncio.to_thread(receiver.next)).body["title"] == "2"


async def test_the_end_waits_for_what_arrives_at_once(
    post: Post, receiver: Hooks, tally: Tally
) -> None:
    post.open()
    post.put(message(1))

    await post.close(30)

    assert receiver.next().body["title"] == "1"
    assert tally.dropped == 0


async def test_the_end_does_not_wait_for_a_target_that_hangs(
    post: Post, receiver: Hooks, tally: Tally
) -> None:
    receiver.hangs = True
    post.open()
    post.put(message(1))
    await until(lambda: receiver.asked == 1)

    await post.close(0.05)

    assert tally.dropped == 1
