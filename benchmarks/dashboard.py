"""What a frame of the dashboard costs while the swarm is busy.

    uv run benchmarks/dashboard.py [--agents 10000] [--rate 2000] [--quick]

A hub with that many connected agents, which report at even times and in no order of
their names, and in turn the dashboard and, as the reference, the same rows in Textual's
DataTable: each a process of its own on a pseudo terminal of 160 by 48, fed by the same
client over the same WebSocket, drained ten times a second. A frame is the time from the
start of a refresh until its bytes have been handed to the terminal's writer: layout,
lines and escape sequences. CPU is that of the whole process, reading and decoding
included.
"""

import asyncio
import json
import os
import pty
import sys
import tempfile
import termios
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from time import monotonic, perf_counter, process_time, thread_time

import figures
import uvloop
from contenders import OverWebSocket, hub, quiet
from latency import report
from swarm import Peer, connect, disconnect, evenly, prepare, until
from textual.app import App, ComposeResult
from textual.screen import Screen
from textual.widgets import DataTable

from agentkit.coordinator import Coordinator
from agentkit.rows import Agent
from agentkit.settings import Endpoint
from swarmtui import text
from swarmtui.app import SwarmApp, utc_now
from swarmtui.feed import Feed
from swarmtui.model import Model
from swarmtui.screens.columns import FLEET

LINES, COLUMNS = 48, 160
WARM_UP = 3.0
FRAME_BAR, CPU_BAR, PAINT_BAR = 3e-3, 0.10, 1.0


@dataclass(frozen=True, slots=True)
class Result:
    """What one of them took; seconds, bytes, and frames within the time measured."""

    first: float
    """From the start of its process until its first frame."""
    loaded: float
    """From the start of its process until every agent was on show."""
    frames: list[float]
    """By the clock, waiting for a core included."""
    drawing: list[float]
    """CPU of each frame."""
    cpu: float
    """Of the whole process, as a share of one core."""
    rss: int


# --- In the process that is measured -------------------------------------------------


class Watch:
    """Times every frame of the process."""

    def __init__(self) -> None:
        self.frames: list[tuple[float, float]] = []
        """By the clock, and of the processor."""
        self.first = 0.0
        self._refresh = Screen._compositor_refresh  # noqa: SLF001
        watch = self

        def timed(screen: Screen[object]) -> None:
            start, cpu = perf_counter(), thread_time()
            watch._refresh(screen)
            watch.frames.append((perf_counter() - start, thread_time() - cpu))
            watch.first = watch.first or monotonic()

        Screen._compositor_refresh = timed  # type: ignore[method-assign, assignment]  # noqa: SLF001


class Reference(App[None]):
    """The fleet in a DataTable: every cell of a changed row is updated."""

    def __init__(self, swarm: Coordinator) -> None:
        super().__init__()
        self.swarm = swarm
        self.model = Model()
        self._feed = Feed(swarm, self.model)

    def compose(self) -> ComposeResult:
        """Show the table alone."""
        yield DataTable(cursor_type="row")

    def on_mount(self) -> None:
        """Follow the hub."""
        for column in FLEET:
            self.query_one(DataTable).add_column(column.title, key=column.key)
        self.run_worker(self._follow(), exit_on_error=False)
        self.set_interval(0.1, self._tick)

    async def _follow(self) -> None:
        async with self.swarm:
            await self._feed.run()

    def _tick(self) -> None:
        delta = self._feed.drain()
        if delta is None:
            return
        table = self.query_one(DataTable)
        for name in self.model.agents if delta.reset else delta.agents:
            self._put(table, self.model.agents[name])

    def _put(self, table: "DataTable[str]", agent: Agent) -> None:
        cells = [column.text(agent, utc_now()) for column in FLEET]
        if agent.id not in table.rows:
            table.add_row(*cells, key=agent.id)
            return
        for column, cell in zip(FLEET, cells, strict=True):
            table.update_cell(agent.id, column.key, cell)


SHOWN: dict[str, type[SwarmApp] | type[Reference]] = {
    "dashboard": SwarmApp,
    "DataTable": Reference,
}


def show(options: Namespace) -> None:
    """Run one of them and write down what it took."""
    watch = Watch()
    app = SHOWN[options.show](
        Coordinator(Endpoint(options.url, options.token), batch_ms=100)
    )

    async def measure() -> None:
        while len(app.model.agents) < options.agents:
            await asyncio.sleep(0.02)
        count = len(watch.frames)
        while len(watch.frames) == count:
            await asyncio.sleep(0.005)
        loaded = monotonic()
        await asyncio.sleep(WARM_UP)
        watch.frames.clear()
        cpu, start = process_time(), monotonic()
        await asyncio.sleep(options.seconds)
        result = Result(
            first=watch.first - options.started,
            loaded=loaded - options.started,
            frames=[frame for frame, _ in watch.frames],
            drawing=[cpu for _, cpu in watch.frames],
            cpu=(process_time() - cpu) / (monotonic() - start),
            rss=figures.usage(os.getpid()).rss,
        )
        options.out.write_text(json.dumps(asdict(result)))
        app.exit()

    async def both() -> None:
        task = asyncio.create_task(measure())
        await app.run_async()
        task.cancel()

    asyncio.run(both())


# --- In the process that measures ----------------------------------------------------


@asynccontextmanager
async def load(options: Namespace, server: OverWebSocket) -> AsyncIterator[list[Peer]]:
    """Connect the agents and let them report for as long as the block runs."""
    make = [
        partial(server.agent, index, lambda *_: None) for index in range(options.agents)
    ]
    peers = await connect(make, server.port)
    Random(7).shuffle(peers)
    for index, peer in enumerate(peers):
        peer.say(report(1, index))
    await quiet(server.pid)
    sent = options.agents

    def send(_index: int) -> None:
        nonlocal sent
        turn, index = divmod(sent, len(peers))
        peers[index].say(report(turn + 1, sent))
        sent += 1

    task = asyncio.create_task(evenly(options.rate, sys.maxsize, send))
    try:
        yield peers
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await disconnect(peers, abruptly=True)


async def measured(
    name: str, options: Namespace, server: OverWebSocket, folder: Path
) -> Result:
    """Run one of them on a pseudo terminal and return what it took.

    Raises:
        SystemExit: it ended without a result; the text is what it last wrote.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (LINES, COLUMNS))
    said = bytearray()
    loop = asyncio.get_running_loop()

    def drain() -> None:
        with suppress(OSError):
            said.extend(os.read(ours, 65536))
            del said[:-4000]

    loop.add_reader(ours, drain)
    out = folder / f"{name}.json"
    words = [__file__, "--show", name, "--out", str(out), "--started", f"{monotonic()}"]
    words += ["--url", f"http://127.0.0.1:{server.port}", f"--token={server.token}"]
    words += ["--agents", str(options.agents), "--seconds", str(options.seconds)]
    env = {**environment(), "SWARMTUI_HOME": str(folder), "TERM": "xterm-256color"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *words),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**env, "COLORTERM": "truecolor"},
    )
    os.close(theirs)
    await until(lambda: process.returncode is not None, seconds=60 + options.seconds)
    loop.remove_reader(ours)
    os.close(ours)
    if process.returncode is None:
        process.kill()
    if not out.exists():
        last = text.safe(said.decode(errors="replace"))[-2000:]
        raise SystemExit(f"The {name} ended without a result. It last wrote: {last}")
    return Result(**json.loads(out.read_text()))


async def compiled() -> None:
    """Start once unmeasured: from its second start on, a program has its bytecode."""
    words = (
        "-c",
        "import agentkit.coordinator, websockets.asyncio.client, swarmtui.app",
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=environment()
    )
    await process.wait()


def environment() -> dict[str, str]:
    """Return what the measured processes find around them."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE"
    }


async def compare(options: Namespace) -> dict[str, Result]:
    """Measure the dashboard and the reference over the same swarm."""
    await compiled()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with hub(folder) as server:
            assert isinstance(server, OverWebSocket)
            async with load(options, server):
                return {
                    kind: await measured(kind, options, server, folder)
                    for kind in SHOWN
                }


HEAD = (
    *("", "frame p50 ms", "p95 ms", "max ms", "ratio", "of it CPU", "ratio"),
    *("frames/s", "CPU %", "ratio", "first frame s", "fleet shown s", "RSS MB"),
)


def row(name: str, result: Result, reference: Result, seconds: float) -> list[str]:
    """Lay out one of them against the reference."""
    middle, drawing = median(result.frames), median(result.drawing)
    return [
        name,
        f"{middle * 1e3:.2f}",
        f"{figures.percentile(result.frames, 0.95) * 1e3:.1f}",
        f"{max(result.frames) * 1e3:.1f}",
        f"{middle / median(reference.frames):.3f}",
        f"{drawing * 1e3:.2f}",
        f"{drawing / median(reference.drawing):.3f}",
        f"{len(result.frames) / seconds:.0f}",
        f"{result.cpu:.1%}",
        f"{result.cpu / reference.cpu:.2f}",
        f"{result.first:.2f}",
        f"{result.loaded:.2f}",
        f"{result.rss / 1e6:.0f}",
    ]


def arguments() -> Namespace:
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=2000, help="reports a second")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--quick", action="store_true", help="a small, short run")
    inner = parser.add_argument_group("used by this program itself")
    inner.add_argument("--show", choices=SHOWN)
    inner.add_argument("--out", type=Path)
    inner.add_argument("--started", type=float)
    inner.add_argument("--url")
    inner.add_argument("--token")
    options = parser.parse_args()
    if options.quick:
        options.agents, options.rate, options.seconds = 500, 500.0, 2.0
    return options


def main() -> None:
    options = arguments()
    if options.show:
        show(options)
        return
    prepare()
    print(f"{options.agents:,} agents, {options.rate:,.0f} reports a second,", end=" ")
    print(f"{COLUMNS} x {LINES}, {options.seconds:.0f} s")
    print(figures.machine())
    results = uvloop.run(compare(options))
    reference, ours = results["DataTable"], results["dashboard"]
    rows = [row(name, r, reference, options.seconds) for name, r in results.items()]
    print(figures.table(HEAD, rows))
    print(
        figures.verdict(
            "median frame at most 3 ms", holds=median(ours.frames) <= FRAME_BAR
        )
    )
    print(figures.verdict("at most 10 % of a core", holds=ours.cpu <= CPU_BAR))
    print(figures.verdict("first frame within 1 s", holds=ours.first <= PAINT_BAR))


if __name__ == "__main__":
    main()
