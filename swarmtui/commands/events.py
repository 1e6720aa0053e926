"""``swarmtui events``: the log as JSON lines, from a cursor on, and as it grows."""

from collections.abc import AsyncIterator

import click

from agentkit.codec import encode_event
from agentkit.coordinator import Coordinator
from agentkit.protocol import Logged
from agentkit.subjects import matches, read_pattern
from swarmtui import output
from swarmtui.asking import ask, hub_options

PAGE = 500


@click.command()
@click.argument("pattern", default="**")
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens.")
@click.option(
    "--after",
    type=click.IntRange(min=0),
    metavar="CURSOR",
    help="Begin after this place in the log [its start; with --follow its end].",
)
@hub_options
def events(*, pattern: str, follow: bool, after: int | None) -> None:
    """Print the log as JSON lines, and follow it.

    PATTERN chooses subjects: * is one segment, ** one or more.

    \b
    agent.*      every report       help.**      the help desk
    agent.lost   who was lost       task.done    what was finished
    """  # noqa: D301 - \b is meant: click leaves these lines as they are
    read_pattern(pattern)

    async def write(swarm: Coordinator) -> None:
        async for logged in _log(swarm, pattern, after, follow=follow):
            output.as_jsonl(encode_event(logged))

    ask(write)


async def _log(
    swarm: Coordinator, pattern: str, after: int | None, *, follow: bool
) -> AsyncIterator[Logged]:
    """Yield what matches after a cursor, then as it comes, without gap or repeat."""
    news = swarm.changes()
    at = after if after is not None else (swarm.cursor if follow else 0)
    async for logged in _stored(swarm, pattern, at, swarm.cursor):
        yield logged
        at = logged.cursor
    if not follow:
        return
    async for change in news:
        if change.missed:
            async for logged in _stored(swarm, pattern, at, change.cursor):
                yield logged
                at = logged.cursor
        for heard in change.events:
            if heard.cursor > at and matches(pattern, heard.subject):
                yield Logged(heard.cursor, heard.event)
                at = heard.cursor


async def _stored(
    swarm: Coordinator, pattern: str, after: int, upto: int
) -> AsyncIterator[Logged]:
    """Yield what matches with cursors in (after, upto], page by page."""
    while after < upto:
        page = await swarm.events(
            after=after, before=upto + 1, limit=PAGE, subject=pattern
        )
        for logged in page:
            yield logged
        if not page:
            break
        after = page[-1].cursor
