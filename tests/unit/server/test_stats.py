"""How busy the hub is and how long things take."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agentkit.protocol import Event, Logged, TaskDead, TaskReleased
from server.stats import EDGES, WINDOW, Meter


def test_percentiles_are_within_one_class_of_the_truth() -> None:
    meter = Meter()
    for ms in range(1, 101):
        meter.stored(float(ms))

    p50, p99 = meter.percentiles(0.5, 0.99)

    assert 50 <= p50 <= 50 * 1.15
    assert 99 <= p99 <= 99 * 1.15


def test_nothing_measured_is_zero() -> None:
    assert Meter().percentiles(0.5, 0.99) == [0.0, 0.0]


@pytest.mark.parametrize("ms", [0.0, EDGES[0], EDGES[-1], 1e9])
def test_every_latency_has_a_class(ms: float) -> None:
    meter = Meter()
    meter.stored(ms)

    assert meter.percentiles(1.0)[0] in EDGES
    assert sum(meter.histogram()) == 1


def test_the_histogram_that_people_see_has_six_classes() -> None:
    meter = Meter()
    for ms in (0.1, 0.5, 0.9, 1.5, 4.0, 9.9, 10.0, 500.0):
        meter.stored(ms)

    assert meter.histogram() == [1, 2, 1, 1, 1, 2]


def test_latencies_are_told_over_the_last_seconds_only() -> None:
    meter = Meter()
    meter.stored(5.0)

    for _ in range(WINDOW):
        meter.tick()

    assert sum(meter.histogram()) == 0


def test_a_second_that_was_closed_tells_its_rates() -> None:
    meter = Meter()
    meter.arrived(100)
    meter.pushed(3, 900)

    meter.tick()
    meter.arrived(1)

    assert (meter.last.arrived, meter.last.pushed) == (1, 3)
    assert (meter.commands, meter.in_bytes, meter.out_bytes) == (2, 101, 900)


def test_a_lease_that_ran_out_is_counted_whether_or_not_its_task_is_tried_again() -> (
    None
):
    meter = Meter()
    common: dict[str, Any] = {
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "agent": "a",
        "task": "T1",
        "fence": 1,
        "reason": "",
    }
    ends: tuple[Event, ...] = (
        TaskReleased(cause="expired", not_before=None, **common),
        TaskReleased(cause="failed", not_before=None, **common),
        TaskDead(cause="expired", **common),
        TaskDead(**common),
    )

    meter.wrote([Logged(cursor, end) for cursor, end in enumerate(ends, 1)], 1.0)

    assert (meter.events, meter.expired) == (4, 2)
