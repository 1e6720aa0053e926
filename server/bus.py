"""The hub's bus: what somebody publishes goes at once to all who subscribe to it.

Nothing is kept: a message reaches, at most once, who is connected and keeps up. Each
member has a queue of its own, so a slow one delays nobody; it loses its oldest messages
and is told how many. A frame is made once for all of them, and what comes in quick
succession is written together.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime
from heapq import nlargest
from time import perf_counter
from typing import Any, Final, NamedTuple

import orjson

from agentkit.errors import Conflict, Invalid
from agentkit.subjects import Trie, read_subject
from agentkit.traffic import Tapped
from agentkit.transports.events import DEAD, LINK, REQUEUE, is_reserved
from agentkit.transports.metrics import SubscriptionMetrics
from server.asgi import dumps
from server.bus_member import Member
from server.connection import CHUNK, Connection, text_frame
from server.hub import Hub
from server.links import Links
from server.taps import Taps, shown

RESERVED: Final = frozenset({DEAD, REQUEUE, LINK})

PATTERNS: Final = 1000
"""How many patterns one member may subscribe to."""

SHOWN: Final = 100
"""Members that are shown in figures."""

ROOM: Final = 256
"""Messages that may be on their way before whoever publishes has to wait."""
HEAVY: Final = 4 << 20
"""Bytes of messages that may be on their way before whoever publishes has to wait."""


class Message(NamedTuple):
    """A message on the bus, for whoever looks on."""

    event: Mapping[str, Any]
    size: int
    """Bytes that came over the wire for it."""
    reached: tuple[Member, ...]
    """Who subscribes to it."""
    arrived: float
    """When it came, by `perf_counter`."""


class Bus:
    """Who is on the bus, and who subscribes to what."""

    def __init__(self, hub: Hub, links: Links, taps: Taps) -> None:
        self.members: dict[Member, None] = {}
        self.published = 0
        self._names: Counter[str] = Counter()
        self._hub = hub
        self._links = links
        self._tally = links.bus.tally
        self._taps = taps
        self._trie: Trie[Member] = Trie()
        self._reserved: Trie[Member] = Trie()
        self._due: deque[Member] = deque()
        self._fresh: list[Message] = []
        """Messages that not all who subscribe were written yet."""
        self._heft = 0
        """Bytes of these."""
        self._room = asyncio.Event()
        self._room.set()
        links.bus.queue = lambda: (self.queued, self._weight())
        links.bus.subscriptions = self._busiest

    @property
    def queued(self) -> int:
        """How many messages wait for somebody who is slow."""
        return sum(member.queued for member in self.members)

    @property
    def patterns(self) -> int:
        """How many subscriptions there are."""
        return len(self._trie) + len(self._reserved)

    # --- members ---

    def enter(self, name: str, connection: Connection) -> Member:
        """Take in a connection."""
        member = Member(name, connection, self._hub.stats, self._tally)
        self.members[member] = None
        self._names[name] += 1
        self._links.bus.opened(name)
        return member

    def leave(self, member: Member) -> None:
        """Let a connection go, with its subscriptions and what waits for it."""
        for pattern in member.patterns:
            self._trie_of(pattern).remove(pattern, member)
        member.patterns.clear()
        member.forget()
        del self.members[member]
        self._names[member.name] -= 1
        if not self._names[member.name]:
            del self._names[member.name]
            self._links.gone("bus", member.name)

    def subscribe(self, member: Member, pattern: str) -> None:
        """Let a member have what a pattern matches; each message comes once.

        Raises:
            Invalid: the pattern is malformed, or a reserved one that nobody tells on.
            Conflict: it has as many as it may have.
        """
        if pattern in member.patterns:
            return
        if len(member.patterns) >= PATTERNS:
            raise Conflict(
                f"this connection has {PATTERNS} patterns and no more are allowed: "
                "unsubscribe some, or subscribe to one that covers them"
            )
        _check_reserved(pattern)
        self._trie_of(pattern).add(pattern, member)
        member.patterns[pattern] = None

    def unsubscribe(self, member: Member, pattern: str) -> None:
        """Let a member no longer have what a pattern matches."""
        if pattern in member.patterns:
            del member.patterns[pattern]
            self._trie_of(pattern).remove(pattern, member)

    # --- messages ---

    @property
    def is_full(self) -> bool:
        """Whether so much is on its way that whoever publishes has to wait."""
        return not self._room.is_set()

    async def room(self) -> None:
        """Wait until something may be published."""
        await self._room.wait()

    def publish(self, event: Mapping[str, Any], size: int) -> int:
        """Hand a message to all who subscribe; return how many these are.

        Args:
            event: the message; `name` is its subject.
            size: bytes that came over the wire for it.

        Raises:
            Invalid: its subject is malformed, or reserved and unknown.
        """
        subject: str = event["name"]
        read_subject(subject)
        _check_reserved(subject)
        reached = self._trie_of(subject).match(subject)
        frame = text_frame(_encoded(event))
        for member in reached:
            member.put(frame)
            if not member.is_due:
                member.is_due = True
                self._due.append(member)
        self._note(Message(event, size, reached, perf_counter()), len(frame))
        return len(reached)

    def _trie_of(self, name: str) -> Trie[Member]:
        return self._reserved if is_reserved(name) else self._trie

    def _note(self, message: Message, heft: int) -> None:
        if not self._fresh:
            asyncio.get_running_loop().call_soon(self._write)
        self._fresh.append(message)
        self._heft += heft
        if len(self._fresh) >= ROOM or self._heft >= HEAVY:
            self._room.clear()

    def _write(self) -> None:
        """Write to some of those who have something waiting, then let others work."""
        for _ in range(min(CHUNK, len(self._due))):
            self._due.popleft().flush()
        if self._due:
            asyncio.get_running_loop().call_soon(self._write)
        else:
            self._settle()

    def _settle(self) -> None:
        """Count what was handed on, and tell whoever looks on."""
        fresh, self._fresh, self._heft = self._fresh, [], 0
        self._room.set()
        now = perf_counter()
        for message in fresh:
            if is_reserved(message.event["name"]):
                continue
            self.published += 1
            self._tally.delivered += len(message.reached)
            self._tally.took(now - message.arrived)
            if self._taps:
                self._taps.see(_tapped(message, self._hub.now(), now))

    def _weight(self) -> int:
        return sum(member.weight for member in self.members)

    def _busiest(self) -> tuple[SubscriptionMetrics, ...]:
        """Return the members that most waits for, or that got most."""
        chosen = nlargest(
            SHOWN,
            self.members,
            key=lambda member: (member.queued, member.dropped, member.delivered),
        )
        return tuple(member.metrics() for member in chosen)


def _tapped(message: Message, at: datetime, now: float) -> Tapped:
    """Return a message as whoever looks on sees it."""
    event, reached = message.event, message.reached
    return Tapped(
        at=at,
        link="bus",
        direction="in",
        subject=event["name"],
        id=event["id"],
        source=event["source"],
        to=reached[0].name if len(reached) == 1 else f"{len(reached)} connections",
        size=message.size,
        ms=round((now - message.arrived) * 1000, 3),
        data=shown(event["data"]),
    )


def _encoded(event: Mapping[str, Any]) -> bytes:
    """Return the frame of a message.

    Raises:
        Invalid: it has something that not everybody could read.
    """
    try:
        return dumps({"type": "event", "event": event})
    except orjson.JSONEncodeError:
        raise Invalid(
            f"the data of {event['name']!r} cannot be told on: leave out numbers "
            "beyond 64 bits, halves of surrogate pairs and more than 200 levels"
        ) from None


def _check_reserved(name: str) -> None:
    if is_reserved(name) and name not in RESERVED:
        raise Invalid(
            f"{name!r} begins with an underscore, as the bus's own subjects do: leave "
            "it out"
        )
