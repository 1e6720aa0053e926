"""What can be done with agents under the cursor or marked, wherever they are listed."""

from swarmtui.actions import Need
from swarmtui.modals.assign import AssignSheet
from swarmtui.modals.broadcast import BroadcastSheet
from swarmtui.modals.why import WhySheet
from swarmtui.orders import only
from swarmtui.screens.tables import TableScreen
from swarmtui.text import plural, safe


class AgentScreen(TableScreen):
    """A view whose first table lists agents."""

    def chosen(self) -> list[str]:
        """Return the marked agents, else the one under the cursor."""
        return self.tables[0].targets

    def given(self) -> Need:
        """Say whether somebody is chosen."""
        given = super().given()
        return given | Need.AGENT if self.chosen() else given

    def action_assign(self) -> None:
        """Hand a task to whoever is chosen."""
        self.app.push_screen(AssignSheet(self.chosen()), self._assigned)

    def _assigned(self, sent: bool | None) -> None:
        if sent:
            self.tables[0].clear_marks()

    def action_message(self) -> None:
        """Tell whoever is chosen something."""
        chosen = self.chosen()
        who = chosen[0] if len(chosen) == 1 else plural(len(chosen), "agent")
        sheet = BroadcastSheet(only(chosen), safe(f"Message to {who}"))
        self.app.push_screen(sheet)

    def action_why(self) -> None:
        """Show why the agent is in its state."""
        self.app.push_screen(WhySheet(self.chosen()[0]))
