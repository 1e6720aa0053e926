"""Refusals: one line per address and minute, whatever happens."""

import logging
from collections.abc import Iterator

import pytest

from server.refusals import ADDRESSES, OTHERS, PERIOD, REASON, Refusals, log


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def lines() -> Iterator[list[logging.LogRecord]]:
    handler = Lines()
    log.addHandler(handler)
    yield handler.records
    log.removeHandler(handler)


def told(lines: list[logging.LogRecord]) -> list[tuple[str, int]]:
    """Return address and count of each line."""
    return [(line.__dict__["address"], line.__dict__["count"]) for line in lines]


def test_the_first_is_told_at_once_and_the_rest_in_one_line(
    lines: list[logging.LogRecord],
) -> None:
    refusals = Refusals()
    for number in range(1000):
        refusals.note("9.9.9.9", "GET /v1/agents", 401, f"no {number}", 0.0)
    first = told(lines)

    refusals.settle(PERIOD - 1)
    early = len(lines)
    refusals.settle(PERIOD)
    refusals.settle(2 * PERIOD)

    assert first == [("9.9.9.9", 1)]
    assert early == 1
    assert told(lines) == [("9.9.9.9", 1), ("9.9.9.9", 999)]
    assert lines[-1].__dict__["reason"] == "no 999"
    assert refusals.counts == {401: 1000}


def test_whoever_comes_back_after_a_quiet_minute_is_told_anew(
    lines: list[logging.LogRecord],
) -> None:
    refusals = Refusals()
    refusals.note("9.9.9.9", "GET /", 401, "no", 0.0)
    refusals.settle(PERIOD)

    refusals.note("9.9.9.9", "GET /", 401, "no", PERIOD + 1)

    assert told(lines) == [("9.9.9.9", 1), ("9.9.9.9", 1)]


def test_whoever_goes_on_makes_one_line_a_minute(
    lines: list[logging.LogRecord],
) -> None:
    refusals = Refusals()
    for second in range(600):
        refusals.note("9.9.9.9", "GET /", 401, "no", second)
        refusals.settle(second)

    assert len(lines) == 10
    assert sum(count for _, count in told(lines)) <= 600


def test_a_thousand_addresses_are_told_apart_and_no_more(
    lines: list[logging.LogRecord],
) -> None:
    refusals = Refusals()
    for number in range(ADDRESSES + 500):
        refusals.note(f"a{number}", "GET /", 403, "no", 0.0)

    refusals.settle(PERIOD)

    assert len(lines) == ADDRESSES + 2
    assert told(lines)[-1] == (OTHERS, 499)


def test_what_says_nothing_about_who_came_is_not_told(
    lines: list[logging.LogRecord],
) -> None:
    refusals = Refusals()
    for code in (200, 404, 409, 422, 500, 503, 4400):
        refusals.note("9.9.9.9", "GET /", code, "no", 0.0)

    assert lines == []
    assert not refusals.counts


def test_a_reason_is_cut_short(lines: list[logging.LogRecord]) -> None:
    Refusals().note("9.9.9.9", "GET /", 421, "x" * 100_000, 0.0)

    assert len(lines[0].__dict__["reason"]) == REASON
