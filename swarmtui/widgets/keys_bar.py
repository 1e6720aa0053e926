"""The last line: which keys do what, here and now."""

from collections.abc import Iterator, Sequence

from textual.binding import ActiveBinding
from textual.screen import Screen
from textual.widgets import Input

from swarmtui.widgets.lines import Line, LineWidget, Span, line_width


class KeysBar(LineWidget):
    """The keys of the screen that are meant to be shown, as many as fit.

    Those at the end are left out first, except the `last` one, which stands at the
    right. A key that does nothing just now is faint. A click presses the key.

    Args:
        last: The action, as the binding names it, that is always shown.
    """

    DEFAULT_CSS = "KeysBar { height: 1; padding: 0 1; background: $surface; }"

    def __init__(self, last: str = "", *, id: str | None = None) -> None:  # noqa: A002  # Textual's word
        super().__init__(id=id)
        self._last = last
        self._words: dict[str, str] = {}

    def on_mount(self) -> None:
        """Follow what can be done."""
        self.screen.bindings_updated_signal.subscribe(self, self._updated)

    def _updated(self, _screen: Screen[object]) -> None:
        self.refresh()

    def call_it(self, action: str, word: str) -> None:
        """Call an action, as the binding names it, something else than its binding."""
        if self._words.get(action) != word:
            self._words[action] = word
            self.refresh()

    def pressed(self, zone: str) -> None:
        """Press the key that was clicked."""
        self.app.simulate_key(zone)

    def line(self, _y: int, cells: int, /) -> Line:
        """Return the keys that fit."""
        shown = list(self._shown())
        right = [one for one in shown if one.binding.action == self._last]
        left = [one for one in shown if one.binding.action != self._last]
        end = self._keys(right)
        room = cells - line_width(end)
        while left and line_width(self._keys(left)) > room:
            left.pop()
        start = self._keys(left)
        gap = cells - line_width(start) - line_width(end) + 2
        return (*start, Span(" " * gap), *end) if right else start

    def _shown(self) -> Iterator[ActiveBinding]:
        """Yield each action that is to be shown once, with its first key.

        While something is typed, only the keys of the line that it is typed in.
        """
        seen = set()
        focused = self.screen.focused
        typing = isinstance(focused, Input)
        for active in self.screen.active_bindings.values():
            if typing and active.node is not focused:
                continue
            if active.binding.show and active.binding.action not in seen:
                seen.add(active.binding.action)
                yield active

    def _keys(self, shown: Sequence[ActiveBinding]) -> Line:
        return [span for active in shown for span in self._key(active)]

    def _key(self, active: ActiveBinding) -> Line:
        binding = active.binding
        key = self.app.get_key_display(binding)
        zone = binding.key if active.enabled else ""
        word = self._words.get(binding.action, binding.description)
        return (
            Span(key, "primary bold" if active.enabled else "faint", zone),
            Span(f" {word}", "dim" if active.enabled else "faint", zone),
            Span("  "),
        )
