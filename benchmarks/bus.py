"""From one publisher to the subscribers of the hub's bus.

    uv run benchmarks/bus.py [--subscribers 1 1000] [--seconds 3] [--quick]

The publisher keeps a window of messages on their way: it says the next one when all
subscribers together have had enough of them (a closed loop). A message has 200 bytes of
data. What is told is how many messages the publisher got through in a second, what the
server's CPU spent on each delivery, and how long a message took to a subscriber: the
window's messages wait for each other, so that is the time under full load. The hub
checks each message, says who published it and answers how many it reached; the
references pass it on and say nothing. Medians over rounds; every round starts every
contender anew. The hub's limit on messages a second is lifted.
"""

import os
import tempfile
from argparse import ArgumentParser, Namespace
from collections import deque
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic

import figures
import uvloop
from contenders import Contender, OverWebSocket, contenders, quiet
from swarm import Heard, Peer, WebSocketPeer, connect, disconnect, prepare, until
from swarm import upgrade_request as upgrade

WINDOW = 64
"""Messages on their way at a time."""
DATA = '{"id":"%032x","name":"job.made","data":{"n":%d,"text":"' + "x" * 180 + '"}}'
WARM_UP = 0.5
BARS = (0.3, 3.0)
"""Of the bare stack, with one subscriber and with many."""
LIFTED = {"SWARMTUI_BUS_RATE": "1000000", "SWARMTUI_BUS_BURST": "1000000"}
SUBSCRIBE = b'{"type":"subscribe","pattern":"job.*"}'


@dataclass(frozen=True, slots=True)
class Result:
    """One contender in one round."""

    rate: float
    """Messages of the publisher a second."""
    cpu: float
    """Seconds of the server for each delivery."""
    times: tuple[float, float]
    """The 50th and 99th percentile to a subscriber, in seconds."""


class Course:
    """Says messages, and counts who has had them."""

    def __init__(self, subscribers: int, window: int) -> None:
        self.subscribers = subscribers
        self.window = window
        self.publisher: Peer
        self.through_hub = False
        self.ready = 0
        self.sent = 0
        self.arrived = 0
        self.going = True
        self.begun: deque[float] = deque()
        """When the messages were said that not all have had."""
        self.samples: list[float] = []

    def heard(self, _peer: Peer, payload: bytes, at: float) -> None:
        """Count an arrival; say as many as the window has room for."""
        if payload.startswith(b'{"type":"subscribed"'):
            self.ready += 1
            return
        if b'"job.made"' not in payload:
            return
        self.arrived += 1
        if self.arrived % self.subscribers == 0:
            self.samples.append(at - self.begun.popleft())
            self.say()

    def say(self) -> None:
        """Fill the window."""
        while self.going and len(self.begun) < self.window:
            event = (DATA % (self.sent, self.sent)).encode()
            self.begun.append(monotonic())
            if self.through_hub:
                frame = b'{"type":"publish","id":%d,"event":%b}' % (self.sent, event)
                self.publisher.say(frame)
            else:
                self.publisher.say(event)
            self.sent += 1


def member(server: OverWebSocket, name: str, heard: Heard) -> Peer:
    """Return a client of the hub's bus."""
    request = upgrade(server.port, "/v1/bus", server.token)
    hello = b'{"type":"hello","name":"%b"}' % name.encode()
    return WebSocketPeer(heard, request, hello)


async def measure(server: Contender, subscribers: int, options: Namespace) -> Result:
    """Connect everybody, warm up, then count for the time given."""
    course = Course(subscribers, options.window)
    peers = await (
        aboard(server, course)
        if isinstance(server, OverWebSocket) and server.ledger
        else beside(server, course)
    )
    await quiet(server.pid)
    course.say()
    await passing(WARM_UP)
    course.samples.clear()
    before, at, arrived = figures.usage(server.pid), monotonic(), course.arrived
    await passing(options.seconds)
    after, took = figures.usage(server.pid), monotonic() - at
    deliveries = course.arrived - arrived
    course.going = False
    await until(lambda: not course.begun)
    await disconnect([course.publisher, *peers], abruptly=True)
    return Result(
        rate=deliveries / course.subscribers / took,
        cpu=(after.cpu - before.cpu) / max(deliveries, 1),
        times=(
            figures.percentile(course.samples, 0.5),
            figures.percentile(course.samples, 0.99),
        ),
    )


async def aboard(server: OverWebSocket, course: Course) -> list[Peer]:
    """Connect everybody to the hub's bus."""
    course.through_hub = True
    names = [f"m{index}" for index in range(course.subscribers)]
    make = [partial(member, server, name, course.heard) for name in names]
    peers = await connect(make, server.port)
    for peer in peers:
        peer.say(SUBSCRIBE)
    await until(lambda: course.ready == course.subscribers)
    publisher = partial(member, server, "publisher", lambda *_: None)
    [course.publisher] = await connect([publisher], server.port)
    return peers


async def beside(server: Contender, course: Course) -> list[Peer]:
    """Connect everybody to a reference, which sends to all that a watcher says."""
    numbers = range(course.subscribers)
    make = [partial(server.agent, index, course.heard) for index in numbers]
    peers = await connect(make, server.port)
    publisher = partial(server.watcher, lambda *_: None)
    [course.publisher] = await connect([publisher], server.port)
    return peers


async def passing(seconds: float) -> None:
    """Let time pass."""
    end = monotonic() + seconds
    await until(lambda: monotonic() > end, seconds=seconds + 1)


async def rounds(subscribers: int, options: Namespace) -> dict[str, Result]:
    """Measure all contenders in turn, several times; return medians."""
    results: dict[str, list[Result]] = {}
    for _ in range(options.rounds):
        for name, start in contenders().items():
            with tempfile.TemporaryDirectory() as folder:
                async with start(Path(folder)) as server:
                    result = await measure(server, subscribers, options)
            results.setdefault(name, []).append(result)
    return {name: middle(some) for name, some in results.items()}


def middle(results: list[Result]) -> Result:
    """Return the median of each figure."""
    return Result(
        rate=median(r.rate for r in results),
        cpu=median(r.cpu for r in results),
        times=(
            median(r.times[0] for r in results),
            median(r.times[1] for r in results),
        ),
    )


HEAD = (
    *("", "messages/s", "ratio", "deliveries/s"),
    *("CPU us/delivery", "p50 ms", "p99 ms"),
)


def row(name: str, result: Result, subscribers: int, reference: Result) -> list[str]:
    """Lay out one contender against the reference."""
    return [
        name,
        f"{result.rate:,.0f}",
        f"{result.rate / reference.rate:.2f}",
        f"{result.rate * subscribers:,.0f}",
        f"{result.cpu * 1e6:.1f}",
        *(f"{seconds * 1e3:.2f}" for seconds in result.times),
    ]


def arguments() -> Namespace:
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--subscribers", type=int, nargs="+", default=[1, 1000])
    parser.add_argument("--window", type=int, default=WINDOW, help="messages at a time")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a small, short run")
    options = parser.parse_args()
    if options.quick:
        options.subscribers, options.seconds, options.rounds = [1, 100], 0.5, 1
    return options


def main() -> None:
    options = arguments()
    os.environ.update(LIFTED)
    prepare()
    print(f"one publisher, {options.window} messages at a time, {options.seconds:g} s,")
    print(f"medians of {options.rounds}; ratios to bare stack")
    print(figures.machine())
    for subscribers in options.subscribers:
        results = uvloop.run(rounds(subscribers, options))
        print(f"\n{subscribers} subscribers")
        reference = results["bare stack"]
        rows = [row(n, r, subscribers, reference) for n, r in results.items()]
        print(figures.table(HEAD, rows))
        bar = BARS[0] if subscribers == 1 else BARS[1]
        holds = results["hub"].rate >= bar * reference.rate
        print(figures.verdict(f"at least {bar} x the bare stack", holds=holds))


if __name__ == "__main__":
    main()
