"""Events stored in a Redis stream, and the groups of consumers that share them.

A prefix has one stream, so that whoever reads it, by whatever pattern, has its events
in the order of publishing. A durable subscription is a consumer group of the stream,
and begins with the oldest event that is kept. What a consumer was given is its own for
as long as it says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from agentkit.transports.redis_link import Commands, Words

BELL: Final = "_bell"
"""The channel on which it is said that there is something to take: `NEW` or `BACK`."""

NEW: Final = b"new"
BACK: Final = b"back"
"""Given back by somebody who had it."""

FIELD: Final = b"event"

AT_ONCE: Final = 100
"""Entries of others that are looked through at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Where events are stored, and for how long.

    Args:
        prefix: what all keys begin with.
        keep: events, about; the oldest go first.
        lease: seconds after which others take what a silent consumer has.
    """

    prefix: str
    keep: int
    lease: float

    @property
    def events(self) -> str:
        """The key of the stream of events."""
        return f"{self.prefix}events"

    @property
    def letters(self) -> str:
        """The key of the stream of letters."""
        return f"{self.prefix}letters"

    def storing(self, key: str, payload: bytes) -> Words:
        """Return the command that stores something in a stream."""
        return ("XADD", key, "MAXLEN", "~", self.keep, "*", FIELD, payload)

    def ringing(self, why: bytes) -> Words:
        """Return the command that says that there is something to take."""
        return ("PUBLISH", f"{self.prefix}{BELL}", why)


class Entry(NamedTuple):
    """An event in the stream that is ours until it is acknowledged."""

    id: bytes
    payload: bytes
    deliveries: int = 1
    """How often it was given to a consumer, this time counted in."""


class Pending(NamedTuple):
    """An entry that somebody was given and has not acknowledged."""

    id: bytes
    deliveries: int


class Group:
    """Our part of one consumer group: one command of Redis' for each method.

    All of them raise RedisError or OSError when the server refuses it or is gone.

    Args:
        commands: the connection.
        key: of the stream.
        name: of the group.
        me: the name of the consumer that we are, which no other one has.
    """

    def __init__(self, commands: Commands, key: str, name: str, me: str) -> None:
        self._ask = commands.ask
        self._key = key
        self._name = name
        self._me = me

    async def join(self) -> None:
        """Make sure that there is a stream and the group, from the beginning on."""
        from redis.exceptions import ResponseError

        try:
            await self._ask("XGROUP", "CREATE", self._key, self._name, 0, "MKSTREAM")
        except ResponseError as refusal:
            if not str(refusal).startswith("BUSYGROUP"):
                raise

    async def leave(self) -> None:
        """Be no consumer of the group any more, if we have nothing of it."""
        if not await self.mine(1):
            await self._ask("XGROUP", "DELCONSUMER", self._key, self._name, self._me)

    async def new(self, count: int) -> list[Entry]:
        """Take entries that nobody has had yet."""
        words: Words = ("COUNT", count, "STREAMS", self._key, ">")
        reply = await self._ask("XREADGROUP", "GROUP", self._name, self._me, *words)
        found = reply[0][1] if reply else []
        return [Entry(id_, _payload(fields)) for id_, fields in found]

    async def left(self, idle: int, after: bytes) -> list[Pending]:
        """Return some of what somebody has, but not said so for milliseconds."""
        words: Words = ("IDLE", idle, b"(" + after if after else "-", "+", AT_ONCE)
        reply = await self._ask("XPENDING", self._key, self._name, *words)
        return [Pending(id_, deliveries) for id_, _, _, deliveries in reply]

    async def mine(self, most: int) -> set[bytes]:
        """Return the ids of what we have, the oldest if it is more than so many."""
        words: Words = ("-", "+", most, self._me)
        reply = await self._ask("XPENDING", self._key, self._name, *words)
        return {id_ for id_, *_ in reply}

    async def claim(self, one: Pending, idle: int) -> Entry | None:
        """Take over an entry, unless somebody else just did or it is not kept."""
        who: Words = (self._key, self._name, self._me)
        reply = await self._ask("XCLAIM", *who, idle, one.id)
        if not reply or not reply[0] or reply[0][1] is None:
            return None
        return Entry(one.id, _payload(reply[0][1]), one.deliveries + 1)

    async def mark(self, ids: Iterable[bytes], idle: int) -> None:
        """Set for how many milliseconds nothing was heard of what we have."""
        these: Words = tuple(ids)
        if these:
            who: Words = (self._key, self._name, self._me)
            await self._ask("XCLAIM", *who, 0, *these, "IDLE", idle, "JUSTID")

    async def acknowledge(self, ids: Iterable[bytes]) -> None:
        """Be done with entries, whoever has them."""
        await self._ask("XACK", self._key, self._name, *ids)


def _payload(fields: list[bytes]) -> bytes:
    """Return the event of an entry; nothing if it is not one of ours."""
    return dict(zip(fields[::2], fields[1::2], strict=True)).get(FIELD, b"")
