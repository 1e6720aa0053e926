"""Events through each transport, against the bare client library on the same server.

    uv run benchmarks/transports.py [--events 5000] [--rounds 3] [--quick]

One program has two connections to a server, one that publishes and one that hears. The
*rate* is of events from the first publish until the last is heard, with 50 publishes
under way at any time; the *latency* is from publish to heard, one event at a time. The
bare client does what one would write without a transport: it makes JSON of a dict,
publishes it, and reads it where it comes in; of streams it reads 100 at a time and
acknowledges each. It does not wait for NATS to confirm, which NATS does not do by
itself; a transport does. Servers keep what they keep in memory or in files that they do
not sync. Rounds are interleaved; figures are medians.
"""

import asyncio
import json
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias

import figures
from contenders import Contender, OverWebSocket, contenders

from agentkit.settings import Endpoint
from agentkit.transports import (
    Event,
    HubTransport,
    Limits,
    LocalTransport,
    NatsTransport,
    RedisTransport,
)
from agentkit.transports.base import Courier

UNDER_WAY = 50
P50_BAR, KEPT_BAR = 1e-3, 0.3
SUBJECT = "agent.a1.busy"
PATTERN = "agent.**"
ROOM = Limits(messages=10**6, bytes=2**30)
TEXT = "Rendering the storyboard of scene four, second pass, with the new lights"

Heard: TypeAlias = Callable[[int], None]
"""Is called with the number of each event that came through."""

Publish: TypeAlias = Callable[[int], Awaitable[object]]
"""Publishes the event of a number."""

Way: TypeAlias = Callable[[Any, Heard], AbstractAsyncContextManager[Publish]]

names = map("bench{}".format, count())
"""Prefixes and names that nobody has used yet."""


class Result(NamedTuple):
    """Events a second, and seconds."""

    rate: float
    p50: float
    p99: float


class Ear:
    """Waits for events to be heard."""

    def __init__(self) -> None:
        self.count = 0
        self._awaited = 0
        self._reached = asyncio.Event()

    def heard(self, _: int) -> None:
        """Count an event."""
        self.count += 1
        if self.count >= self._awaited:
            self._reached.set()

    async def until(self, number: int) -> None:
        """Wait until so many events were heard in all."""
        self._awaited = number
        if self.count < number:
            self._reached.clear()
            async with asyncio.timeout(60):
                await self._reached.wait()


def data(number: int) -> dict[str, object]:
    return {"n": number, "agent": "a1", "message": TEXT, "cost": number / 100}


# --- Ours -----------------------------------------------------------------------------


@asynccontextmanager
async def through(
    make: Callable[[Contender, str], Courier], server: Contender, heard: Heard
) -> AsyncIterator[Publish]:
    """Carry events through two transports; one, where there is no server."""
    prefix = next(names)

    async def handle(event: Event) -> None:
        heard(event.data["n"])

    async def publish(number: int) -> None:
        await here.publish(Event(SUBJECT, data(number)))

    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(make(server, prefix))
        here = there
        if there.kind != "local":
            here = await stack.enter_async_context(make(server, prefix))
        await there.subscribe(PATTERN, handle, name="bench", limits=ROOM)
        yield publish


def local(_: Contender, __: str) -> Courier:
    return LocalTransport()


def hub(server: Contender, _: str) -> Courier:
    assert isinstance(server, OverWebSocket)
    return HubTransport(Endpoint(f"http://127.0.0.1:{server.port}", server.token))


def redis(server: Contender, prefix: str, *, persistent: bool = False) -> Courier:
    url = f"redis://127.0.0.1:{server.port}"
    return RedisTransport(url, channel_prefix=prefix, persistent=persistent)


def nats(server: Contender, prefix: str, *, persistent: bool = False) -> Courier:
    url = f"nats://127.0.0.1:{server.port}"
    return NatsTransport(url, prefix=prefix, persistent=persistent)


# --- Bare clients ---------------------------------------------------------------------


def text(number: int) -> bytes:
    return json.dumps(data(number)).encode()


def take(heard: Heard, payload: bytes | str) -> None:
    heard(json.loads(payload)["n"])


@asynccontextmanager
async def doing(*loops: Awaitable[object]) -> AsyncIterator[None]:
    """Have loops run beside, and end them."""
    tasks = [asyncio.ensure_future(loop) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def bare_queue(_: Contender, heard: Heard) -> AsyncIterator[Publish]:
    queue: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen() -> None:
        while True:
            take(heard, await queue.get())

    async def publish(number: int) -> None:
        queue.put_nowait(text(number))

    async with doing(listen()):
        yield publish


@asynccontextmanager
async def bare_websocket(server: Contender, heard: Heard) -> AsyncIterator[Publish]:
    from websockets.asyncio.client import connect

    open_socket = partial(
        connect, subprotocols=["swarm.v1"], compression=None, proxy=None
    )
    url = f"ws://127.0.0.1:{server.port}/v1"

    async def listen() -> None:
        async for frame in watcher:
            take(heard, frame)

    async def drop() -> None:
        async for _ in agent:
            pass

    async with (
        open_socket(f"{url}/agent") as agent,
        open_socket(f"{url}/coordinator") as watcher,
    ):
        for socket in (watcher, agent):
            await socket.send("{}")
            await socket.recv()
        async with doing(listen(), drop()):
            yield lambda number: agent.send(text(number), text=True)


@asynccontextmanager
async def bare_redis(server: Contender, heard: Heard) -> AsyncIterator[Publish]:
    from redis.asyncio import Redis

    channel = next(names)

    async def listen() -> None:
        async for message in inbox.listen():
            if message["type"] == "message":
                take(heard, message["data"])

    async with Redis(port=server.port) as client, client.pubsub() as inbox:
        await inbox.subscribe(channel)
        async with doing(listen()):
            yield lambda number: client.publish(channel, text(number))


@asynccontextmanager
async def bare_streams(server: Contender, heard: Heard) -> AsyncIterator[Publish]:
    from redis.asyncio import Redis

    stream, over = next(names), asyncio.Event()

    async def listen() -> None:
        while not over.is_set():  # the client does not let itself be cancelled
            for _, entries in await reader.xreadgroup(
                "g", "me", {stream: ">"}, count=100, block=100
            ):
                for entry, fields in entries:
                    take(heard, fields[b"e"])
                    await reader.xack(stream, "g", entry)

    open_client = partial(Redis, port=server.port, protocol=2)
    async with open_client() as client, open_client() as reader:
        await client.xgroup_create(stream, "g", mkstream=True)
        async with asyncio.TaskGroup() as group:
            group.create_task(listen())
            yield lambda number: client.xadd(stream, {"e": text(number)})
            over.set()


@asynccontextmanager
async def bare_nats(server: Contender, heard: Heard) -> AsyncIterator[Publish]:
    from nats import connect

    subject, url = next(names), f"nats://127.0.0.1:{server.port}"

    async def listen(message: object) -> None:
        take(heard, message.data)

    async with await connect(url) as here, await connect(url) as there:
        await there.subscribe(subject, cb=listen)
        await there.flush()
        yield lambda number: here.publish(subject, text(number))


@asynccontextmanager
async def bare_jetstream(server: Contender, heard: Heard) -> AsyncIterator[Publish]:
    from nats import connect

    subject, url = next(names), f"nats://127.0.0.1:{server.port}"

    async def listen() -> None:
        while True:
            for message in await pull.fetch(100, timeout=60):
                take(heard, message.data)
                await message.ack()

    async with await connect(url) as here, await connect(url) as there:
        publisher = here.jetstream()
        await publisher.add_stream(name=subject, subjects=[subject])
        pull = await there.jetstream().pull_subscribe(subject, durable="bench")
        async with doing(listen()):
            yield lambda number: publisher.publish(subject, text(number))


# --- What is measured -----------------------------------------------------------------


async def measure(way: Way, server: Contender, events: int) -> Result:
    ear = Ear()
    async with way(server, ear.heard) as publish:
        await crowd(publish, UNDER_WAY)
        await ear.until(UNDER_WAY)
        begun = perf_counter()
        await crowd(publish, events)
        await ear.until(UNDER_WAY + events)
        rate = events / (perf_counter() - begun)
        times = []
        for number in range(events // 5):
            begun = perf_counter()
            await publish(number)
            await ear.until(UNDER_WAY + events + number + 1)
            times.append(perf_counter() - begun)
    return Result(rate, figures.percentile(times, 0.5), figures.percentile(times, 0.99))


async def crowd(publish: Publish, events: int) -> None:
    """Publish so many events, `UNDER_WAY` at a time."""
    numbers = iter(range(events))

    async def one_after_the_other() -> None:
        for number in numbers:
            await publish(number)

    await asyncio.gather(*(one_after_the_other() for _ in range(UNDER_WAY)))


class Kind(NamedTuple):
    """A transport, and what a program would do without it; both with their servers."""

    ours: Way
    bare: Way
    server: str = ""
    bare_server: str = ""


KINDS = {
    "local": Kind(partial(through, local), bare_queue),
    "hub": Kind(partial(through, hub), bare_websocket, "hub", "bare stack"),
    "redis": Kind(partial(through, redis), bare_redis, "redis", "redis"),
    "redis streams": Kind(
        *(partial(through, partial(redis, persistent=True)), bare_streams),
        *("redis", "redis"),
    ),
    "nats": Kind(partial(through, nats), bare_nats, "nats", "nats"),
    "jetstream": Kind(
        *(partial(through, partial(nats, persistent=True)), bare_jetstream),
        *("nats", "nats"),
    ),
}


async def rounds(options: Namespace) -> dict[str, tuple[Result, Result]]:
    """Measure all kinds in turn, several times; return medians of ours and bare."""
    found: dict[str, list[tuple[Result, Result]]] = {}
    async with AsyncExitStack() as stack:
        servers: dict[str, Contender | None] = {"": None}
        for name, start in contenders().items():
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            servers[name] = await stack.enter_async_context(start(Path(folder)))
        for _ in range(options.rounds):
            for name, kind in KINDS.items():
                if kind.server in servers:
                    ours = await measure(
                        kind.ours, servers[kind.server], options.events
                    )
                    other = await measure(
                        kind.bare, servers[kind.bare_server], options.events
                    )
                    found.setdefault(name, []).append((ours, other))
    return {
        name: (middle(ours for ours, _ in some), middle(other for _, other in some))
        for name, some in found.items()
    }


def middle(results: Iterable[Result]) -> Result:
    """Return the median of each figure."""
    return Result(*map(median, zip(*results, strict=True)))


HEAD = (
    *("", "events/s", "bare", "ratio"),
    *("p50 ms", "bare", "ratio", "p99 ms", "bare", "ratio"),
)


def row(name: str, ours: Result, other: Result) -> list[str]:
    """Lay out one transport against its reference."""
    rates = [f"{ours.rate:,.0f}", f"{other.rate:,.0f}", f"{ours.rate / other.rate:.2f}"]
    times = [
        cell
        for mine, theirs in zip(ours[1:], other[1:], strict=True)
        for cell in (f"{mine * 1e3:.2f}", f"{theirs * 1e3:.2f}", f"{mine / theirs:.1f}")
    ]
    return [name, *rates, *times]


def arguments() -> Namespace:
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a small, short run")
    options = parser.parse_args()
    if options.quick:
        options.events, options.rounds = 1000, 1
    return options


def main() -> None:
    options = arguments()
    print(f"{options.events:,} events, {UNDER_WAY} publishes under way,")
    print(f"medians of {options.rounds}; ratios to the bare client library")
    print(figures.machine())
    print()
    results = asyncio.run(rounds(options))
    print(figures.table(HEAD, [row(n, *pair) for n, pair in results.items()]))
    slowest = max(ours.p50 for ours, _ in results.values())
    print(figures.verdict("p50 at most 1 ms in each", holds=slowest <= P50_BAR))
    kept = [results[name] for name in ("redis streams", "jetstream") if name in results]
    holds = all(ours.rate >= KEPT_BAR * other.rate for ours, other in kept)
    print(figures.verdict("what is kept at 0.3 x the bare rate or more", holds=holds))


if __name__ == "__main__":
    main()
