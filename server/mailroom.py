"""Hands deliveries to agents: to connected ones at once, to others when they ask.

The mailboxes are the queue: what cannot be written to a connection just now stays there
and is read again when the connection keeps up. So nothing piles up here, and one slow
agent delays nobody.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeAlias

from agentkit.errors import AgentkitError
from agentkit.protocol import Sent
from agentkit.rows import Broadcast, Delivery, HelpRequest, Task
from server.asgi import dumps
from server.connection import CHUNK, Connection, text_frame
from server.core import Swarm
from server.core.tables import Tables
from server.hub import Hub, Pushed

Matter: TypeAlias = Task | Broadcast | HelpRequest
"""What a delivery carries."""

PAGE: Final = 200
"""Deliveries that are read from a mailbox at once."""

log = logging.getLogger(__name__)


class Letter(NamedTuple):
    """A delivery, and the part of its frame that all recipients share."""

    delivery: Delivery
    rest: bytes

    @property
    def text(self) -> bytes:
        """The `mail` frame; handing it out makes it one attempt more."""
        return b'{"type":"mail","seq":%d,"attempt":%d,%b' % (
            self.delivery.seq,
            self.delivery.attempts + 1,
            self.rest,
        )


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
        self._wake = asyncio.Event()
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._chores: set[asyncio.Task[Any]] = set()
        self._clerk: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to hand out what the hub commits."""
        await self.hub.ask(lambda _: self.hub.subscribe(self))
        self._clerk = asyncio.create_task(self._hand_out(), name="mailroom")

    async def close(self) -> None:
        """Stop; what was not handed out stays in the mailboxes."""
        self.hub.unsubscribe(self)
        if self._clerk:
            self._clerk.cancel()
        for chore in (*self._chores, *filter(None, [self._clerk])):
            with suppress(asyncio.CancelledError):
                await chore

    # --- connected agents ---

    def enter(self, recipient: Recipient) -> Connection | None:
        """Take in a connection; return the older one of the same agent.

        Nothing is written before `catch_up`.
        """
        older = self.recipients.get(recipient.agent)
        self.recipients[recipient.agent] = recipient
        return older.connection if older else None

    def leave(self, recipient: Recipient) -> bool:
        """Forget a connection; say whether it was still the agent's newest."""
        if self.recipients.get(recipient.agent) is not recipient:
            return False
        del self.recipients[recipient.agent]
        return True

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
            handed = [mail.delivery for mail in letters if _write(recipient, mail)]
            await self.mark_sent(handed)
            if connection.congested:
                connection.on_writable = lambda: self._resume(recipient)
                return

    def _resume(self, recipient: Recipient) -> None:
        recipient.connection.on_writable = None
        self._run(self.catch_up(recipient))

    # --- agents that ask ---

    async def letters(self, agent: str, after: int, limit: int = PAGE) -> list[Letter]:
        """Read the mailbox of an agent: what is not done, in order, above `after`."""
        found = await self.hub.ask(lambda swarm: _look(swarm, agent, after, limit))
        return [
            Letter(row, _rest(row, matter or await self._recall(row)))
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
            case "broadcast":
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
            if key not in rests:
                rests[key] = _rest(row, _matter(rows, row))
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
        return _write(recipient, letter)

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


def _write(recipient: Recipient, letter: Letter) -> bool:
    if recipient.connection.congested or not recipient.connection.is_open:
        return False
    recipient.connection.send_frame(text_frame(letter.text))
    recipient.handed = letter.delivery.seq
    return True


def _look(
    swarm: Swarm, agent: str, after: int, limit: int
) -> list[tuple[Delivery, Matter | None]]:
    box = swarm.mail.get(agent, {})
    chosen = [seq for seq in sorted(box) if seq > after][:limit]
    return [(box[seq], _matter(swarm, box[seq])) for seq in chosen]


def _matter(rows: Swarm | Tables, row: Delivery) -> Matter | None:
    match row.kind:
        case "task":
            return rows.tasks.get(row.ref)
        case "broadcast":
            return rows.broadcasts.get(row.ref)
        case "answer" | "helper":
            return rows.helps.get(row.ref)


def _rest(row: Delivery, matter: Matter | None) -> bytes:
    """Return what follows the number and the attempt in a `mail` frame."""
    rest = {
        "kind": row.kind,
        "ref": row.ref,
        "at": row.queued,
        "by": matter.by if matter else "",
        "body": _body(row, matter),
    }
    return dumps(rest)[1:]


def _body(row: Delivery, matter: Matter | None) -> Mapping[str, Any]:
    match matter:
        case Task():
            return (
                {**matter.body, "title": matter.title} if matter.title else matter.body
            )
        case Broadcast():
            return {"text": matter.text}
        case HelpRequest() if row.kind == "answer":
            return {"text": matter.answer, "question": matter.question}
        case HelpRequest():
            return {
                "agent": matter.agent,
                "question": matter.question,
                "task": matter.task,
                "note": matter.note,
            }
        case None:
            return {}
