"""One connection on the bus: what it subscribes to, and what waits for it."""

from collections import deque
from itertools import islice
from typing import Final

from agentkit.transports.metrics import SubscriptionMetrics, Tally
from server.connection import Connection, text_frame
from server.stats import Meter

WAITING: Final = 1000
"""How many messages wait for one member before it loses the oldest."""
WEIGHT: Final = 8 << 20
"""How many bytes of messages wait for one member before it loses the oldest."""
PIECE: Final = 256 << 10
"""Bytes that are written to one member in one go."""

SHOWN: Final = 100
"""Patterns that are shown in figures."""


class Member:
    """One connection on the bus: what it subscribes to, and what waits for it."""

    __slots__ = (
        "_lost",
        "_meter",
        "_tally",
        "_waiting",
        "connection",
        "delivered",
        "dropped",
        "is_due",
        "name",
        "patterns",
        "weight",
    )

    def __init__(
        self, name: str, connection: Connection, meter: Meter, tally: Tally
    ) -> None:
        self.name = name
        """What its messages say as their source."""
        self.connection = connection
        self.patterns: dict[str, None] = {}
        self.delivered = 0
        """Messages that were written to it."""
        self.dropped = 0
        """Messages that it lost because it was too slow."""
        self.is_due = False
        """The bus is about to write to it."""
        self.weight = 0
        """Bytes that wait for it."""
        self._meter = meter
        self._tally = tally
        self._waiting: deque[bytes] = deque()
        self._lost = 0
        """Messages that it lost and was not told of yet."""
        connection.on_writable = self.flush

    @property
    def queued(self) -> int:
        """How many messages wait for it."""
        return len(self._waiting)

    def put(self, frame: bytes) -> None:
        """Let a message wait for it, and the oldest go when too much does."""
        self._waiting.append(frame)
        self.weight += len(frame)
        while len(self._waiting) > WAITING or self.weight > WEIGHT:
            self.weight -= len(self._waiting.popleft())
            self._lost += 1
            self.dropped += 1
            self._tally.dropped += 1

    def flush(self) -> None:
        """Write what waits, as far as it keeps up."""
        self.is_due = False
        while (self._waiting or self._lost) and not self.connection.congested:
            self._write_piece()

    def forget(self) -> None:
        """Let go of what waits: it is gone."""
        self.connection.on_writable = None
        self._waiting.clear()
        self.weight = self._lost = 0

    def metrics(self) -> SubscriptionMetrics:
        """Return it in figures, all its patterns as one subscription."""
        return SubscriptionMetrics(
            name=self.name,
            pattern=" ".join(islice(self.patterns, SHOWN)),
            queued=self.queued,
            delivered=self.delivered,
            dropped=self.dropped,
            dead=0,
            state="handling" if self.queued else "waiting",
        )

    def _write_piece(self) -> None:
        frames: list[bytes] = []
        size = 0
        if self._lost:
            frames.append(text_frame(b'{"type":"dropped","count":%d}' % self._lost))
            self._lost = 0
        while self._waiting and size < PIECE:
            frames.append(self._waiting.popleft())
            size += len(frames[-1])
            self.delivered += 1
        self.weight -= size
        text = b"".join(frames)
        self.connection.send_frame(text, len(frames))
        self._meter.pushed(len(frames), len(text))
