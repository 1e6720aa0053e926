"""Lines: text with inks, drawn straight to the terminal.

An ink is a few words: a meaning from `swarmtui.themes` (``busy``, ``dim``,
``primary``), attributes (``bold``, ``underline``), and after ``on:`` the ground below.
So ``help bold on:row-cursor`` is a bold request for help under the cursor.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.events import Click
from textual.strip import Strip
from textual.widget import Widget

from swarmtui.text import STATES, width
from swarmtui.themes import variable_defaults

ATTRIBUTES = {
    name: Style.parse(name) for name in ("bold", "italic", "underline", "reverse")
}
SHORT = {"dim": "ink-dim", "faint": "ink-faint"} | {
    name: f"st-{name}" for name in STATES
}
"""Short names of theme variables."""


class Span(NamedTuple):
    """A piece of a line."""

    text: str
    ink: str = ""
    zone: str = ""
    """What a click on it means to the widget; empty when it means nothing."""


Line = Sequence[Span]


def line_width(spans: Iterable[Span]) -> int:
    """Return how many cells a line takes."""
    return sum(width(span.text) for span in spans)


class Inks:
    """The styles of one widget, by the words of their inks."""

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._styles: dict[str, Style] = {}
        self._variables: Mapping[str, str] = {}

    def clear(self) -> None:
        """Forget everything: the theme or the style of the widget has changed."""
        self._styles.clear()
        self._variables = {}

    def __call__(self, words: str = "") -> Style:
        """Return the style of an ink, complete with ground."""
        style = self._styles.get(words)
        if style is None:
            style = self._widget.rich_style
            for word in words.split():
                style += self._word(word)
            self._styles[words] = style
        return style

    def _word(self, word: str) -> Style:
        if word in ATTRIBUTES:
            return ATTRIBUTES[word]
        if word.startswith("on:"):
            return Style(bgcolor=self._colour(word[3:]).rich_color)
        return Style(color=self._colour(SHORT.get(word, word)).rich_color)

    def _colour(self, variable: str) -> Color:
        if not self._variables:
            app = self._widget.app
            self._variables = variable_defaults(app.current_theme) | app.theme_variables
        return Color.parse(self._variables[variable])


def draw(spans: Iterable[Span], inks: Inks, cells: int, ground: str = "") -> Strip:
    """Return a line as exactly so many cells."""
    segments = [
        Segment(span.text, inks(f"{span.ink} {ground}".strip())) for span in spans
    ]
    return Strip(segments).adjust_cell_length(cells, inks(ground))


class LineWidget(Widget):
    """A few lines, and what a click on their parts means."""

    def __init__(
        self,
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002  # Textual's word
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.inks = Inks(self)
        self._zones: dict[int, Line] = {}

    def line(self, y: int, cells: int, /) -> Line:
        """Return what is on one line; it is cut or padded to the widget's width."""
        raise NotImplementedError

    def pressed(self, zone: str) -> None:
        """Act on a click on a span with a zone."""

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        cells = self.size.width
        spans = self._zones[y] = self.line(y, cells)
        return draw(spans, self.inks, cells)

    def notify_style_update(self) -> None:
        """Drop the inks with the theme that made them."""
        super().notify_style_update()
        self.inks.clear()

    def on_click(self, event: Click) -> None:
        """Find the span under the pointer."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        end = 0
        for span in self._zones.get(offset.y, ()):
            end += width(span.text)
            if offset.x < end:
                if span.zone:
                    event.stop()
                    self.pressed(span.zone)
                return
