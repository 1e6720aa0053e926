"""The columns of the mode Traffic: messages, links, subjects, letters."""

from collections.abc import Callable
from typing import Final

from agentkit.rows import Letter
from swarmtui.links import ALL, LinkRow
from swarmtui.rates import Rate
from swarmtui.routes import ARROWS
from swarmtui.text import clock, millis, short
from swarmtui.traffic import HUB, Message
from swarmtui.widgets.columns import age, number, words
from swarmtui.widgets.order import Column, Ink

INKS: Final = {
    "agent.idle": "idle",
    "agent.busy": "busy",
    "agent.blocked": "blocked",
    "agent.help": "help",
    "agent.completed": "done",
    "agent.lost": "lost",
    "agent.disconnected": "lost",
    "report.refused": "blocked",
    "help.asked": "help",
    "help.escalated": "blocked",
    "task.leased": "busy",
    "task.done": "done",
    "task.released": "blocked",
    "task.dead": "help",
    "delivery.dead": "help",
    "letter.dead": "help",
}
"""The subjects of the hub that have a colour of their own."""

SIGNS: Final = {"connected": "●", "reconnecting": "◌", "closed": "○"}
"""How the state of a link is drawn."""
WIDE: Final = 50
"""Cells of a table from which on it has all columns."""


def ink(subject: str) -> Ink:
    """Return the colour of one of the hub's subjects."""
    return INKS.get(subject, "")


def pace(rate: float) -> str:
    """Return a rate, with a digit below ten."""
    if not rate:
        return "-"
    return short(rate) if rate >= 10 else f"{rate:.1f}"


MESSAGES: Final[tuple[Column[Message], ...]] = (
    Column[Message](
        key="time",
        title="TIME",
        width=12,
        text=lambda one, _: clock(one.at, millis=True),
        style=lambda _: "dim",
    ),
    words(
        "link",
        "LINK",
        lambda one: one.link,
        width=5,
        sorts=False,
        style=lambda one: "faint" if one.link == HUB else "",
    ),
    Column[Message](key="way", title=" ", width=1, text=lambda one, _: ARROWS[one.way]),
    words(
        "subject",
        "SUBJECT",
        lambda one: one.subject,
        width=17,
        flex=1,
        sorts=False,
        style=lambda one: ink(one.subject) if one.link == HUB else "",
    ),
    Column[Message](
        key="ends", title="FROM → TO", width=14, flex=2, text=lambda one, _: one.ends
    ),
    Column[Message](
        key="size",
        title="SIZE",
        width=5,
        right=True,
        text=lambda one, _: short(one.size) if one.size else "-",
        style=lambda one: "" if one.size else "faint",
    ),
    Column[Message](
        key="ms",
        title="MS",
        width=5,
        right=True,
        text=lambda one, _: millis(one.ms) if one.ms else "-",
        style=lambda one: "blocked" if one.ms >= 10 else "" if one.ms else "faint",
    ),
)

SUBJECTS: Final[tuple[Column[Rate], ...]] = (
    words(
        "subject",
        "SUBJECT",
        lambda rate: rate.name,
        width=18,
        flex=1,
        style=lambda rate: ink(rate.name),
    ),
    number(
        "rate",
        "MSG/S",
        lambda rate: rate.rate,
        width=6,
        text=lambda rate: pace(rate.rate),
        style=lambda rate: "" if rate.rate else "faint",
    ),
    number(
        "total",
        "SEEN",
        lambda rate: rate.total,
        width=7,
        text=lambda rate: short(rate.total),
        style=lambda _: "dim",
    ),
)


def _name(row: LinkRow) -> str:
    return row.name if row.id == ALL else f"{SIGNS[row.state]} {row.name}"


def _name_ink(row: LinkRow) -> Ink:
    return {"connected": "", "reconnecting": "blocked", "closed": "faint"}[row.state]


def _figure(
    key: str,
    title: str,
    of: Callable[[LinkRow], float | None],
    text: Callable[[float], str],
    *,
    loud: Callable[[LinkRow], bool] = lambda _: False,
    min_width: int = 0,
) -> Column[LinkRow]:
    """Make a column of figures, where nothing is a faint dash.

    Args:
        key: As in `Column`, like `title` and `min_width`.
        title: The header.
        of: The figure of a row.
        text: How it is written.
        loud: Whether it is drawn as a warning.
        min_width: The width of the table from which on it is there.
    """

    def style(row: LinkRow) -> Ink:
        if loud(row):
            return "blocked"
        return "" if of(row) else "faint"

    return Column(
        key=key,
        title=title,
        width=5,
        text=lambda row, _: text(of(row) or 0) if of(row) else "-",
        sort=lambda row: of(row) or 0,
        falling=True,
        right=True,
        style=style,
        min_width=min_width,
    )


LINKS: Final[tuple[Column[LinkRow], ...]] = (
    words("link", "LINK", _name, width=10, flex=1, style=_name_ink),
    words(
        "kind",
        "KIND",
        lambda row: "" if row.kind == row.name else row.kind,
        width=6,
        style=lambda _: "dim",
        min_width=WIDE,
    ),
    _figure("in", "IN/S", lambda row: row.rate_in, pace),
    _figure("out", "OUT/S", lambda row: row.rate_out, pace),
    _figure(
        "queue",
        "QUEUE",
        lambda row: row.queue,
        short,
        loud=lambda row: row.is_pressed,
    ),
    _figure("p50", "P50", lambda row: row.p50, millis, min_width=WIDE),
    _figure("p99", "P99", lambda row: row.p99, millis),
    _figure("back", "RECON", lambda row: row.reconnects, short, min_width=WIDE),
    _figure(
        "lost",
        "LOST",
        lambda row: row.dropped,
        short,
        loud=lambda row: row.is_losing,
    ),
)

LETTERS: Final[tuple[Column[Letter], ...]] = (
    words("subject", "SUBJECT", lambda row: row.subject, width=14, flex=1),
    words(
        "subscription",
        "SUBSCRIPTION",
        lambda row: row.subscription,
        width=14,
        flex=1,
        min_width=WIDE,
    ),
    words(
        "reason",
        "REASON",
        lambda row: row.reason,
        width=14,
        flex=2,
        style=lambda _: "dim",
    ),
    Column[Letter](
        key="tries",
        title="TRIES",
        width=5,
        text=lambda row, _: f"{row.attempts:,}",
        sort=lambda row: row.attempts,
        falling=True,
        right=True,
        style=lambda _: "dim",
        min_width=WIDE,
    ),
    age("ago", "AGO", lambda row: row.at, width=5, falling=True),
)
