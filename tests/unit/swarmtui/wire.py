"""Messages, links and letters for the tests of the mode Traffic."""

from datetime import timedelta
from typing import Any

from agentkit.coordinator import Heard, Stats
from agentkit.protocol import AgentReported, Event, LetterDead, TaskDone
from agentkit.rows import Letter, Report
from agentkit.traffic import Tapped
from agentkit.transports.metrics import Latency, Metrics, SubscriptionMetrics
from tests.unit.swarmtui.conftest import NOW, StillSwarm, lively

FIGURES = (
    *("published", "received", "delivered", "failed", "retried", "dead", "dropped"),
    *("garbage", "reconnects", "bytes_in", "bytes_out", "queued", "queued_bytes"),
)


def at(seconds: float) -> Any:
    """Return a time so many seconds after the others."""
    return NOW + timedelta(seconds=seconds)


def tapped(subject: str, seconds: float = 0.0, **given: Any) -> Tapped:
    """Return a message that went over the bus."""
    known: dict[str, Any] = {
        "at": at(seconds),
        "link": "bus",
        "direction": "in",
        "source": "ci",
        "to": "2 connections",
        "size": 217,
        "ms": 0.2,
        "data": {"build": 7, "seconds": 12.5},
        "id": f"{seconds:g}",
    }
    return Tapped(subject=subject, **(known | given))


def heard(cursor: int, seconds: float = 0.0, word: Report = "busy") -> Heard:
    """Return an event of the hub: the report of an agent."""
    event = AgentReported(
        at=at(seconds),
        agent=f"session-{cursor:04}",
        report=word,
        task="P1.4.07-sql",
        message="",
        capabilities=("sql",),
        cost=1.0,
        completed=1,
        reported_at="",
        waiting_since=None,
        via="ws",
    )
    return Heard(cursor, event, 171, 0.3)


def happened(cursor: int, event: Event) -> Heard:
    """Return any event of the hub."""
    return Heard(cursor, event, 83, 0.4)


def link(name: str, **given: Any) -> Metrics:
    """Return a link in figures."""
    known: dict[str, Any] = {
        "kind": name,
        "url": f"http://127.0.0.1:8765/v1/{name}",
        "state": "connected",
        "persistent": False,
        "since": NOW,
        "latency": Latency(),
        **dict.fromkeys(FIGURES, 0),
    }
    return Metrics(name=name, **(known | given))


def member(name: str, **given: Any) -> SubscriptionMetrics:
    """Return a subscriber in figures."""
    known: dict[str, Any] = {"pattern": "build.**", "state": "waiting"}
    figures = dict.fromkeys(("queued", "delivered", "dropped", "dead"), 0)
    return SubscriptionMetrics(name=name, **(known | figures | given))


def letter(key: str, subject: str = "build.web.passed", **given: Any) -> Letter:
    """Return a letter that nobody has settled."""
    known: dict[str, Any] = {
        "state": "dead",
        "at": NOW - timedelta(minutes=3),
        "message": {"id": key, "name": subject, "data": {"build": 7}, "source": "ci"},
        "subscription": "logs",
        "pattern": "build.**",
        "transport": "archive",
        "link": "bus",
        "reason": "ValueError: the log of build 7 is cut off",
        "attempts": 3,
    }
    return Letter(id=key, **(known | given))


STATS = Stats(
    at=NOW,
    agents=240,
    watchers=2,
    in_rate=1720.0,
    out_rate=3300.0,
    in_bytes=73_000_000,
    out_bytes=882_000_000,
    p50_ms=0.3,
    p95_ms=0.9,
    p99_ms=1.4,
    commit_ms=0.8,
    buckets=(9120, 740, 212, 12, 3, 1),
)
"""The hub, busy."""


def traffic() -> tuple[list[Heard], list[Tapped]]:
    """Return events of the hub and messages of three links that lie between them."""
    told = [heard(100 + n, 0.25 * n, ("busy", "idle")[n % 2]) for n in range(12)]
    letter = LetterDead(
        at=at(3.1),
        letter="l1",
        message={"name": "build.web.passed", "data": {}},
        subscription="logs",
        pattern="build.**",
        transport="archive",
        link="bus",
        reason="ValueError: the log of build 7 is cut off",
        attempts=3,
        by="archive",
    )
    done = TaskDone(at=at(3.3), agent="session-0042", task="T7")
    told += [happened(120, letter), happened(121, done)]
    passed = []
    for n in range(8):
        after = 0.4 * n
        passed += [
            tapped("build.web.started", after + 0.05, size=194),
            tapped("deploy.web.done", after + 0.11, source="deployer", to="notes"),
        ]
    passed += [
        tapped("agent.r7.busy", 3.2, link="redis", source="r7", to="", ms=0.0),
        tapped(
            "mailbox.r7", 3.25, link="redis", source="hub", to="r7", direction="out"
        ),
    ]
    return told, passed


def links(step: int) -> list[Metrics]:
    """Return the links of a hub as they are after so many seconds."""
    slow = member("archive", queued=31 + step, dropped=12 * step, delivered=900)
    return [
        link("agents", received=1700 * step, published=1650 * step, persistent=True),
        link("watchers", received=2 * step, published=30 * step),
        link(
            "bus",
            received=240 * step,
            published=480 * step,
            bytes_in=52_000,
            bytes_out=98_000,
            queued=31 + step,
            dropped=12 * step,
            reconnects=2,
            latency=Latency(
                p50=0.2, p99=4.1, buckets=(70, 20, 8, 4, 3, 2, 1) + (0,) * 8
            ),
            subscriptions=(member("deployer", delivered=880), slow),
        ),
        link("http"),
        link("redis", state="reconnecting", reconnects=4, received=12),
        link("ci", kind="hub", published=120 * step),
        link("old", kind="hub", state="closed"),
    ]


LETTERS = [
    letter("l1"),
    letter("l2", "build.docs.failed", reason="TimeoutError: no answer in 30 s"),
    letter("l3", "deploy.shop.done", subscription="notes", reason="KeyError: 'host'"),
]


def wired() -> StillSwarm:
    """Return a swarm whose hub has traffic on several links."""
    swarm = lively()
    swarm.stats = STATS
    swarm.bus_letters = list(LETTERS)
    swarm.shown_links = links(0)
    return swarm
