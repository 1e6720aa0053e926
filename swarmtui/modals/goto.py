"""Go to a view or to an agent by typing some of its name."""

from collections.abc import Sequence

from textual.content import Content

from swarmtui.actions import VIEWS
from swarmtui.modals.pick import Entry, PickSheet
from swarmtui.text import GLYPHS, safe


class GotoSheet(PickSheet):
    """Views first, then agents; dismissed with ``view:fleet`` or ``agent:a1``."""

    heading = "Go to"
    prompt = "a view or an agent"

    def entries(self) -> Sequence[Entry]:
        """List the views and every agent."""
        views = [
            Entry(f"view:{name}", name, Content(f"{key} {name.capitalize()}"))
            for key, name in enumerate(VIEWS, 1)
        ]
        agents = [
            Entry(f"agent:{agent.id}", agent.id.lower(), _prompt(agent.id, agent.state))
            for agent in self.console.model.agents.values()
        ]
        return [*views, *agents]


def _prompt(agent: str, state: str) -> Content:
    return Content.assemble(
        (f"{GLYPHS[state]} ", f"$st-{state}"), safe(agent), (f"  {state}", "$ink-dim")
    )
