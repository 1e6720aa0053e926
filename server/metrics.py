"""Prometheus text, read from the hub when it is asked for."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from server.asgi import Reply
from server.office import Office
from server.routes import Call


class Metric(NamedTuple):
    """A number of the hub, by name."""

    kind: type[CounterMetricFamily | GaugeMetricFamily]
    name: str
    about: str
    read: Callable[[Office], float]


COUNTER, GAUGE = CounterMetricFamily, GaugeMetricFamily

METRICS: Final = (
    Metric(
        COUNTER, "commands", "Commands that came in.", lambda o: o.hub.stats.commands
    ),
    Metric(
        COUNTER, "refused", "Commands that were refused.", lambda o: o.hub.stats.refused
    ),
    Metric(COUNTER, "events", "Events that are on disk.", lambda o: o.hub.stats.events),
    Metric(COUNTER, "turns", "Transactions.", lambda o: o.hub.stats.turns),
    Metric(COUNTER, "in_bytes", "Bytes that came in.", lambda o: o.hub.stats.in_bytes),
    Metric(
        COUNTER, "out_bytes", "Bytes that went out.", lambda o: o.hub.stats.out_bytes
    ),
    Metric(
        COUNTER, "out_frames", "Frames that went out.", lambda o: o.hub.stats.out_frames
    ),
    Metric(
        COUNTER,
        "failed_commits",
        "Transactions that could not be written.",
        lambda o: o.hub.stats.failed_commits,
    ),
    Metric(
        COUNTER,
        "trimmed_rows",
        "Events and settled rows that were no longer kept.",
        lambda o: o.hub.stats.trimmed_rows,
    ),
    Metric(
        COUNTER,
        "trimmed_bytes",
        "Bytes that the store gave back to the disk.",
        lambda o: o.hub.stats.trimmed_bytes,
    ),
    Metric(
        GAUGE,
        "commit_seconds",
        "How long the latest COMMIT took.",
        lambda o: o.hub.stats.commit_ms / 1000,
    ),
    Metric(GAUGE, "backlog", "Commands that wait.", lambda o: o.hub.backlog),
    Metric(
        GAUGE,
        "agents_connected",
        "Agents with an open WebSocket.",
        lambda o: len(o.mailroom.recipients),
    ),
    Metric(GAUGE, "watchers", "Coordinators that watch.", lambda o: len(o.watchers)),
    Metric(GAUGE, "connections", "Connections of any kind.", lambda o: len(o.crowd)),
    Metric(
        GAUGE,
        "staying",
        "WebSockets, streams and waiting answers, which end with their token.",
        lambda o: len(o.visits),
    ),
)


class HubCollector(Collector):
    """Turns the table and the counts of agents into metric families."""

    def __init__(self, office: Office, counts: dict[str, int]) -> None:
        self._office = office
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Yield every family with its value of now."""
        for metric in METRICS:
            family = metric.kind(f"swarmtui_{metric.name}", metric.about)
            family.add_metric([], metric.read(self._office))
            yield family
        agents = GaugeMetricFamily(
            "swarmtui_agents", "Agents by state.", labels=["state"]
        )
        for state, count in sorted(self._counts.items()):
            agents.add_metric([state], count)
        yield agents
        yield self._refusals()
        latency = GaugeMetricFamily(
            "swarmtui_latency_seconds",
            "From the arrival of a command to its COMMIT, over ten seconds.",
            labels=["quantile"],
        )
        shares = (0.5, 0.95, 0.99)
        for share, ms in zip(
            shares, self._office.hub.stats.percentiles(*shares), strict=True
        ):
            latency.add_metric([str(share)], ms / 1000)
        yield latency

    def _refusals(self) -> CounterMetricFamily:
        family = CounterMetricFamily(
            "swarmtui_turned_away",
            "Refusals at the door, by status or close code.",
            labels=["code"],
        )
        for code, count in sorted(self._office.refusals.counts.items()):
            family.add_metric([str(code)], count)
        return family


async def metrics(office: Office, _call: Call) -> Reply:
    """Answer with every metric as text."""
    counts = await office.hub.ask(lambda swarm: dict(swarm.counts))
    registry = CollectorRegistry()
    registry.register(HubCollector(office, counts))
    return Reply(
        generate_latest(registry), kind=b"text/plain; version=0.0.4; charset=utf-8"
    )
