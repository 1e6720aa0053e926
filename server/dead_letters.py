"""Dead letters: kept for every link on which transports tell them, and given back."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from agentkit.protocol import Bury, LetterRequeued
from agentkit.rows import Letter
from agentkit.transports.events import REQUEUE
from server.bus import Bus
from server.hub import Hub, Pushed
from server.wire import LETTER_TOLD, valid

Outlet = Callable[[Mapping[str, Any]], None]
"""Publishes an event, as an object of JSON; must not block or raise."""


class DeadLetters:
    """Keeps letters, and tells of those that are requeued; a subscriber of the hub."""

    def __init__(self, hub: Hub, bus: Bus) -> None:
        self._hub = hub
        self._bus = bus
        self.outlets: dict[str, Outlet] = {}
        """By name of the bridge, what publishes there."""

    async def open(self) -> None:
        """Begin to follow what the hub commits."""
        await self._hub.ask(lambda _: self._hub.subscribe(self))

    async def bury(
        self, link: str, by: str, data: Mapping[str, Any], size: int = 0
    ) -> None:
        """Keep a letter; return when it is stored. One that is known changes nothing.

        Args:
            link: the way it came: ``bus``, or the name of a bridge.
            by: who told it.
            data: what the subject ``_dead`` carries.
            size: bytes that came over the wire for it.

        Raises:
            Invalid: it is no letter, or too large to be kept.
            StoreError: nothing can be written just now.
        """
        told = valid(LETTER_TOLD, data)
        wish = Bury(
            id=told["id"],
            message=told["event"],
            subscription=told["subscription"],
            pattern=told["pattern"],
            transport=told["transport"],
            link=link,
            reason=told["reason"],
            attempts=told["attempts"],
            by=by,
        )
        await self._hub.submit(wish, size=size)

    def push(self, pushed: Pushed) -> None:
        """Give back what was requeued: on the bus, and on every bridge."""
        for _, event in pushed.turn.events:
            if isinstance(event, LetterRequeued):
                self._give_back(pushed.turn.rows.letters[event.letter])

    def _give_back(self, letter: Letter) -> None:
        event = {
            "id": uuid4().hex,
            "name": REQUEUE,
            "data": {"letter": as_told(letter)},
            "source": "hub",
            "at": self._hub.now().isoformat(),
        }
        self._bus.publish(event, 0)
        for publish in self.outlets.values():
            publish(event)


def as_told(letter: Letter) -> dict[str, Any]:
    """Return a letter as transports tell it."""
    return {
        "id": letter.id,
        "event": letter.message,
        "pattern": letter.pattern,
        "subscription": letter.subscription,
        "transport": letter.transport,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "at": letter.at.isoformat(),
    }
