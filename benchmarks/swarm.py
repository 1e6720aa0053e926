"""The load: thousands of light clients in one process, and an even stream of messages.

The clients speak their protocol themselves, straight on the transport, so that ten
thousand of them cost the machine little and what is measured is the server.
"""

import asyncio
import gc
import resource
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, cast

Heard: TypeAlias = Callable[["Peer", bytes, float], None]
"""Called with every payload and the monotonic time when its last byte was there."""

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
HEAD = {126: 4, 127: 10}
"""Bytes before the payload, when the length says that a longer one follows."""
PORTS_PER_ADDRESS = 20_000
AT_ONCE = 64


class Peer(asyncio.Protocol):
    """One connection that hears and says payloads; a subclass knows how they travel.

    The first payload is the greeting: it resolves `ready` and is not passed on.
    """

    __slots__ = ("ended", "heard", "ready", "rest", "transport")

    def __init__(self, heard: Heard) -> None:
        self.heard = heard
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.rest = bytearray()
        self.ended = ""
        """Why the other side ended the connection; empty while it stands."""
        self.transport: asyncio.Transport

    def opening(self) -> bytes:
        """Return what is written first."""
        raise NotImplementedError

    def wrap(self, payload: bytes) -> bytes:
        """Return the bytes that carry a payload."""
        raise NotImplementedError

    def feed(self) -> Iterator[bytes]:
        """Take whole payloads off the front of `rest`."""
        raise NotImplementedError

    def say(self, payload: bytes) -> None:
        """Write one payload."""
        self.transport.write(self.wrap(payload))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the conversation."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self.opening())

    def data_received(self, data: bytes) -> None:
        """Pass on what is complete."""
        at = time.monotonic()
        self.rest += data
        for payload in self.feed():
            if self.ready.done():
                self.heard(self, payload, at)
            else:
                self.ready.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember why, and tell whoever waits for the greeting."""
        self.ended = self.ended or str(exc or "closed without a word")
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(self.ended))


class WebSocketPeer(Peer):
    """A WebSocket client: whole text frames, pings answered."""

    __slots__ = ("hello", "request", "upgraded")

    def __init__(self, heard: Heard, request: bytes, hello: bytes) -> None:
        super().__init__(heard)
        self.request = request
        self.hello = hello
        self.upgraded = False

    def opening(self) -> bytes:
        """Return the request for a WebSocket."""
        return self.request

    def wrap(self, payload: bytes) -> bytes:
        """Return a text frame."""
        return frame(TEXT, payload)

    def feed(self) -> Iterator[bytes]:
        """Take whole frames; say hello once the WebSocket is open."""
        if not self.upgraded and not self._upgrade():
            return
        at = 0
        while found := parse(self.rest, at):
            kind, payload, at = found
            if kind == TEXT:
                yield payload
            elif kind == PING:
                self.transport.write(frame(PONG, payload))
            elif kind == CLOSE:
                code = int.from_bytes(payload[:2], "big")
                self.ended = f"closed with {code} {payload[2:].decode()}"
        del self.rest[:at]

    def _upgrade(self) -> bool:
        head, end, rest = self.rest.partition(b"\r\n\r\n")
        if not end:
            return False
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            self.ended = f"refused: {self.rest.decode(errors='replace')}"
            self.transport.close()
            return False
        self.upgraded, self.rest = True, rest
        self.say(self.hello)
        return True


def upgrade_request(port: int, path: str, token: str) -> bytes:
    """Return the request that opens a WebSocket on this machine."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: c3dhcm10dWktYmVuY2htYQ==\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: swarm.v1\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()


def frame(kind: int, payload: bytes) -> bytes:
    """Return a client's frame, masked with zeros (RFC 6455, 5.3).

    The server unmasks it at full cost; to the client it costs nothing.
    """
    size = len(payload)
    if size < 126:
        return struct.pack("!BBI", kind, 0x80 | size, 0) + payload
    return struct.pack("!BBHI", kind, 0xFE, size, 0) + payload


def parse(data: bytearray, at: int) -> tuple[int, bytes, int] | None:
    """Return kind, payload and end of the server's frame at `at`, None until whole."""
    size = data[at + 1] if len(data) > at + 1 else 0
    start = at + HEAD.get(size, 2)
    if len(data) < start:
        return None
    if size in HEAD:
        size = int.from_bytes(data[at + 2 : start], "big")
    end = start + size
    return (data[at], bytes(data[start:end]), end) if end <= len(data) else None


async def connect(
    make: Sequence[Callable[[], Peer]],
    port: int,
    *,
    rate: float = 3000.0,
    network: int = 0,
) -> list[Peer]:
    """Connect to a port of this machine and wait for all greetings.

    At most `rate` begin in a second and `AT_ONCE` wait at a time. Every 20,000, and
    every `network`, have a source address of their own: it has only so many ports.

    Raises:
        SystemExit: one of them was refused; the text says why.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(index: int) -> Peer:
        source = f"127.0.{network}.{1 + index // PORTS_PER_ADDRESS}"
        async with gate:
            _, peer = await asyncio.get_running_loop().create_connection(
                make[index], "127.0.0.1", port, local_addr=(source, 0)
            )
            await peer.ready
            return peer

    tasks: list[asyncio.Task[Peer]] = []

    def begin(index: int) -> None:
        tasks.append(asyncio.create_task(one(index)))

    await evenly(rate, len(make), begin)
    try:
        return await asyncio.gather(*tasks)
    except OSError as error:
        raise SystemExit(f"A connection to the server failed: {error}") from None


async def evenly(rate: float, count: int, fire: Callable[[int], None]) -> float:
    """Call `fire(0..count-1)` at even times, whatever comes of it (an open loop).

    Timers of the loop have a resolution of one millisecond, so do the calls. Returns
    by how many seconds the latest call was late.
    """
    start, fired, late = time.monotonic(), 0, 0.0
    while fired < count:
        elapsed = time.monotonic() - start
        due = min(count, int(elapsed * rate) + 1)
        late = max(late, elapsed - fired / rate)
        for index in range(fired, due):
            fire(index)
        fired = due
        await asyncio.sleep(max(0.0, start + fired / rate - time.monotonic()))
    return late


async def disconnect(peers: Sequence[Peer], *, abruptly: bool = False) -> None:
    """Close connections; `abruptly` resets them, as a network that fails does."""
    linger = struct.pack("ii", 1, 0)
    for peer in peers:
        if abruptly:
            sock = peer.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        peer.transport.close()
    while not all(peer.ended for peer in peers):
        await asyncio.sleep(0.01)


async def until(condition: Callable[[], bool], *, seconds: float = 30.0) -> bool:
    """Wait until a condition holds; return whether it did in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.005)
    return True


def prepare() -> None:
    """Make this process fit to be a load: many files, no pauses of its own."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.disable()
