"""How far an order got, as a bar and four figures that move while one looks."""

from textual.content import Content
from textual.widgets import Static

from swarmtui.orders import Progress

WIDTH = 40

_STEPS = (
    ("queued", "┄", "$ink-faint"),
    ("sent", "╍", "$st-idle"),
    ("acked", "─", "$st-busy"),
    ("done", "━", "$st-done"),
)


class Ledger(Static):
    """A bar of four parts: queued, sent, acked, done."""

    def show(self, reached: Progress) -> None:
        """Draw how far an order got."""
        self.update(draw(reached))


def draw(reached: Progress) -> Content:
    """Return the bar and, below it, its figures."""
    alone = (
        reached.queued,
        reached.sent - reached.acked,
        reached.acked - reached.done,
        reached.done,
    )
    bar = [
        (glyph * cells, style)
        for (_, glyph, style), cells in zip(_STEPS, _share(alone), strict=True)
    ]
    words = [
        part
        for (word, glyph, style), count in zip(_STEPS, alone, strict=True)
        for part in ((f"{glyph} ", style), f"{word} {count:,}   ")
    ]
    return Content.assemble(*reversed(bar), "\n", *words)


def _share(parts: tuple[int, ...]) -> list[int]:
    """Divide the bar's width by the parts; whatever is there gets at least a cell."""
    total = sum(parts) or 1
    cells = [max(1, round(WIDTH * part / total)) if part else 0 for part in parts]
    widest = cells.index(max(cells))
    cells[widest] += WIDTH - sum(cells) if any(cells) else 0
    return cells
