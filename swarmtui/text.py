"""Words and figures for cells: short, of predictable width, and safe to draw.

Everything here returns plain text. Text that came from an agent passes through `safe`
before it is drawn: it can then hold neither control characters nor escape sequences,
and since cells are drawn as plain segments, markup in it is shown as typed.
"""

import re
from datetime import datetime, timedelta

from rich.cells import cell_len, set_cell_size

GLYPHS = {
    "idle": "○",
    "busy": "●",
    "blocked": "■",
    "help": "▲",
    "done": "✓",
    "lost": "×",  # noqa: RUF001  # the sign, not the letter
}
"""The sign of each state; never the only mark of it: a word and a colour go with it."""

OVER = "over budget"
"""Marks an agent that gets no new work today."""

AT_MOST_ONCE = "¹"
"""Marks an agent that does not handle mail again after a crash."""

STATES = tuple(GLYPHS)
"""The states in the order in which they are listed and drawn."""

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # operating system commands
    r"|\x1b[PX^_].*?(?:\x1b\\|$)"  # device control, privacy, application strings
    r"|[\x1b\x9b]\[?[0-?]*[ -/]*[@-~]"  # control sequences, and single escapes
    r"|\x1b",
    re.DOTALL,
)


def safe(text: str) -> str:
    """Return text as one line that cannot act on a terminal.

    Escape sequences vanish, every kind of blank becomes a space, and characters that
    draw nothing themselves (controls, direction marks, surrogates) are left out.
    """
    if text.isprintable():
        return text
    kept = (_printable(sign) for sign in _ESCAPES.sub("", text))
    return "".join(kept)


def _printable(sign: str) -> str:
    if sign.isprintable():
        return sign
    return " " if sign.isspace() else ""


def width(text: str) -> int:
    """Return how many cells text takes."""
    return len(text) if text.isascii() else cell_len(text)


def fit(text: str, cells: int, *, right: bool = False) -> str:
    """Return text cut with an ellipsis or padded to exactly so many cells."""
    if cells <= 0:
        return ""
    taken = width(text)
    if taken > cells:
        return set_cell_size(text, cells - 1) + "…"
    padding = " " * (cells - taken)
    return padding + text if right else text + padding


def clip(text: str, cells: int) -> str:
    """Return text cut with an ellipsis to at most so many cells."""
    return text if width(text) <= cells else fit(text, cells)


def name(text: str, cells: int) -> str:
    """Return an agent's name in at most so many cells.

    Its host goes first, which most of a swarm share, then its middle: names begin with
    what an agent is and end with what tells it from the next.
    """
    if width(text) <= cells:
        return text
    bare = text.rpartition("@")[0] or text
    if width(bare) <= cells:
        return bare
    tail = cells // 3
    end = set_cell_size(bare[::-1], tail)[::-1]
    return f"{set_cell_size(bare, max(cells - 1 - tail, 0))}…{end}"


def state(name: str) -> str:
    """Return the glyph and the word of a state, as in ``● busy``."""
    return f"{GLYPHS.get(name, '·')} {name}"


def duration(span: timedelta | float) -> str:
    """Return a span of time, or seconds, in at most four cells: ``46m``."""
    seconds = int(span.total_seconds() if isinstance(span, timedelta) else span)
    if seconds < 60:
        return f"{max(seconds, 0)}s"
    if seconds < 3600:
        return f"{seconds // 60}m"
    if seconds < 36 * 3600:
        return f"{seconds // 3600}h"
    return f"{seconds // 86400}d"


def uptime(span: timedelta) -> str:
    """Return a span of time with two units, as in ``3h 12m``."""
    minutes, seconds = divmod(max(int(span.total_seconds()), 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    first = next((n for n, (amount, _) in enumerate(parts) if amount), 3)
    return " ".join(f"{amount}{unit}" for amount, unit in parts[first : first + 2])


def ago(then: datetime, now: datetime) -> str:
    """Return how long ago something was, as in ``46m``."""
    return duration(now - then)


def clock(at: datetime, *, millis: bool = False) -> str:
    """Return a time of day on this machine's clock: ``20:41:07``."""
    local = at.astimezone()
    return (
        f"{local:%H:%M:%S}.{local.microsecond // 1000:03}"
        if millis
        else f"{local:%H:%M:%S}"
    )


def count(number: int) -> str:
    """Return a whole number with its thousands set apart: ``10,000``."""
    return f"{number:,}"


def short(number: float) -> str:
    """Return a number in at most five cells: ``812``, ``1.6k``, ``48k``, ``2.1M``."""
    if number < 1000:
        return f"{number:.0f}"
    for limit, unit in ((1e6, "k"), (1e9, "M")):
        if number < limit:
            scaled = number / limit * 1000
            return f"{scaled:.1f}{unit}" if scaled < 10 else f"{scaled:.0f}{unit}"
    return f"{number / 1e9:.1f}G"


def money(dollars: float) -> str:
    """Return an amount of US dollars: ``$19.55``, and ``$1,203`` from a thousand on."""
    return f"${dollars:,.0f}" if dollars >= 1000 else f"${dollars:.2f}"


def millis(ms: float) -> str:
    """Return milliseconds with as many digits as they deserve: ``0.4``, ``12``."""
    return f"{ms:.1f}" if ms < 10 else f"{ms:,.0f}"


def plural(number: int, noun: str) -> str:
    """Return a count with its noun: ``1 agent``, ``12 agents``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
