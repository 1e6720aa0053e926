"""How far an order got, as a bar and its figures that move while one looks."""

from textual.content import Content
from textual.widgets import Static

from swarmtui.orders import Progress

WIDTH = 40

_STEPS = (
    ("queued", "┄", "$ink-faint"),
    ("sent", "╍", "$st-idle"),
    ("acked", "─", "$st-busy"),
    ("done", "━", "$st-done"),
    ("dead", "†", "$st-help"),
)


class Ledger(Static):
    """A bar of its parts: queued, sent, acked, done, and what came to nothing."""

    def show(self, reached: Progress) -> None:
        """Draw how far an order got."""
        self.update(draw(reached))


def draw(reached: Progress, cells: int = WIDTH, *, folded: bool = False) -> Content:
    """Return the bar and, below it, its figures in one line, or folded in two."""
    alone = (
        reached.queued,
        reached.sent - reached.acked,
        reached.acked - reached.done,
        reached.done,
        reached.dead,
    )
    bar = [
        (glyph * part, style)
        for (_, glyph, style), part in zip(_STEPS, _share(alone, cells), strict=True)
    ]
    words = [
        part
        for (word, glyph, style), count in zip(_STEPS, alone, strict=True)
        if count or word != "dead"
        for part in (
            "\n" if folded and word == "done" else "",
            (f"{glyph} ", style),
            f"{word} {count:,}   ",
        )
    ]
    return Content.assemble(*reversed(bar), "\n", *words)


def _share(parts: tuple[int, ...], width: int) -> list[int]:
    """Divide the bar's width by the parts; whatever is there gets at least a cell."""
    total = sum(parts) or 1
    cells = [max(1, round(width * part / total)) if part else 0 for part in parts]
    widest = cells.index(max(cells))
    cells[widest] += width - sum(cells) if any(cells) else 0
    return cells
