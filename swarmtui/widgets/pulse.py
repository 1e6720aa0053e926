"""The pulse of the swarm: how many agents in which state, how fast, how late."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

from textual.message import Message

from swarmtui.text import count, millis, state
from swarmtui.widgets.lines import Line, LineWidget, Span, line_width
from swarmtui.widgets.spark import spark_line

COUNTED = ("idle", "busy", "blocked", "help", "lost")
STROKES = {"idle": "─", "busy": "━", "blocked": "╍", "help": "▲", "lost": "┄"}
"""What the bar is drawn with: it can be read without colours."""

SIDE = 36
"""The cells of the sparks beside the counts."""
SIDE_FROM = 116
"""The width from which on the sparks are there."""
PACE = 18
"""The cells of the pace beside the counts where there is one row."""
MOST = 6
"""The cells of a figure; a greater one pushes what follows."""
GOAL_MS = 10.0
"""The latency that fills a cell of the spark: what is promised to be kept."""


def shares(amounts: Sequence[int], cells: int) -> list[int]:
    """Divide cells in proportion; whoever has anything gets at least one cell.

    The cells add up to exactly so many, unless there are fewer cells than takers.
    """
    total = sum(amounts)
    if not total:
        return [0] * len(amounts)
    takers = sum(map(bool, amounts))
    rest = max(0, cells - takers)
    edges = [rest * reached // total for reached in accumulate(amounts, initial=0)]
    return [
        end - start + bool(part)
        for part, (start, end) in zip(amounts, pairwise(edges), strict=True)
    ]


class Pulse(LineWidget):
    """Counts by state, a bar of their shares, and sparks of rate and latency.

    One row has the counts alone, two the bar as well, three the shares in per cent. A
    click on a state posts `Pressed`.
    """

    DEFAULT_CSS = "Pulse { height: 3; padding: 0 1; }"

    class Pressed(Message):
        """A state was clicked: show who is in it."""

        def __init__(self, state: str) -> None:
            super().__init__()
            self.state = state

    _counts: Mapping[str, int] = {}
    _rates: Sequence[float] = ()
    _delays: Sequence[float] = ()

    def show(
        self,
        counts: Mapping[str, int],
        rates: Sequence[float],
        delays: Sequence[float],
    ) -> None:
        """Show other figures.

        Args:
            counts: Agents by state.
            rates: Messages a second, one figure a second, the newest last.
            delays: The 99th percentile of latency in milliseconds, likewise.
        """
        self._counts = dict(counts)
        self._rates, self._delays = tuple(rates), tuple(delays)
        self.refresh()

    def pressed(self, zone: str) -> None:
        """Say which state was clicked."""
        self.post_message(self.Pressed(zone))

    def line(self, y: int, cells: int, /) -> Line:
        """Return the counts, the bar or the shares, with a spark beside them."""
        if cells < SIDE_FROM or self.size.height == 1:
            return self._left(y, cells) if self.size.height > 1 else self._single(cells)
        left = self._left(y, cells - SIDE - 3)
        gap = cells - SIDE - line_width(left)
        return (*left, Span(" " * gap), *self._right(y))

    def _single(self, cells: int) -> Line:
        counts = self._states(self._gap(cells - PACE))
        rate = f"{count(round(self._rate))}/s  {millis(self._delay)} ms"
        gap = cells - line_width(counts) - len(rate)
        return (*counts, Span(" " * gap + rate, "dim")) if gap > 1 else counts

    def _left(self, y: int, cells: int) -> Line:
        if y == 0:
            return self._states(self._gap(cells))
        return self._bar(cells) if y == 1 else self._percents(self._gap(cells))

    def _right(self, y: int) -> Line:
        if y == 0:
            figure = count(round(self._rate))
            return spark_line("msg/s", figure, self._rates, SIDE, top=10)
        if y == min(2, self.size.height - 1):
            figure = millis(self._delay)
            return spark_line("p99 ms", figure, self._delays, SIDE, top=GOAL_MS)
        return ()

    @property
    def _rate(self) -> float:
        return self._rates[-1] if self._rates else 0.0

    @property
    def _delay(self) -> float:
        return self._delays[-1] if self._delays else 0.0

    def _states(self, gap: int) -> Line:
        """Return the counts; each keeps its place while its figure changes."""
        spans: list[Span] = []
        for name in COUNTED:
            number = self._counts.get(name, 0)
            words = f"{state(name)} {count(number)}"
            spans += (
                Span(words, _ink(name, number), name),
                Span(" " * (self._room(name) - len(words) + gap)),
            )
        return spans[:-1]

    def _room(self, name: str) -> int:
        """Return the cells for a state with the greatest figure that it may get."""
        digits = len(count(sum(self._counts.values())))
        return len(state(name)) + 1 + min(digits, MOST)

    def _gap(self, cells: int) -> int:
        """Return the blanks between states that spread them over the width."""
        taken = sum(self._room(name) for name in COUNTED)
        return max(1, min(6, (cells - taken) // len(COUNTED)))

    def _bar(self, cells: int) -> Line:
        amounts = [self._counts.get(name, 0) for name in COUNTED]
        if not any(amounts):
            return (Span("─" * cells, "divider"),)
        parts = shares(amounts, cells)
        return [
            Span(STROKES[name] * part, name, name)
            for name, part in zip(COUNTED, parts, strict=True)
        ]

    def _percents(self, gap: int) -> Line:
        total = sum(self._counts.get(name, 0) for name in COUNTED) or 1
        spans = []
        for name in COUNTED:
            share = f"  {self._counts.get(name, 0) / total:.1%}"
            spans.append(Span(share.ljust(self._room(name) + gap), "faint"))
        return spans


def _ink(name: str, number: int) -> str:
    if not number:
        return "faint"
    return "help bold" if name == "help" else name
