"""What the hub hands to an agent: recognised, sorted by kind, worked through."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, get_args

from agentkit.codec import decode
from agentkit.rows import DeliveryKind

log = logging.getLogger(__name__)

REMEMBERED = 1000
"""Deliveries that are recognised when they come again, and said to be done again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """Something that the hub has for an agent."""

    seq: int
    """Its number in the mailbox."""
    attempt: int
    """How often it has been handed out, this time included."""
    kind: DeliveryKind
    ref: str
    """The task, broadcast or help request."""
    at: datetime
    """When it was put into the mailbox, in UTC."""
    by: str = ""
    """Who sent it."""
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What it says: of a task the title, of a call for help the question."""
        name = {"task": "title", "helper": "question"}.get(self.kind, "text")
        return str(self.body.get(name, ""))


Handler: TypeAlias = Callable[[Mail], Awaitable[None]]
Settle: TypeAlias = Callable[[Mail, Exception | None], Awaitable[None]]


class Desk:
    """Mail of one kind, and the handler that works through it, one after the other."""

    def __init__(self, kind: str, settle: Settle) -> None:
        self.kind = kind
        self._settle = settle
        self._handler: Handler | None = None
        self._mail: deque[Mail] = deque()
        self._there = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    def put(self, mail: Mail) -> None:
        """Add mail; without a handler it stays until there is one."""
        self._mail.append(mail)
        self._there.set()

    def register(self, handler: Handler) -> None:
        """Let a handler have the mail, in place of an older one."""
        self._handler = handler
        self._there.set()

    def open(self) -> None:
        """Begin to hand out mail."""
        self._worker = asyncio.create_task(self._work(), name=f"on_{self.kind}")

    def close(self) -> None:
        """Stop handing out mail; a handler that is at work is cancelled."""
        if self._worker is not None:
            self._worker.cancel()

    async def _work(self) -> None:
        while True:
            while self._handler is None or not self._mail:
                self._there.clear()
                await self._there.wait()
            await self._hand(self._handler, self._mail.popleft())

    async def _hand(self, handler: Handler, mail: Mail) -> None:
        try:
            await handler(mail)
        except Exception as error:
            log.exception("the handler of %s %s failed", mail.kind, mail.ref)
            await self._settle(mail, error)
        else:
            await self._settle(mail, None)


class Inbox:
    """The mailbox, as far as this process has it.

    Args:
        settle: is called when a handler is through with mail, with its error if any.
    """

    def __init__(self, settle: Settle) -> None:
        self.got = 0
        """The highest number that came."""
        self.desks = {kind: Desk(kind, settle) for kind in get_args(DeliveryKind)}
        self._seen: dict[int, datetime] = {}
        self._done: deque[int] = deque(maxlen=REMEMBERED)

    def take(self, frame: Mapping[str, Any]) -> Mail | None:
        """Read a delivery; None when it has come before."""
        mail = decode(Mail, frame)
        if self._seen.get(mail.seq) == mail.at:
            return None
        if mail.seq <= self.got:  # numbers go up, so this is the mailbox of a new hub
            self._done.clear()
        self.got = mail.seq
        self._seen[mail.seq] = mail.at
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return mail

    def deliver(self, mail: Mail) -> None:
        """Put mail on the desk of its kind; a kind we do not know is left alone."""
        if mail.kind in self.desks:
            self.desks[mail.kind].put(mail)

    def note_done(self, mail: Mail) -> None:
        """Remember that mail was handled."""
        self._done.append(mail.seq)

    @property
    def done(self) -> Iterable[int]:
        """What was handled lately: the hub may not have heard of it."""
        return tuple(self._done)
