"""Where in a recording one is, and a click to be elsewhere."""

from dataclasses import dataclass
from itertools import groupby

from textual.events import Click
from textual.message import Message

from swarmtui.widgets.lines import Line, LineWidget, Span, line_width

FASTER = "app.pace(1)"
CALL = ("▲", "help")
HEAD = "╸"
GAP = ("┄", "blocked bold")
TIMES = "×"  # noqa: RUF001  # the sign that is meant
FRACTIONS = {0.25: "¼", 0.5: "½"}


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a recording; times in seconds."""

    second: float = 0.0
    length: float = 0.0
    speed: float = 1.0
    playing: bool = False
    calls: tuple[float, ...] = ()
    """When somebody called for a person."""
    gaps: tuple[tuple[float, float], ...] = ()
    """From when until when the hub was away."""


class Scrubber(LineWidget):
    """One line: whether it plays, the time, the way, the length, the speed.

    The way shows calls as ``▲`` and where the hub was away as ``┄``. A click on it
    posts `Sought`; one on the sign at the left or on the speed does what its key does.
    """

    DEFAULT_CSS = "Scrubber { height: 1; padding: 0 1; background: $surface; }"

    class Sought(Message):
        """A second of the way was clicked."""

        def __init__(self, second: float) -> None:
            super().__init__()
            self.second = second

    _place = Place()
    _drawn: Line = ()
    _way = range(0)
    """The cells of the way."""

    def show(self, place: Place) -> None:
        """Show another place."""
        self._place, drawn = place, self._drawn
        if self.line(0, self.size.width) != drawn:
            self.refresh()

    def pressed(self, zone: str) -> None:
        """Do what the key does."""
        self.call_later(self.run_action, zone)

    def on_click(self, event: Click) -> None:
        """Find the second under the pointer."""
        offset = event.get_content_offset(self)
        if offset is None or offset.x not in self._way:
            super().on_click(event)
            return
        event.stop()
        share = (offset.x - self._way.start + 0.5) / len(self._way)
        self.post_message(self.Sought(share * self._place.length))

    def line(self, _y: int, cells: int, /) -> Line:
        """Return sign and time, the way, length and speed."""
        place = self._place
        sign = "▶" if place.playing else "‖"
        time = timecode(place.second).rjust(len(timecode(place.length)))
        left = (
            Span(f"{sign} ", "primary bold", "app.pause"),
            Span(f"{time} ", "bold"),
        )
        speed = f" {TIMES}{FRACTIONS.get(place.speed, f'{place.speed:g}')}"
        right = (
            Span(f" {timecode(place.length)}", "dim"),
            Span(f"{speed:<4}", "dim" if place.speed == 1 else "blocked", FASTER),
        )
        start = line_width(left)
        self._way = range(start, max(start, cells - line_width(right)))
        self._drawn = (*left, *self._spans(len(self._way)), *right)
        return self._drawn

    def _spans(self, cells: int) -> list[Span]:
        """Return the way: what lies behind heavy, what is to come light."""
        place = self._place
        here = _cell(place.second, place.length, cells)
        marks: dict[int, tuple[str, str]] = {}
        for start, end in place.gaps:
            first, last = (_cell(at, place.length, cells) for at in (start, end))
            marks |= dict.fromkeys(range(first, last + 1), GAP)
        marks |= {_cell(at, place.length, cells): CALL for at in place.calls}
        at_call = marks.get(here) == CALL
        marks[here] = (CALL[0] if at_call else HEAD, "primary bold")
        signs = [marks.get(cell) or _rail(cell, here) for cell in range(cells)]
        return [
            Span("".join(sign for sign, _ in run), ink)
            for ink, run in groupby(signs, key=lambda sign: sign[1])
        ]


def timecode(seconds: float) -> str:
    """Return seconds as ``03:40``, or ``1:03:40`` from an hour on."""
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes:02}:{left:02}"


def _cell(second: float, length: float, cells: int) -> int:
    return min(int(second / length * cells), cells - 1) if length else 0


def _rail(cell: int, here: int) -> tuple[str, str]:
    return ("━", "primary") if cell < here else ("─", "faint")
