"""The way to a target: all that it is owed, again until it arrives, not for ever."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from server.alerts.book import PATIENCE, Debt, Debts
from server.alerts.facts import Alert
from server.alerts.post import Post, Tally
from server.alerts.targets import targets
from tests.integration.receivers import Hooks, hooks

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


class Line:
    """A post with what it needs."""

    def __init__(self, receiver: Hooks) -> None:
        (target,) = targets([f"json://{receiver.place}/x"])
        self.clock, self.tally, self.debts = Clock(), Tally(), Debts()
        self.paid = 0
        self.receiver = receiver
        self.post = Post(
            target, self.debts, self.tally, self.clock, self._pay, first=0.001
        )

    def _pay(self) -> None:
        self.paid += 1

    def owe(self, *names: str) -> None:
        for name in names:
            alert = Alert((name,), 1, "help", NOW, name, "")
            self.debts[alert.key] = Debt(alert, self.clock.time + PATIENCE)
        self.post.wake()

    def next(self) -> str:
        return str(self.receiver.next().body["title"]).removeprefix("swarmtui: ")


@pytest.fixture
def receiver() -> Iterator[Hooks]:
    with hooks() as running:
        yield running


@pytest.fixture
async def line(receiver: Hooks) -> AsyncIterator[Line]:
    line = Line(receiver)
    yield line
    await line.post.close(0)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


async def test_all_that_is_owed_arrives_as_one_message(line: Line) -> None:
    line.owe("a", "b", "c")

    line.post.open()
    await until(lambda: line.paid == 1)

    assert line.next() == "a, and 2 more"
    assert line.tally.sent == 1
    assert line.debts == {}


async def test_what_did_not_arrive_is_tried_again(
    line: Line, receiver: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    receiver.answers = [503, 503, 503]
    line.owe("a")

    line.post.open()
    await until(lambda: line.tally.sent == 1)

    assert (line.next(), line.tally.failed, line.tally.dropped) == ("a", 3, 0)
    assert caplog.messages == [
        f"alerts do not reach json://{receiver.place}: it answered 503; trying again",
        f"alerts reach json://{receiver.place} again",
    ]


async def test_what_comes_up_or_is_settled_while_a_target_is_away_counts(
    line: Line, receiver: Hooks
) -> None:
    receiver.answers = [503] * 100_000
    line.owe("a", "b")
    line.post.open()
    await until(lambda: line.tally.failed > 0)

    del line.debts["a",]
    line.owe("c")
    before = line.tally.failed
    await until(lambda: line.tally.failed >= before + 2)
    receiver.answers = []

    assert await asyncio.to_thread(line.next) == "b, and 1 more"


async def test_after_an_hour_an_alert_is_dropped_and_the_next_one_tried(
    line: Line, receiver: Hooks
) -> None:
    receiver.answers = [503] * 100_000
    line.owe("a")
    line.post.open()
    await until(lambda: line.tally.failed > 0)

    line.clock.time += PATIENCE - timedelta(seconds=1)
    line.owe("b")
    line.clock.time += timedelta(seconds=1)
    await until(lambda: line.tally.dropped == 1)
    before = line.tally.failed
    await until(lambda: line.tally.failed >= before + 2)
    receiver.answers = []

    assert await asyncio.to_thread(line.next) == "b"
    assert line.paid >= 1


async def test_the_end_waits_for_what_arrives_at_once(line: Line) -> None:
    line.post.open()
    line.owe("a")

    await line.post.close(30)

    assert line.next() == "a"


async def test_the_end_does_not_wait_for_a_target_that_hangs_and_owes_it_on(
    line: Line, receiver: Hooks
) -> None:
    receiver.hangs = True
    line.post.open()
    line.owe("a")
    await until(lambda: receiver.asked == 1)

    await line.post.close(0.05)

    assert [*line.debts] == [("a",)]
    assert line.tally.dropped == 0
