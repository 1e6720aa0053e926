"""The news, in one line."""

from datetime import datetime

from swarmtui.text import clip, clock, width
from swarmtui.widgets.lines import Line, LineWidget, Span, line_width

GAP = "     "


class Ticker(LineWidget):
    """The latest news at the left, and those before it as far as there is room."""

    DEFAULT_CSS = "Ticker { height: 1; padding: 0 1; }"

    KEPT = 4

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  # Textual's word
        super().__init__(id=id)
        self._news: list[tuple[datetime, Line]] = []

    def say(self, at: datetime, spans: Line) -> None:
        """Show a piece of news; its texts must be safe to draw."""
        self._news = [(at, tuple(spans)), *self._news[: self.KEPT - 1]]
        self.refresh()

    def clear(self) -> None:
        """Drop the news: they are of another time."""
        self._news = []
        self.refresh()

    def line(self, _y: int, cells: int, /) -> Line:
        """Return the news that fit, the latest cut if it must be."""
        line: list[Span] = []
        for number, (at, spans) in enumerate(self._news):
            piece = (Span(f"{clock(at)}  ", "faint"), *_aged(spans, number))
            if number and line_width(line) + line_width(piece) + len(GAP) > cells:
                break
            line += (Span(GAP), *piece) if number else _cut(piece, cells)
        return line


def _aged(spans: Line, number: int) -> Line:
    """Return old news in dim ink, with the colours of states kept."""
    if not number:
        return spans
    return tuple(Span(span.text, span.ink or "dim", span.zone) for span in spans)


def _cut(spans: Line, cells: int) -> Line:
    kept: list[Span] = []
    for span in spans:
        room = cells - line_width(kept)
        if room <= 0:
            break
        whole = width(span.text) <= room
        kept.append(span if whole else Span(clip(span.text, room), span.ink, span.zone))
    return kept
