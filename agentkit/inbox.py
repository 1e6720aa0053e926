"""What the hub hands to an agent: kept, recognised, sorted by kind, worked through.

Mail is stored before it is acknowledged. An attempt is counted before the handler runs,
so mail that kills its agent is given up after `ATTEMPTS` and does not kill it for
ever. How each ended is told until the hub confirms it. Of one kind, mail is handled one
after the other in the order in which it came, and one that has to be tried again holds
up what came after it; other kinds go on. Calls are handled several at once.

An inbox lives as long as its process, or in the agent's file: then what was received
and not finished is handled when the agent starts again, before what is new.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, Literal, get_args

from agentkit.codec import decode
from agentkit.desks import Desk, Handler, OpenDesk, StandIn, pass_over
from agentkit.rows import DeliveryKind, Guarantee
from agentkit.shelf import DESKS, Entry, Frame, Key, Mail, Shelf

__all__ = ["Handler", "Inbox", "Mail"]

log = logging.getLogger(__name__)

ATTEMPTS: Final = 7
"""How often a handler gets the same mail at most."""

FIRST_WAIT: Final = 0.2
"""Seconds until mail whose handler failed is tried again; doubled each time."""

LONGEST_WAIT: Final = 10.0
REMEMBERED: Final = 1000
"""Deliveries that are recognised after the hub knows how they ended."""

CALLS: Final = 32
"""How many calls of other agents are handled at the same time."""

GRACE: Final = 30.0
"""Seconds that messages and calls wait for somebody to register a handler."""

LONGEST_REASON: Final = 2000
CRASHED: Final = f"the agent crashed at the last of {ATTEMPTS} attempts"


def is_cancelled() -> bool:
    """Say whether the task that runs this is to end, rather than one it waits for."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


async def _nothing(_mail: Mail, _reason: str) -> None:
    pass


class Inbox:
    """The mailbox, as far as this agent has it.

    Args:
        say: tells the hub something, now or when it is there again.
        task_failed: is called when the handler of a task failed, with its error.
        guarantee: whether mail that was being handled in a crash is handled again.
        gave_up: is told of mail before it is given up, and why.
    """

    def __init__(
        self,
        say: Callable[[Frame], None],
        task_failed: Callable[[Mail, Exception], Awaitable[None]],
        guarantee: Guarantee = "at-least-once",
        gave_up: Callable[[Mail, str], Awaitable[None]] = _nothing,
    ) -> None:
        names = (*get_args(DeliveryKind), *DESKS.values())
        self.desks = {name: Desk(name, self._hand) for name in names}
        self.desks["call"] = OpenDesk("call", self._hand, CALLS)
        self.guarantee = guarantee
        self._say = say
        self._task_failed = task_failed
        self._gave_up = gave_up
        self._shelf = Shelf()
        self._entries: dict[Key, Entry] = {}
        self._unsaid: dict[int, Entry] = {}
        """What the hub is to be told of, and has not confirmed."""
        self._settled: deque[Key] = deque()
        self._epoch = self._newest = 0
        self._stand_ins: dict[str, Handler] = {}
        self._grace: asyncio.TimerHandle | None = None
        self.got = 0
        """The highest number that is kept."""
        self.store = ""
        """Which store of a hub the mailbox is in; empty while that is not known."""

    def open(self, shelf: Shelf) -> None:
        """Go on with what is kept on a shelf; call it before anything comes."""
        self._shelf = shelf
        self._epoch, self.got, self.store = shelf.epoch, shelf.got, shelf.store
        self._newest = self.got
        for entry in shelf.entries:
            self._remember(entry)
            if entry.state == "new":
                self.deliver(entry.mail)

    def start(self, answer: Handler) -> None:
        """Begin to hand out mail.

        Args:
            answer: handles calls when there is no other handler after `GRACE`.
        """
        self._stand_ins = {
            "message": StandIn("message", pass_over),
            "call": StandIn("call", answer),
        }
        self._grace = asyncio.get_running_loop().call_later(GRACE, self.settle)
        for desk in self.desks.values():
            desk.open()

    def settle(self) -> None:
        """Let messages and calls wait no longer for a handler.

        Of one that is registered later, those that come then are handled.
        """
        for name, stand_in in self._stand_ins.items():
            if not self.desks[name].is_staffed:
                self.desks[name].register(stand_in)

    def stop(self) -> None:
        """Stop handing out mail; handlers that are at work are cancelled."""
        if self._grace is not None:
            self._grace.cancel()
        for desk in self.desks.values():
            desk.close()

    @property
    def notes(self) -> list[Frame]:
        """What the hub is to be told on every new connection."""
        return [entry.frame for entry in self._unsaid.values()]

    def link(self, cursor: int, store: str = "") -> None:
        """Begin to take mail over a new connection to a hub.

        Args:
            cursor: where its log ends.
            store: which store it has; empty when it does not say.
        """
        self._newest = self.got
        if cursor < self.got or (store and self.store not in ("", store)):
            self.begin_anew(store)
        else:
            self._belong(store)

    def take(
        self, frame: Frame, then: Callable[[Mail, bool], None]
    ) -> asyncio.Future[bool] | None:
        """Keep a delivery, and call `then` when it is kept, with whether it is new.

        One that came before is recognised: what became of it is told again.

        Returns:
            What fails when it cannot be kept: take nothing more before the next `link`.
        """
        mail = decode(Mail, {**frame, "attempt": 0})
        known = (mail.seq, mail.at) in self._entries
        if mail.seq <= self._newest and not known:
            self.begin_anew()  # numbers go up, so this is the mailbox of a new hub
        after, self._newest = self._newest, max(self._newest, mail.seq)
        entry = Entry(mail=mail, epoch=self._epoch)
        return self._shelf.receive(entry, after, partial(self._received, entry, then))

    def begin_anew(self, store: str = "") -> None:
        """Take what comes from now on as the mailbox of another hub.

        What is left of the old one is handled, and nothing is said of it.
        """
        self._epoch += 1
        self.got = self._newest = 0
        self._unsaid.clear()
        self._belong(store)

    def _belong(self, store: str) -> None:
        """Keep whose mailbox this is, if that is not kept yet."""
        self.store = store or self.store
        kept = self._shelf.epoch, self._shelf.store
        if kept != (self._epoch, self.store):
            self._shelf.begin(self._epoch, self.store)

    def deliver(self, mail: Mail) -> None:
        """Put mail on its desk; a kind that we do not know is left alone."""
        if mail.desk in self.desks:
            self.desks[mail.desk].put((mail.seq, mail.at))

    async def finish(self, mail: Mail) -> None:
        """Note that mail was handled, and tell the hub."""
        await self._end((mail.seq, mail.at), "done")

    def confirm(self, seq: int) -> None:
        """Note that the hub knows how a delivery ended."""
        entry = self._unsaid.pop(seq, None)
        if entry is not None:
            settled = replace(entry, settled=True)
            self._shelf.note(settled)
            self._remember(settled)

    # --- what came ---

    def _received(
        self, entry: Entry, then: Callable[[Mail, bool], None], new: bool
    ) -> None:
        known = self._entries.get(entry.key)
        if entry.epoch == self._epoch:
            self.got = max(self.got, entry.mail.seq)
        if new and known is None:
            self._entries[entry.key] = entry
        then(entry.mail, new and known is None)
        if known is not None:
            again = replace(known, mail=entry.mail, epoch=entry.epoch, settled=False)
            self._entries[entry.key] = again
            self._shelf.note(again)
            self._tell(again)

    def _tell(self, entry: Entry) -> None:
        """Tell the hub how a delivery ended, if it did and the hub is to know."""
        if self._is_owed(entry):
            self._unsaid[entry.mail.seq] = entry
            self._say(entry.frame)

    def _is_owed(self, entry: Entry) -> bool:
        """Say whether the hub is to be told; of a task done, the reports tell."""
        ended = entry.state != "new" and not entry.settled
        told = entry.mail.kind != "task" or entry.state == "dead"
        return ended and told and entry.epoch == self._epoch

    def _remember(self, entry: Entry) -> None:
        self._entries[entry.key] = entry
        if self._is_owed(entry):
            self._unsaid[entry.mail.seq] = entry
        elif entry.state != "new":
            self._settled.append(entry.key)
        if len(self._settled) > REMEMBERED:
            oldest = self._entries.pop(self._settled.popleft(), None)
            if oldest is not None:
                self._shelf.forget(oldest)

    # --- handling ---

    async def _hand(self, handler: Handler, key: Key) -> None:
        """Let a handler have mail until it is finished, one way or the other."""
        wait = FIRST_WAIT
        while True:
            await self._try(handler, key)
            if self._entries[key].state != "new":
                return
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    async def _try(self, handler: Handler, key: Key) -> None:
        """Count an attempt, then make it; give up when there were too many."""
        if self._entries[key].attempts >= ATTEMPTS:
            await self._give_up(key, self._entries[key].reason)
            return
        mail = await self._begin(key)
        try:
            await handler(mail)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            await self._failed(mail, RuntimeError("the handler was cancelled"))
        except Exception as error:
            log.exception("the handler of %s %s failed", mail.kind, mail.ref)
            await self._failed(mail, error)
        else:
            await self._end(key, "done")

    async def _begin(self, key: Key) -> Mail:
        attempts = self._entries[key].attempts + 1
        if self.guarantee == "at-most-once":
            await self._end(key, "done", attempts=attempts)
        else:
            await self._change(key, attempts=attempts, reason=CRASHED)
        return replace(self._entries[key].mail, attempt=attempts)

    async def _failed(self, mail: Mail, error: Exception) -> None:
        """Note why an attempt failed; a task that failed is for a person to look at."""
        key = mail.seq, mail.at
        if mail.kind == "task":
            await self._task_failed(mail, error)
            await self._end(key, "done")
            return
        reason = f"{type(error).__name__}: {error}"[:LONGEST_REASON]
        if mail.attempt >= ATTEMPTS:
            await self._give_up(key, reason)
        elif self._entries[key].state == "new":
            await self._change(key, reason=reason)

    async def _give_up(self, key: Key, reason: str) -> None:
        await self._gave_up(self._entries[key].mail, reason)
        await self._end(key, "dead", reason=reason)

    async def _end(
        self, key: Key, state: Literal["done", "dead"], **changes: Any
    ) -> None:
        if self._entries[key].state == "new":
            await self._change(key, state=state, **changes)
            self._remember(self._entries[key])
            self._tell(self._entries[key])

    async def _change(self, key: Key, **changes: Any) -> None:
        """Keep a change of an entry first, then go by it."""
        await self._shelf.save(replace(self._entries[key], **changes))
        self._entries[key] = replace(self._entries[key], **changes)
