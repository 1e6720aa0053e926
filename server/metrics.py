"""Prometheus text, read from the hub when it is asked for."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, Self, get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from agentkit.protocol import (
    DeliveryDead,
    ItemDone,
    ItemFailed,
    ItemStarted,
    LetterDead,
    ResultDeleted,
    ResultWritten,
    RunLaunched,
    TaskDead,
    TaskDone,
    TaskLeased,
)
from agentkit.rows import RunState, TaskState
from agentkit.transports.metrics import Metrics
from server.asgi import Reply
from server.core import Swarm
from server.office import Office
from server.routes import Call
from server.settings import Settings


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
        COUNTER,
        "telemetry",
        "Numbers of telemetry that were counted.",
        lambda o: o.telemetry.tally.counted,
    ),
    Metric(
        COUNTER,
        "telemetry_other",
        "Points and records of telemetry that tell of something else.",
        lambda o: o.telemetry.tally.other,
    ),
    Metric(
        COUNTER,
        "telemetry_dropped",
        "Numbers of telemetry that no agent was found for, or that are none.",
        lambda o: o.telemetry.tally.dropped,
    ),
    Metric(
        GAUGE,
        "commit_seconds",
        "How long the latest COMMIT took.",
        lambda o: o.hub.stats.commit_ms / 1000,
    ),
    Metric(
        COUNTER,
        "commits_seconds",
        "How long all COMMITs together took; by turns it is the mean.",
        lambda o: o.hub.stats.commit_seconds,
    ),
    Metric(
        GAUGE,
        "store_bytes",
        "Bytes of the store's file and its log; 0 in memory.",
        lambda o: _size_of(o.settings),
    ),
    Metric(
        COUNTER,
        "claims",
        "Leases that were given.",
        lambda o: o.hub.stats.kinds[TaskLeased],
    ),
    Metric(
        COUNTER,
        "leases_expired",
        "Leases that ran out; their task is tried again, or is dead.",
        lambda o: o.hub.stats.expired,
    ),
    Metric(
        COUNTER,
        "tasks_done",
        "Tasks that were done.",
        lambda o: o.hub.stats.kinds[TaskDone],
    ),
    Metric(
        COUNTER,
        "tasks_dead",
        "Tasks that died with their last attempt.",
        lambda o: o.hub.stats.kinds[TaskDead],
    ),
    Metric(
        COUNTER,
        "runs_launched",
        "Runs that began, those below others too.",
        lambda o: o.hub.stats.kinds[RunLaunched],
    ),
    Metric(
        COUNTER,
        "items_started",
        "Items of runs that were begun, each attempt.",
        lambda o: o.hub.stats.kinds[ItemStarted],
    ),
    Metric(
        COUNTER,
        "items_done",
        "Items of runs that were done.",
        lambda o: o.hub.stats.kinds[ItemDone],
    ),
    Metric(
        COUNTER,
        "items_failed",
        "Items of runs that failed for the last time.",
        lambda o: o.hub.stats.kinds[ItemFailed],
    ),
    Metric(
        COUNTER,
        "deliveries_dead",
        "Deliveries that an agent gave up on.",
        lambda o: o.hub.stats.kinds[DeliveryDead],
    ),
    Metric(
        COUNTER,
        "letters_dead",
        "Messages that a subscription of a transport gave up.",
        lambda o: o.hub.stats.kinds[LetterDead],
    ),
    Metric(
        COUNTER,
        "bus_messages",
        "Messages that were published on the bus.",
        lambda o: o.bus.published,
    ),
    Metric(
        COUNTER,
        "bus_delivered",
        "Messages of the bus, counted for each connection that they were for.",
        lambda o: o.links.bus.tally.delivered,
    ),
    Metric(
        GAUGE,
        "bus_connections",
        "Connections to the bus.",
        lambda o: len(o.bus.members),
    ),
    Metric(
        GAUGE,
        "bus_patterns",
        "Patterns that connections to the bus subscribe to.",
        lambda o: o.bus.patterns,
    ),
    Metric(
        COUNTER,
        "results_written",
        "Results that were written by their address.",
        lambda o: o.hub.stats.kinds[ResultWritten],
    ),
    Metric(
        COUNTER,
        "results_deleted",
        "Results that were taken away by their address.",
        lambda o: o.hub.stats.kinds[ResultDeleted],
    ),
    Metric(
        GAUGE,
        "results_awaited",
        "Requests that wait for a result.",
        lambda o: o.results.waiting,
    ),
    Metric(
        GAUGE,
        "result_files",
        "Large results that lie in files.",
        lambda o: o.results.load.files,
    ),
    Metric(
        GAUGE,
        "result_files_bytes",
        "Bytes of large results in files.",
        lambda o: o.results.load.bytes,
    ),
    Metric(
        COUNTER,
        "alerts_told",
        "Alerts that were put into messages.",
        lambda o: o.alerts.told,
    ),
    Metric(
        COUNTER,
        "alerts_sent",
        "Messages of alerts that arrived, counted for each target.",
        lambda o: o.alerts.sent,
    ),
    Metric(
        COUNTER,
        "alerts_failed",
        "Attempts to send a message of alerts that failed.",
        lambda o: o.alerts.failed,
    ),
    Metric(
        COUNTER,
        "alerts_dropped",
        "Alerts that a target never got, counted for each target.",
        lambda o: o.alerts.dropped,
    ),
    Metric(
        GAUGE,
        "alerts_failing",
        "Targets that take no alerts just now.",
        lambda o: len(o.alerts.failing),
    ),
    Metric(
        GAUGE,
        "alerts_waiting",
        "Alerts that are held back, or on their way to a target, counted for each.",
        lambda o: o.alerts.waiting(),
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


class Figure(NamedTuple):
    """A number that every link has, by name."""

    kind: type[CounterMetricFamily | GaugeMetricFamily]
    name: str
    about: str
    read: Callable[[Metrics], float]


FIGURES: Final = (
    Figure(
        COUNTER,
        "link_received",
        "Frames, requests or messages that came in, by link.",
        lambda link: link.received,
    ),
    Figure(
        COUNTER,
        "link_published",
        "Frames, answers or messages that went out, by link.",
        lambda link: link.published,
    ),
    Figure(
        COUNTER, "link_in_bytes", "Bytes that came in, by link.", lambda x: x.bytes_in
    ),
    Figure(
        COUNTER,
        "link_out_bytes",
        "Bytes that went out, by link.",
        lambda x: x.bytes_out,
    ),
    Figure(
        COUNTER,
        "link_dropped",
        "Messages that were lost because somebody was too slow, by link.",
        lambda link: link.dropped,
    ),
    Figure(
        COUNTER,
        "link_reconnects",
        "Connections of those who had been there before, by link.",
        lambda link: link.reconnects,
    ),
    Figure(GAUGE, "link_queue", "Messages that wait, by link.", lambda x: x.queued),
    Figure(
        GAUGE,
        "link_connected",
        "Whether a link is connected, by link.",
        lambda link: link.state == "connected",
    ),
)
"""What is told of the hub's own links and of its bridges."""


class Census(NamedTuple):
    """What the swarm counts, at one moment."""

    agents: Mapping[str, int]
    tasks: Mapping[str, int]
    runs: Mapping[str, int]
    dead_letters: int
    letters: int

    @classmethod
    def of(cls, swarm: Swarm) -> Self:
        """Take it."""
        tasks = {state: swarm.task_counts[state] for state in get_args(TaskState)}
        states = Counter(run.state for run in swarm.runs.rows.values())
        runs = {state: states[state] for state in get_args(RunState)}
        dead, letters = swarm.dead_deliveries, swarm.dead_letters
        return cls(dict(swarm.counts), tasks, runs, dead, letters)


class HubCollector(Collector):
    """Turns the table and the census into metric families."""

    def __init__(self, office: Office, census: Census) -> None:
        self._office = office
        self._census = census

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Yield every family with its value of now."""
        for metric in METRICS:
            family = metric.kind(f"swarmtui_{metric.name}", metric.about)
            family.add_metric([], metric.read(self._office))
            yield family
        yield _by_state("agents", "Agents by state.", self._census.agents)
        yield _by_state("tasks", "Tasks by state.", self._census.tasks)
        yield _by_state(
            "runs",
            "Runs by state, those below others while they last.",
            self._census.runs,
        )
        yield GaugeMetricFamily(
            "swarmtui_dead_letters",
            "Dead deliveries that were not retried.",
            self._census.dead_letters,
        )
        yield GaugeMetricFamily(
            "swarmtui_letters",
            "Letters of transports that are dead; 1,000 stands for more, too.",
            self._census.letters,
        )
        yield from self._links()
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

    def _links(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        links = self._office.links.standing(self._office.url)
        for figure in FIGURES:
            family = figure.kind(
                f"swarmtui_{figure.name}", figure.about, labels=["link"]
            )
            for link in links:
                family.add_metric([link.name], figure.read(link))
            yield family
        latency = GaugeMetricFamily(
            "swarmtui_link_latency_seconds",
            "How long the latest 1,024 messages of a link took, by link and quantile.",
            labels=["link", "quantile"],
        )
        for link in links:
            latency.add_metric([link.name, "0.5"], link.latency.p50 / 1000)
            latency.add_metric([link.name, "0.99"], link.latency.p99 / 1000)
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


def _by_state(name: str, about: str, counts: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"swarmtui_{name}", about, labels=["state"])
    for state, count in sorted(counts.items()):
        family.add_metric([state], count)
    return family


def _size_of(settings: Settings) -> int:
    if settings.store == "memory":
        return 0
    store = settings.database
    files = (store, store.with_name(f"{store.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


async def metrics(office: Office, _call: Call) -> Reply:
    """Answer with every metric as text."""
    census = await office.hub.ask(Census.of)
    registry = CollectorRegistry()
    registry.register(HubCollector(office, census))
    return Reply(
        generate_latest(registry), kind=b"text/plain; version=0.0.4; charset=utf-8"
    )
