"""Orders about runs: what is asked before, how they are given, what is said after."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from agentkit.rows import Checkpoint, Run
from swarmtui.modals.confirm import ConfirmSheet, SureSheet
from swarmtui.modals.launch import LaunchSheet
from swarmtui.screens import errands
from swarmtui.screens.tables import TableScreen
from swarmtui.text import plural, safe


class RunOrders(TableScreen):
    """A view in which runs can be launched, called off and taken up again."""

    awaited = ""
    """A run that was just launched: the cursor goes there when it arrives."""

    def chosen(self) -> list[Run]:
        """Return the runs that an order is for."""
        raise NotImplementedError

    def chosen_point(self) -> Checkpoint | None:
        """Return the checkpoint that an order is for."""
        raise NotImplementedError

    def leave_pane(self) -> None:
        """Give the keys back to the runs."""
        raise NotImplementedError

    def action_launch(self) -> None:
        """Run a plan from a file."""
        self.app.push_screen(LaunchSheet(), self._launched)

    def _launched(self, run: str | None) -> None:
        if run:
            self.awaited = "" if self.move_to(run) else run
            self.say(f"launched {run}", "done")

    def action_cancel(self) -> None:
        """Call runs off, after a question."""
        runs = [run for run in self.chosen() if not run.is_settled]
        text = (
            f"{_named(runs)}: everything below goes too, and agents lose what they "
            "work on. r goes on later with what was not done."
        )
        sheet = SureSheet("Cancel?", text, len(runs), "runs")
        wish = self.console.swarm.cancel_run
        self.app.push_screen(sheet, partial(self._order, runs, wish, "cancelled"))

    def action_resume(self) -> None:
        """Let runs go on that failed or were called off."""
        runs = [run for run in self.chosen() if run.state in ("failed", "cancelled")]
        self._order(runs, self.console.swarm.resume_run, "resumed", agreed=True)

    def action_again(self) -> None:
        """Do the failed items of runs again."""
        runs = [run for run in self.chosen() if run.state in ("failed", "done")]
        wish = self.console.swarm.retry_failed
        self._order(runs, wish, "retrying what failed in", agreed=True)

    def _order(
        self,
        runs: Sequence[Run],
        wish: Callable[[str], Any],
        done: str,
        agreed: bool | None,
    ) -> None:
        """Give an order for each run, then say what became of them."""
        if not agreed:
            return
        self.table.clear_marks()

        async def run_all() -> None:
            refused = await errands.each(runs, lambda run: wish(run.id))
            if refused:
                more = f", and {len(refused) - 1:,} more" if len(refused) > 1 else ""
                self.console.tell(f"{refused[0]}{more}", error=True)
            if left := len(runs) - len(refused):
                name = runs[0].id if len(runs) == 1 else plural(left, "run")
                self.say(f"{done} {name}", "done")

        self.run_worker(run_all(), group="orders")

    def action_from_here(self) -> None:
        """Begin a new run at the checkpoint under the cursor, after a question."""
        point = self.chosen_point()
        if point is None:
            return
        text = safe(
            f"A new run begins at {point.stage}, with what {point.run} knew at "
            f"checkpoint {point.number}. {point.run} stays as it is."
        )
        sheet = ConfirmSheet("Begin a new run here?", text)
        self.app.push_screen(sheet, partial(self._from_here, point.address))

    def _from_here(self, address: str, agreed: bool | None) -> None:
        if agreed:
            self.run_worker(self._launch_from(address), group="orders")

    async def _launch_from(self, address: str) -> None:
        wish = self.console.swarm.launch_from(address)
        if run := await self.console.carry_out(wish):
            self.leave_pane()
            self._launched(run)


def _named(runs: Sequence[Run]) -> str:
    return runs[0].id if len(runs) == 1 else plural(len(runs), "run")
