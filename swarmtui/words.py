"""Standard error is for words: what a person should know, or is asked."""

import os
import sys
from collections.abc import Sequence

import click

from agentkit.errors import Conflict

NAMED = 5
"""How many the question names before something is done to many."""

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells expect it."""


def say(text: str) -> None:
    """Say one line to the person."""
    click.echo(text, err=True)


def progress(text: str) -> None:
    """Show a line that the next one takes the place of, where somebody looks on.

    An empty one takes it away.
    """
    from swarmtui.text import clip, safe

    if sys.stderr.isatty():
        room = os.get_terminal_size(sys.stderr.fileno()).columns - 1
        click.echo(f"\r\x1b[K{clip(safe(text), room)}", nl=False, err=True)


def fail(text: str) -> None:
    """Say in one sentence what went wrong."""
    say(f"swarmtui: {text}")


def can_ask() -> bool:
    """Whether somebody sits at a terminal and could answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agrees(question: str) -> bool:
    """Ask a question; anything but yes is no."""
    return click.confirm(question, default=False, err=True)


def agree(what: str, names: Sequence[str], noun: str, *, yes: bool) -> None:
    """Go on if this is meant: more than one is counted, named and asked about.

    Args:
        what: is done to them, as in ``Tell``.
        names: of those that it is done to.
        noun: what one of them is.
        yes: do not ask.

    Raises:
        Conflict: there are several, and nobody can be asked.
        click.Abort: it is not meant.
    """
    from swarmtui.text import plural

    if yes or len(names) < 2:
        return
    count = plural(len(names), noun)
    if not can_ask():
        raise Conflict(
            f"this goes to {count} and there is no terminal to ask: add --yes if it is "
            "meant"
        )
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    if not agrees(f"{what} {count}: {', '.join(names[:NAMED])}{more}?"):
        raise click.Abort
