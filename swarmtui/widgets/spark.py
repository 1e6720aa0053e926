"""Sparks and bars: figures drawn with block characters."""

from collections.abc import Sequence

from swarmtui.text import fit
from swarmtui.widgets.lines import Line, LineWidget, Span

LEVELS = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float], cells: int, *, top: float = 0.0) -> str:
    """Return the last values as one line of exactly so many cells, the oldest first.

    Args:
        values: Not negative.
        cells: One cell for each value; what is left over stays blank.
        top: The least value that fills a cell, so that small figures stay small.
    """
    shown = list(values[-cells:]) if cells > 0 else []
    highest = max([*shown, top]) or 1
    steps = len(LEVELS) - 1
    drawn = "".join(LEVELS[round(value / highest * steps)] for value in shown)
    return drawn.ljust(cells)


def bar(share: float, cells: int) -> str:
    """Return a bar that fills a share (0 to 1) of so many cells, to half a cell.

    What is not nothing is drawn: the least share above zero is half a cell.
    """
    halves = round(max(0.0, min(share, 1.0)) * cells * 2)
    full, half = divmod(max(halves, 1) if share > 0 else 0, 2)
    return fit("━" * full + "╸" * half, cells)


class Spark(LineWidget):
    """One line: a label, the newest figure, and those before it as a spark."""

    DEFAULT_CSS = "Spark { height: 1; }"

    _label = _figure = ""
    _values: Sequence[float] = ()

    def show(self, label: str, figure: str, values: Sequence[float]) -> None:
        """Show other figures."""
        self._label, self._figure, self._values = label, figure, values
        self.refresh()

    def line(self, _y: int, cells: int, /) -> Line:
        """Return the label, the figure and the spark."""
        return spark_line(self._label, self._figure, self._values, cells)


def spark_line(
    label: str, figure: str, values: Sequence[float], cells: int, *, top: float = 0.0
) -> Line:
    """Return a label, a figure and a spark in exactly so many cells."""
    room = max(0, cells - 8 - 7)
    return (
        Span(fit(label, 7), "dim"),
        Span(fit(figure, 7, right=True) + " "),
        Span(spark(values, room, top=top), "faint"),
    )
