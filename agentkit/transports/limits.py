"""How much may wait for a handler, and what happens to the rest."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from agentkit.errors import Invalid
from agentkit.transports.events import Event

Policy: TypeAlias = Literal[
    "drop_oldest", "drop_newest", "conflate", "block", "disconnect"
]


def by_name(event: Event) -> str:
    """Return what `Limits` conflates by unless told otherwise."""
    return event.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What may wait for one subscription's handler.

    ============== ==================================================================
    policy         when an event comes and there is no room for it
    ============== ==================================================================
    drop_oldest    those that wait longest make room
    drop_newest    it is dropped itself
    conflate       at all times: it takes the place of the one that waits with its
                   key; without one, as drop_oldest
    block          whoever brings it waits for room, at most `timeout`; then it is
                   dropped. Whoever brings it is the one who publishes, or the reader
                   of a broker's connection: there all subscriptions wait for this one
    disconnect     the subscription ends, and its `on_end` is told why
    ============== ==================================================================

    What is dropped is counted. Nothing is dropped by a persistent transport: there
    `messages` is how many are fetched and not yet acknowledged.

    Args:
        messages: events that may wait, at least 1.
        bytes: of them, encoded; a larger event is never delivered.
        policy: see above.
        timeout: seconds.
        key: what events are conflated by.

    Raises:
        Invalid: a bound is below 1, or there is no such policy.
    """

    messages: int = 1000
    bytes: int = 16 * 2**20
    policy: Policy = "drop_oldest"
    timeout: float = 1.0
    key: Callable[[Event], str] = by_name

    def __post_init__(self) -> None:
        if self.messages < 1 or self.bytes < 1 or self.timeout < 0:
            raise Invalid(
                f"limits of {self.messages} messages, {self.bytes} bytes and "
                f"{self.timeout} s let nothing through: use at least 1, 1 and 0"
            )
        if self.policy not in get_args(Policy):
            raise Invalid(
                f"there is no policy {self.policy!r}: use one of "
                f"{', '.join(get_args(Policy))}"
            )


class Overflowed(Exception):
    """There is no room, and the policy is to end the subscription."""


class Backlog:
    """What waits for a handler, in order, within its limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.bytes = 0
        self.dropped = 0
        self._waiting: OrderedDict[str, tuple[Event, int]] = OrderedDict()
        self._count = 0
        self._filled = asyncio.Event()
        self._freed = asyncio.Event()
        self._turn = asyncio.Lock()

    def __len__(self) -> int:
        """Return how many events wait."""
        return len(self._waiting)

    def offer(self, event: Event, size: int) -> bool:
        """Take an event in as the policy has it, or say that `wait` must be called.

        Raises:
            Overflowed: the policy is to end the subscription.
        """
        policy = self.limits.policy
        if size <= self.limits.bytes:
            if policy in ("drop_oldest", "conflate"):
                self._squeeze_in(event, size)
                return True
            if self._fits(size) and not self._turn.locked():
                self._put(self._key(event), event, size)
                return True
            if policy == "block":
                return False
        if policy == "disconnect":
            raise Overflowed
        self.dropped += 1
        return True

    async def wait(self, event: Event, size: int) -> None:
        """Take an event in when there is room, or drop it after the timeout.

        Events are taken in in the order of the calls.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limits.timeout), self._turn:
                while not self._fits(size):
                    self._freed.clear()
                    await self._freed.wait()
                self._put(self._key(event), event, size)
                return
        self.dropped += 1

    async def take(self) -> tuple[Event, int]:
        """Return the next event and its size, when there is one."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        _, (event, size) = self._waiting.popitem(last=False)
        self._forget(size)
        return event, size

    def clear(self) -> None:
        """Drop everything."""
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._forget(self.bytes)

    def _key(self, event: Event) -> str:
        """Return what the event waits under: a key of its own unless conflated."""
        if self.limits.policy == "conflate":
            return self.limits.key(event)
        self._count += 1
        return str(self._count)

    def _squeeze_in(self, event: Event, size: int) -> None:
        """Take an event in, and drop what waits longest until all fits."""
        key = self._key(event)
        if key in self._waiting:
            self.bytes -= self._waiting[key][1]
            self.dropped += 1
        self._put(key, event, size)
        while len(self) > self.limits.messages or self.bytes > self.limits.bytes:
            oldest = next(other for other in self._waiting if other != key)
            self._forget(self._waiting.pop(oldest)[1])
            self.dropped += 1

    def _fits(self, size: int) -> bool:
        fits = self.bytes + size <= self.limits.bytes
        return fits and len(self) < self.limits.messages

    def _put(self, key: str, event: Event, size: int) -> None:
        self._waiting[key] = (event, size)
        self.bytes += size
        self._filled.set()

    def _forget(self, size: int) -> None:
        self.bytes -= size
        self._freed.set()
