"""The client for coordinators: a live picture of the swarm, and orders to it.

    async with Coordinator() as swarm:
        await swarm.assign("a1", "T1", title="Draw the map")
        async for change in swarm.changes():
            ...

It mirrors the hub's rows: a snapshot at a cursor, then every turn after it. When the
connection ends it comes back by itself and takes a new snapshot.
"""

import asyncio
import itertools
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from agentkit.changes import Change, Heard, Stats
from agentkit.codec import dumps
from agentkit.errors import (
    BY_CODE,
    ConnectionLost,
    HubUnavailable,
    HubUnreachable,
    Invalid,
    SwarmError,
)
from agentkit.follower import Follower
from agentkit.link import Keeper, Link
from agentkit.mirror import heard
from agentkit.settings import Endpoint, endpoint
from agentkit.transports.metrics import Metrics

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

__all__ = ["Change", "Coordinator", "Heard", "Link", "Stats"]

CATCH_UP = 10_000
"""Events that are asked for after a reconnection; more than that count as missed."""

PAGE = 1000

LARGEST = 8 << 20
"""Bytes that a request may have: more would end the connection."""


class Coordinator(Follower):
    """A watcher of the swarm (see `Follower`) that also gives orders (see `Orders`).

    Use it as an async context manager: entering waits for the first snapshot.

    Args:
        hub: where it is; else as the settings say, looked up at each connection.
        batch_ms: how long the hub gathers turns before it sends them.
        patient: enter even when no hub is there, and wait for it in the background.
        timeout: seconds that a request may take.

    Raises:
        HubError: on entering, when there is no hub or it does not want us.
    """

    def __init__(
        self,
        hub: Endpoint | None = None,
        *,
        batch_ms: int = 0,
        patient: bool = False,
        timeout: float = 10.0,
    ) -> None:
        super().__init__()
        self._keeper = Keeper(self._find, "/v1/coordinator", self._tell_link)
        self._given = hub
        self._batch_ms = batch_ms
        self._patient = patient
        self._timeout = timeout
        self._url = hub.url if hub else ""
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._told = -1
        """Events up to here were passed on; -1 before the first snapshot."""
        self._held: list[dict[str, Any]] | None = None
        """Turns that wait for the events before them; None when nothing does."""
        self._refreshing = False
        """A snapshot was asked for because the mirror ran short of tasks."""
        self._views: dict[str, Mapping[str, Any]] = {}
        """What is looked at beside the turns, as requests: again by each session."""
        self._ids = itertools.count(1)
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._chores: set[asyncio.Task[None]] = set()

    @property
    def link(self) -> Link:
        """How the connection to the hub is."""
        return self._keeper.link

    @property
    def url(self) -> str:
        """The hub's address."""
        return self._url

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keeper.run(self._session))
        self._task.add_done_callback(lambda _: self._wake())
        if not self._patient:
            try:
                await self._first()
            except BaseException:
                await self.close()
                raise
        return self

    async def close(self) -> None:
        """End the connection and every iterator's wait."""
        if self._task is None:
            return
        self._task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._task
        self._keeper.close()
        self._wake()

    # --- watching ---

    @property
    def _is_whole(self) -> bool:
        return super()._is_whole and self._held is None

    def _check(self) -> None:
        """Raise when nothing more will come."""
        if self._task is None or not self._task.done():
            return
        if not self._task.cancelled() and (error := self._task.exception()):
            raise error
        raise StopAsyncIteration

    # --- looking on ---

    async def tap(self, pattern: str) -> None:
        """Have every message that a pattern matches told, as it goes by."""
        await self._look("tap", {"pattern": pattern}, on=bool(pattern))

    async def links(self, *, follow: bool = False) -> list[Metrics]:
        """Return the links of the hub, in figures: its own, and those it is told of."""
        found = await self._look("links", {"follow": follow}, on=follow)
        return [Metrics.read(each) for each in found]

    async def _look(self, do: str, args: Mapping[str, Any], *, on: bool) -> list[Any]:
        if not on:
            self._views.pop(do, None)
        found = await self._ask(do, args)
        if on:
            self._views[do] = args
        return found

    # --- requests ---

    async def _request(
        self, do: str, args: Mapping[str, Any], key: str = ""
    ) -> dict[str, Any]:
        from websockets.exceptions import ConnectionClosed

        if self._socket is None:
            raise HubUnreachable(
                f"{do} was not sent: {self.link.error or 'no hub is connected'}"
            )
        number = next(self._ids)
        frame = {"type": "request", "id": number, "do": do, "args": args}
        frame |= {"key": key} if key else {}
        text = _checked(do, dumps(frame))
        reply = self._pending[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout):
                with suppress(ConnectionClosed):  # the session ends and gives it up
                    await self._socket.send(text)
                return _judged(await reply)
        except TimeoutError:
            raise HubUnavailable(
                f"the hub at {self.url} did not answer {do} within {self._timeout:g} "
                "s: it may have done it; look before you try again"
            ) from None
        finally:
            del self._pending[number]

    def _give_up(self) -> None:
        """Let whoever waits for an answer know that it will not come."""
        for reply in self._pending.values():
            if not reply.done():
                reply.set_exception(
                    ConnectionLost(
                        f"the connection to the hub at {self.url} ended before it "
                        "answered: it may have done it; look before you try again"
                    )
                )

    # --- the connection ---

    def _find(self) -> Endpoint:
        found = self._given or endpoint()
        self._url = found.url
        return found

    async def _first(self) -> None:
        """Wait for the first snapshot, or the first thing that goes wrong."""
        iterator = self.changes()
        while not self._mirror.loaded:
            await anext(iterator)
            if self.link.state == "waiting":
                raise HubUnreachable(self.link.error)

    async def _session(self, socket: "ClientConnection") -> None:
        from orjson import loads

        await _send(socket, {"type": "hello", "batch_ms": self._batch_ms})
        for do, args in self._views.items():
            await _send(socket, {"type": "request", "id": 0, "do": do, "args": args})
        self._socket = socket
        try:
            while True:
                self._read(loads(await socket.recv(decode=False)))
        finally:
            self._socket = None
            self._refreshing = False
            self._end_chores()
            self._give_up()

    # --- what comes down ---

    def _read(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "reply":
                self._hear_reply(frame)
            case "turn":
                self._hear_turn(frame)
            case "resync":
                self.follow(frame)
                self._end_chores()
                self._ask_for_snapshot()
            case _:
                self.follow(frame)

    def _copied(self) -> None:
        self._refreshing = False
        if self._told < 0 or self.cursor <= self._told:
            self._begin(())
        else:
            self._held = []
            self._chore(self._catch_up(self._told, self.cursor))

    async def _catch_up(self, after: int, upto: int) -> None:
        """Ask for the events that came while we were away, then go on."""
        events: list[Heard] = []
        if upto - after <= CATCH_UP:
            with suppress(SwarmError, HubUnavailable):
                events = await self._between(after, upto)
        held, self._held = self._held or (), None
        self._begin(tuple(events), upto - after - len(events))
        for frame in held:
            self._hear_turn(frame)

    async def _between(self, after: int, upto: int) -> list[Heard]:
        events: list[Heard] = []
        while after < upto:
            args = {"after": after, "before": upto + 1, "limit": PAGE}
            page = await self._ask("events", args)
            events += map(heard, page)
            if not page:
                break
            after = page[-1]["cursor"]
        return events

    def _begin(self, events: tuple[Heard, ...], missed: int = 0) -> None:
        self._told = self.cursor
        self._push(self._mirror.snapshot(events, missed))
        self._keeper.live()

    def _hear_turn(self, frame: dict[str, Any]) -> None:
        if self._held is not None:
            self._held.append(frame)
            return
        self.follow(frame)
        self._told = self.cursor
        if self._mirror.is_short and not self._refreshing:
            self._refreshing = True
            self._ask_for_snapshot()

    def _hear_reply(self, frame: dict[str, Any]) -> None:
        reply = self._pending.get(frame["id"])
        if reply is not None and not reply.done():
            reply.set_result(frame)

    def _ask_for_snapshot(self) -> None:
        if self._socket is not None:
            self._chore(_send(self._socket, {"type": "snapshot"}))

    def _chore(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    def _end_chores(self) -> None:
        for task in self._chores:
            task.cancel()
        self._held = None
        self._mirror.forget_copies()


def _judged(reply: dict[str, Any]) -> dict[str, Any]:
    if reply["ok"]:
        return reply
    raise BY_CODE.get(reply["code"], SwarmError)(reply["detail"])


def _checked(do: str, text: str) -> str:
    """Return a request that a hub takes.

    Raises:
        Invalid: it is too large.
    """
    size = len(text.encode())
    if size > LARGEST:
        raise Invalid(
            f"{do} has {size:,} bytes as JSON, at most {LARGEST:,} are taken: write "
            "what is large as a result and give its address"
        )
    return text


async def _send(socket: "ClientConnection", frame: Mapping[str, Any]) -> None:
    await socket.send(dumps(frame))
