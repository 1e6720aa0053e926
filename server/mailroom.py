"""Hands deliveries to agents: to connected ones at once, to others when they ask.

The mailboxes are the queue: what cannot be written to a connection just now stays there
and is read again when the connection keeps up. So nothing piles up here, and one slow
agent delays nobody.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from agentkit.errors import AgentkitError, HubUnavailable
from agentkit.protocol import Sent, Unlink
from agentkit.rows import Delivery
from server.connection import CHUNK, RESTARTING, Connection
from server.hub import Hub, Pushed
from server.letters import Letter, Matter, in_mailbox, matter_of, rest_of

PAGE: Final = 200
"""Deliveries that are read from a mailbox at once."""

log = logging.getLogger(__name__)


class Recipient:
    """A connected agent, and how much of its mailbox this connection was handed."""

    __slots__ = ("agent", "behind", "connection", "handed", "missed")

    def __init__(self, agent: str, connection: Connection, handed: int) -> None:
        self.agent = agent
        self.connection = connection
        self.handed = handed
        self.behind = True
        """Its mailbox is being read, or will be: nothing else is written to it."""
        self.missed = False
        """Something came while it was behind."""


class Mailroom:
    """Knows who is connected; a subscriber of the hub."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.recipients: dict[str, Recipient] = {}
        self._letters: deque[Letter] = deque()
        self._handed: deque[Delivery] = deque()
        self._marking = False
        self._closing = False
        self._wake = asyncio.Event()
        self._unlinked: dict[str, str] = {}
        """Who is gone, and why, while the hub does not know it yet."""
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._chores: set[asyncio.Task[Any]] = set()
        self._clerk: asyncio.Task[None] | None = None

    @property
    def queued(self) -> int:
        """How many deliveries are about to be handed to connections."""
        return len(self._letters)

    async def open(self) -> None:
        """Begin to hand out what the hub commits."""
        await self.hub.ask(lambda _: self.hub.subscribe(self))
        self._clerk = asyncio.create_task(self._hand_out(), name="mailroom")

    def release(self) -> None:
        """Let everybody go who waits for mail: the hub is about to stop."""
        self._closing = True
        for bells in self._waiting.values():
            for bell in bells:
                _ring(bell)

    async def close(self) -> None:
        """Stop; what was not handed out stays in the mailboxes."""
        self.hub.unsubscribe(self)
        if self._clerk:
            self._clerk.cancel()
            await asyncio.wait([self._clerk, *self._chores])

    # --- connected agents ---

    def enter(self, recipient: Recipient) -> Connection | None:
        """Take in a connection; return the older one of the same agent.

        Nothing is written before `catch_up`.
        """
        older = self.recipients.get(recipient.agent)
        self.recipients[recipient.agent] = recipient
        return older.connection if older else None

    async def leave(self, recipient: Recipient, reason: str) -> None:
        """Forget a connection; unlink its agent unless a newer one is there."""
        if self.recipients.get(recipient.agent) is recipient:
            del self.recipients[recipient.agent]
            await self._unlink(recipient.agent, reason)

    async def settle(self) -> None:
        """Tell the hub again who is gone, if it could not be written then."""
        owed, self._unlinked = self._unlinked, {}
        for agent, reason in owed.items():
            if agent not in self.recipients:
                await self._unlink(agent, reason)

    async def _unlink(self, agent: str, reason: str) -> None:
        if self._closing:
            return  # The next start of the hub closes every link.
        try:
            await self.hub.submit(Unlink(agent=agent, reason=reason))
        except HubUnavailable:
            self._unlinked[agent] = reason

    async def catch_up(self, recipient: Recipient) -> None:
        """Hand out what lies in the mailbox, until it is empty or the agent too slow.

        The rest follows when its connection keeps up again.
        """
        connection = recipient.connection
        recipient.behind = True
        while connection.is_open:
            recipient.missed = False
            letters = await self.letters(recipient.agent, recipient.handed)
            if not letters and not recipient.missed:
                recipient.behind = False
                return
            handed = [mail.delivery for mail in letters if self._write(recipient, mail)]
            await self.mark_sent(handed)
            if connection.congested:
                connection.on_writable = lambda: self._resume(recipient)
                return

    def _resume(self, recipient: Recipient) -> None:
        recipient.connection.on_writable = None
        self._run(self._resumed(recipient))

    def _look_up(self, recipient: Recipient) -> None:
        """Let the mailbox be read: the turn does not tell what a delivery carries."""
        if recipient.behind:
            recipient.missed = True
        else:
            recipient.behind = True
            self._run(self._resumed(recipient))

    async def _resumed(self, recipient: Recipient) -> None:
        """Catch up; when the hub cannot, let the agent connect and begin again."""
        try:
            await self.catch_up(recipient)
        except AgentkitError as failure:
            recipient.connection.close(RESTARTING, str(failure))

    # --- agents that ask ---

    async def letters(self, agent: str, after: int, limit: int = PAGE) -> list[Letter]:
        """Read the mailbox of an agent: what is not done, in order, above `after`."""
        found = await self.hub.ask(lambda swarm: in_mailbox(swarm, agent, after, limit))
        return [
            Letter(row, rest_of(row, matter or await self._recall(row)))
            for row, matter in found
        ]

    async def await_letters(
        self, agent: str, after: int, limit: int, seconds: float
    ) -> list[Letter]:
        """Read the mailbox like `letters`; wait for something when it is empty."""
        bell = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(agent, set()).add(bell)
        try:
            letters = await self.letters(agent, after, limit)
            if letters or not seconds:
                return letters
            await asyncio.wait([bell], timeout=seconds)
            return await self.letters(agent, after, limit)
        finally:
            bell.cancel()
            self._stop_waiting(agent, bell)

    def _stop_waiting(self, agent: str, bell: asyncio.Future[None]) -> None:
        bells = self._waiting.get(agent, set())
        bells.discard(bell)
        if not bells:
            self._waiting.pop(agent, None)

    async def mark_sent(self, handed: Sequence[Delivery]) -> None:
        """Record that deliveries were handed out."""
        if handed:
            pairs = tuple((row.agent, row.seq) for row in handed)
            await self.hub.submit(Sent(deliveries=pairs))

    async def _recall(self, row: Delivery) -> Matter | None:
        """Read what a delivery carries from the store: it was settled long ago."""
        store = self.hub.store
        match row.kind:
            case "task":
                return await store.task(row.ref)
            case "broadcast" | "message":
                return await store.broadcast(row.ref)
            case "answer" | "helper":
                return await store.help(row.ref)

    # --- what the hub pushes ---

    def push(self, pushed: Pushed) -> None:
        """Queue up the new deliveries of connected agents."""
        rests: dict[tuple[str, str], bytes] = {}
        rows = pushed.turn.rows
        for row in rows.deliveries.values():
            if row.state != "queued":
                continue
            for bell in self._waiting.pop(row.agent, ()):
                _ring(bell)
            if row.agent not in self.recipients:
                continue
            key = (row.kind, row.ref)
            matter = matter_of(rows, row)
            if matter is None:
                self._look_up(self.recipients[row.agent])
                continue
            if key not in rests:
                rests[key] = rest_of(row, matter)
            self._letters.append(Letter(row, rests[key]))
        if self._letters:
            self._wake.set()

    async def _hand_out(self) -> None:
        while True:
            if not self._letters:
                self._wake.clear()
                await self._wake.wait()
            size = min(CHUNK, len(self._letters))
            chunk = [self._letters.popleft() for _ in range(size)]
            self._handed += [mail.delivery for mail in chunk if self._offer(mail)]
            if self._handed and not self._marking:
                self._marking = True
                self._run(self._mark_handed())
            await asyncio.sleep(0)

    async def _mark_handed(self) -> None:
        """Record what was handed out, in small turns that hold up nobody."""
        try:
            while self._handed:
                size = min(CHUNK, len(self._handed))
                await self.mark_sent([self._handed.popleft() for _ in range(size)])
        finally:
            self._marking = False

    def _offer(self, letter: Letter) -> bool:
        recipient = self.recipients.get(letter.delivery.agent)
        if recipient is None or letter.delivery.seq <= recipient.handed:
            return False
        if recipient.behind:
            recipient.missed = True
            return False
        if recipient.connection.congested:
            recipient.behind = True
            recipient.connection.on_writable = lambda: self._resume(recipient)
            return False
        return self._write(recipient, letter)

    def _write(self, recipient: Recipient, letter: Letter) -> bool:
        connection = recipient.connection
        if connection.congested or not connection.is_open:
            return False
        self.hub.stats.pushed(1, connection.send_text(letter.text))
        recipient.handed = letter.delivery.seq
        return True

    def _run(self, chore: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[Any]) -> None:
        """Note what went wrong: whatever was not marked is handed out once more."""
        self._chores.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, AgentkitError):
            log.warning("deliveries were not marked as sent: %s", error)
        elif error is not None:
            log.error("the mailroom failed", exc_info=error)


def _ring(bell: asyncio.Future[None]) -> None:
    if not bell.done():
        bell.set_result(None)
