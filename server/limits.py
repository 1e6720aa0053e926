"""How much anybody may send: rates by token bucket."""

from typing import Final


class Bucket:
    """Tokens that refill at a steady rate up to a burst."""

    __slots__ = ("_at", "_tokens")

    def __init__(self, burst: float, now: float) -> None:
        self._tokens = burst
        self._at = now

    def take(self, rate: float, burst: float, now: float) -> float:
        """Take one token; return the seconds until it is there (0: it was).

        A token is taken only when it was there: whoever asks too early and asks again
        has lost nothing.
        """
        self._tokens = min(burst, self._tokens + (now - self._at) * rate)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / rate


class Rates:
    """A bucket for each agent; buckets that are full again are forgotten."""

    __slots__ = ("_buckets", "_burst", "_rate", "_swept")

    def __init__(self, rate: float, burst: float) -> None:
        """Allow `rate` tokens per second for long and `burst` at once."""
        self._rate = rate
        self._burst = burst
        self._buckets: dict[str, Bucket] = {}
        self._swept = 0.0

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, now: float) -> float:
        """Take a token of `key`; return the seconds to wait when there is none."""
        bucket = self._buckets.get(key)
        if bucket is None:
            self._sweep(now)
            bucket = self._buckets[key] = Bucket(self._burst, now)
        return bucket.take(self._rate, self._burst, now)

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
