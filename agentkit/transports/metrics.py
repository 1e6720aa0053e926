"""What a transport counts, and how it is told."""

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any, Final, Literal, TypeAlias

from agentkit.codec import encode

State: TypeAlias = Literal["connected", "reconnecting", "closed"]
Activity: TypeAlias = Literal["waiting", "handling", "retrying", "stopped"]

BOUNDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 5000)
"""Milliseconds up to which each bucket of `Latency` counts; the last has no bound."""

SAMPLES: Final = 1024
"""Latest latencies that the percentiles are of."""

REMEMBERED: Final = 4096
"""Latest published events whose latency can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """From publish to handled, where both were in this process, in milliseconds."""

    p50: float = 0.0
    p99: float = 0.0
    buckets: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    """How many were above the bound before and not above the bucket's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionMetrics:
    """One subscription, in figures."""

    name: str
    pattern: str
    queued: int
    delivered: int
    dropped: int
    dead: int
    state: Activity


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """One transport, in figures since it was made.

    Events on reserved subjects are in none of them.
    """

    kind: str
    name: str
    url: str
    """Without its password."""
    state: State
    persistent: bool
    since: datetime
    """When `state` began, in UTC."""
    published: int
    received: int
    """Events that came in, whether or not a subscription matches them."""
    delivered: int
    """Handled without an error, by however many subscriptions."""
    failed: int
    """Attempts that raised."""
    retried: int
    dead: int
    """Letters."""
    dropped: int
    garbage: int
    """Payloads that are no event."""
    reconnects: int
    bytes_in: int
    bytes_out: int
    queued: int
    queued_bytes: int
    latency: Latency
    subscriptions: tuple[SubscriptionMetrics, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Return the metrics as an object of JSON, as `_link` has them."""
        return encode(self)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Metrics":
        """Return the metrics that `as_data` made the object of.

        Raises:
            KeyError, TypeError, ValueError: it is nothing that `as_data` makes.
        """
        rest = {key: data[key] for key in cls.__slots__ if key in data}
        latency = data["latency"]
        return cls(
            **{
                **rest,
                "since": datetime.fromisoformat(data["since"]),
                "latency": Latency(**{**latency, "buckets": tuple(latency["buckets"])}),
                "subscriptions": tuple(
                    SubscriptionMetrics(**each) for each in data["subscriptions"]
                ),
            }
        )


@dataclass(slots=True)
class Tally:
    """What a transport counts as it goes."""

    published: int = 0
    received: int = 0
    delivered: int = 0
    failed: int = 0
    retried: int = 0
    dead: int = 0
    dropped: int = 0
    """By subscriptions that have ended; the others count for themselves."""
    garbage: int = 0
    reconnects: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    _left: dict[str, float] = field(default_factory=dict)
    _latest: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    _buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))

    def left(self, key: str) -> None:
        """Note when the event of a key was published."""
        self._left[key] = monotonic()
        if len(self._left) > REMEMBERED:
            del self._left[next(iter(self._left))]

    def handled(self, key: str) -> None:
        """Count the event of a key as delivered, and its latency if it left here."""
        self.delivered += 1
        if key in self._left:
            self.took(monotonic() - self._left[key])

    def took(self, seconds: float) -> None:
        """Count a latency."""
        milliseconds = seconds * 1000
        self._latest.append(milliseconds)
        self._buckets[bisect_left(BOUNDS, milliseconds)] += 1

    def latency(self) -> Latency:
        """Return the latencies so far."""
        ordered = sorted(self._latest)
        return Latency(
            p50=_percentile(ordered, 50),
            p99=_percentile(ordered, 99),
            buckets=tuple(self._buckets),
        )


def _percentile(ordered: list[float], percent: int) -> float:
    """Return the smallest value that so many percent are not above."""
    if not ordered:
        return 0.0
    return round(ordered[-(-len(ordered) * percent // 100) - 1], 3)
