"""Whom the load is put on: each is started in a process and a folder of its own."""

import asyncio
import json
import os
import shutil
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import figures
from reference import NatsPeer, RedisPeer
from swarm import Heard, Peer, WebSocketPeer, until, upgrade_request


class Contender(Protocol):
    """A running server, and how to speak to it."""

    @property
    def port(self) -> int:
        """Where it listens on this machine."""

    @property
    def pid(self) -> int:
        """Its process."""

    @property
    def ledger(self) -> bool:
        """Whether it keeps what was said, and tells who has acknowledged."""

    def agent(self, index: int, heard: Heard) -> Peer:
        """Return a client that reports, and hears broadcasts."""

    def watcher(self, heard: Heard) -> Peer:
        """Return a client that hears every report, and broadcasts."""


Start: TypeAlias = Callable[[Path], AbstractAsyncContextManager[Contender]]


@dataclass(frozen=True, slots=True)
class OverWebSocket:
    """The hub, or the bare server, which takes the same frames."""

    port: int
    pid: int
    token: str = ""

    @property
    def ledger(self) -> bool:
        """Say whether this is the hub: it alone asks for a token."""
        return bool(self.token)

    def agent(self, index: int, heard: Heard) -> Peer:
        """Return a client that reports, and hears broadcasts."""
        hello = {"type": "hello", "agent": f"agent-{index:05}", "spool": "b", "got": 0}
        return self._peer("/v1/agent", hello, heard)

    def watcher(self, heard: Heard) -> Peer:
        """Return a client that hears every report, and broadcasts."""
        return self._peer("/v1/coordinator", {"type": "hello", "batch_ms": 0}, heard)

    def _peer(self, path: str, hello: dict[str, object], heard: Heard) -> Peer:
        request = upgrade_request(self.port, path, self.token)
        return WebSocketPeer(heard, request, json.dumps(hello).encode())


@dataclass(frozen=True, slots=True)
class OverBroker:
    """A message broker: agents say to one subject and hear another."""

    port: int
    pid: int
    kind: type[RedisPeer] | type[NatsPeer]
    ledger: bool = False

    def agent(self, index: int, heard: Heard) -> Peer:  # noqa: ARG002
        """Return a client that reports, and hears broadcasts."""
        return self.kind(heard, hears="all", says="up")

    def watcher(self, heard: Heard) -> Peer:
        """Return a client that hears every report, and broadcasts."""
        return self.kind(heard, hears="up", says="all")


@asynccontextmanager
async def hub(folder: Path) -> AsyncIterator[Contender]:
    """The hub as `swarmtui serve` runs it, with its SQLite file in `folder`."""
    found = folder / "hub.json"
    options = ("-m", "server", "--port", "0", "--data-dir", str(folder))
    async with _process(folder, sys.executable, *options) as process:
        await _started(found.exists, process, folder)
        said = json.loads(found.read_text())
        port = int(said["url"].rpartition(":")[2])
        yield OverWebSocket(port, process.pid, said["token"])


@asynccontextmanager
async def bare(folder: Path) -> AsyncIterator[Contender]:
    """The stack of the hub without the hub."""
    script = Path(__file__).with_name("reference.py")
    async with _process(folder, sys.executable, str(script)) as process:
        log = _log(folder)
        await _started(lambda: b"\n" in log.read_bytes(), process, folder)
        yield OverWebSocket(int(log.read_text().split()[0]), process.pid)


@asynccontextmanager
async def redis(folder: Path) -> AsyncIterator[Contender]:
    """Redis, for publish and subscribe alone: it keeps nothing."""
    port = _free_port()
    options = f"--port {port} --bind 127.0.0.1 --maxclients 15000 --protected-mode no"
    words = [*options.split(), "--save", "", "--tcp-backlog", "4096"]
    async with _process(folder, "redis-server", *words) as process:
        await _started(lambda: _listens(port), process, folder)
        yield OverBroker(port, process.pid, RedisPeer)


@asynccontextmanager
async def nats(folder: Path) -> AsyncIterator[Contender]:
    """NATS; what is published on no stream it does not keep."""
    port = _free_port()
    words = [*f"-a 127.0.0.1 -p {port} -js -sd".split(), str(folder / "streams")]
    async with _process(folder, "nats-server", *words) as process:
        await _started(lambda: _listens(port), process, folder)
        yield OverBroker(port, process.pid, NatsPeer)


def contenders() -> dict[str, Start]:
    """Return the hub, the bare server, and the brokers that this machine has."""
    brokers = {
        name: start
        for name, start in {"redis": redis, "nats": nats}.items()
        if shutil.which(f"{name}-server")
    }
    return {"hub": hub, "bare stack": bare, **brokers}


async def quiet(pid: int, *, seconds: float = 20.0) -> None:
    """Wait until a process has next to nothing left to do."""
    for _ in range(int(seconds * 2)):
        before = figures.usage(pid).cpu
        await asyncio.sleep(0.5)
        if figures.usage(pid).cpu - before <= 2 * figures.TICK:
            return


def _log(folder: Path) -> Path:
    return folder / "output.log"


@asynccontextmanager
async def _process(folder: Path, *words: str) -> AsyncIterator[Process]:
    """Run a program in `folder`, and see that it is gone at the end."""
    with _log(folder).open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *words,
            cwd=folder,
            env={**os.environ, "SWARMTUI_HOME": str(folder)},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _started(
    condition: Callable[[], bool], process: Process, folder: Path
) -> None:
    def over() -> bool:
        return condition() or process.returncode is not None

    if not await until(over) or process.returncode is not None:
        said = _log(folder).read_text(errors="replace")[-2000:]
        raise SystemExit(f"A server of this benchmark did not start. It said:\n{said}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
