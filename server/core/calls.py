"""Calls: which messages are calls, and until when each may be handed out."""

from datetime import datetime

from agentkit.rows import Broadcast, Delivery
from server.core.deadlines import Deadlines


class Calls:
    """Finds calls by their correlation ids, and deliveries of them by their time."""

    __slots__ = ("_expiring", "_messages")

    def __init__(self) -> None:
        self._messages: dict[str, str] = {}
        self._expiring = Deadlines()

    def add(self, message: Broadcast) -> None:
        """Take a message in, if it is a call."""
        if message.call:
            self._messages[message.call] = message.id

    def remove(self, message: Broadcast) -> None:
        """Let a message go."""
        if self._messages.get(message.call) == message.id:
            del self._messages[message.call]

    def message(self, call: str) -> str:
        """Return the id of the message that is a call; empty when there is none."""
        return self._messages.get(call, "")

    def follow(self, row: Delivery, message: Broadcast | None) -> None:
        """Keep until when a delivery may be handed out; once it was that is over."""
        waits = message is not None and row.state == "queued"
        self._expiring.set(row.id, message.expires if message and waits else None)

    @property
    def earliest(self) -> datetime | None:
        """When the first delivery expires; None when none does."""
        return self._expiring.earliest

    def expired(self, now: datetime, limit: int) -> list[tuple[str, int]]:
        """Return at most `limit` deliveries that expired, as pairs of agent and number.

        What expired first comes first.
        """
        keys = (key.partition("@") for key in self._expiring.due(now, limit))
        return [(agent, int(seq)) for seq, _, agent in keys]
