"""Rates, pressure and loss, from totals that are told once a second."""

from collections.abc import Iterable

import pytest

from agentkit.transports.metrics import BOUNDS, Latency, Metrics
from swarmtui.links import ALL, LINK_BUCKETS, LinkBook, LinkRow, folded, is_bridge
from tests.unit.swarmtui.wire import STATS, link, member


def after(*seconds: Iterable[Metrics]) -> dict[str, LinkRow]:
    """Return the rows after the links were told once in each second."""
    book = LinkBook()
    for links in seconds:
        book.take(links)
        book.second()
    return book.rows(STATS)


def test_a_rate_is_what_came_within_the_last_seconds() -> None:
    rows = after(*([link("bus", received=n * 10, published=n * 30)] for n in range(9)))

    assert rows["bus bus"].rate_in == 10
    assert rows["bus bus"].rate_out == 30


def test_a_link_that_is_told_no_more_has_no_rate() -> None:
    rows = after(
        [link("bus", received=0)], *([link("bus", received=90)] for _ in range(7))
    )

    assert rows["bus bus"].rate_in == 0


def test_a_hub_that_begins_anew_has_no_rate_below_nothing() -> None:
    rows = after([link("bus", received=900)], [link("bus", received=3)])

    assert rows["bus bus"].rate_in == 0


@pytest.mark.parametrize(
    ("queued", "pressed"),
    [((5, 3, 1), True), ((5, 0, 4), False), ((5,), False), ((0, 0, 0), False)],
)
def test_pressure_is_a_queue_that_never_empties(
    queued: tuple[int, ...], pressed: bool
) -> None:
    rows = after(*([link("bus", queued=many)] for many in queued))

    assert rows["bus bus"].is_pressed is pressed


def test_losing_is_for_a_few_seconds_only() -> None:
    before, now = [link("bus", dropped=2)], [link("bus", dropped=5)]

    assert after(before, now)["bus bus"].is_losing
    assert not after(before, *([now] * 7))["bus bus"].is_losing
    assert after(before, *([now] * 7))["bus bus"].dropped == 5


def test_the_hub_as_a_whole_is_its_own_links_together() -> None:
    def told(n: int) -> list[Metrics]:
        return [
            link("agents", received=100 * n, reconnects=2),
            link("bus", received=10 * n, dropped=3, queued=4),
            link("redis", received=n),
            link("ci", kind="hub", received=1000 * n, dropped=9),
        ]

    whole = after(told(0), told(1))[ALL]

    assert whole.rate_in == 111
    assert (whole.dropped, whole.reconnects, whole.queue) == (3, 2, 4)
    assert (whole.p50, whole.buckets) == (STATS.p50_ms, STATS.buckets)


def test_where_nothing_was_measured_there_is_no_latency() -> None:
    rows = after([link("agents"), link("bus", latency=Latency(p50=1.0, buckets=(1,)))])

    assert rows["agents agents"].p50 is None
    assert rows["bus bus"].p50 == 1.0


def test_the_buckets_of_a_link_fold_into_those_that_are_shown() -> None:
    buckets = tuple(10**n for n in range(len(BOUNDS) + 1))

    shown = folded(buckets)

    assert len(shown) == len(LINK_BUCKETS)
    assert sum(shown) == sum(buckets)
    for label, upto in zip(LINK_BUCKETS[:-1], (0.1, 0.5, 1, 5, 25), strict=True):
        place = LINK_BUCKETS.index(label)
        below = sum(buckets[: BOUNDS.index(upto) + 1])
        assert label == f"≤{upto:g}"
        assert sum(shown[: place + 1]) == below


def test_transports_of_one_name_are_told_apart() -> None:
    rows = after([link("w", kind="hub"), link("w", kind="hub")])

    assert list(rows) == [ALL, "hub w", "hub w #2"]


def test_who_lags_behind_most_is_named_first() -> None:
    some = (
        member("fast", delivered=9),
        member("slow", queued=1),
        member("deaf", dropped=2),
    )
    rows = after([link("bus", subscriptions=some)])

    assert [one.name for one in rows["bus bus"].troubled] == ["slow", "deaf", "fast"]


@pytest.mark.parametrize(
    ("name", "kind", "bridge"),
    [
        ("redis", "redis", True),
        ("nats-2", "nats", True),
        ("bus", "bus", False),
        ("hub-4711", "hub", False),
        ("worker-1", "redis", False),
    ],
)
def test_a_bridge_is_called_by_its_kind(name: str, kind: str, bridge: bool) -> None:
    assert is_bridge(name, kind) is bridge
