"""Who waits for work, beside the work that waits to be done."""

from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from agentkit.rows import Agent, Task
from swarmtui.actions import bindings
from swarmtui.model import Delta
from swarmtui.screens.agents import AgentActions
from swarmtui.screens.columns import TASKS, WAITING
from swarmtui.widgets.line_table import LineTable, Sort


class QueueScreen(AgentActions):
    """Mode 2: idle agents in order of waiting, and the open tasks."""

    scope = "queue"
    BINDINGS: ClassVar = bindings("queue")

    def body(self) -> ComposeResult:
        """Show the two tables side by side."""
        model = self.console.model
        with Horizontal(id="tables"):
            yield LineTable[Agent](
                WAITING, model.agents, id="waiting", sort=Sort("waits"), empty=NOBODY
            )
            yield LineTable[Task](
                TASKS, model.tasks, id="tasks", sort=Sort("age"), empty=NOTHING
            )
