"""A histogram of latencies: a line for each bucket."""

from collections.abc import Sequence

from swarmtui.text import count, fit
from swarmtui.widgets.lines import Line, LineWidget, Span
from swarmtui.widgets.spark import bar


class Histogram(LineWidget):
    """How many messages took how long; the slow ones in the colour of a warning."""

    DEFAULT_CSS = "Histogram { height: 6; }"

    _labels: Sequence[str] = ()
    _buckets: Sequence[int] = ()

    def show(self, labels: Sequence[str], buckets: Sequence[int]) -> None:
        """Show other figures, one for each label of at most four cells."""
        if (labels, buckets) != (self._labels, self._buckets):
            self._labels, self._buckets = labels, buckets
            self.refresh()

    def line(self, y: int, cells: int, /) -> Line:
        """Return one bucket: label, bar, share and number."""
        if y >= len(self._labels):
            return ()
        number = self._buckets[y] if y < len(self._buckets) else 0
        share = number / (sum(self._buckets) or 1)
        slow = y == len(self._labels) - 1 and number > 0
        room = max(4, cells - 5 - 8 - 9)
        return (
            Span(fit(self._labels[y], 4, right=True) + " ", "dim"),
            Span(bar(share, room), "blocked" if slow else "primary"),
            Span(f"{share:>7.1%} ", "" if number else "faint"),
            Span(fit(count(number), 8, right=True), "dim" if number else "faint"),
        )
