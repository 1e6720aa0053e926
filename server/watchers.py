"""The watchers of a hub: a snapshot at a cursor, then every turn after it.

A watcher that does not keep up is not dropped and does not pile up: its turns are
gathered, rows conflated to the latest of each; when even that is too much it is told to
take a new snapshot.
"""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, Final, Literal, NamedTuple

from agentkit.rows import Task
from server.asgi import dumps
from server.connection import Connection
from server.core import Swarm
from server.core.tables import Tables
from server.hub import FED, Hub, Pushed, count_tasks, encode_turn, fed

ROWS: Final = 1000
"""Rows in one frame of a snapshot."""

FRAME: Final = 1 << 20
"""Bytes of rows after which a frame of a snapshot is full."""

TASKS: Final = 5000
"""Tasks in a snapshot; all others are only counted."""

BYTES: Final = 64 << 20
"""Bytes of tasks after which a snapshot has no more of them."""

RECENT: Final = 500
"""Tasks that were settled last: a snapshot has them before those that wait."""

FOREVER: Final = datetime.max.replace(tzinfo=UTC)

LARGEST: Final = 32 << 20
"""Bytes of a turn that a watcher is sent; after a larger one it takes a snapshot.

Nor does more wait for it, by what came over the wire."""

PENDING: Final = 20_000
"""Events and rows that wait for one watcher before it must take a new snapshot."""

BEHIND: Final = dumps(
    {
        "type": "resync",
        "reason": "turns were left out, because this watcher was too slow or a turn "
        "too large: ask for a snapshot",
    }
)


class Picture(NamedTuple):
    """What a snapshot shows."""

    cursor: int
    rows: dict[str, list[Any]]
    counts: dict[str, int]
    """All tasks by state."""


class Watcher:
    """One watching connection; a subscriber of the hub."""

    __slots__ = (
        "_batch",
        "_bytes",
        "_mode",
        "_pending",
        "_timer",
        "_weight",
        "connection",
        "hub",
        "wants_links",
    )

    def __init__(self, hub: Hub, connection: Connection, batch_ms: int) -> None:
        """Gather turns for `batch_ms` milliseconds; 0 sends each at once."""
        self.hub = hub
        self.connection = connection
        self.wants_links = False
        """It is told of the hub's links once a second."""
        self._batch = batch_ms / 1000
        self._mode: Literal["copying", "live", "behind"] = "copying"
        self._pending: list[Pushed] = []
        self._weight = self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        connection.on_writable = self._flush

    @property
    def live(self) -> bool:
        """Whether it has its snapshot and keeps up."""
        return self._mode == "live" and not self.connection.congested

    @property
    def queued(self) -> int:
        """How many events and rows wait for it."""
        return self._weight

    async def snapshot(self) -> None:
        """Send everything that is known, then every turn after it."""
        self._mode = "copying"
        self._clear()
        picture = await self.hub.ask(self._look)
        for frame in _frames(picture):
            self.send(frame)
            await asyncio.sleep(0)
            await self.connection.drained()
        if self._mode == "copying":
            self._mode = "live"
            self._flush()
        else:
            self.send(BEHIND)

    def send(self, text: bytes) -> None:
        """Write a frame and count it."""
        self.hub.stats.pushed(1, self.connection.send_text(text))

    def push(self, pushed: Pushed) -> None:
        """Take a turn: write it, or keep it until it can be written."""
        if self._mode == "behind":
            return
        if not self._batch and not self._pending and self.live:
            self._send_turn(pushed.frame)
            return
        self._keep(pushed)
        if self._batch and not self._timer and self._mode == "live":
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._batch, self._due)

    def stop(self) -> None:
        """Take no more turns."""
        self.hub.unsubscribe(self)
        self.connection.on_writable = None
        self._clear()

    def _look(self, swarm: Swarm) -> Picture:
        """Take a picture; what was pushed until now is in it."""
        self.hub.subscribe(self)
        self._clear()
        rows = {table: fed(swarm, table) for table in FED if table != "tasks"}
        rows["tasks"] = notable(swarm, TASKS)
        return Picture(swarm.cursor, rows, count_tasks(swarm))

    def _send_turn(self, frame: str) -> None:
        text = frame.encode()
        if len(text) <= LARGEST:
            self.send(text)
        else:
            self._fall_behind()

    def _keep(self, pushed: Pushed) -> None:
        self._pending.append(pushed)
        rows = pushed.turn.rows
        self._weight += len(pushed.turn.events)
        self._weight += sum(len(getattr(rows, table)) for table in FED)
        self._bytes += sum(meta.bytes for meta in pushed.meta.values())
        if self._weight > PENDING or self._bytes > LARGEST:
            self._fall_behind()

    def _fall_behind(self) -> None:
        """Send no more turns until a new snapshot is asked for."""
        copying = self._mode == "copying"
        self._mode = "behind"
        self._clear()
        if not copying:
            self.send(BEHIND)

    def _due(self) -> None:
        self._timer = None
        self._flush()

    def _flush(self) -> None:
        """Write what was gathered, as one turn."""
        if not self.live or not self._pending or self._timer:
            return
        pending = self._pending
        self._clear()
        self._send_turn(_merge(pending))

    def _clear(self) -> None:
        self._pending = []
        self._weight = self._bytes = 0
        if self._timer:
            self._timer.cancel()
            self._timer = None


class Watchers:
    """All watchers of a hub, and what they are told once a second."""

    def __init__(self) -> None:
        self._all: set[Watcher] = set()

    def __len__(self) -> int:
        return len(self._all)

    def add(self, watcher: Watcher) -> None:
        """Count one in."""
        self._all.add(watcher)

    def remove(self, watcher: Watcher) -> None:
        """Count one out."""
        self._all.discard(watcher)

    @property
    def queued(self) -> int:
        """How many events and rows wait for somebody."""
        return sum(watcher.queued for watcher in self._all)

    def tell(self, text: bytes) -> None:
        """Write a frame to everybody who keeps up."""
        for watcher in self._all:
            if watcher.live:
                watcher.send(text)

    @property
    def want_links(self) -> bool:
        """Whether anybody wants to be told of the hub's links."""
        return any(watcher.wants_links for watcher in self._all)

    def tell_of_links(self, text: bytes) -> None:
        """Write a frame to those who keep up and want to be told of the links."""
        for watcher in self._all:
            if watcher.wants_links and watcher.live:
                watcher.send(text)


def _merge(pending: list[Pushed]) -> str:
    if len(pending) == 1:
        return pending[0].frame
    rows = Tables()
    for pushed in pending:
        for table in FED:
            getattr(rows, table).update(getattr(pushed.turn.rows, table))
    events = [event for pushed in pending for event in pushed.events]
    counts = [pushed.counts for pushed in pending if pushed.counts]
    return encode_turn(pending[-1].cursor, events, rows, counts[-1] if counts else {})


def notable(swarm: Swarm, most: int) -> list[Task]:
    """Return at most `most` tasks, the most telling ones first.

    Those that somebody has, the dead, a few that were settled last, those that wait in
    the order in which they are claimed, those that are for later, the other settled.
    """
    tasks = swarm.tasks
    settled = list(swarm.settled(dead=False))
    held = (tasks[key] for keys in swarm.held.values() for key in keys)
    ready = (tasks[key] for key in swarm.ready.first(most))
    later = (tasks[key] for key in swarm.scheduled.due(FOREVER, most))
    order = chain(
        held,
        swarm.settled(dead=True),
        settled[:RECENT],
        ready,
        later,
        settled[RECENT:],
    )
    return list(islice(order, most))


def _frames(picture: Picture) -> Iterator[bytes]:
    """Yield the frames of a snapshot; a frame has rows of one table, the last none."""
    for table, rows in picture.rows.items():
        texts = map(dumps, rows)
        for part in _parts(_up_to(BYTES, texts) if table == "tasks" else texts):
            yield _snapshot(picture, table, part)
    yield dumps(
        {
            "type": "snapshot",
            "cursor": picture.cursor,
            "more": False,
            **dict.fromkeys(FED, ()),
            "counts": picture.counts,
        }
    )


def _up_to(most: int, texts: Iterable[bytes]) -> Iterator[bytes]:
    for text in texts:
        most -= len(text)
        if most < 0:
            return
        yield text


def _parts(texts: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield as many rows at a time as one frame takes."""
    part: list[bytes] = []
    size = 0
    for text in texts:
        part.append(text)
        size += len(text)
        if len(part) == ROWS or size >= FRAME:
            yield part
            part, size = [], 0
    if part:
        yield part


def _snapshot(picture: Picture, table: str, part: list[bytes]) -> bytes:
    tables = b",".join(
        b'"%b":[%b]' % (name.encode(), b",".join(part) if name == table else b"")
        for name in FED
    )
    head = b'{"type":"snapshot","cursor":%d,"more":true,' % picture.cursor
    return head + tables + b"}"
