"""Choose the agent that is to get a task, the likeliest first."""

from collections.abc import Sequence
from typing import ClassVar

from textual.content import Content

from agentkit.rows import Agent, Task
from swarmtui.modals.pick import Entry, PickSheet
from swarmtui.text import GLYPHS, fit, name, safe


class GiveSheet(PickSheet):
    """Dismissed with the id of an agent, or None.

    Those that are able stand first, idle ones before busy ones; then everybody else.
    """

    heading = "Hand over"
    prompt = "type to narrow"
    keys: ClassVar = (("↑↓", "Move"), ("enter", "Hand over"), ("esc", "Cancel"))

    def __init__(self, heading: str, tasks: Sequence[Task]) -> None:
        super().__init__()
        self._title = heading
        self._needs = {need for task in tasks for need in task.needs}

    def on_mount(self) -> None:
        """Say what is handed over."""
        super().on_mount()
        self.show_heading(self._title)

    def entries(self) -> Sequence[Entry]:
        """List who is able, then the others."""
        model = self.console.model
        able = model.able(self._needs)
        known = {agent.id for agent in able}
        others = [one for one in model.agents.values() if one.id not in known]
        return [_entry(agent) for agent in (*able, *others)]


def _entry(agent: Agent) -> Entry:
    prompt = Content.assemble(
        (f"{GLYPHS[agent.state]} {agent.state:<8}", f"$st-{agent.state}"),
        fit(name(safe(agent.id), 30), 30),
        (f" {safe(' '.join(agent.capabilities))}", "$ink-dim"),
    )
    return Entry(agent.id, " ".join((agent.id, *agent.capabilities)).lower(), prompt)
