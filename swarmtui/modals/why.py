"""Why an agent is in its state: the event, its source, what was before."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from swarmtui.facts import why
from swarmtui.modals.sheet import Sheet
from swarmtui.text import safe

LIMIT = 40
"""How far back the history is asked for."""
WIDTH = 72
MARGIN = 8


class WhySheet(Sheet[None]):
    """The provenance of one agent's state, asked from the hub when opened."""

    heading = "Why"
    keys: ClassVar = (("esc", "Close"),)

    def __init__(self, agent: str) -> None:
        super().__init__()
        self._agent = agent

    def form(self) -> ComposeResult:
        """Leave room for the answer."""
        yield Static("asking the hub …", id="why", classes="part")

    def on_mount(self) -> None:
        """Ask."""
        self.run_worker(self._ask(), exit_on_error=False)

    async def _ask(self) -> None:
        console = self.console
        events = await console.carry_out(
            console.swarm.history(self._agent, limit=LIMIT)
        )
        agent = console.model.agents.get(self._agent)
        place = self.query_one("#why", Static)
        if events is None or agent is None:
            place.update(Content(f"The hub does not tell about {safe(self._agent)}."))
            return
        room = min(WIDTH, self.size.width - MARGIN)
        place.update(why(agent, events, console.now(), room))
