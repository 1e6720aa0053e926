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
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakSet

from agentkit.changes import Change, Changes, Heard, Stats
from agentkit.codec import decode, decode_event, dumps
from agentkit.errors import (
    BY_CODE,
    ConnectionLost,
    HubUnavailable,
    HubUnreachable,
    SwarmError,
)
from agentkit.link import Keeper, Link
from agentkit.mirror import Mirror, heard
from agentkit.protocol import (
    BroadcastSent,
    DeliveryRetried,
    HelpAnswered,
    HelperAssigned,
    HelpResolved,
    HelpSnoozed,
    HelpTaken,
    Logged,
    TaskAssigned,
    TaskCancelled,
    TaskEnqueued,
    TaskRequeued,
)
from agentkit.rows import Delivery
from agentkit.settings import Endpoint, endpoint

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

__all__ = ["Change", "Coordinator", "Heard", "Link", "Stats"]

T = TypeVar("T")

CATCH_UP = 10_000
"""Events that are asked for after a reconnection; more than that count as missed."""

PAGE = 1000


class Coordinator:
    """A watcher of the swarm that also gives orders.

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
        self._mirror = Mirror()
        self.agents = self._mirror.agents
        self.helps = self._mirror.helps
        self.tasks = self._mirror.tasks
        self.broadcasts = self._mirror.broadcasts
        self.task_counts = self._mirror.task_counts
        """The hub's tasks by state; `tasks` has those that tell most (`Mirror`)."""
        self.stats: Stats | None = None
        self.hub: Mapping[str, Any] = {}
        """What the hub says of itself: version, started, store, url."""
        self.role = ""
        self._keeper = Keeper(self._find, "/v1/coordinator", self._tell_link)
        self._given = hub
        self._batch_ms = batch_ms
        self._patient = patient
        self._timeout = timeout
        self._url = hub.url if hub else ""
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._iterators: WeakSet[Changes] = WeakSet()
        self._told = 0
        """Events up to here were passed on."""
        self._held: list[dict[str, Any]] | None = None
        """Turns that wait for the events before them; None when nothing does."""
        self._refreshing = False
        """A snapshot was asked for because the mirror ran short of tasks."""
        self._ids = itertools.count(1)
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._chores: set[asyncio.Task[None]] = set()

    @property
    def cursor(self) -> int:
        """The rows are as of this event."""
        return self._mirror.cursor

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

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

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

    def changes(self) -> AsyncIterator[Change]:
        """Return what changes from now on: first a snapshot, then turn after turn.

        Each event comes once, in order, also across reconnections: the snapshot after
        one brings along what happened in between. An iterator that is not drained
        gets a snapshot in place of what piled up. Iterating ends with the error that
        ended the connection for good.
        """
        mirror = self._mirror
        iterator = Changes(lambda n: mirror.snapshot(missed=n), self._check)
        if mirror.loaded and self._held is None:
            iterator.push(mirror.snapshot())
        self._iterators.add(iterator)
        return iterator

    def _check(self) -> None:
        """Raise when nothing more will come."""
        if self._task is None or not self._task.done():
            return
        if not self._task.cancelled() and (error := self._task.exception()):
            raise error
        raise StopAsyncIteration

    # --- orders: each returns the event that it led to ---
    #
    # With the same `key` an order has no second effect and gives the same event.
    # Raises a SwarmError when the hub refuses, a HubError when it cannot be asked.

    async def assign(
        self,
        agent: str,
        task: str = "",
        *,
        title: str = "",
        body: Mapping[str, Any] | None = None,
        priority: int = 0,
        not_before: datetime | None = None,
        max_attempts: int | None = None,
        key: str = "",
    ) -> TaskAssigned:
        """Hand a task to an agent; the hub makes an id when there is none.

        Args:
            agent: whose it is.
            task: its id; one that is there already moves over to the agent.
            title: what to do, in a line.
            body: whatever the agent is to get with it.
            priority: a higher one is claimed first.
            not_before: when it goes to the agent; at once if left out.
            max_attempts: how often it may fail; else as the hub is set.
            key: an idempotency key.
        """
        args = {"agent": agent, "id": task, "title": title, "body": body}
        args |= _when(priority, not_before, max_attempts)
        return await self._order("assign", TaskAssigned, args, key)

    async def enqueue(
        self,
        title: str = "",
        *,
        task: str = "",
        needs: Iterable[str] = (),
        body: Mapping[str, Any] | None = None,
        priority: int = 0,
        not_before: datetime | None = None,
        max_attempts: int | None = None,
        key: str = "",
    ) -> TaskEnqueued:
        """Queue a task for whoever has the capabilities that it needs.

        The other arguments are those of `assign`.
        """
        args = {"id": task, "title": title, "needs": list(needs), "body": body}
        args |= _when(priority, not_before, max_attempts)
        return await self._order("enqueue", TaskEnqueued, args, key)

    async def cancel(
        self, task: str, *, reason: str = "", key: str = ""
    ) -> TaskCancelled:
        """Call a task off; whoever has it loses it."""
        args = {"id": task, "reason": reason}
        return await self._order("cancel", TaskCancelled, args, key)

    async def requeue(self, task: str, *, key: str = "") -> TaskRequeued:
        """Begin a task anew, with all its attempts."""
        return await self._order("requeue", TaskRequeued, {"id": task}, key)

    async def retry(self, delivery: str, *, key: str = "") -> DeliveryRetried:
        """Send a dead delivery (`Delivery.id`) once more, as a new one."""
        return await self._order("retry", DeliveryRetried, {"id": delivery}, key)

    async def broadcast(
        self, text: str, *, where: str = "", key: str = ""
    ) -> BroadcastSent:
        """Tell every agent that the filter `where` matches."""
        args = {"text": text, "where": where}
        return await self._order("broadcast", BroadcastSent, args, key)

    async def answer(self, request: str, text: str, *, key: str = "") -> HelpAnswered:
        """Answer a help request."""
        args = {"help": request, "text": text}
        return await self._order("answer", HelpAnswered, args, key)

    async def take(self, request: str, *, key: str = "") -> HelpTaken:
        """Take a help request on."""
        return await self._order("take", HelpTaken, {"help": request}, key)

    async def assign_helper(
        self, request: str, helper: str, *, note: str = "", key: str = ""
    ) -> HelperAssigned:
        """Send an agent to help another."""
        args = {"help": request, "helper": helper, "note": note}
        return await self._order("assign_helper", HelperAssigned, args, key)

    async def snooze(
        self, request: str, until: datetime, *, key: str = ""
    ) -> HelpSnoozed:
        """Put a help request aside until a time."""
        args = {"help": request, "until": until.isoformat()}
        return await self._order("snooze", HelpSnoozed, args, key)

    async def resolve(
        self, request: str, *, note: str = "", key: str = ""
    ) -> HelpResolved:
        """Close a help request without an answer."""
        args = {"help": request, "note": note}
        return await self._order("resolve", HelpResolved, args, key)

    # --- questions ---

    async def history(
        self, agent: str, *, before: int | None = None, limit: int = 100
    ) -> list[Logged]:
        """Return the newest events of an agent, newest first."""
        args = {"agent": agent, "before": before, "limit": limit}
        return [decode_event(frame) for frame in await self._ask("history", args)]

    async def events(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
        subject: str | None = None,
        agent: str | None = None,
        newest_first: bool = False,
    ) -> list[Logged]:
        """Return a part of the log: events with cursors in (after, before)."""
        args = {
            "after": after,
            "before": before,
            "limit": limit,
            "subject": subject,
            "agent": agent,
            "newest_first": newest_first,
        }
        return [decode_event(frame) for frame in await self._ask("events", args)]

    async def ledger(
        self, ref: str, *, after: str | None = None, limit: int = 1000
    ) -> list[Delivery]:
        """Return the deliveries of a task, broadcast or help request, by agent."""
        args = {"ref": ref, "after": after, "limit": limit}
        return [decode(Delivery, row) for row in await self._ask("ledger", args)]

    async def mailbox(self, agent: str, *, limit: int = 100) -> list[Delivery]:
        """Return the deliveries of an agent, newest first."""
        rows = await self._ask("mailbox", {"agent": agent, "limit": limit})
        return [decode(Delivery, row) for row in rows]

    async def dead(
        self, agent: str = "", *, after: str = "", limit: int = 100
    ) -> list[Delivery]:
        """Return dead deliveries, newest first: of an agent, or all.

        Those that were retried are among them, and `retried` tells as what.

        Args:
            agent: whose; empty is everybody's.
            after: the id of the last one seen.
            limit: how many at most, up to 1000.
        """
        args = {"agent": agent or None, "after": after or None, "limit": limit}
        return [decode(Delivery, row) for row in await self._ask("dead", args)]

    async def ping(self) -> float:
        """Return the seconds to the hub and back."""
        start = time.perf_counter()
        await self._ask("ping", {})
        return time.perf_counter() - start

    # --- requests ---

    async def _order(
        self, do: str, kind: type[T], args: Mapping[str, Any], key: str
    ) -> T:
        given = {name: value for name, value in args.items() if value not in ("", None)}
        reply = await self._request(do, given, key)
        for frame in reply["events"]:
            event = decode_event(frame).event
            if isinstance(event, kind):
                return event
        raise HubUnavailable(f"the hub did {do} and did not say how: look at the log")

    async def _ask(self, do: str, args: Mapping[str, Any]) -> list[Any]:
        given = {name: value for name, value in args.items() if value is not None}
        result: list[Any] = (await self._request(do, given))["result"]
        return result

    async def _request(
        self, do: str, args: Mapping[str, Any], key: str = ""
    ) -> dict[str, Any]:
        if self._socket is None:
            raise HubUnreachable(
                f"{do} was not sent: {self.link.error or 'no hub is connected'}"
            )
        number = next(self._ids)
        reply = self._pending[number] = asyncio.get_running_loop().create_future()
        frame = {"type": "request", "id": number, "do": do, "args": args}
        frame |= {"key": key} if key else {}
        try:
            async with asyncio.timeout(self._timeout):
                await _send(self._socket, frame)
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

    def _tell_link(self) -> None:
        self._push(Change(kind="link", cursor=self.cursor))

    def _push(self, change: Change) -> None:
        for iterator in self._iterators:
            iterator.push(change)

    def _wake(self) -> None:
        for iterator in self._iterators:
            iterator.wake()

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
        hear = {
            "welcome": self._hear_welcome,
            "snapshot": self._hear_snapshot,
            "turn": self._hear_turn,
            "reply": self._hear_reply,
            "stats": self._hear_stats,
            "resync": self._hear_resync,
        }
        self._socket = socket
        try:
            while True:
                frame = loads(await socket.recv(decode=False))
                if frame["type"] in hear:
                    hear[frame["type"]](frame)
        finally:
            self._socket = None
            self._refreshing = False
            self._end_chores()
            self._give_up()

    # --- what comes down ---

    def _hear_welcome(self, frame: dict[str, Any]) -> None:
        self.hub, self.role = frame.get("hub", {}), frame.get("role", "")

    def _hear_snapshot(self, frame: dict[str, Any]) -> None:
        first = not self._mirror.loaded
        if not self._mirror.copy(frame):
            return
        self._refreshing = False
        if first or self.cursor <= self._told:
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
        self._push(self._mirror.turn(frame))
        self._told = self.cursor
        if self._mirror.is_short and not self._refreshing:
            self._refreshing = True
            self._ask_for_snapshot()

    def _hear_reply(self, frame: dict[str, Any]) -> None:
        reply = self._pending.get(frame["id"])
        if reply is not None and not reply.done():
            reply.set_result(frame)

    def _hear_stats(self, frame: dict[str, Any]) -> None:
        self.stats = decode(Stats, frame)
        self._push(Change(kind="stats", cursor=self.cursor))

    def _hear_resync(self, _frame: dict[str, Any]) -> None:
        self._end_chores()
        self._ask_for_snapshot()

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


def _when(
    priority: int, not_before: datetime | None, max_attempts: int | None
) -> dict[str, Any]:
    """Return the fields that say when a task is tried, and how often."""
    return {
        "priority": priority or None,
        "not_before": not_before.isoformat() if not_before else None,
        "max_attempts": max_attempts,
    }


def _judged(reply: dict[str, Any]) -> dict[str, Any]:
    if reply["ok"]:
        return reply
    raise BY_CODE.get(reply["code"], SwarmError)(reply["detail"])


async def _send(socket: "ClientConnection", frame: Mapping[str, Any]) -> None:
    await socket.send(dumps(frame))
