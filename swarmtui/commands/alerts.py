"""``swarmtui alerts``: where people are told of what needs one; tried out."""

from dataclasses import dataclass

import click

from agentkit.errors import Invalid
from agentkit.settings import load
from swarmtui import output, words
from swarmtui.commands.serve import Settings, alert_targets, try_targets
from swarmtui.output import Column, Form

TARGETS = (Column("target", flexible=True), Column("service", flexible=True))
TRIED = (
    Column("target", flexible=True),
    Column("service", flexible=True, spare=1),
    Column("arrived", coloured=True),
    Column("why not", flexible=True),
)

UNSET = "no alerts are set: set alerts_file to a file with addresses, one a line"


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a test alert."""

    target: str
    service: str
    arrived: bool
    why: str
    """Why it did not arrive."""


@click.group(invoke_without_command=True)
@output.form_options
@click.pass_context
def alerts(ctx: click.Context, *, form: Form) -> None:
    """Tell where alerts go, and try that out.

    Told is what a hub started here would do: where it sends them, without what is
    secret in an address, what they are about, and when it is quiet.
    """
    if ctx.invoked_subcommand is None:
        _list(form)


@alerts.command("list")
@output.form_options
def list_(*, form: Form) -> None:
    """Tell where alerts go, what they are about, and when it is quiet."""
    _list(form)


@alerts.command("test")
@click.option(
    "--url",
    "urls",
    metavar="URL",
    multiple=True,
    help="Try this address instead of those that are set; may be given several times.",
)
@output.form_options
def test(*, urls: tuple[str, ...], form: Form) -> int:
    """Send one test alert to every target, and tell whether it arrived.

    Quiet hours do not count. The exit code is 1 when one did not arrive.
    """
    chosen = urls or load(Settings).values.alert_addresses
    if not chosen:
        raise Invalid(f"{UNSET}, or give --url")
    targets = alert_targets(chosen)
    tried = [
        Tried(target.name, target.service, not why, why)
        for target, why in zip(targets, try_targets(targets), strict=True)
    ]
    output.rows(form, "targets", tried, TRIED, cells=_cells)
    return 0 if all(one.arrived for one in tried) else 1


def _list(form: Form) -> None:
    settings = load(Settings).values
    urls = settings.alert_addresses
    targets = [
        {"target": target.name, "service": target.service}
        for target in (alert_targets(urls) if urls else ())
    ]
    about, hourly = settings.alerted, settings.alerts_per_hour
    if form == "json":
        quiet = settings.alerts_quiet
        output.as_json(targets=targets, about=about, quiet=quiet, per_hour=hourly)
        return
    output.rows(form, "targets", targets, TARGETS, cells=lambda row: [*row.values()])
    if not targets:
        words.say(UNSET)
    elif form == "table":
        quiet = settings.alerts_quiet or "none"
        output.line()
        output.line(f"about {', '.join(about)}")
        output.line(f"quiet hours {quiet}; at most {hourly} messages an hour")


def _cells(one: Tried) -> list[str]:
    return [one.target, one.service, "ok" if one.arrived else "fail", one.why]
