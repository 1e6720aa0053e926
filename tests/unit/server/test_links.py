"""What is kept of what transports tell of themselves."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentkit.transports import LocalTransport
from server.links import EACH, GONE, SHOWN, TOLD, Links

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def links(clock: Clock) -> Links:
    return Links(clock)


def figures(name: str, **changes: Any) -> dict[str, Any]:
    """Return what a transport tells of itself."""
    return {**LocalTransport(name=name).metrics().as_data(), **changes}


def told(links: Links) -> list[str]:
    return [each.name for each in links.all("") if each.kind == "local"]


def test_what_a_transport_tells_takes_the_place_of_what_it_told(links: Links) -> None:
    links.tell("bus", "a1", figures("t1", published=1))
    links.tell("bus", "a1", figures("t1", published=2))

    assert [each.published for each in links.all("") if each.name == "a1: t1"] == [2]


def test_links_of_one_name_from_two_sources_are_two(links: Links) -> None:
    links.tell("bus", "a1", figures("t1"))
    links.tell("bus", "a2", figures("t1"))
    links.tell("redis", "a1", figures("t1"))

    assert told(links) == ["a1: t1", "a2: t1", "a1: t1"]


def test_one_source_cannot_crowd_out_the_others(links: Links) -> None:
    links.tell("bus", "a1", figures("mine"))
    for number in range(3 * EACH):
        links.tell("bus", "greedy", figures(f"g{number}"))

    newest = [f"greedy: g{number}" for number in range(2 * EACH, 3 * EACH)]
    assert told(links) == ["a1: mine", *newest]


def test_of_many_sources_the_latest_are_kept(links: Links) -> None:
    for number in range(TOLD + 5):
        links.tell("bus", f"a{number}", figures(f"t{number}"))

    assert told(links) == [f"a{number}: t{number}" for number in range(5, TOLD + 5)]


LONG = {"name": "s", "pattern": "p" * 1000, "queued": 0, "delivered": 0, "dropped": 0}
SUBSCRIPTION = {**LONG, "pattern": "a.*", "dead": 0, "state": "waiting"}


def test_few_subscriptions_of_each_are_kept(links: Links) -> None:
    links.tell("bus", "a1", figures("t1", subscriptions=[SUBSCRIPTION] * 5 * SHOWN))

    (found,) = [each for each in links.all("") if each.name == "a1: t1"]
    assert len(found.subscriptions) == SHOWN


FAST = LocalTransport(name="fast").metrics().as_data()["latency"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"published": "many"},
        {"state": "gone"},
        {"since": "yesterday"},
        {"latency": None},
        {"published": 10**30},
        {"latency": {"p50": 0, "p99": 0, "buckets": [1, 2]}},
        {"latency": {**FAST, "p99": float("inf")}},
        {"subscriptions": [{"name": "s"}]},
        {"url": "x" * 70_000},
        {"subscriptions": [{**LONG, "dead": 0, "state": "waiting"}] * SHOWN},
    ],
)
def test_what_cannot_be_is_counted_and_left_out(
    links: Links, wrong: dict[str, Any]
) -> None:
    links.tell("bus", "a1", figures("t1", **wrong))

    assert told(links) == []
    assert links.garbled == 1


def test_who_tells_of_itself_is_named_once(links: Links) -> None:
    links.tell("bus", "t1", figures("t1"))

    assert told(links) == ["t1"]


def test_what_is_closed_is_shown_for_a_while(links: Links, clock: Clock) -> None:
    links.tell("bus", "a1", figures("t1", state="connected"))

    links.gone("bus", "a1")
    clock.now += GONE
    closed = [
        (each.state, each.since) for each in links.all("") if each.name == "a1: t1"
    ]
    clock.now += timedelta(seconds=1)

    assert closed == [("closed", NOW)]
    assert told(links) == []


def test_a_name_that_was_here_before_is_a_reconnection(links: Links) -> None:
    for name in ("a1", "a2", "a1", "a1"):
        links.agents.opened(name)

    assert links.agents.metrics("").reconnects == 2


def test_bridges_are_told_of_with_the_hubs_own(links: Links) -> None:
    metrics: Callable[[], Any] = LocalTransport(name="mine").metrics
    links.bridges["mine"] = metrics

    names = [each.name for each in links.standing("http://hub")]

    assert names == ["agents", "watchers", "bus", "http", "mine"]
    assert links.standing("http://hub")[0].url == "http://hub/v1/agent"
