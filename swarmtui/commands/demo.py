"""``swarmtui demo``: a scripted swarm, on the screen or as lines."""

import asyncio

import click

from agentkit.settings import load
from swarmtui import words
from swarmtui.commands.dashboard import can_draw, show
from swarmtui.demo.script import FEWEST, MOST
from swarmtui.demo.stage import stage
from swarmtui.preferences import Preferences

SECONDS = 10.0


@click.command()
@click.option(
    "--agents",
    type=click.IntRange(FEWEST, MOST),
    default=24,
    show_default=True,
    help="How many agents there are.",
)
@click.option(
    "--seed", type=int, default=7, show_default=True, help="Another play for each seed."
)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help=f"Print what happens for so long [{SECONDS:g}, without a terminal].",
)
@click.option("--theme", help="The colours.")
def demo(*, agents: int, seed: int, seconds: float | None, theme: str | None) -> int:
    """Show a scripted, lively swarm.

    A real hub and real agents, in a place of their own: nothing is left of it, and
    nothing of yours is touched. Assign, broadcast and answer: they react.
    """
    if seconds is None and can_draw():
        import swarmtui.app  # noqa: F401  # before the play begins

        chosen = load(Preferences, flags={"theme": theme}).values
        with stage(agents, seed) as hub:
            return show(hub, chosen, embedded=False)
    from swarmtui.demo.told import narrate

    with stage(agents, seed) as hub:
        words.say(f"{agents} agents report to {hub.url}; seed {seed}")
        asyncio.run(narrate(hub, seconds or SECONDS))
    return 0
