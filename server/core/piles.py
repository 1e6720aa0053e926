"""Piles: what waits in mailboxes in figures, messages of agents and bytes.

Agents may send as much as they like. So a pile counts their messages, which leave room
for tasks and for what people say, and weighs messages, which differ so much in size.
"""

from collections import Counter
from typing import Final

from agentkit.codec import dumps
from agentkit.protocol import MessageSent, Send
from agentkit.rows import Broadcast, Delivery

NOTHING: Final = (0, False)


class Piles:
    """Figures of the messages that are neither done nor dead, by who has them."""

    __slots__ = ("_deliveries", "_sizes", "bytes", "talk")

    def __init__(self) -> None:
        self.bytes: Counter[str] = Counter()
        """The bytes of all messages."""
        self.talk: Counter[str] = Counter()
        """How many messages agents sent, or caused by what they do to a task."""
        self._deliveries: dict[tuple[str, int], tuple[int, bool]] = {}
        self._sizes: dict[str, int] = {}
        """The bytes of each message that is in a mailbox."""

    def follow(self, row: Delivery, message: Broadcast | None) -> None:
        """Take in a delivery, and the message that it carries if it carries one."""
        waits = message is not None and not row.is_settled
        new = self._weigh(message) if message is not None and waits else NOTHING
        key = row.agent, row.seq
        old = self._deliveries.pop(key, NOTHING)
        if waits:
            self._deliveries[key] = new
        _add(self.bytes, row.agent, new[0] - old[0])
        _add(self.talk, row.agent, new[1] - old[1])

    def forget(self, message: str) -> None:
        """Note that a message is in no mailbox any more."""
        self._sizes.pop(message, None)

    def _weigh(self, message: Broadcast) -> tuple[int, bool]:
        size = self._sizes.get(message.id)
        if size is None:
            size = self._sizes[message.id] = size_of(message)
        return size, bool(message.sender or message.about)


def size_of(message: Broadcast | Send | MessageSent) -> int:
    """Return the bytes that a message takes up in a mailbox."""
    body = len(dumps(message.body).encode()) if message.body else 0
    return len(message.text.encode()) + body


def _add(counts: Counter[str], key: str, more: int) -> None:
    if not more:
        return
    counts[key] += more
    if not counts[key]:
        del counts[key]
