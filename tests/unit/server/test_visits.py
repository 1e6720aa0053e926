"""Visits: who stays, and who is told to go."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from server.asgi import RequestError
from server.auth import Principal
from server.visits import Visits

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ONE = Principal("viewer", "one", "k1")
SHORT = Principal("viewer", "short", "k2", expires=NOW)


def test_a_visit_is_counted_for_as_long_as_it_lasts() -> None:
    visits = Visits()

    with visits.during(ONE, print), visits.during(ONE, print):
        with visits.during(SHORT, print):
            assert len(visits) == 3
        assert len(visits) == 2

    assert len(visits) == 0


def test_those_with_the_same_token_are_ended_together() -> None:
    visits, ended = Visits(), list[str]()
    with visits.during(ONE, ended.append), visits.during(ONE, ended.append):
        visits.end("k1", "gone")
        visits.end("k9", "never here")

    assert ended == ["gone", "gone"]


def test_a_visit_ends_when_its_token_expires_and_not_before() -> None:
    visits, ended = Visits(), list[str]()
    with visits.during(SHORT, ended.append), visits.during(ONE, ended.append):
        visits.expire(NOW - timedelta(seconds=1))
        before = list(ended)
        visits.expire(NOW)

    assert before == []
    assert len(ended) == 1
    assert "expired at 2026-11-21 00:00:00 UTC" in ended[0]


def test_whoever_left_is_not_ended() -> None:
    visits, ended = Visits(), list[str]()
    with visits.during(SHORT, ended.append):
        pass

    visits.end("k2", "gone")
    visits.expire(NOW)

    assert ended == []


async def test_work_that_waits_is_refused_when_its_token_is() -> None:
    visits = Visits()
    work = asyncio.create_task(visits.unless_ended(ONE, asyncio.Event().wait()))
    await asyncio.sleep(0)

    visits.end("k1", "gone")
    visits.end("k1", "gone again")

    with pytest.raises(RequestError, match=r"^gone$") as refusal:
        await work
    assert refusal.value.status == 401
    assert len(visits) == 0


async def test_work_that_is_cancelled_by_others_stays_cancelled() -> None:
    visits = Visits()
    work = asyncio.create_task(visits.unless_ended(ONE, asyncio.Event().wait()))
    await asyncio.sleep(0)

    work.cancel()

    with pytest.raises(asyncio.CancelledError):
        await work


async def test_work_that_is_done_is_told() -> None:
    assert await Visits().unless_ended(ONE, asyncio.sleep(0, "done")) == "done"
