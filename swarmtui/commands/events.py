"""``swarmtui events``: the log as JSON lines, from a cursor on, and as it grows."""

from collections.abc import AsyncIterator

import click

from agentkit.codec import encode_event
from agentkit.coordinator import Coordinator
from agentkit.protocol import Logged
from agentkit.subjects import matches
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
    r"""Print the log as JSON lines, and follow it.

    PATTERN chooses subjects: * is one segment, ** one or more.

    \b
    agent.*      every report       help.**      the help desk
    agent.lost   who was lost       task.done    what was finished
    """

    async def write(swarm: Coordinator) -> None:
        async for logged in _log(swarm, after, follow=follow):
            if matches(pattern, logged.event.subject):
                output.as_jsonl(encode_event(logged))

    ask(write)


async def _log(
    swarm: Coordinator, after: int | None, *, follow: bool
) -> AsyncIterator[Logged]:
    """Yield the log after a cursor, then what comes, without gap or repeat."""
    end = swarm.cursor
    at = after if after is not None else (end if follow else 0)
    while at < end:
        page = await swarm.events(after=at, limit=PAGE)
        for logged in page:
            yield logged
            at = logged.cursor
        if not page:
            break
    if not follow:
        return
    async for change in swarm.changes():
        for heard in change.events:
            if heard.cursor > at:
                yield Logged(heard.cursor, heard.event)
                at = heard.cursor
