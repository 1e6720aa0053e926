"""What a connection costs the hub in memory, and whether it is given back.

    uv run benchmarks/memory.py [--agents 10000] [--storms 6] [--quick]

Resident memory of the server's process: at rest, with everybody connected, and after
each of some storms, when every connection is reset at once and everybody comes back.
What the hub knows of an agent (its row, its mailbox) is part of its figure.
"""

import tempfile
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

import figures
import uvloop
from contenders import Contender, contenders, quiet
from latency import report
from swarm import Peer, connect, disconnect, prepare

PER_CONNECTION_BAR = 40 * 1024
GROWTH_BAR = 1.1
SOURCES = 200
"""Networks to connect from: a port that was just used is not used again at once."""


@dataclass(frozen=True, slots=True)
class Result:
    """Resident bytes of one contender, and how fast it took connections."""

    rest: int
    storms: tuple[int, ...]
    """With everybody connected: at first, then after each storm."""
    rate: float
    """Connections a second, the median wave."""

    def per_connection(self, agents: int) -> float:
        """Return the bytes of each connection, before any storm."""
        return (self.storms[0] - self.rest) / agents

    @property
    def growth(self) -> float:
        """The last storm as a multiple of the first."""
        return self.storms[-1] / self.storms[min(1, len(self.storms) - 1)]


async def measure(server: Contender, options: Namespace) -> Result:
    """Connect everybody, and again after each storm."""
    await quiet(server.pid)
    rest = figures.usage(server.pid).rss
    sizes: list[int] = []
    rates: list[float] = []
    for wave in range(options.storms + 1):
        start = monotonic()
        peers = await everybody(server, options.agents, wave)
        rates.append(options.agents / (monotonic() - start))
        await quiet(server.pid)
        sizes.append(figures.usage(server.pid).rss)
        await disconnect(peers, abruptly=True)
        await quiet(server.pid)
    return Result(rest, tuple(sizes), figures.percentile(rates, 0.5))


async def everybody(server: Contender, agents: int, wave: int) -> list[Peer]:
    """Connect all agents; each reports once."""
    make = [partial(server.agent, index, lambda *_: None) for index in range(agents)]
    peers = await connect(make, server.port, rate=1e6, network=wave % SOURCES)
    for index, peer in enumerate(peers):
        peer.say(report(wave + 1, index))
    return peers


async def compare(options: Namespace) -> dict[str, Result]:
    """Measure all contenders in turn."""
    results = {}
    for name, start in contenders().items():
        with tempfile.TemporaryDirectory() as folder:
            async with start(Path(folder)) as server:
                results[name] = await measure(server, options)
    return results


def head(storms: int) -> list[str]:
    """Return the names of the columns."""
    waves = [f"storm {number}" for number in range(1, storms + 1)]
    return ["", "KiB each", "ratio", "connects/s", "rest MB", "connected", *waves]


def row(name: str, result: Result, reference: Result, agents: int) -> list[str]:
    """Lay out one contender against the reference."""
    each = result.per_connection(agents)
    return [
        name,
        f"{each / 1024:.1f}",
        f"{each / reference.per_connection(agents):.1f}",
        f"{result.rate:.0f}",
        *(f"{size / 1e6:.0f}" for size in (result.rest, *result.storms)),
    ]


def arguments() -> Namespace:
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--agents", type=int, default=10000)
    parser.add_argument("--storms", type=int, default=6)
    parser.add_argument("--quick", action="store_true", help="a small, short run")
    options = parser.parse_args()
    if options.quick:
        options.agents, options.storms = 500, 2
    return options


def main() -> None:
    options = arguments()
    prepare()
    print(f"memory with {options.agents} connected agents, {options.storms} storms")
    print(figures.machine())
    results = uvloop.run(compare(options))
    reference = results["bare stack"]
    rows = [row(n, r, reference, options.agents) for n, r in results.items()]
    print(figures.table(head(options.storms), rows))
    hub = results["hub"]
    each = hub.per_connection(options.agents)
    print(
        figures.verdict(
            "at most 40 KiB for each connection", holds=each <= PER_CONNECTION_BAR
        )
    )
    claim = f"flat over storms: the last is {hub.growth:.2f} x the first (at most 1.1)"
    print(figures.verdict(claim, holds=hub.growth <= GROWTH_BAR))


if __name__ == "__main__":
    main()
