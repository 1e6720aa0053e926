"""What ctrl+p finds: what one can do here, agents by name, themes."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from swarmtui.actions import in_scope
from swarmtui.text import safe
from swarmtui.themes import names as theme_names

if TYPE_CHECKING:
    from swarmtui.app import SwarmApp

LIMIT = 50
"""How many agents are offered at once."""


class SwarmCommands(Provider):
    """Actions of the view, then agents, then themes; all by plain substring."""

    @property
    def _app(self) -> "SwarmApp":
        return cast("SwarmApp", self.app)

    async def discover(self) -> Hits:
        """Offer what can be done before anything is typed."""
        for action in in_scope(self._app.scope):
            yield DiscoveryHit(
                action.label, partial(self._app.do, action.id), help=action.tip
            )

    async def search(self, query: str) -> Hits:
        """Offer what contains the typed text."""
        typed = query.strip().lower()
        for hit in (*self._actions(typed), *self._agents(typed), *self._themes(typed)):
            yield hit

    def _actions(self, typed: str) -> Iterator[Hit]:
        for action in in_scope(self._app.scope):
            if typed in f"{action.label} {action.tip}".lower():
                do = partial(self._app.do, action.id)
                yield Hit(1.0, action.label, do, help=action.tip)

    def _agents(self, typed: str) -> Iterator[Hit]:
        names = [name for name in self._app.model.agents if typed in name.lower()]
        names.sort(key=lambda name: not name.lower().startswith(typed))
        for place, name in enumerate(names[:LIMIT]):
            show = partial(self._app.show_agent, name)
            state = self._app.model.agents[name].state
            yield Hit(0.9 - place / 1000, safe(name), show, help=state)

    def _themes(self, typed: str) -> Iterator[Hit]:
        for name in theme_names():
            if typed in f"theme {name}":
                yield Hit(0.5, f"Theme {name}", partial(self._use_theme, name))

    def _use_theme(self, name: str) -> None:
        self.app.theme = name
