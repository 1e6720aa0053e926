"""The dashboard: over the hub that answers, or over one of our own beside it."""

import os
import sys
from typing import Any

import click

from agentkit.errors import Invalid
from agentkit.settings import Endpoint, KitSettings, load, paths
from swarmtui.asking import answering, answers, hub_meant, token_options
from swarmtui.embedded import Companion, announced
from swarmtui.preferences import Preferences


def dashboard(theme: str | None = None) -> int:
    """Open the dashboard: over the hub that is set, else the one here, else our own."""
    chosen = _ready_to_draw(theme)
    flags = click.get_current_context().ensure_object(dict)
    if load(KitSettings, flags=flags).values.url:
        return show(answering(hub_meant()), chosen, embedded=False)
    if answers(hub_meant()):
        return show(hub_meant() if flags else None, chosen, embedded=False)
    return _show_own(chosen)


@click.command()
@click.argument("address", metavar="URL")
@token_options
@click.option("--theme", help="The colours.")
@click.pass_context
def attach(ctx: click.Context, *, address: str, theme: str | None) -> int:
    """Open the dashboard over a distant hub."""
    chosen = _ready_to_draw(theme)
    url = address if "://" in address else f"http://{address}"
    ctx.ensure_object(dict)["url"] = url
    return show(answering(hub_meant()), chosen, embedded=False)


def show(hub: Endpoint | None, chosen: Preferences, *, embedded: bool) -> int:
    """Draw until the person leaves; return the exit code.

    Args:
        hub: the hub to show; None is the one of this machine, wherever it comes back.
        chosen: how to draw.
        embedded: the hub ends with the dashboard.
    """
    from agentkit.coordinator import Coordinator
    from swarmtui.app import SwarmApp

    swarm = Coordinator(hub, batch_ms=100, patient=True)
    app = SwarmApp(swarm, settings=chosen, embedded=embedded)
    app.run()
    return app.return_code or 0


def _show_own(chosen: Preferences) -> int:
    log = paths().logs / "hub.log"
    with Companion("the hub", ["swarmtui", "serve", "--embedded"], log) as hub:
        import swarmtui.app  # noqa: F401  # while the hub starts as well

        hub.until(lambda: announced(hub.pid))
        return show(None, chosen, embedded=True)


def _ready_to_draw(theme: str | None) -> Preferences:
    """Return what the person chose.

    Raises:
        Invalid: a setting cannot be read, or there is no terminal to draw on.
    """
    flags: dict[str, Any] = {"theme": theme}
    chosen = load(Preferences, flags=flags).values
    if not can_draw():
        raise Invalid(
            "the dashboard needs a terminal: see swarmtui status and swarmtui agents "
            "for text, or swarmtui serve for a hub alone"
        )
    return chosen


def can_draw() -> bool:
    """Whether there is a terminal that the dashboard can draw on."""
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(stream.isatty() for stream in streams) and not dumb
