"""Choose who is to help, the best match first."""

from collections.abc import Sequence
from typing import ClassVar

from textual.content import Content

from agentkit.rows import HelpRequest
from swarmtui.modals.pick import Entry, PickSheet
from swarmtui.model import Candidate
from swarmtui.text import GLYPHS, fit, name, safe


class HelperSheet(PickSheet):
    """Dismissed with the id of the helper, or None."""

    heading = "Send a helper"
    prompt = "type to narrow"
    keys: ClassVar = (("↑↓", "Move"), ("enter", "Send"), ("esc", "Cancel"))

    def __init__(self, request: HelpRequest) -> None:
        super().__init__()
        self._request = request

    def on_mount(self) -> None:
        """Say who needs the helper."""
        wanted = ", ".join(self._request.wanted)
        suffix = f", who needs {wanted}" if wanted else ""
        super().on_mount()
        self.show_heading(safe(f"Send a helper to {self._request.agent}{suffix}"))

    def entries(self) -> Sequence[Entry]:
        """List the candidates in the order of their use."""
        ranked = self.console.model.candidates(self._request)
        return [Entry(one.agent.id, _words(one), _prompt(one)) for one in ranked]


def _words(one: Candidate) -> str:
    return " ".join((one.agent.id, *one.agent.capabilities)).lower()


def _prompt(one: Candidate) -> Content:
    agent = one.agent
    return Content.assemble(
        (f"{one.match:4.0%} ", "bold"),
        (f"{GLYPHS[agent.state]} {agent.state:<8}", f"$st-{agent.state}"),
        fit(name(safe(agent.id), 26), 26),
        (f" {safe(' '.join(agent.capabilities))}", "$ink-dim"),
    )
