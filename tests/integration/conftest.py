"""A hub in a process of its own, and connections to it."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.integration.receivers import Hooks, hooks
from tests.integration.shell import Shell


class RunningHub:
    """A hub process, as programs on the same machine find it."""

    def __init__(self, process: subprocess.Popen[str], home: Path) -> None:
        self.process = process
        self.home = home
        found = json.loads((home / "hub.json").read_text())
        self.url: str = found["url"]
        self.token: str = found["token"]
        self.http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.token}"},
            trust_env=False,
            timeout=10,
        )

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.http.post(path, json=body, **options)

    def report(self, agent: str, report: str, **fields: Any) -> None:
        said = {"report": report, **fields}
        self.post(f"/v1/agents/{agent}/status", said).raise_for_status()

    @asynccontextmanager
    async def open(
        self, path: str, token: str | None = None, **headers: str
    ) -> AsyncIterator["Line"]:
        token = self.token if token is None else token
        async with connect(
            self.url.replace("http", "ws", 1) + path,
            subprotocols=["swarm.v1"],  # type: ignore[list-item]
            additional_headers={"Authorization": f"Bearer {token}", **headers},
            compression=None,
            proxy=None,
            close_timeout=1,
        ) as socket:
            yield Line(socket)

    @asynccontextmanager
    async def agent(
        self, name: str, *, got: int = 0, spool: str = "s", **fields: Any
    ) -> AsyncIterator["Line"]:
        async with self.open("/v1/agent") as line:
            await line.say("hello", agent=name, spool=spool, got=got, **fields)
            line.welcome = await line.hear("welcome")
            yield line

    @asynccontextmanager
    async def watch(self, **fields: Any) -> AsyncIterator["Line"]:
        async with self.open("/v1/coordinator") as line:
            await line.say("hello", **fields)
            line.welcome = await line.hear("welcome")
            line.snapshot = await line.hear_snapshot()
            yield line

    def stop(self) -> int:
        self.http.close()
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout=20)
        for pipe in (self.process.stdin, self.process.stderr):
            if pipe is not None:
                pipe.close()
        return code


class Line:
    """One WebSocket, spoken frame by frame."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.welcome: dict[str, Any] = {}
        self.snapshot: dict[str, Any] = {}
        self.acked = 0

    async def say(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def hear(self, kind: str) -> dict[str, Any]:
        """Return the next frame of a kind; figures in between are passed over."""
        while True:
            frame: dict[str, Any] = json.loads(await self.socket.recv())
            if frame["type"] == "ack":
                self.acked = frame["seq"]
            if frame["type"] == kind:
                return frame
            assert frame["type"] in ("stats", "turn", "ack", "mail"), frame

    async def hear_snapshot(self) -> dict[str, Any]:
        """Return a whole snapshot: its cursor, and the rows of all its frames."""
        rows: dict[str, Any] = {}
        while True:
            frame = await self.hear("snapshot")
            for table in ("agents", "helps", "tasks", "broadcasts", "runs"):
                rows.setdefault(table, []).extend(frame[table])
            if not frame["more"]:
                counts = frame["counts"]
                return {"cursor": frame["cursor"], "counts": counts, **rows}

    async def request(self, do: str, **args: Any) -> dict[str, Any]:
        await self.say("request", id=do, do=do, args=args)
        return await self.hear("reply")

    async def closed(self) -> tuple[int, str]:
        """Wait for the end; return its code and reason."""
        try:
            while True:
                await self.socket.recv()
        except ConnectionClosed as end:
            close = end.rcvd
        assert close is not None
        return close.code, close.reason


Start = Callable[..., RunningHub]


@pytest.fixture
def run(hub: RunningHub, tmp_path: Path) -> Shell:
    """A shell that finds the hub which all tests share."""
    return Shell(tmp_path, SWARMTUI_HOME=str(hub.home))


@pytest.fixture
def alone(tmp_path: Path) -> Shell:
    """A shell on a machine without a hub."""
    return Shell(tmp_path, SWARMTUI_HOME=str(tmp_path / "home"))


@pytest.fixture
def me(tmp_path: Path) -> str:
    """A name that no other test uses."""
    return tmp_path.name


def launch(home: Path, *flags: str, **options: Any) -> RunningHub:
    """Start a hub and wait until it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "--port", "0", *flags],
        env={**os.environ, "SWARMTUI_HOME": str(home)},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if '"ready"' in line:
            return RunningHub(process, home)
    raise AssertionError(f"the hub ended with {process.wait()}")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start hubs that end with the test."""
    with ExitStack() as stack:

        def begin(*flags: str, home: Path = tmp_path, **options: Any) -> RunningHub:
            hub = launch(home, *flags, **options)
            stack.callback(hub.stop)
            return hub

        yield begin


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub that the tests of a module share: agents have names of their own."""
    running = launch(tmp_path_factory.mktemp("hub"), "--store", "memory")
    yield running
    running.stop()


@pytest.fixture
def fresh(start: Start) -> RunningHub:
    """A hub that knows nobody."""
    return start("--store", "memory")


@pytest.fixture
def receiver() -> Iterator[Hooks]:
    """Run a web hook that keeps what it is told."""
    with hooks() as running:
        yield running


@pytest.fixture
def other() -> Iterator[Hooks]:
    """Run another."""
    with hooks() as running:
        yield running
