"""What can be done with agents under the cursor or marked, wherever they are listed."""

from swarmtui.modals.assign import AssignSheet
from swarmtui.modals.broadcast import BroadcastSheet
from swarmtui.modals.why import WhySheet
from swarmtui.orders import only
from swarmtui.screens.base import SwarmScreen
from swarmtui.text import plural, safe


class AgentActions(SwarmScreen):
    """A view whose rows are agents."""

    def chosen(self) -> list[str]:
        """Return the marked agents, else the one under the cursor."""
        return self.table.targets

    def action_assign(self) -> None:
        """Hand a task to whoever is chosen."""
        if chosen := self.chosen():
            self.app.push_screen(AssignSheet(chosen))
            self.table.clear_marks()

    def action_message(self) -> None:
        """Tell whoever is chosen something."""
        if chosen := self.chosen():
            who = chosen[0] if len(chosen) == 1 else plural(len(chosen), "agent")
            heading = safe(f"Message to {who}")
            self.app.push_screen(BroadcastSheet(only(chosen), heading))

    def action_why(self) -> None:
        """Show why the agent is in its state."""
        if chosen := self.chosen():
            self.app.push_screen(WhySheet(chosen[0]))
