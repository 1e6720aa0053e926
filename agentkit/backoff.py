"""How long to wait before trying again: exponential, with full jitter."""

from collections.abc import Iterator
from random import random

FIRST = 0.1
LONGEST = 15.0


def delays(first: float = FIRST, longest: float = LONGEST) -> Iterator[float]:
    """Yield the seconds to wait before each further attempt, for ever.

    The bound doubles from `first` to `longest`, and each wait is anywhere below it, so
    that ten thousand agents do not come back to a restarted hub all at once.
    """
    bound = first
    while True:
        yield bound * random()  # noqa: S311 - spread, not secrecy
        bound = min(bound * 2, longest)
