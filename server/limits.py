"""How much anybody may send, and how many connections anybody may hold open."""

from collections import Counter
from typing import Final

from server.asgi import RequestError


class Bucket:
    """Tokens that refill at a steady rate up to a burst."""

    __slots__ = ("_at", "_tokens")

    def __init__(self, burst: float, now: float) -> None:
        self._tokens = burst
        self._at = now

    def take(self, rate: float, burst: float, now: float, cost: float = 1.0) -> float:
        """Take tokens; return the seconds until they are there (0: they were).

        Tokens are taken only when they were there: whoever asks too early and asks
        again has lost nothing. What costs more than a burst takes all of one.
        """
        self._tokens = min(burst, self._tokens + (now - self._at) * rate)
        self._at = now
        cost = min(cost, burst)
        if self._tokens >= cost:
            self._tokens -= cost
            return 0.0
        return (cost - self._tokens) / rate


def cost_of(to: str, agents: int) -> float:
    """Return as how many reports a message counts, of so many agents in the swarm.

    A pattern is held against every one of them.
    """
    return 1 + agents / 100 if "*" in to else 1.0


class Rates:
    """A bucket for each name; buckets that are full again are forgotten."""

    __slots__ = ("_buckets", "_burst", "_rate", "_swept")

    def __init__(self, rate: float, burst: float) -> None:
        """Allow `rate` tokens per second for long and `burst` at once."""
        self._rate = rate
        self._burst = burst
        self._buckets: dict[str, Bucket] = {}
        self._swept = 0.0

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, now: float, cost: float = 1.0) -> float:
        """Take tokens of `key`; return the seconds to wait when they are not there."""
        bucket = self._buckets.get(key)
        if bucket is None:
            self._sweep(now)
            bucket = self._buckets[key] = Bucket(self._burst, now)
        return bucket.take(self._rate, self._burst, now, cost)

    def _sweep(self, now: float) -> None:
        """Forget who has been quiet for so long that the bucket is full."""
        if now - self._swept < SWEEP_EVERY:
            return
        self._swept = now
        fills_in = self._burst / self._rate
        self._buckets = {
            key: bucket
            for key, bucket in self._buckets.items()
            if now - bucket._at < fills_in  # noqa: SLF001
        }


SWEEP_EVERY: Final = 60.0
"""Seconds between two sweeps of the buckets."""


class Seat:
    """One connection's place among those that may be open."""

    __slots__ = ("_crowd", "address")

    def __init__(self, crowd: "Crowd", address: str) -> None:
        self._crowd = crowd
        self.address = address

    def leave(self) -> None:
        """Give the place back; once."""
        self._crowd.leave(self.address)


class Crowd:
    """How many connections are open, in all and from each address."""

    def __init__(self, most: int, each: int) -> None:
        """Allow `most` connections in all and `each` from one address."""
        self._most = most
        self._each = each
        self._all = 0
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._all

    def enter(self, address: str) -> Seat:
        """Count a connection in.

        Raises:
            RequestError: 503, there is no room; 429, this address has too many.
        """
        if self._all >= self._most:
            raise RequestError(
                503,
                f"{self._all} connections are open and no more are allowed: raise "
                "max_connections, or try again later",
                AGAIN,
            )
        if address not in OURS and self._by_address[address] >= self._each:
            raise RequestError(
                429,
                f"{address} has {self._each} connections open and no more are allowed "
                "to one address: close some, or raise max_per_client",
                AGAIN,
            )
        self._all += 1
        self._by_address[address] += 1
        return Seat(self, address)

    def leave(self, address: str) -> None:
        """Count a connection out."""
        self._all -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


OURS: Final = frozenset({"127.0.0.1", "::1"})
"""Everybody on this machine shares these: they are not counted apart."""

AGAIN: Final = ((b"retry-after", b"1"),)
