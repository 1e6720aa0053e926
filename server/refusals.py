"""Who was turned away at the door, counted and logged without the secrets it showed.

An address that tries a thousand tokens makes one line of the log a minute, with the
number of its attempts, and not a thousand.
"""

import logging
from collections import Counter
from dataclasses import dataclass
from typing import Final

PERIOD: Final = 60.0
"""Seconds that one line about an address stands for."""

ADDRESSES: Final = 1000
"""How many addresses are told apart at a time; the rest count as one."""

OTHERS: Final = "others"

NOTED: Final = frozenset({401, 403, 408, 421, 429, 431, 4401, 4403, 4408})
"""The codes that say: not you, not here, not so much."""

REASON: Final = 300
"""Characters of a reason that are logged."""

log = logging.getLogger("swarmtui.door")


@dataclass(slots=True)
class Tally:
    """What one address was refused since the last line about it."""

    since: float
    what: str = ""
    reason: str = ""
    code: int = 0
    count: int = 0


class Refusals:
    """Counts refusals by code, and logs them by address."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        """By status of HTTP or close code of a WebSocket."""
        self._tallies: dict[str, Tally] = {}

    def note(self, address: str, what: str, code: int, reason: str, now: float) -> None:
        """Count a refusal; the first of an address is logged at once.

        Of those that say nothing about who came or how often, nothing is noted.

        Args:
            address: of who was refused.
            what: was wanted; never a text that could hold a secret.
            code: the status or close code.
            reason: as it was told.
            now: seconds of a clock that never goes back.
        """
        if code not in NOTED:
            return
        self.counts[code] += 1
        known = address in self._tallies or len(self._tallies) < ADDRESSES
        key = address if known else OTHERS
        tally = self._tallies.get(key)
        if tally is None:
            self._tallies[key] = Tally(now)
            _tell(key, Tally(now, what, reason, code, 1))
            return
        tally.what, tally.reason, tally.code = what, reason, code
        tally.count += 1

    def settle(self, now: float) -> None:
        """Log what came after each first refusal, once its time is over."""
        over = [key for key, tally in self._tallies.items() if _is_over(tally, now)]
        for key in over:
            tally = self._tallies.pop(key)
            if tally.count:
                _tell(key, tally)
                self._tallies[key] = Tally(now)


def _is_over(tally: Tally, now: float) -> bool:
    return now - tally.since >= PERIOD


def _tell(address: str, tally: Tally) -> None:
    log.warning(
        "turned away",
        extra={
            "address": address,
            "what": tally.what,
            "code": tally.code,
            "reason": tally.reason[:REASON],
            "count": tally.count,
        },
    )
