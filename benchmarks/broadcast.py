"""From a coordinator's broadcast to the sockets of all agents.

    uv run benchmarks/broadcast.py [--agents 10000] [--rate 0] [--quick]

A sample is the time from just before the coordinator's frame is written until an agent
has the message; agents acknowledge at once, as the kit does. For the hub that is after
COMMIT of the broadcast and of one delivery for each recipient; the references keep
nothing and are not answered. With `--rate`, agents also report that often per second.
"""

import asyncio
import re
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic

import figures
import orjson
import uvloop
from contenders import Contender, contenders, quiet
from latency import Stopwatch
from swarm import Peer, connect, disconnect, evenly, prepare, until

BAR = 0.5
PAUSE = 0.5
"""Seconds between two broadcasts."""
ACKED_WITHIN = 5.0
ALL_ACKED = re.compile(rb'"recipients":(\d+),"sent":\d+,"acked":\1,')
ROW_BYTES = 1000
REQUEST = b'{"type":"request","id":%d,"do":"broadcast","args":{"text":"Stop at ten"}}'


@dataclass(slots=True)
class Fanout:
    """One broadcast on its way; monotonic times."""

    begun: float = field(default_factory=monotonic)
    arrived: list[float] = field(default_factory=list)
    acked: float = 0.0
    """When the coordinator was told that every agent has acknowledged."""

    def times(self) -> tuple[float, ...]:
        """Return seconds until the first, half, all had it; until all had said so."""
        marks = [figures.percentile(self.arrived, share) for share in (0.0, 0.5, 1.0)]
        return tuple(at - self.begun for at in (*marks, self.acked or self.begun))


class Herald:
    """Sends broadcasts and times their arrivals."""

    def __init__(self) -> None:
        self.fanout = Fanout()
        self.watch = Stopwatch()
        """Times the reports beside the broadcasts."""

    def agent_heard(self, peer: Peer, payload: bytes, at: float) -> None:
        """Take the time of a message, and acknowledge it."""
        said = orjson.loads(payload)
        if said["type"] in ("mail", "request"):
            self.fanout.arrived.append(at)
        if said["type"] == "mail":
            peer.say(b'{"type":"ack","upto":%d}' % said["seq"])

    def watcher_heard(self, peer: Peer, payload: bytes, at: float) -> None:
        """Look for the row that says that everybody has acknowledged.

        It ends the frame, which has a row of each agent, too, and is not read as a
        whole: the same process has all the agents to listen to.
        """
        if self.watch.sent:
            self.watch.heard(peer, payload, at)
        if ALL_ACKED.search(payload, max(0, len(payload) - ROW_BYTES)):
            self.fanout.acked = at

    async def send(self, number: int, watcher: Peer, agents: int) -> Fanout:
        """Broadcast once; return when every agent has it."""
        self.fanout = fanout = Fanout()
        watcher.say(REQUEST % number)
        if not await until(lambda: len(fanout.arrived) >= agents):
            raise SystemExit(
                f"{len(fanout.arrived)} of {agents} agents heard the broadcast; "
                f"the coordinator: {watcher.ended or 'connected'}."
            )
        return fanout

    async def settled(self) -> None:
        """Wait until the coordinator knows that everybody has acknowledged."""
        await until(lambda: self.fanout.acked > 0, seconds=ACKED_WITHIN)


@dataclass(frozen=True, slots=True)
class Result:
    """Broadcasts of one contender; medians, in seconds."""

    times: tuple[float, ...]
    """Until the first, half, all agents had it; until all had said so, else 0.0."""
    reports: float
    """The 99th percentile of the reports beside; 0.0 when there were none."""


async def measure(server: Contender, options: Namespace) -> Result:
    """Connect everybody and broadcast for the time given."""
    herald = Herald()
    peers = await connect(
        [partial(server.agent, i, herald.agent_heard) for i in range(options.agents)],
        server.port,
    )
    watching = partial(server.watcher, herald.watcher_heard)
    [watcher] = await connect([watching], server.port)
    await quiet(server.pid)
    load = asyncio.create_task(reports(herald.watch, peers, options.rate))
    fanouts: list[Fanout] = []
    end = monotonic() + options.seconds
    while monotonic() < end:
        fanouts.append(await herald.send(len(fanouts), watcher, options.agents))
        if server.ledger:
            await herald.settled()
        await asyncio.sleep(PAUSE)
    load.cancel()
    await disconnect([watcher, *peers], abruptly=True)
    return summary(fanouts, herald.watch.samples)


async def reports(watch: Stopwatch, peers: list[Peer], rate: float) -> None:
    """Let agents report until cancelled."""
    if rate:
        await evenly(rate, int(rate * 3600), partial(watch.send, peers))


def summary(fanouts: Sequence[Fanout], samples: Sequence[float]) -> Result:
    """Return the medians over some broadcasts."""
    times = zip(*(fanout.times() for fanout in fanouts), strict=True)
    reports = figures.percentile(samples, 0.99) if samples else 0.0
    return Result(tuple(map(median, times)), reports)


async def compare(options: Namespace) -> dict[str, Result]:
    """Measure all contenders in turn."""
    results = {}
    for name, start in contenders().items():
        with tempfile.TemporaryDirectory() as folder:
            async with start(Path(folder)) as server:
                results[name] = await measure(server, options)
    return results


HEAD = ("", "first ms", "half ms", "last ms", "ratio", "all acked ms", "reports p99 ms")


def row(name: str, result: Result, reference: Result) -> list[str]:
    """Lay out one contender against the reference."""
    *arrivals, acked = result.times
    return [
        name,
        *(f"{seconds * 1e3:.0f}" for seconds in arrivals),
        f"{result.times[2] / reference.times[2]:.1f}",
        f"{acked * 1e3:.0f}" if acked else "-",
        f"{result.reports * 1e3:.2f}" if result.reports else "-",
    ]


def arguments() -> Namespace:
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--agents", type=int, default=10000)
    parser.add_argument("--rate", type=float, default=0, help="reports a second beside")
    parser.add_argument("--seconds", type=float, default=5, help="about, per contender")
    parser.add_argument("--quick", action="store_true", help="a small, short run")
    options = parser.parse_args()
    if options.quick:
        options.agents, options.seconds = 500, 2.0
    return options


def main() -> None:
    options = arguments()
    prepare()
    print(f"broadcast to {options.agents} connected agents, medians of several in")
    print(f"{options.seconds:.0f} s, {options.rate:.0f} reports a second beside")
    print(figures.machine())
    results = uvloop.run(compare(options))
    reference = results["bare stack"]
    print(figures.table(HEAD, [row(n, r, reference) for n, r in results.items()]))
    claim = f"all {options.agents} agents within {BAR} s"
    print(figures.verdict(claim, holds=results["hub"].times[2] <= BAR))


if __name__ == "__main__":
    main()
