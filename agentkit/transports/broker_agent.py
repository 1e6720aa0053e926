"""An agent that has a broker in common with the hub, and no connection to the hub."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from random import random
from typing import Any, Final, Self, TypeAlias, get_args

from agentkit.backoff import delays
from agentkit.codec import decode
from agentkit.desks import Desk, Handler
from agentkit.reports import Reporter
from agentkit.rows import DeliveryKind, Report
from agentkit.shelf import Key, Mail
from agentkit.subjects import as_segment
from agentkit.transports.errors import TransportError
from agentkit.transports.events import Event
from agentkit.transports.events import Handler as EventHandler
from agentkit.transports.letters import in_one_line
from agentkit.transports.protocol import Transport

HERE: Final = "hub.here"
"""What a hub publishes when it has come to the broker, if that keeps nothing."""

ATTEMPTS: Final = 3
"""How often a handler gets the same mail before the agent gives it up."""

FIRST_WAIT: Final = 0.2
LONGEST_WAIT: Final = 10.0

REMEMBERED: Final = 1000
"""Mail that was finished and is recognised when it comes again."""

_Receipt: TypeAlias = tuple[str, dict[str, Any]]
"""What is said of mail: the last segment of the subject, and the data."""

log = logging.getLogger(__name__)


class BrokerAgent(Reporter):
    """Reports over a broker that the hub is bridged to, and gets its mail there.

        async with BrokerAgent(open_transport("nats://localhost"), "a1") as agent:
            agent.on_task(handle)
            await agent.busy("T1")

    Guarantee: a report reaches the hub as the transport promises it: with a persistent
    one at least once and with effect once, else at most once, and the latest again when
    the hub comes to the broker. Mail reaches the handler at least once, whatever the
    transport: the hub hands out again what was not acknowledged, and, when the agent
    starts, what was not done. Within a process each is handled once, those of one kind
    one after the other: in the order of the mailbox, but for what comes again.

    Args:
        transport: to the broker; it is connected and disconnected with the agent.
        id: of the agent.
        capabilities: what it is able to do.
        attempts: how often a handler that raises gets the same mail; then the agent
            gives it up, and the hub says why.
    """

    def __init__(
        self,
        transport: Transport,
        id: str,  # noqa: A002 - what it is called everywhere
        capabilities: Sequence[str] = (),
        *,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.id = id
        self.capabilities = tuple(capabilities)
        self._transport = transport
        self._attempts = attempts
        self._segment = as_segment(id)
        self._desks = {kind: Desk(kind, self._hand) for kind in get_args(DeliveryKind)}
        self._mail: dict[Key, Mail] = {}
        self._ends: dict[Key, _Receipt] = {}
        """What was said of mail that is finished, by the mail's key."""
        self._owed: deque[_Receipt] = deque()
        """Receipts that were not published yet."""
        self._owes = asyncio.Event()
        self._last: tuple[Report, dict[str, Any]] | None = None
        """What it reported last."""
        self._teller: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect, report idle, and ask for what is not done.

        Raises:
            ConnectionError: the broker does not answer, or refuses us.
            PublishError: it went away at once.
        """
        transport, mine = self._transport, self._segment
        wanted: dict[str, EventHandler] = {
            f"mailbox.{mine}": self._take,
            f"refused.{mine}": _warn,
        }
        if not transport.persistent:
            wanted[HERE] = self._say_again
        self._subscriptions = [
            await transport.subscribe(subject, handler, name=f"{subject} for {mine}")
            for subject, handler in wanted.items()
        ]
        await transport.connect()
        for desk in self._desks.values():
            desk.open()
        self._teller = asyncio.create_task(self._tell())
        await self.idle()
        await self._publish("fetch", {})
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect; what is not done comes again when the agent starts again."""
        for desk in self._desks.values():
            desk.close()
        if self._teller:
            self._teller.cancel()
        await self._transport.disconnect()
        for subscription in self._subscriptions:
            await self._transport.unsubscribe(subscription)

    # --- what it says -----------------------------------------------------------------

    async def report(
        self,
        report: Report,
        *,
        task: str | None = None,
        message: str | None = None,
        cost: float | None = None,
        completed: int | None = None,
    ) -> None:
        """Report a status; what is left out keeps the value that the hub knows.

        Args:
            report: what it is.
            task: the id of its task.
            message: a word to people, or the question.
            cost: US dollars that it has spent, in all.
            completed: tasks that it has completed, in all.

        Raises:
            PublishError: the broker did not take it.
        """
        said = {
            "session_id": self.id,
            "status": report,
            "timestamp": datetime.now(UTC).isoformat(),
            "capabilities": list(self.capabilities),
            "last_task": task,
            "message": message,
            "cost_spent": cost,
            "tasks_completed": completed,
        }
        data = {name: value for name, value in said.items() if value is not None}
        self._last = (report, data)
        await self._publish(report, data)

    # --- what it hears ----------------------------------------------------------------

    def on_task(self, handler: Handler) -> Handler:
        """Have tasks handled; a task is done when `completed` says so."""
        return self._register("task", handler)

    def on_broadcast(self, handler: Handler) -> Handler:
        """Have broadcasts handled; one is done when the handler returns."""
        return self._register("broadcast", handler)

    def on_answer(self, handler: Handler) -> Handler:
        """Have answers to its questions handled."""
        return self._register("answer", handler)

    def on_helper(self, handler: Handler) -> Handler:
        """Have calls to help another agent handled."""
        return self._register("helper", handler)

    def on_message(self, handler: Handler) -> Handler:
        """Have messages of other agents handled; what it says is in `Mail.message`."""
        return self._register("message", handler)

    def _register(self, kind: DeliveryKind, handler: Handler) -> Handler:
        self._desks[kind].register(handler)
        return handler

    async def _take(self, event: Event) -> None:
        """Keep mail for its handler; of what is known, say again how far it came."""
        mail = decode(Mail, event.data)
        key = (mail.seq, mail.at)
        if key in self._ends:
            self._owe(*self._ends[key])
            return
        self._owe("ack", {"seq": mail.seq})
        if key not in self._mail:
            self._mail[key] = mail
            self._desks[mail.kind].put(key)

    async def _say_again(self, _: Event) -> None:
        """Tell a hub that was away how things are; it may have heard so or not."""
        if self._last is None:
            return
        await asyncio.sleep(random())  # noqa: S311 - not all agents at the same moment
        report, data = self._last
        # It must not count once more.
        await self._publish("idle" if report == "completed" else report, data)
        await self._publish("fetch", {})

    async def _hand(self, handler: Handler, key: Key) -> None:
        """Let a handler have mail until it returns, or has failed too often."""
        mail = self._mail[key]
        end: _Receipt = "ack" if mail.kind == "task" else "done", {"seq": mail.seq}
        for attempt, wait in enumerate(delays(FIRST_WAIT, LONGEST_WAIT), 1):
            try:
                await handler(mail)
                break
            except Exception as error:
                log.exception("agent %s failed on delivery %d", self.id, mail.seq)
                if attempt >= self._attempts:
                    end = ("dead", {"seq": mail.seq, "reason": in_one_line(error)})
                    break
            await asyncio.sleep(wait)
        self._finish(key, end)

    def _finish(self, key: Key, end: _Receipt) -> None:
        del self._mail[key]
        self._ends[key] = end
        if len(self._ends) > REMEMBERED:
            del self._ends[next(iter(self._ends))]
        self._owe(*end)

    # --- what it tells the hub of its mail --------------------------------------------

    def _owe(self, word: str, data: dict[str, Any]) -> None:
        self._owed.append((word, data))
        self._owes.set()

    async def _tell(self) -> None:
        """Publish receipts in their order, for as long as that takes."""
        waits = delays()
        while True:
            await self._owes.wait()
            try:
                await self._publish(*self._owed[0])
            except TransportError:
                await asyncio.sleep(next(waits))
                continue
            waits = delays()
            self._owed.popleft()
            if not self._owed:
                self._owes.clear()

    async def _publish(self, word: str, data: Mapping[str, Any]) -> None:
        event = Event(f"agent.{self._segment}.{word}", data, source=self.id)
        await self._transport.publish(event)


async def _warn(event: Event) -> None:
    """Log what the hub did not take."""
    log.warning("the hub refused %s: %s", *map(event.data.get, ("subject", "detail")))
