"""Who waits for work, beside the work that waits to be done."""

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal

from agentkit.filters import compile_filter
from swarmtui.actions import bindings
from swarmtui.modals.enqueue import EnqueueSheet
from swarmtui.model import Delta
from swarmtui.screens.agents import AgentScreen
from swarmtui.screens.columns import WAITING
from swarmtui.screens.standing import no_agents
from swarmtui.screens.work_columns import WAITING_TASKS
from swarmtui.text import safe
from swarmtui.widgets.filter_bar import Unit
from swarmtui.widgets.line_table import LineTable, Sort
from swarmtui.work import group_of


class QueueScreen(AgentScreen):
    """Mode 2: idle agents, who waits longest first, beside the tasks that wait."""

    scope = "queue"
    unit = Unit("waiting", "waiting")
    hint = "cap:video age>10m text"
    BINDINGS: ClassVar = bindings("queue")

    def body(self) -> ComposeResult:
        """Build the two tables."""
        model = self.console.model
        with Horizontal(id="tables"):
            yield LineTable(WAITING, model.agents, id="waiting", sort=Sort("waits"))
            yield LineTable(WAITING_TASKS, model.tasks, id="tasks", sort=Sort("prio"))

    def on_mount(self) -> None:
        """Show only who waits, and what nobody works on yet."""
        now = self.console.now()
        waiting, tasks = self.tables
        waiting.show_only(lambda agent, _: agent.ticket > 0, now)
        tasks.show_only(lambda task, _: group_of(task) == "ready", now)

    def total(self) -> int:
        """Return how many agents wait."""
        return sum(one.ticket > 0 for one in self.console.model.agents.values())

    def show(self, delta: Delta) -> None:
        """Draw the agents and tasks that changed."""
        waiting, tasks = self.tables
        for agent in delta.agents:
            waiting.mark_dirty(agent)
        for task in delta.tasks:
            tasks.mark_dirty(task)
        super().show(delta)

    def apply_filter(self, compiled: Any) -> None:
        """Show who waits and matches."""
        super().apply_filter(compile_filter(f"state:idle {compiled.text}"))

    def empty(self, table: LineTable[Any]) -> str:
        """Say that nobody waits, or that nothing is left to do."""
        model = self.console.model
        if not model.agents:
            return no_agents(self.console) if table.id == "waiting" else ""
        if table.id == "waiting":
            return "nobody waits\nevery agent is at work"
        return "no task waits\ne queues one, a assigns one to whoever waits"

    def action_enqueue(self) -> None:
        """Queue a task."""
        self.app.push_screen(EnqueueSheet(), self._queued)

    def _queued(self, task: str | None) -> None:
        if task:
            self.say(safe(f"queued {task}"), "done")
