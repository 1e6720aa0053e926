"""What the pane of the mode Traffic says below its tables."""

from collections.abc import Iterable

from textual.content import Content

from agentkit.coordinator import Stats
from agentkit.transports.metrics import Metrics
from swarmtui.links import LinkRow
from swarmtui.screens.traffic_columns import pace
from swarmtui.text import clip, count, fit, millis, plural, safe, short

LAGGING = 3
"""How many subscriptions are named."""


def hub_facts(stats: Stats) -> Content:
    """Return how hard the hub works."""
    rows = (
        ("hub queue", "", count(stats.queue)),
        ("last commit", "", f"{millis(stats.commit_ms)} ms"),
        ("watchers", "", count(stats.watchers)),
        ("received", pace(stats.in_rate), f"{short(stats.in_bytes)}B"),
        ("sent", pace(stats.out_rate), f"{short(stats.out_bytes)}B"),
    )
    return _lines(("HUB", "MSG/S", "NOW"), rows)


def link_facts(row: LinkRow, told: Metrics) -> Content:
    """Return what went over a link, and who on it lags behind."""
    traffic = (
        ("received", pace(row.rate_in), f"{short(told.bytes_in)}B"),
        ("sent", pace(row.rate_out), f"{short(told.bytes_out)}B"),
    )
    head = _lines((row.name.upper(), "MSG/S", "SINCE START"), traffic)
    lagging = row.troubled[:LAGGING]
    if not lagging:
        words = f"{told.state}, {plural(told.reconnects, 'reconnect')}"
        failed = f"{count(told.failed)} failed, {count(told.dead)} dead"
        return Content("\n").join([head, Content(words), Content(failed)])
    rows = ((one.name, _some(one.queued), _some(one.dropped)) for one in lagging)
    return Content("\n").join([head, _lines(("SUBSCRIBER", "QUEUE", "LOST"), rows)])


def latency(row: LinkRow, width: int) -> Content:
    """Return what the histogram is of, and its percentiles."""
    words = "arrival to commit" if row.metrics is None else safe(row.name)
    if row.metrics is not None and row.reconnects:
        words += f", {plural(row.reconnects, 'reconnect')}"
    if row.p50 is None or row.p99 is None:
        return Content.styled(clip(f"{words}: no latencies", width), "$ink-dim")
    figures = f"p50 {millis(row.p50)}  p99 {millis(row.p99)} ms"
    room = max(0, width - len(figures) - 1)
    return Content.styled(f"{fit(words, room)} {figures}", "$ink-dim")


def _some(number: int) -> str:
    return short(number) if number else "-"


def _lines(
    titles: tuple[str, str, str], rows: Iterable[tuple[str, str, str]]
) -> Content:
    head = Content.styled(_row(*titles), "$ink-dim")
    return Content("\n").join([head, *(Content(_row(*row)) for row in rows)])


def _row(name: str, rate: str, figure: str) -> str:
    name = fit(safe(name), 20)
    return f"{name} {fit(rate, 8, right=True)} {fit(figure, 11, right=True)}"
