"""``swarmtui tap``: every message on every link, as it goes by."""

import asyncio
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

import click

from agentkit.changes import Change
from agentkit.coordinator import Coordinator
from agentkit.errors import NotFound
from agentkit.subjects import matches, read_pattern
from swarmtui import output, words
from swarmtui.asking import NobodyThere, ask, hub_options
from swarmtui.links import is_bridge
from swarmtui.output import Form
from swarmtui.routes import ARROWS
from swarmtui.text import clip, clock, fit, millis, plural, safe, short, width
from swarmtui.traffic import HUB, SETTLE, InOrder, Message, Passed, Told

BUS: Final = "bus"

PAUSE: Final = SETTLE / 2
"""Seconds between two looks at what has arrived."""

AGAIN: Final = 1.0
"""Seconds before it is said again that something was left out."""


@click.command()
@click.argument("pattern", default="**")
@click.option("--link", metavar="LINK", help="Only hub, bus, or a bridge.")
@click.option(
    "--count",
    "most",
    type=click.IntRange(min=1),
    metavar="N",
    help="Leave after so many messages.",
)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Leave after so long.",
)
@output.form_options
@hub_options
def tap(
    *,
    pattern: str,
    link: str | None,
    most: int | None,
    seconds: float | None,
    form: Form,
) -> None:
    """Print what goes over the wire, on every link.

    PATTERN chooses subjects: * is one segment, ** one or more. On a terminal a line
    for each message, elsewhere JSON lines.

    \b
    agent.**     what agents report       --link hub   the hub's own events
    build.*.ok   on the bus, or a bridge  --link bus   what programs publish
    """  # noqa: D301 - \b is meant: click leaves these lines as they are
    read_pattern(pattern)
    lines = form == "table" and output.is_terminal()
    printer = Printer(lines=lines, most=most)

    async def listen(swarm: Coordinator) -> None:
        if link is not None:
            await _check(swarm, link)
        await Listener(swarm, pattern, link, printer).run(seconds)

    ask(listen)
    if seconds is not None:
        printer.check(pattern, seconds)


async def _check(swarm: Coordinator, link: str) -> None:
    """See that there is such a link.

    Raises:
        NotFound: there is not; the text names those that there are.
    """
    links = await swarm.links()
    bridges = [told.name for told in links if is_bridge(told.name, told.kind)]
    known = (HUB, BUS, *bridges)
    if link not in known:
        raise NotFound(f"there is no link {link!r}: use one of {', '.join(known)}")


class Printer:
    """Writes messages as they come, up to so many.

    Args:
        lines: as lines for people; else as JSON.
        most: how many at most; None is no end.
    """

    def __init__(self, *, lines: bool, most: int | None) -> None:
        self._lines = lines
        self._most = most
        self.written = 0

    @property
    def is_done(self) -> bool:
        """Whether no more are wanted."""
        return self._most is not None and self.written >= self._most

    def write(self, message: Message) -> None:
        """Write one message, unless there were enough."""
        if self.is_done:
            return
        self.written += 1
        if self._lines:
            output.line(as_line(message, shutil.get_terminal_size().columns))
        else:
            output.as_jsonl(message.frame)

    def check(self, pattern: str, seconds: float) -> None:
        """See that something came, and as much as was wanted.

        Raises:
            NobodyThere: the time was over before.
        """
        wanted = self._most or 1
        if self.written < wanted:
            came = plural(self.written, "message") if self.written else "no message"
            raise NobodyThere(
                f"{came} that {pattern} matches went by within {seconds:g} s, "
                f"{wanted:,} wanted: give it more time with --for"
            )


class Listener:
    """Puts what goes by on several links in order, and has it printed."""

    def __init__(
        self, swarm: Coordinator, pattern: str, link: str | None, printer: Printer
    ) -> None:
        self._swarm = swarm
        self._pattern = pattern
        self._link = link
        self._printer = printer
        self._order = InOrder()
        self._left_out = 0
        """How many came too fast, since that was said last."""
        self._said = 0.0

    async def run(self, seconds: float | None) -> None:
        """Listen for so long, or until enough was printed."""
        reader = asyncio.create_task(self._read())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._print(reader)
        reader.cancel()
        for message in self._order.rest():
            self._printer.write(message)
        self._say_left_out(0.0)

    async def _print(self, reader: "asyncio.Task[None]") -> None:
        loop = asyncio.get_running_loop()
        while True:
            for message in self._order.take(loop.time()):
                self._printer.write(message)
            if self._printer.is_done:
                return
            await asyncio.wait([reader], timeout=PAUSE)
            if reader.done():
                reader.result()
                return

    async def _read(self) -> None:
        """Take in what goes by, until the hub does not want us any more."""
        changes = self._swarm.changes()
        await anext(changes)  # the picture as it is: what led to it is past
        if self._link != HUB:
            await self._swarm.tap(self._pattern)
        async for change in changes:
            now = asyncio.get_running_loop().time()
            self._order.add(self._wanted(change), now)
            self._left_out += change.dropped
            if now - self._said >= AGAIN:
                self._say_left_out(now)

    def _say_left_out(self, now: float) -> None:
        if self._left_out:
            words.say(f"{self._left_out:,} left out: too fast")
            self._left_out, self._said = 0, now

    def _wanted(self, change: Change) -> list[Message]:
        told: list[Message] = [
            Told(heard)
            for heard in change.events
            if matches(self._pattern, heard.subject)
        ]
        messages = [*told, *map(Passed, change.traffic)]
        return [one for one in messages if self._link in (None, one.link)]


def as_line(message: Message, columns: int) -> str:
    """Return a message as one line of so many columns, in colours."""
    size = fit(short(message.size) if message.size else "-", 5, right=True)
    took = fit(millis(message.ms) if message.ms else "-", 5, right=True)
    data = message.data
    says = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    cells = (
        (clock(message.at, millis=True), "lost"),
        (fit(safe(message.link), 5), "lost" if message.link == HUB else ""),
        (ARROWS[message.way], ""),
        (fit(safe(message.subject), 20), _ink(message)),
        (fit(message.ends, 26), ""),
        (f"{size} {took}", ""),
        (safe(says), "lost"),
    )
    return " ".join(_painted(cells, columns)).rstrip()


def _painted(cells: Iterable[tuple[str, str]], columns: int) -> Iterator[str]:
    """Yield the cells that there is room for, the last of them clipped."""
    for text, ink in cells:
        if columns <= 0:
            return
        shown = clip(text, columns)
        yield output.painted(shown, ink)
        columns -= width(shown) + 1


def _ink(message: Message) -> str:
    """Return the colour of an event of the hub: that of the state it tells."""
    word = message.subject.rpartition(".")[2] if message.link == HUB else ""
    return "done" if word == "completed" else word
