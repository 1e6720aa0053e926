"""The network: connections that break or go silent, requests that get lost or doubled.

A connection keeps order, as TCP does: what arrives is the beginning of what was sent.
Requests are each on their own: one may come twice, late, or not at all, and so may its
answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Final, Protocol, TypeAlias

from tests.simulation.world import Gone, Process, World

Frame: TypeAlias = Any
PATIENCE: Final = 2.0
"""Seconds that a client waits for an answer."""
UNANSWERED: Final = (3.0, 6.0)
"""Seconds until one end finds out that its peer is gone without a word."""
IN_FLIGHT: Final = 6
"""Frames under way from which on a connection is congested."""


class Unreachable(Gone):
    """Nobody answers."""


class Served(Protocol):
    """A machine that takes connections and requests."""

    process: Process

    def accept(self, end: "End") -> None:
        """Take a connection."""

    async def serve(self, call: "Call") -> object:
        """Answer a request; what goes wrong is an answer too."""


Call: TypeAlias = Callable[[Any], Awaitable[object]]
"""What a request does on the machine that serves it."""


class End:
    """One end of a connection, with as much of `server.connection` as the hub uses."""

    peer: "End"
    end: str = ""
    on_text: Callable[[bytes], bool] | None = None

    def __init__(self, network: "Network", process: Process) -> None:
        self.process = process
        self.is_open = True
        self.silent = False
        """What it sends goes nowhere."""
        self.on_frame: Callable[[Frame], None] = lambda _: None
        self.on_close: Callable[[int, str], None] = lambda _code, _reason: None
        self.on_writable: Callable[[], None] | None = None
        self._network = network
        self._flying = 0
        self._last = 0.0

    @property
    def congested(self) -> bool:
        """Whether the peer does not keep up."""
        return self._flying > IN_FLIGHT

    def send(self, frame: Frame) -> None:
        """Send a frame; a closed end ignores it."""
        if self.is_open and self.process.alive:
            self._flying += 1
            if not self.silent:
                self._carry(self.peer._arrive, frame)

    def send_text(self, text: bytes) -> int:
        """Send a text and return its size."""
        self.send(text)
        return len(text)

    def close(self, code: int, reason: str) -> None:
        """Close; the peer learns it after what was sent before."""
        if self.is_open and self.process.alive:
            self.is_open = False
            if not self.silent:
                self._carry(self.peer._end, code, reason)

    def _carry(self, arrive: Callable[..., object], *what: object) -> None:
        loop = self._network.world.loop
        self._last = max(self._last + 1e-6, loop.time() + self._network.delay())
        loop.call_at(self._last, arrive, *what, context=self.peer.process.context)

    def _arrive(self, frame: Frame) -> None:
        sender = self.peer
        sender._flying -= 1
        if sender.on_writable and not sender.congested and sender.is_open:
            call = sender.on_writable
            self._network.world.loop.call_soon(call, context=sender.process.context)
        if self.is_open:
            self.on_frame(frame)

    def _end(self, code: int, reason: str) -> None:
        if self.is_open:
            self.is_open = False
            self.on_close(code, reason)

    def give_up(self) -> None:
        """Find out, some time, that the peer is gone."""
        wait = self._network.dice.uniform(*UNANSWERED)
        self._network.world.loop.call_later(
            wait, self._end, 1006, "no sign of life", context=self.process.context
        )


class Network:
    """Between one machine that serves and many that call it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.dice: Random = world.dice("network")
        self.server: Served | None = None
        self._apart: dict[str, float] = {}
        """Who cannot be reached, until when."""
        self._ends: dict[End, str] = {}
        """The ends of clients, with their hosts."""

    def delay(self) -> float:
        """Return how long something is under way."""
        if self.world.stormy and self.dice.random() < 0.03:
            return self.dice.uniform(0.1, 1.0)
        return self.dice.uniform(0.001, 0.02)

    # --- connections ---

    async def connect(self, process: Process, host: str) -> End:
        """Open a connection to the server.

        Raises:
            Unreachable: it is down, or the network is.
        """
        await asyncio.sleep(self.delay())
        server = self.server
        if server is None or self._is_apart(host):
            raise Unreachable
        near, far = End(self, process), End(self, server.process)
        near.peer, far.peer = far, near
        self._ends = {end: at for end, at in self._ends.items() if end.is_open}
        self._ends[near] = host
        self.world.loop.call_soon(server.accept, far, context=server.process.context)
        return near

    def cut(self, host: str) -> None:
        """Break the connections of a host; both ends learn it."""
        for end in self._open(host):
            if self.dice.random() < 0.5:
                end.silent = end.peer.silent = True
            for side in (end, end.peer):
                side._carry(side.peer._end, 1006, "connection reset")
                side.silent = True

    def part(self, host: str, seconds: float) -> None:
        """Let nothing through to a host and from it; nobody is told."""
        self._apart[host] = self.world.loop.time() + seconds
        for end in self._open(host):
            self._silence(end)

    def heal(self) -> None:
        """Let everything through again."""
        self._apart.clear()

    def died(self, process: Process) -> None:
        """Let the peers of a process that was killed learn it, sooner or later."""
        for end in tuple(self._ends):
            for side in (end, end.peer):
                if side.process is process and side.is_open:
                    self._lose(side)

    def _lose(self, side: End) -> None:
        if self.dice.random() < 0.2:
            side.silent = True
            side.peer.give_up()
        else:
            side._carry(side.peer._end, 1006, "connection reset")
        side.is_open = False

    def _silence(self, end: End) -> None:
        for side in (end, end.peer):
            side.silent = True
            side.give_up()

    def _open(self, host: str) -> list[End]:
        return [end for end, at in self._ends.items() if at == host and end.is_open]

    def _is_apart(self, host: str) -> bool:
        return self.world.loop.time() < self._apart.get(host, 0.0)

    # --- requests ---

    async def request(self, host: str, call: Call) -> Any:
        """Send a request and return its answer.

        Raises:
            TimeoutError: none came; what was asked for may have been done.
        """
        answer: asyncio.Future[object] = self.world.loop.create_future()
        for _ in range(self._copies()):
            self.world.later(self.delay(), self._deliver, host, call, answer)
        async with asyncio.timeout(PATIENCE):
            return await answer

    def _copies(self) -> int:
        if not self.world.stormy:
            return 1
        return self.dice.choices((0, 1, 2), (6, 86, 8))[0]

    def _deliver(self, host: str, call: Call, answer: "asyncio.Future[object]") -> None:
        if self.server is not None and not self._is_apart(host):
            work = self._serve(self.server, host, call, answer)
            self.server.process.start(work)

    async def _serve(
        self, server: Served, host: str, call: Call, answer: "asyncio.Future[object]"
    ) -> None:
        reply = await server.serve(call)
        lost = self.world.stormy and self.dice.random() < 0.08
        if not lost and not self._is_apart(host):
            self.world.later(self.delay(), _resolve, answer, reply)


def _resolve(answer: "asyncio.Future[object]", reply: object) -> None:
    if not answer.done():
        answer.set_result(reply)
