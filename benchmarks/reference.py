"""What the hub is compared with: the same stack without a hub, and message brokers.

Run as a script it *is* the bare server: Starlette on uvicorn, as the hub is, which
passes every frame on and knows, checks and keeps nothing. It prints its port.
"""

import asyncio
import socket
from collections.abc import Iterator

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from swarm import Heard, Peer

WELCOME = '{"type":"welcome"}'
CHUNK = 200


class Bare:
    """Passes agents' frames to the watchers, and watchers' frames to the agents."""

    def __init__(self) -> None:
        self.agents: set[WebSocket] = set()
        self.watchers: set[WebSocket] = set()

    async def agent(self, link: WebSocket) -> None:
        """Serve one agent: every report is passed on, then acknowledged."""
        await self._enter(link, self.agents)
        try:
            while True:
                text = await link.receive_text()
                seq = orjson.loads(text).get("seq")
                for watcher in self.watchers:
                    await watcher.send_text(text)
                await link.send_text(f'{{"type":"ack","seq":{seq}}}')
        except WebSocketDisconnect:
            self.agents.discard(link)

    async def watcher(self, link: WebSocket) -> None:
        """Serve one watcher: every frame goes to all agents, in chunks."""
        await self._enter(link, self.watchers)
        try:
            while True:
                text = await link.receive_text()
                for count, agent in enumerate(list(self.agents), start=1):
                    await agent.send_text(text)
                    if count % CHUNK == 0:
                        await asyncio.sleep(0)
        except WebSocketDisconnect:
            self.watchers.discard(link)

    async def _enter(self, link: WebSocket, party: set[WebSocket]) -> None:
        await link.accept(subprotocol="swarm.v1")
        await link.receive_text()
        await link.send_text(WELCOME)
        party.add(link)


class LinePeer(Peer):
    """A client of a broker whose protocol is lines.

    Our payloads are JSON objects on one line, so whatever line starts with a brace is
    one of them, whatever the broker wraps around it.
    """

    __slots__ = ()

    greeting: bytes
    """The line that says that the subscription stands."""

    def feed(self) -> Iterator[bytes]:
        """Take whole lines, and yield those that are meant for us."""
        *lines, self.rest = self.rest.split(b"\r\n")
        for line in lines:
            if line == self.greeting or line.startswith(b"{"):
                yield bytes(line)
            elif line == b"PING":
                self.transport.write(b"PONG\r\n")


class RedisPeer(LinePeer):
    """A client of redis that hears one channel and says to another (RESP3)."""

    __slots__ = ("hears", "says")

    greeting = b"subscribe"

    def __init__(self, heard: Heard, hears: str, says: str) -> None:
        super().__init__(heard)
        self.hears = hears
        self.says = says

    def opening(self) -> bytes:
        """Return the subscription."""
        return f"HELLO 3\r\nSUBSCRIBE {self.hears}\r\n".encode()

    def wrap(self, payload: bytes) -> bytes:
        """Return the publication of a payload."""
        head = f"*3\r\n$7\r\nPUBLISH\r\n${len(self.says)}\r\n{self.says}\r\n"
        return b"%b$%d\r\n%b\r\n" % (head.encode(), len(payload), payload)


class NatsPeer(LinePeer):
    """A client of NATS that hears one subject and says to another."""

    __slots__ = ("hears", "says")

    greeting = b"PONG"

    def __init__(self, heard: Heard, hears: str, says: str) -> None:
        super().__init__(heard)
        self.hears = hears
        self.says = says

    def opening(self) -> bytes:
        """Return the subscription."""
        return f'CONNECT {{"verbose":false}}\r\nSUB {self.hears} 1\r\nPING\r\n'.encode()

    def wrap(self, payload: bytes) -> bytes:
        """Return the publication of a payload."""
        return b"PUB %b %d\r\n%b\r\n" % (self.says.encode(), len(payload), payload)


def main() -> None:
    bare = Bare()
    app = Starlette(
        routes=[
            WebSocketRoute("/v1/agent", bare.agent),
            WebSocketRoute("/v1/coordinator", bare.watcher),
        ]
    )
    sock = socket.create_server(("127.0.0.1", 0), backlog=4096)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        log_level="critical",
        backlog=4096,
    )
    print(sock.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[sock])


if __name__ == "__main__":
    main()
