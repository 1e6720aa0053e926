"""The connection of a transport to its broker: opened, lost, and opened again."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, ClassVar

from agentkit.backoff import delays
from agentkit.transports.cover import Copies, Cover
from agentkit.transports.errors import (
    ConnectionError,  # noqa: A004
    PublishError,
    TransportError,
)
from agentkit.transports.events import Event
from agentkit.transports.metrics import State

log = logging.getLogger(__name__)


class Connection(ABC):
    """A connection that is kept: when it is lost it is opened again, with backoff.

    A subclass moves bytes, in five hooks. What it must do besides: call `_lost` when
    it finds the connection gone, at whatever time, and turn its client's errors into
    ours. What was listened to is listened to again after `_open`, by itself.
    """

    kind: ClassVar[str]

    def __init__(self, url: str) -> None:
        self.url = url
        """Where the broker is, without a password."""
        self.reconnects = 0
        self._largest = 0
        """Bytes that the broker takes in one payload; 0 if there is no such bound."""
        self._state: State = "closed"
        self._since = datetime.now(UTC)
        self._up = asyncio.Event()
        self._failure: TransportError | None = None
        """Why there is no connection, or was none when there last was none."""
        self._is_lost = False
        self._cover = Cover()
        self._copies = Copies()
        self._held: set[str] = set()
        self._adjusting = asyncio.Lock()
        self._errands: set[asyncio.Task[None]] = set()

    # --- What a subclass fills in ---------------------------------------------------

    @abstractmethod
    async def _open(self) -> None:
        """Connect to the broker.

        Raises:
            ConnectionError: it does not answer, or refuses us; nothing stays open.
        """

    @abstractmethod
    async def _close(self) -> None:
        """Close what `_open` opened, as far as it is still open; never raise."""

    @abstractmethod
    async def _send(self, event: Event, payload: bytes) -> None:
        """Give a payload to the broker, for all who listen to the event's name.

        A persistent transport stores it before it returns; of reserved subjects, which
        all connections must hear too, it stores only `_dead`.

        Raises:
            PublishError: the broker did not take it, within 2 s.
        """

    @abstractmethod
    async def _listen(self, pattern: str) -> None:
        """Have what matches brought to `_arrived`; return when the broker confirms.

        Args:
            pattern: a subject, a subject and ``.**``, or ``**``; see `Cover`. The
                broker may bring more than that.

        Raises:
            ConnectionError: the connection is gone.
        """

    @abstractmethod
    async def _unlisten(self, pattern: str) -> None:
        """Undo `_listen`.

        Raises:
            ConnectionError: the connection is gone.
        """

    # --- For a subclass to call -----------------------------------------------------

    def _lost(self, error: ConnectionError) -> None:
        """Note that the connection is gone; it is opened again."""
        self._failure, self._is_lost = error, True
        if self._state == "connected":
            self._become("reconnecting")
            self._run(self._reconnect())

    def _run(self, errand: Coroutine[Any, Any, None]) -> None:
        """Run something for as long as the connection is wanted."""
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._see_off)

    def _see_off(self, task: asyncio.Task[None]) -> None:
        """Log what went wrong with an errand that nobody waits for."""
        self._errands.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, TransportError):
            log.warning("%s", error)
        elif error:
            log.error("the transport to %s stumbled", self.url, exc_info=error)

    # --- For everybody --------------------------------------------------------------

    async def _establish(self) -> None:
        """Open the connection, and listen to all that is wanted.

        Raises:
            ConnectionError: it cannot be opened, or was lost again at once.
        """
        self._is_lost = False
        await self._open()
        try:
            await self._adjust(anew=True)
            self._check()
        except BaseException:
            await self._close()
            raise
        self._become("connected")

    def _check(self) -> None:
        """Go on only if the connection was not lost since it was opened.

        Raises:
            ConnectionError: it was.
        """
        if self._is_lost and self._failure:
            raise self._failure

    def _become(self, state: State) -> None:
        self._state, self._since = state, datetime.now(UTC)
        if state == "connected":
            self._up.set()
        else:
            self._up.clear()

    async def _reconnect(self) -> None:
        """Open the connection again.

        To be cancelled need not end it: before Python 3.12 `asyncio.wait_for`, which a
        broker's client may use, forgets that when it has a result in the same moment.
        """
        for pause in delays():
            await self._close()
            await asyncio.sleep(pause)
            if self._state == "closed":
                return
            try:
                await self._establish()
            except TransportError as error:
                self._failure = error
            else:
                self.reconnects += 1
                return

    async def _end_errands(self) -> None:
        """Cancel what runs in the background, but not who calls this."""
        errands = self._errands - {asyncio.current_task()}
        for task in errands:
            task.cancel()
        await asyncio.gather(*errands, return_exceptions=True)

    async def _adjust_if_up(self) -> None:
        """Listen to what is wanted by now; without a connection, reconnecting does it.

        Raises:
            TransportError: the broker refuses it.
        """
        if self._state == "connected":
            with suppress(ConnectionError):
                await self._adjust()

    async def _adjust(self, *, anew: bool = False) -> None:
        """Listen to all that is wanted, and to nothing else.

        What is new comes first, so that nothing is missed; for a while the old may then
        bring copies.

        Args:
            anew: whether the connection is new, so that nothing is listened to yet.

        Raises:
            ConnectionError: the connection is gone.
        """
        async with self._adjusting:
            if anew:
                self._held.clear()
            while new := self._cover.needed - self._held:
                self._copies.expect()
                for pattern in new:
                    await self._listen(pattern)
                    self._held.add(pattern)
            for pattern in self._held - self._cover.needed:
                await self._unlisten(pattern)
                self._held.discard(pattern)
            self._copies.expect()

    def _require_connection(self) -> None:
        """Go on only with a connection.

        Raises:
            PublishError: there is none.
        """
        if self._state == "closed":
            raise PublishError(
                f"nothing is published by a {self.kind} transport that is not "
                "connected: call connect() first"
            )
        if self._state == "reconnecting":
            raise PublishError(
                f"the connection to {self.url} is lost ({self._failure}): it is opened "
                "again, publish then"
            )
