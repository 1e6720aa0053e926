"""The book of alerts: what was told to whom, kept so that a restart knows it.

Pure: the time comes in, and so does what was noted before; whoever has the book sees to
it that what `Book.note` returns is on disk soon after something arrived. What is open
is in the rows of the hub, and no business of the book: a start tells of whatever is
open and not noted as told, so that a crash loses nothing, and tells twice only what had
arrived and was not noted.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

import orjson

from server.alerts.facts import Alert, Key
from server.alerts.gate import Gate

REMEMBERED: Final = 50_000
"""Alerts that are remembered until they are settled; beyond that the oldest may be told
again."""

PATIENCE: Final = timedelta(hours=1)
"""How long a target is tried: later than that nobody is helped by it."""


class Debt(NamedTuple):
    """What a target is to be told."""

    alert: Alert
    until: datetime
    """When it is given up."""


Debts: TypeAlias = dict[Key, Debt]


class Book:
    """What is open, what of it waits, and what of it each target is owed.

    Args:
        gate: says when alerts may go.
        targets: the names of those that are told.
    """

    def __init__(self, gate: Gate, targets: Iterable[str]) -> None:
        self._gate = gate
        self._open: dict[Key, int] = {}
        """The mark of each alert that is not settled, told or not, the oldest first."""
        self.owed: dict[str, Debts] = {target: {} for target in targets}

    @property
    def waiting(self) -> int:
        """How many alerts are held back or on their way, these for each target."""
        return len(self._gate) + sum(map(len, self.owed.values()))

    def begin(self, note: str, found: Iterable[Alert], now: datetime) -> None:
        """Go on from what was noted.

        What a target was owed it is owed for another hour. Without a note nobody was
        ever told of anything, and what is open is no news.

        Args:
            note: what `note` returned last, or nothing.
            found: what is open.
            now: the time.
        """
        told, owed = _read(note) if note else ({}, {})
        newest = {alert.key: alert for alert in sorted(found, key=_mark)}
        for alert in sorted(newest.values(), key=_at):
            key = alert.key
            if note and told.get(key, -1) < alert.mark:
                self.take_in(alert)
                continue
            self._open[key] = alert.mark
            for target, debts in self.owed.items():
                if key in owed.get(target, ()):
                    debts[key] = Debt(alert, now + PATIENCE)

    def take_in(self, alert: Alert) -> bool:
        """Have an alert told; False when the same is not settled yet."""
        known = alert.key in self._open
        if not known:
            if len(self._open) >= REMEMBERED:
                self.settle(next(iter(self._open)))
            self._gate.add(alert)
        self._open[alert.key] = alert.mark
        return not known

    def settle(self, key: Key) -> None:
        """Forget an alert: nobody is told of it any more, and it may come up anew."""
        if key not in self._open:
            return
        del self._open[key]
        self._gate.drop(key)
        for debts in self.owed.values():
            debts.pop(key, None)

    def tell(self, now: datetime) -> int:
        """Let every target be owed what may go now; return how many alerts that is."""
        alerts = self._gate.take(now)
        for debts in self.owed.values():
            for alert in alerts:
                debts[alert.key] = Debt(alert, now + PATIENCE)
        return len(alerts)

    def due(self, now: datetime) -> datetime | None:
        """Return when `tell` has something; None while nothing waits."""
        return self._gate.due(now)

    def note(self) -> str:
        """Return what a restart has to know."""
        waits = self._gate
        told = [(mark, *key) for key, mark in self._open.items() if key not in waits]
        owed = {target: list(debts) for target, debts in self.owed.items() if debts}
        return orjson.dumps({"told": told, "owed": owed}).decode()


def pay(debts: Debts, paid: Iterable[Debt]) -> None:
    """Take what was paid off a target's debts, unless it came up anew meanwhile."""
    for debt in paid:
        if debts.get(debt.alert.key) is debt:
            del debts[debt.alert.key]


def _read(note: str) -> tuple[dict[Key, int], dict[str, set[Key]]]:
    said = orjson.loads(note)
    told = {tuple(key): mark for mark, *key in said["told"]}
    return told, {
        target: {tuple(key) for key in keys} for target, keys in said["owed"].items()
    }


def _mark(alert: Alert) -> int:
    return alert.mark


def _at(alert: Alert) -> datetime:
    return alert.at
