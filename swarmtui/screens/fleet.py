"""Every agent: what it does, since when, at what cost, and whether it is there."""

from datetime import datetime
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from agentkit.rows import Agent
from swarmtui.actions import Need, bindings
from swarmtui.model import Delta
from swarmtui.screens.agents import AgentActions
from swarmtui.screens.base import SwarmScreen
from swarmtui.screens.columns import FLEET
from swarmtui.screens.pane import AgentPane
from swarmtui.widgets.line_table import LineTable, Sort


class FleetScreen(AgentActions, SwarmScreen):
    """Mode 1."""

    scope = "fleet"
    BINDINGS: ClassVar = bindings("fleet")

    def body(self) -> ComposeResult:
        """Show the agents beside the pane."""
        with Vertical(id="tables"):
            yield LineTable[Agent](
                FLEET, self.console.model.agents, id="agents", sort=Sort("agent")
            )
        yield AgentPane()

    @property
    def table(self) -> LineTable[Agent]:
        """The agents."""
        return self.query_one("#agents", LineTable)

    def show(self, delta: Delta) -> None:
        """Draw the agents that changed."""
        for agent in delta.agents:
            self.table.mark_dirty(agent)
