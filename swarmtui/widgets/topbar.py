"""The first line: which hub, whether it answers, for how long; or what is wrong."""

from dataclasses import dataclass

from swarmtui.text import clip, fit
from swarmtui.widgets.lines import Line, LineWidget, Span, line_width

TROUBLE = "background on:st-blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the first line says; every text must be safe to draw."""

    hub: str = ""
    """The address of the hub."""
    live: bool = False
    """Whether the hub answers."""
    word: str = "live"
    """What a hub that answers is called."""
    uptime: str = ""
    """For how long the hub runs."""
    spent: str = ""
    """What everybody cost today."""
    badge: str = ""
    """What is out of the ordinary and meant to be: paused, a lower rate, a demo."""
    clock: str = ""
    """The time of day."""
    trouble: str = ""
    """One sentence on what is wrong; it takes the whole line while it is there."""
    connecting: bool = False
    """Whether the trouble is only that the first answer is still to come."""


class TopBar(LineWidget):
    """One line on the hub. Trouble takes it over, so that nothing else moves."""

    DEFAULT_CSS = "TopBar { height: 1; background: $panel; }"

    _standing = Standing()

    def show(self, standing: Standing) -> None:
        """Say something else."""
        if standing != self._standing:
            self._standing = standing
            self.refresh()

    def line(self, _y: int, cells: int, /) -> Line:
        """Return the line, in the longest form that fits."""
        if self._standing.trouble:
            return self._trouble(cells)
        right = self._right()
        left = next(
            (form for form in self._forms() if _fits(form, right, cells)),
            (Span(" swarmtui", "bold"),),
        )
        gap = max(1, cells - line_width(left) - line_width(right))
        return (*left, Span(" " * gap), *right)

    def _forms(self) -> tuple[Line, ...]:
        standing = self._standing
        name = Span(" swarmtui", "bold")
        link = (
            Span(f"● {standing.word}", "busy")
            if standing.live
            else Span("○ waiting", "blocked")
        )
        hub = Span(f"  {standing.hub}  ", "dim")
        up = Span(f"  up {standing.uptime}" if standing.uptime else "", "dim")
        spent = Span(f"  {standing.spent}" if standing.spent else "", "dim")
        return (
            (name, hub, link, up, spent),
            (name, hub, link, up),
            (name, hub, link),
            (name, Span("  "), link),
        )

    def _right(self) -> Line:
        standing = self._standing
        badge = f"{standing.badge}   " if standing.badge else ""
        return Span(badge, "blocked bold"), Span(f"{standing.clock} ", "dim")

    def _trouble(self, cells: int) -> Line:
        standing = self._standing
        if standing.connecting:
            return (
                Span(" swarmtui  ", "bold"),
                Span("◌ ", "blocked"),
                Span(clip(standing.trouble, cells - 14), "blocked"),
            )
        room = cells - len(standing.clock) - 5
        text = fit(clip(standing.trouble, room), room)
        return (
            Span(" ◌ ", TROUBLE),
            Span(text, f"{TROUBLE} bold"),
            Span(f" {standing.clock} ", TROUBLE),
        )


def _fits(left: Line, right: Line, cells: int) -> bool:
    return line_width(left) + line_width(right) < cells
