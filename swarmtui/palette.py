"""What ctrl+p finds: what one can do here, agents, tasks, runs, ledgers, themes."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from agentkit.rows import Broadcast
from swarmtui.modals.ledger_sheet import LedgerSheet
from swarmtui.text import clip, safe
from swarmtui.themes import names as theme_names

if TYPE_CHECKING:
    from swarmtui.app import SwarmApp

LIMIT = 50
"""How many agents, tasks or ledgers are offered at once."""


class SwarmCommands(Provider):
    """Actions of the view, then all else, by plain substring."""

    @property
    def _app(self) -> "SwarmApp":
        return cast("SwarmApp", self.app)

    async def discover(self) -> Hits:
        """Offer what can be done before anything is typed."""
        for action in self._app.actions():
            yield DiscoveryHit(
                action.label, partial(self._app.do, action.id), help=action.tip
            )

    async def search(self, query: str) -> Hits:
        """Offer what contains the typed text."""
        typed = query.strip().lower()
        rows = (self._agents, self._tasks, self._runs, self._ledgers)
        finds = (self._actions, *rows, self._themes)
        for hit in (hit for find in finds for hit in find(typed)):
            yield hit

    def _actions(self, typed: str) -> Iterator[Hit]:
        for action in self._app.actions():
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

    def _tasks(self, typed: str) -> Iterator[Hit]:
        tasks = self._app.model.tasks.values()
        found = [one for one in tasks if typed in f"{one.id} {one.title}".lower()]
        found.sort(key=lambda one: not one.id.lower().startswith(typed))
        for place, task in enumerate(found[:LIMIT]):
            show = partial(self._app.show_task, task.id)
            name = safe(f"{task.id} {task.title}".strip())
            yield Hit(0.8 - place / 1000, name, show, help=f"task, {task.state}")

    def _runs(self, typed: str) -> Iterator[Hit]:
        """Offer runs, the newest first."""
        model = self._app.model
        named = ((run, model.plan_name(run)) for run in reversed(model.runs.values()))
        found = (one for one in named if typed in f"{one[0].id} {one[1]}".lower())
        for place, (run, plan) in enumerate(islice(found, LIMIT)):
            show = partial(self._app.show_run, run.id)
            name = safe(f"{run.id} {plan}")
            yield Hit(0.75 - place / 1000, name, show, help=f"run, {run.state}")

    def _ledgers(self, typed: str) -> Iterator[Hit]:
        """Offer how far each broadcast got, the newest first."""
        sent = reversed(self._app.model.broadcasts.values())
        found = (one for one in sent if typed in f"ledger of {one.text}".lower())
        for place, row in enumerate(islice(found, LIMIT)):
            sheet = partial(LedgerSheet, row.id, safe(f"“{clip(row.text, 50)}”"))
            show = partial(self._open, sheet)
            name = safe(f"Ledger of “{clip(row.text, 60)}”")
            yield Hit(0.7 - place / 1000, name, show, help=_reach(row))

    def _open(self, sheet: Callable[[], LedgerSheet]) -> None:
        self.app.push_screen(sheet())

    def _themes(self, typed: str) -> Iterator[Hit]:
        for name in theme_names():
            if typed in f"theme {name}":
                yield Hit(0.5, f"Theme {name}", partial(self._use_theme, name))

    def _use_theme(self, name: str) -> None:
        self.app.theme = name


def _reach(row: Broadcast) -> str:
    dead = f", {row.dead:,} dead" if row.dead else ""
    return f"{row.done:,} of {row.recipients:,} done{dead}"
