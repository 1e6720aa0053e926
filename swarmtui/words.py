"""Standard error is for words: what a person should know, or is asked."""

import sys

import click

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells expect it."""


def say(text: str) -> None:
    """Say one line to the person."""
    click.echo(text, err=True)


def fail(text: str) -> None:
    """Say in one sentence what went wrong."""
    say(f"swarmtui: {text}")


def can_ask() -> bool:
    """Whether somebody sits at a terminal and could answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agrees(question: str) -> bool:
    """Ask a question; anything but yes is no."""
    return click.confirm(question, default=False, err=True)
