"""Groups of one table as tabs, each with how much is in it."""

from collections.abc import Callable, Mapping, Sequence

from textual.message import Message

from swarmtui.text import count, short
from swarmtui.widgets.lines import Line, LineWidget, Span, line_width


class Tabs(LineWidget):
    """One line of tabs and a remark at its end; a click on a tab posts `Pressed`.

    Args:
        names: what the tabs are called, from left to right.
        loud: the tab whose number stands out unless it is none.
    """

    DEFAULT_CSS = "Tabs { height: 1; }"

    class Pressed(Message):
        """A tab was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(
        self,
        names: Sequence[str],
        *,
        loud: str = "",
        id: str | None = None,  # noqa: A002  # Textual's word
    ) -> None:
        super().__init__(id=id)
        self._names = tuple(names)
        self._loud = loud
        self._active = self._names[0]
        self._counts: dict[str, int] = {}
        self._remark = ""

    def show(self, active: str, counts: Mapping[str, int], remark: str = "") -> None:
        """Show another tab as the open one, other numbers, another remark.

        A tab without a number shows none.
        """
        if (active, counts, remark) != (self._active, self._counts, self._remark):
            self._active, self._counts, self._remark = active, dict(counts), remark
            self.refresh()

    def pressed(self, zone: str) -> None:
        """Say which tab was clicked."""
        self.post_message(self.Pressed(zone))

    def line(self, _y: int, cells: int, /) -> Line:
        """Return the tabs, with short numbers where whole ones do not fit."""
        whole = self._tabs(count)
        tabs = whole if line_width(whole) <= cells else self._tabs(short)
        gap = cells - line_width(tabs) - len(self._remark) - 1
        if not self._remark or gap < 1:
            return tabs
        return (*tabs, Span(" " * gap), Span(self._remark, "faint"))

    def _tabs(self, figure: Callable[[int], str]) -> Line:
        spans: list[Span] = []
        for name in self._names:
            spans += self._tab(name, figure)
        return spans

    def _tab(self, name: str, figure: Callable[[int], str]) -> Line:
        active = name == self._active
        number = self._counts.get(name)
        loud = name == self._loud and bool(number)
        title_ink = "bold underline" if active else "dim"
        number_ink = "help bold" if loud else "bold" if active else "faint"
        return (
            Span(" ", "", name),
            Span(name.capitalize(), title_ink, name),
            Span(" " if number is None else f" {figure(number)} ", number_ink, name),
            Span("  "),
        )
