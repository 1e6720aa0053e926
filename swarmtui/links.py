"""The links of the hub in figures: rates, queues, latencies, what was lost.

Plain Python, no Textual. The hub tells totals; what they were some seconds ago makes
rates of them, and tells pressure from a moment's rush.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from agentkit.coordinator import Stats
from agentkit.transports.metrics import Metrics, State, SubscriptionMetrics
from swarmtui.rates import SECONDS

ALL: Final = "all"
"""The id of the line for the hub as a whole."""

OWN: Final = ("agents", "watchers", "bus", "http")
"""The hub's own kinds of connections."""

HUB_BUCKETS: Final = ("<0.5", "<1", "<2", "<5", "<10", "≥10")
"""The buckets of `Stats`, in milliseconds."""

LINK_BUCKETS: Final = ("≤0.1", "≤0.5", "≤1", "≤5", "≤25", ">25")
"""The buckets that are shown of a link, in milliseconds."""

_FOLDED: Final = (0, 1, 3, 4, 6, 8)
"""Where in `Latency.buckets` each of these begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """One link as the dashboard shows it."""

    id: str
    name: str
    kind: str = ""
    state: State = "connected"
    rate_in: float = 0.0
    """Messages a second that came in, over the last few seconds."""
    rate_out: float = 0.0
    queue: int = 0
    is_pressed: bool = False
    """Something has waited all the time of the last seconds: somebody is too slow."""
    p50: float | None = None
    """Milliseconds; None where none was measured."""
    p99: float | None = None
    reconnects: int = 0
    dropped: int = 0
    is_losing: bool = False
    """Messages were dropped within the last few seconds."""
    labels: tuple[str, ...] = HUB_BUCKETS
    buckets: tuple[int, ...] = ()
    metrics: Metrics | None = None
    """What the hub told; None for the hub as a whole."""

    @property
    def troubled(self) -> list[SubscriptionMetrics]:
        """The subscriptions that lag, lose or fail, the worst first, then the rest."""
        named = self.metrics.subscriptions if self.metrics else ()
        return sorted(named, key=_trouble, reverse=True)


def _trouble(one: SubscriptionMetrics) -> tuple[int, int, int, int]:
    return one.queued, one.dropped, one.dead, one.delivered


@dataclass(frozen=True, slots=True)
class _Sample:
    """The totals of a link at one time."""

    received: int
    published: int
    queued: int
    dropped: int


class LinkBook:
    """Keeps the links' totals of the last seconds."""

    def __init__(self) -> None:
        self._links: dict[str, Metrics] = {}
        self._seconds: deque[dict[str, _Sample]] = deque(maxlen=SECONDS + 1)

    def take(self, links: Iterable[Metrics]) -> None:
        """Take in what the hub told last."""
        self._links = _named(links)

    def second(self) -> None:
        """Note the totals; to be called once a second."""
        self._seconds.append({id_: _sample(one) for id_, one in self._links.items()})

    def rows(self, stats: Stats | None) -> dict[str, LinkRow]:
        """Return the links by id, in the hub's order, after the hub as a whole."""
        links = [self._row(id_, one) for id_, one in self._links.items()]
        return {row.id: row for row in (whole(stats, links), *links)}

    def _row(self, id_: str, told: Metrics) -> LinkRow:
        past = [second[id_] for second in self._seconds if id_ in second]
        first, now = (past or [_sample(told)])[0], _sample(told)
        span = max(1, len(past) - 1)
        measured = any(told.latency.buckets)
        return LinkRow(
            id=id_,
            name=told.name,
            kind=told.kind,
            state=told.state,
            rate_in=max(0, now.received - first.received) / span,
            rate_out=max(0, now.published - first.published) / span,
            queue=told.queued,
            is_pressed=len(past) > 1 and all(one.queued for one in past),
            p50=told.latency.p50 if measured else None,
            p99=told.latency.p99 if measured else None,
            reconnects=told.reconnects,
            dropped=told.dropped,
            is_losing=now.dropped > first.dropped,
            labels=LINK_BUCKETS,
            buckets=folded(told.latency.buckets),
            metrics=told,
        )


def is_bridge(name: str, kind: str) -> bool:
    """Say whether a link is a bridge of the hub: ``redis``, ``redis-2``, ``nats``."""
    return name.partition("-")[0] == kind and kind not in (*OWN, "hub")


def whole(stats: Stats | None, links: Sequence[LinkRow]) -> LinkRow:
    """Return the line for the hub as a whole: its own links together.

    What transports tell of themselves went over one of these.
    """
    own = [
        link for link in links if link.kind in OWN or is_bridge(link.name, link.kind)
    ]
    measured = stats is not None and any(stats.buckets)
    return LinkRow(
        id=ALL,
        name=ALL,
        rate_in=sum(link.rate_in for link in own),
        rate_out=sum(link.rate_out for link in own),
        queue=sum(link.queue for link in own) + (stats.queue if stats else 0),
        is_pressed=any(link.is_pressed for link in own),
        p50=stats.p50_ms if stats and measured else None,
        p99=stats.p99_ms if stats and measured else None,
        reconnects=sum(link.reconnects for link in own),
        dropped=sum(link.dropped for link in own),
        is_losing=any(link.is_losing for link in own),
        buckets=stats.buckets if stats else (),
    )


def folded(buckets: Sequence[int]) -> tuple[int, ...]:
    """Return the buckets of a link as those that are shown."""
    ends = (*_FOLDED[1:], len(buckets))
    return tuple(
        sum(buckets[start:end]) for start, end in zip(_FOLDED, ends, strict=True)
    )


def _named(links: Iterable[Metrics]) -> dict[str, Metrics]:
    """Return links by an id each; two that look alike are numbered."""
    seen: Counter[str] = Counter()
    found = {}
    for link in links:
        name = f"{link.kind} {link.name}"
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} #{seen[name]}"] = link
    return found


def _sample(told: Metrics) -> _Sample:
    return _Sample(told.received, told.published, told.queued, told.dropped)
