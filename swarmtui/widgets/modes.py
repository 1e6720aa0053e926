"""The modes of the dashboard as tabs, each with its key and how much is in it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from textual.message import Message

from swarmtui.text import count, short
from swarmtui.widgets.lines import Line, LineWidget, Span, line_width


class Mode(NamedTuple):
    """A tab."""

    name: str
    """What the app calls it."""
    key: str
    title: str
    brief: str
    """The title where there is little room."""
    calls: bool = False
    """Whether its number says how many wait for a person."""


class Modes(LineWidget):
    """One line of tabs; a click on one posts `Pressed`."""

    DEFAULT_CSS = "Modes { height: 1; }"

    class Pressed(Message):
        """A tab was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(
        self,
        modes: Sequence[Mode],
        active: str,
        *,
        id: str | None = None,  # noqa: A002  # Textual's word
    ) -> None:
        super().__init__(id=id)
        self._modes = tuple(modes)
        self._active = active
        self._counts: dict[str, int] = {}

    def show(self, counts: Mapping[str, int]) -> None:
        """Show other numbers; a mode without one shows none."""
        if counts != self._counts:
            self._counts = dict(counts)
            self.refresh()

    def pressed(self, zone: str) -> None:
        """Say which tab was clicked."""
        self.post_message(self.Pressed(zone))

    def line(self, _y: int, cells: int, /) -> Line:
        """Return the tabs in the longest form that fits."""
        forms = ((False, False), (True, False), (True, True))
        lines = [self._tabs(abbreviate, brief) for abbreviate, brief in forms]
        return next((line for line in lines if line_width(line) <= cells), lines[-1])

    def _tabs(self, abbreviate: bool, brief: bool) -> Line:
        spans: list[Span] = []
        for mode in self._modes:
            spans += self._tab(mode, abbreviate, brief)
        return spans

    def _tab(self, mode: Mode, abbreviate: bool, brief: bool) -> Line:
        active = mode.name == self._active
        ground = " on:row-cursor" if active else ""
        ink = f"row-cursor-ink bold{ground}" if active else "dim"
        title = mode.brief if brief else mode.title
        number, number_ink = self._number(mode, abbreviate, active=active)
        return (
            Span(f" {mode.key} ", ink if active else "primary", mode.name),
            Span(f"{title} ", ink, mode.name),
            Span(number and f"{number} ", number_ink + ground, mode.name),
            Span(" " if not brief else ""),
        )

    def _number(self, mode: Mode, abbreviate: bool, *, active: bool) -> tuple[str, str]:
        number = self._counts.get(mode.name)
        if number is None or (mode.calls and not number):
            return "", ""
        text = short(number) if abbreviate else count(number)
        if mode.calls:
            return f"▲{text}", "help bold"
        return text, "row-cursor-ink" if active else ""
