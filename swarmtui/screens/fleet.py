"""Every agent: what it does, since when, at what cost, and whether it is there."""

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical

from swarmtui.actions import bindings
from swarmtui.model import Delta
from swarmtui.screens.agents import AgentScreen
from swarmtui.screens.columns import FLEET
from swarmtui.screens.pane import AgentPane
from swarmtui.screens.standing import no_agents
from swarmtui.widgets.filter_bar import Unit
from swarmtui.widgets.line_table import LineTable, Sort


class FleetScreen(AgentScreen):
    """Mode 1: the agents beside the pane."""

    scope = "fleet"
    unit = Unit("agent", "agents")
    BINDINGS: ClassVar = bindings("fleet")

    def body(self) -> ComposeResult:
        """Build the table and the pane."""
        with Vertical(id="tables"):
            agents = self.console.model.agents
            yield LineTable(FLEET, agents, id="agents", sort=Sort("agent"))
        yield AgentPane()

    def show(self, delta: Delta) -> None:
        """Draw the agents that changed."""
        table = self.tables[0]
        for agent in delta.agents:
            table.mark_dirty(agent)
        super().show(delta)

    def empty(self, _table: LineTable[Any]) -> str:
        """Say how to connect the first agent, or that no agent matches."""
        return no_agents(self.console)
