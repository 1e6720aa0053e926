"""What is new in an export: totals become differences, and nothing is counted twice.

An agent may tell of the same use in several ways (see `products.Source`), each in its
own time. Of what each adds up to, the largest counts: so much as that rises is new.

Totals are counted from the last one of their series. The first that is seen counts as
a whole when its series began after this hub, for then nothing of it was seen before;
else it is only remembered.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

from server.otlp.products import Counted, Source
from server.otlp.reading import Series, Use

KEPT: Final = 50_000
"""How many series, and how many agents, are remembered: those heard of last."""

Sums: TypeAlias = dict[tuple[Source, Counted], float]


class Spent(NamedTuple):
    """What was used."""

    cost: float = 0.0
    tokens_in: float = 0
    tokens_out: float = 0

    def plus(self, other: "Spent") -> "Spent":
        """Return both together."""
        return Spent(*(one + two for one, two in zip(self, other, strict=True)))

    def minus(self, other: "Spent") -> "Spent":
        """Return how much more this is."""
        return Spent(*(one - two for one, two in zip(self, other, strict=True)))


class Ledger:
    """Remembers what each agent's telemetry has added up to.

    Args:
        began: when the hub began, in nanoseconds since 1970.
    """

    def __init__(self, began: int) -> None:
        self._sums: OrderedDict[tuple[str, str], Sums] = OrderedDict()
        self._series: OrderedDict[Series, float] = OrderedDict()
        self._floor = began
        """Series that began before may have been seen, and forgotten."""

    def enter(self, who: str, uses: Iterable[Use], now: int) -> Spent:
        """Enter what somebody tells, and return what is new in it.

        Args:
            who: whose it is.
            uses: what is told.
            now: the time, in nanoseconds since 1970.
        """
        new = Spent()
        by_service: dict[str, list[Use]] = {}
        for use in uses:
            by_service.setdefault(use.service, []).append(use)
        for service, told in by_service.items():
            sums = self._sums.setdefault((who, service), {})
            self._sums.move_to_end((who, service))
            before = _largest(sums)
            for use in told:
                place = use.source, use.counted
                sums[place] = sums.get(place, 0.0) + self._difference(use, now)
            new = new.plus(_largest(sums).minus(before))
        while len(self._sums) > KEPT:
            self._sums.popitem(last=False)
        return new

    def _difference(self, use: Use, now: int) -> float:
        series = use.series
        if series is None:
            return use.amount
        known = self._series.get(series)
        if known is None and series.start < self._floor:
            known = use.amount
        self._series[series] = max(use.amount, known or 0.0)
        self._series.move_to_end(series)
        if len(self._series) > KEPT:
            self._series.popitem(last=False)
            self._floor = now
        return max(use.amount - (known or 0.0), 0.0)


def _largest(sums: Sums) -> Spent:
    """Return what counts: of each number the largest that a source has told."""
    found = {"cost": 0.0, "tokens_in": 0.0, "tokens_out": 0.0}
    for (_, counted), amount in sums.items():
        found[counted] = max(found[counted], amount)
    return Spent(**found)
