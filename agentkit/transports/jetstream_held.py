"""What a process holds of a stream: it is its own for as long as it says so."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from agentkit.transports.nats_errors import is_of_nats
from agentkit.transports.nats_link import Link

ACK: Final = b"+ACK"
"""Says that an event is done with."""

NEVER: Final = b"+TERM"
"""Says that it is none, and is not to be brought again."""

_NAK, _WORKING = b"-NAK", b"+WPI"

OWED: Final = 4096
"""Acknowledgements that are remembered while there is no connection."""


class Place(NamedTuple):
    """Where an event stands in the stream; one made anew has other places."""

    sequence: int
    stored: float


class Held:
    """The events that the server takes for ours, until each is parted with.

    They outlive connections. What there was no connection to say is said over the next.

    Args:
        link: returns the connection as it is now, if there is one.
        ack_wait: seconds after which what nothing is said of goes to another.
    """

    def __init__(self, link: Callable[[], Link | None], ack_wait: float) -> None:
        self._link = link
        self._ack_wait = ack_wait
        self._replies: dict[Place, str] = {}
        """The subjects on which the server is told of each."""
        self._owed: deque[str] = deque(maxlen=OWED)
        """Those on which it is still to be told that an event is done with."""
        self._touched = 0.0
        """When it was last told that all of them are ours."""

    def __contains__(self, place: Place) -> bool:
        """Say whether an event is held."""
        return place in self._replies

    def take(self, place: Place, reply: str) -> bool:
        """Hold an event, and say whether it was not held before."""
        is_new = place not in self._replies
        self._replies[place] = reply
        return is_new

    async def part(self, place: Place, word: bytes) -> None:
        """Tell the server that an event is done with; later if it is away."""
        if (reply := self._replies.pop(place, "")) and not await self._say(reply, word):
            self._owed.append(reply)

    async def resume(self) -> bool:
        """Tell a new connection what is done; say whether the rest is still ours.

        It is not if nothing was said of it for too long: it may be another's.
        """
        for _ in range(len(self._owed)):
            if not await self._say(reply := self._owed.popleft(), ACK):
                self._owed.append(reply)
        ours = asyncio.get_running_loop().time() - self._touched <= self._ack_wait
        if not ours:
            self._replies.clear()
        await self._touch()
        return ours

    async def keep(self) -> None:
        """Say for ever that what is held is being worked on."""
        while True:
            await asyncio.sleep(self._ack_wait / 3)
            await self._touch()

    async def give_back(self) -> None:
        """Let others have what is held, at once."""
        for reply in self._replies.values():
            await self._say(reply, _NAK)
        self._replies.clear()

    async def _touch(self) -> None:
        for reply in tuple(self._replies.values()):
            if not await self._say(reply, _WORKING):
                return
        self._touched = asyncio.get_running_loop().time()

    async def _say(self, reply: str, word: bytes) -> bool:
        """Tell the server a word, and say whether that went out."""
        link = self._link()
        if link is None:
            return False
        try:
            await link.client.publish(reply, word)
        except Exception as error:
            if not is_of_nats(error):
                raise
            return False
        return True
