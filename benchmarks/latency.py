"""From an agent's notification to the coordinator's socket, after COMMIT.

    uv run benchmarks/latency.py [--agents 1 1000 10000] [--rate 2000] [--quick]

Agents report at even times, whatever the answers do (an open loop). A sample is the
time from just before an agent's frame is written to its socket until the whole frame
that tells of it is in the coordinator's process: one client process, one monotonic
clock. The hub commits to a SQLite file with synchronous=FULL before it tells; the
references keep nothing. Every round starts every contender anew; figures are medians
over rounds. No agent sends more than 100 reports a second: the hub bounds each.
"""

import re
import tempfile
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic

import figures
import uvloop
from contenders import Contender, contenders, quiet
from swarm import Peer, connect, disconnect, evenly, prepare, until

MARK = re.compile(rb'"task": ?"n(\d+)"')
WARM_UP = 1.0
SHARES = (0.5, 0.95, 0.99, 1.0)
AGENT_RATE = 100.0
P50_BAR, P99_BAR = 1e-3, 10e-3


@dataclass(frozen=True, slots=True)
class Result:
    """One contender in one round; seconds and bytes."""

    times: tuple[float, ...]
    """The percentiles of `SHARES`."""
    late: float
    """How late the load itself was, at worst."""
    cpu: float
    """Of the server, all threads, per report."""
    rss: float


class Stopwatch:
    """Sends numbered reports and times when the watcher hears of each."""

    def __init__(self) -> None:
        self.sent: dict[int, float] = {}
        self.samples: list[float] = []
        self.count = 0

    def heard(self, _peer: Peer, payload: bytes, at: float) -> None:
        """Take the time of every report that the watcher hears of first."""
        for mark in MARK.finditer(payload):
            if begun := self.sent.pop(int(mark[1]), None):
                self.samples.append(at - begun)

    def send(self, agents: list[Peer], _index: int) -> None:
        """Let the next agent report; each is busy and completed in turn."""
        turn, index = divmod(self.count, len(agents))
        payload = report(turn + 1, self.count)
        self.sent[self.count] = monotonic()
        agents[index].say(payload)
        self.count += 1


def report(seq: int, number: int) -> bytes:
    """Return a notification of the usual size; its task is its number."""
    word = "busy" if seq % 2 else "completed"
    text = "Rendering the storyboard of scene four, second pass, with the new lights"
    return (
        f'{{"type":"notify","seq":{seq},"report":"{word}","task":"n{number}",'
        f'"message":"{text}","capabilities":["video","python"],"cost":{seq / 100},'
        f'"completed":{seq // 2},"reported_at":"2026-01-01T12:00:00.000000"}}'
    ).encode()


async def measure(server: Contender, agents: int, options: Namespace) -> Result:
    """Connect everybody, let the load run warm, then measure."""
    watch = Stopwatch()
    make = [partial(server.agent, index, lambda *_: None) for index in range(agents)]
    peers = await connect(make, server.port)
    watchers = await connect([partial(server.watcher, watch.heard)], server.port)
    await quiet(server.pid)
    send, rate = partial(watch.send, peers), min(options.rate, AGENT_RATE * agents)
    await evenly(rate, int(rate * WARM_UP), send)
    await until(lambda: not watch.sent)
    watch.samples.clear()
    before = figures.usage(server.pid)
    count = int(rate * options.seconds)
    late = await evenly(rate, count, send)
    if not await until(lambda: not watch.sent):
        raise SystemExit(missing(watch, [*peers, *watchers]))
    after = figures.usage(server.pid)
    await disconnect([*watchers, *peers], abruptly=True)
    return Result(
        tuple(figures.percentile(watch.samples, share) for share in SHARES),
        late=late,
        cpu=(after.cpu - before.cpu) / count,
        rss=after.rss,
    )


def missing(watch: Stopwatch, peers: list[Peer]) -> str:
    """Say which reports were not heard of, and whether connections ended."""
    ended = {peer.ended for peer in peers if peer.ended}
    return (
        f"{len(watch.sent)} of {watch.count} reports were not heard of; "
        f"connections that ended: {ended or 'none'}."
    )


async def rounds(agents: int, options: Namespace) -> dict[str, Result]:
    """Measure all contenders in turn, several times; return medians."""
    results: dict[str, list[Result]] = {}
    for _ in range(options.rounds):
        for name, start in contenders().items():
            with tempfile.TemporaryDirectory() as folder:
                async with start(Path(folder)) as server:
                    result = await measure(server, agents, options)
            results.setdefault(name, []).append(result)
    return {name: middle(some) for name, some in results.items()}


def middle(results: list[Result]) -> Result:
    """Return the median of each figure."""
    return Result(
        times=tuple(map(median, zip(*(r.times for r in results), strict=True))),
        late=median(r.late for r in results),
        cpu=median(r.cpu for r in results),
        rss=median(r.rss for r in results),
    )


HEAD = (
    *("", "p50 ms", "p95 ms", "p99 ms", "max ms", "p50 ratio", "p99 ratio"),
    *("CPU us/report", "CPU ratio", "RSS MB", "load late ms"),
)


def row(name: str, result: Result, reference: Result) -> list[str]:
    """Lay out one contender against the reference."""
    p50, _, p99, _ = (
        mine / other for mine, other in zip(result.times, reference.times, strict=True)
    )
    return [
        name,
        *(f"{seconds * 1e3:.2f}" for seconds in result.times),
        f"{p50:.1f}",
        f"{p99:.1f}",
        f"{result.cpu * 1e6:.0f}",
        f"{result.cpu / max(reference.cpu, 1e-9):.1f}",
        f"{result.rss / 1e6:.0f}",
        f"{result.late * 1e3:.1f}",
    ]


def arguments() -> Namespace:
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--agents", type=int, nargs="+", default=[1, 1000, 10000])
    parser.add_argument("--rate", type=float, default=2000, help="reports a second")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a small, short run")
    options = parser.parse_args()
    if options.quick:
        options.agents, options.rate = [200], 500.0
        options.seconds, options.rounds = 1.0, 1
    return options


def main() -> None:
    options = arguments()
    prepare()
    print(f"notification to coordinator, {options.rate:.0f} reports a second,")
    print(f"{options.seconds:.0f} s, medians of {options.rounds}; ratios to bare stack")
    print(figures.machine())
    for agents in options.agents:
        results = uvloop.run(rounds(agents, options))
        print(f"\n{agents} connected agents")
        reference = results["bare stack"]
        print(figures.table(HEAD, [row(n, r, reference) for n, r in results.items()]))
        p50, _, p99, _ = results["hub"].times
        print(figures.verdict("p50 at most 1 ms", holds=p50 <= P50_BAR))
        print(figures.verdict("p99 below 10 ms", holds=p99 < P99_BAR))


if __name__ == "__main__":
    main()
