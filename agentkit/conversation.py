"""What an agent and the hub say to each other, over one connection after another."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from agentkit.boxes import Box
from agentkit.codec import dumps
from agentkit.endpoints import Endpoints, FileEndpoints
from agentkit.errors import AgentkitError
from agentkit.exchange import Exchange, error_of
from agentkit.inbox import Inbox, Mail
from agentkit.jobs import Worker
from agentkit.messages import on_the_wire
from agentkit.outbox import FileOutbox, Outbox
from agentkit.protocol import REPEATED
from agentkit.rows import Guarantee
from agentkit.shelf import FileShelf

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

log = logging.getLogger(__name__)

ANSWERS = frozenset(
    {
        *("claimed", "extended", "undertaken", "watched", "cancelled", "task"),
        "error",
    }
)
"""The frames that answer what was asked."""

SWARM = "swarm"
"""What a swarm is called unless its hub says otherwise."""

DISK_PAUSE = 1.0
"""Seconds until mail that could not be stored is asked for again."""


class Conversation:
    """The frames of one agent, up and down.

    What a connection did not get to the end of, the next one takes up: reports that
    the hub has not stored, mail whose end it has not been told, requests that it has
    not answered.

    Args:
        agent: who the agent is.
        able: returns what it can do.
        guarantee: whether mail that was being handled in a crash is handled again.
        live: is called when the hub has said welcome.
        moved: is called when something is over that somebody may wait for.
        came: is given mail that is kept and has not come before.
        task_failed: is given a task whose handler failed, and the error.
        gave_up: is given mail that failed too often, and why.
        refused: is given what the hub refused of the outbox, and the error; it says
            whether somebody waited for that.

    Attributes:
        swarm: what the hub calls the swarm; it is known once the hub was there.
        ahead: how far the clock of the hub is ahead of ours, as it last told.
        outbox: what is reported.
        inbox: what the hub hands down.
        exchange: what is asked and answered.
        endpoints: who is told of tasks.
        worker: claims work, if the agent does.
    """

    def __init__(
        self,
        agent: str,
        *,
        able: Callable[[], tuple[str, ...]],
        guarantee: Guarantee,
        live: Callable[[], None],
        moved: Callable[[], None],
        came: Callable[[Mail], None],
        task_failed: Callable[[Mail, Exception], Awaitable[None]],
        gave_up: Callable[[Mail, str], Awaitable[None]],
        refused: Callable[[Mapping[str, Any], AgentkitError], bool],
    ) -> None:
        self.swarm = SWARM
        self.ahead = timedelta(0)
        self.outbox = Outbox()
        self.inbox = Inbox(self.note, task_failed, guarantee, gave_up)
        self.exchange = Exchange(self.note)
        self.endpoints = Endpoints()
        self.worker: Worker | None = None
        self._agent = agent
        self._able = able
        self._live = live
        self._moved = moved
        self._came = came
        self._refused = refused
        self._socket: ClientConnection | None = None
        self._notes: deque[Mapping[str, Any]] = deque()
        """Frames beside the reports; what is lost with a connection is said again."""
        self._fresh = asyncio.Event()

    async def keep(self, box: Box) -> None:
        """Go on with what is in the file of the agent, and keep it there.

        Raises:
            AgentkitError: it cannot be read.
        """
        self.outbox = await asyncio.to_thread(FileOutbox, box)
        self.endpoints = await asyncio.to_thread(FileEndpoints, box)
        self.inbox.open(await asyncio.to_thread(FileShelf, box))

    @property
    def is_linked(self) -> bool:
        """Whether the hub listens."""
        return self._socket is not None

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to say beside the reports, or nobody to."""
        return not self._notes or self._socket is None

    def note(self, frame: Mapping[str, Any]) -> None:
        """Say something beside the reports, if there is a connection."""
        self._notes.append(frame)
        self._fresh.set()

    def said(self) -> None:
        """Send what was put into the outbox."""
        self._fresh.set()

    async def hold(self, socket: "ClientConnection") -> None:
        """Talk over a connection until it ends."""
        from websockets.exceptions import ConnectionClosed

        await socket.send(dumps(self._hello()))
        welcome = json.loads(await socket.recv())
        self.swarm = welcome.get("swarm", SWARM)
        if "now" in welcome:
            self.ahead = datetime.fromisoformat(welcome["now"]) - datetime.now(UTC)
        accepted = welcome["accepted"]
        if not self.outbox.stored <= accepted <= self.outbox.last:
            # the hub does not know this spool, or another past of it: it was replaced
            self.inbox.begin_anew(welcome.get("store", ""))
            await self.outbox.renew()
            return
        self.outbox.drop(accepted)
        self.inbox.link(welcome["cursor"], welcome.get("store", ""))
        self._notes.clear()
        self._notes.extend((*self.inbox.notes, *self.exchange.open))
        self._socket = socket
        self._live()
        if self.worker is not None:
            self.worker.linked()
        sender = asyncio.create_task(self._send(socket, accepted))
        try:
            while True:
                self._hear(json.loads(await socket.recv()))
        finally:
            self._socket = None
            sender.cancel()
            with suppress(asyncio.CancelledError, ConnectionClosed):
                await sender

    def _hello(self) -> dict[str, Any]:
        said = {
            "type": "hello",
            "agent": self._agent,
            "spool": self.outbox.spool,
            "got": self.inbox.got,
            "guarantee": self.inbox.guarantee,
        }
        known = {"store": self.inbox.store, "capabilities": self._able()}
        return {**said, **{name: value for name, value in known.items() if value}}

    async def _send(self, socket: "ClientConnection", sent: int) -> None:
        """Send what is there, and again whenever there is more."""
        while True:
            self._fresh.clear()
            while self._notes:
                await socket.send(dumps(self._notes[0]))
                self._notes.popleft()
            self._moved()
            for seq, report in self.outbox.after(sent):
                said = on_the_wire(report, datetime.now(UTC))
                await socket.send(dumps({"type": "notify", **said, "seq": seq}))
                sent = seq
            await self._fresh.wait()

    def _hear(self, frame: Mapping[str, Any]) -> None:
        match frame["type"]:
            case "ack":
                self.outbox.drop(frame["seq"])
                self._moved()
            case "refused":
                self._regret(frame)
            case "mail":
                if kept := self.inbox.take(frame, self._received):
                    kept.add_done_callback(self._kept)
            case "settled":
                self.inbox.confirm(frame["seq"])
            case kind if kind in ANSWERS:
                self.exchange.hear(frame)
            case "revoked" if self.worker is not None:
                self.worker.revoke(frame["task"], frame["fence"], frame["reason"])

    def _regret(self, frame: Mapping[str, Any]) -> None:
        """Tell whoever waits that the hub refused what was said, else the log."""
        error = error_of(frame)
        if str(error) == REPEATED:
            return
        if not self._refused(self.outbox.get(frame["seq"]), error):
            log.error(
                "the hub refused report %d of %s: %s",
                frame["seq"],
                self._agent,
                error,
            )

    def _kept(self, kept: "asyncio.Future[bool]") -> None:
        """Connect anew when mail could not be stored: the hub has it."""
        if not kept.cancelled() and kept.exception() and self._socket is not None:
            transport = self._socket.transport
            asyncio.get_running_loop().call_later(DISK_PAUSE, transport.abort)

    def _received(self, mail: Mail, new: bool) -> None:
        """Acknowledge mail that is kept, and pass on what has not come before."""
        self._acknowledge()
        if new:
            self._came(mail)

    def _acknowledge(self) -> None:
        """Say up to where mail is kept; one that waits to be sent says it for all."""
        if len(self._notes) > 1 and self._notes[-1]["type"] == "ack":
            self._notes.pop()  # the first may be on its way already
        if self.inbox.got:  # else it came from a hub that was replaced meanwhile
            self.note({"type": "ack", "upto": self.inbox.got})
