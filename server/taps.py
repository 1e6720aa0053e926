"""Taps: watchers that look on as messages go by, by the patterns that they name.

A tap is bounded: what goes by faster than its watcher reads is counted, not kept.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from agentkit.subjects import Trie
from agentkit.traffic import Tapped
from server.asgi import dumps
from server.connection import Connection

PAUSE: Final = 0.05
"""Seconds between two frames of one tap."""

WAITING: Final = 1000
"""Messages that wait for one tap before the oldest are left out."""
WEIGHT: Final = 512 << 10
"""Bytes of messages that wait for one tap before the oldest are left out."""

SHOWN: Final = 4096
"""Bytes of a message's data that are shown."""

Send = Callable[[bytes], None]


class Tap:
    """What one watcher is shown."""

    __slots__ = ("_connection", "_dropped", "_send", "_timer", "_waiting", "_weight")

    def __init__(self, connection: Connection, send: Send) -> None:
        self._connection = connection
        self._send = send
        self._waiting: deque[bytes] = deque()
        self._weight = 0
        self._dropped = 0
        self._timer: asyncio.TimerHandle | None = None

    def show(self, message: bytes) -> None:
        """Let a message, as JSON, wait for the next frame."""
        self._waiting.append(message)
        self._weight += len(message)
        while len(self._waiting) > WAITING or self._weight > WEIGHT:
            self._weight -= len(self._waiting.popleft())
            self._dropped += 1
        if self._timer is None:
            self._sleep()

    def stop(self) -> None:
        """Show nothing more, nor what waits."""
        self._waiting.clear()
        self._weight = self._dropped = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sleep(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(PAUSE, self._flush)

    def _flush(self) -> None:
        if self._connection.congested:
            self._sleep()
            return
        self._timer = None
        self._send(
            b'{"type":"traffic","messages":[%b],"dropped":%d}'
            % (b",".join(self._waiting), self._dropped)
        )
        self._waiting.clear()
        self._weight = self._dropped = 0


class Taps:
    """Every tap of a hub."""

    def __init__(self) -> None:
        self._trie: Trie[Tap] = Trie()

    def __bool__(self) -> bool:
        """Whether anybody looks on: if not, nothing need be told."""
        return len(self._trie) > 0

    def open(self, pattern: str, tap: Tap) -> None:
        """Let a tap see what a pattern matches.

        Raises:
            Invalid: the pattern is malformed.
        """
        self._trie.add(pattern, tap)

    def close(self, pattern: str, tap: Tap) -> None:
        """Let a tap see nothing more."""
        self._trie.remove(pattern, tap)
        tap.stop()

    def see(self, message: Tapped) -> None:
        """Show a message to whoever looks on."""
        taps = self._trie.match(message.subject)
        if taps:
            text = dumps(message)
            for tap in taps:
                tap.show(text)


def shown(data: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """Return what is shown of a message's data: all, or how its JSON begins."""
    text = orjson.dumps(data)
    return data if len(text) <= SHOWN else text[:SHOWN].decode(errors="ignore")
