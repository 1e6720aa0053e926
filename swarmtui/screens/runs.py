"""Plans in progress: the runs, and beside them one of them in its plan."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from agentkit.errors import AgentkitError
from agentkit.rows import Checkpoint, Item, Run
from swarmtui.actions import Need, bindings
from swarmtui.modals.item import ItemSheet
from swarmtui.modals.message import MessageSheet
from swarmtui.model import Delta
from swarmtui.run_facts import checkpoint_text
from swarmtui.runs import GROUPS, HINT, Chosen, Group, compile_runs, group_counts, is_in
from swarmtui.screens.run_columns import NEWEST_RUN, run_columns
from swarmtui.screens.run_orders import RunOrders
from swarmtui.screens.run_pane import RunPane
from swarmtui.screens.standing import FIRST_RUN, no_runs
from swarmtui.text import safe
from swarmtui.widgets.filter_bar import Unit
from swarmtui.widgets.line_table import LineTable
from swarmtui.widgets.tabs import Tabs

PLANS = 20
"""How many plans are asked for at once, for their names."""


class RunsScreen(RunOrders):
    """Mode 6: runs by group, and the one under the cursor with all its parts."""

    scope = "runs"
    unit = Unit("run", "runs")
    hint = HINT
    CSS_PATH = [
        Path(__file__).with_name("base.tcss"),
        Path(__file__).with_name("runs.tcss"),
    ]
    BINDINGS: ClassVar = bindings("runs")

    group: Group = "running"
    chosen_by: Chosen | None = None

    def __init__(self) -> None:
        super().__init__()
        self._left: dict[Group, str | None] = {}
        """Where the cursor of each group was left."""
        self._refused: set[str] = set()
        """Plans that the hub does not tell about."""

    # --- Body ------------------------------------------------------------------------

    def body(self) -> ComposeResult:
        """Build the tabs, the runs and the pane."""
        model = self.console.model
        with Vertical(id="tables"):
            yield Tabs(GROUPS, loud="failed", id="groups")
            yield LineTable(run_columns(model), model.runs, id="runs", sort=NEWEST_RUN)
        yield RunPane()

    def on_mount(self) -> None:
        """Show what is in progress; what has ended when nothing is."""
        model = self.console.model
        if model.runs and not model.running:
            self.group = "all"
        self.table.show_only(self._is_shown, self.console.now())

    @property
    def tables(self) -> Sequence[LineTable[Any]]:
        """The runs; the tables of the pane are its own."""
        return (self.table,)

    @property
    def table(self) -> LineTable[Any]:
        """The runs, whatever has the focus."""
        return self.query_one("#runs", LineTable)

    @property
    def pane(self) -> RunPane | None:
        """The pane."""
        return self.query_one(RunPane)

    @property
    def _pane(self) -> RunPane:
        return self.query_one(RunPane)

    def compile(self, text: str) -> Chosen | None:
        """Compile a filter for runs."""
        return compile_runs(text, self.console.model.plan_name)

    def apply_filter(self, compiled: Any) -> None:
        """Filter every group."""
        self.chosen_by = compiled
        self._list()

    def _is_shown(self, run: Run, now: datetime) -> bool:
        if not is_in(self.group, run):
            return False
        return self.chosen_by is None or self.chosen_by(run, now)

    def _list(self) -> None:
        self.table.rebuild(self.console.now())
        self.table.set_empty(self.empty(self.table))
        self._show_status()

    # --- Groups ----------------------------------------------------------------------

    def open_group(self, group: Group) -> None:
        """Show another group; its cursor is where it was left."""
        self._left[self.group] = self.table.cursor
        self.group = group
        self._list()
        self.table.refresh()
        if not self.table.move_to(self._left.get(group) or ""):
            self.table.index = 0
        self.remove_class("-opened")
        self.table.focus()
        self._follow_cursor()

    def action_next_group(self) -> None:
        """Show the group, or the part of the pane, to the right."""
        self._turn(1)

    def action_last_group(self) -> None:
        """Show the group, or the part of the pane, to the left."""
        self._turn(-1)

    def _turn(self, by: int) -> None:
        if self._pane.is_in:
            self._pane.turn(by)
        else:
            self.open_group(GROUPS[(GROUPS.index(self.group) + by) % len(GROUPS)])

    @on(Tabs.Pressed)
    def _tab_pressed(self, event: Tabs.Pressed) -> None:
        self.open_group(cast("Group", event.name))

    def move_to(self, row: str) -> bool:
        """Put the cursor on a run, in whichever group it is."""
        run = self.console.model.runs.get(row)
        if run is None:
            return False
        if not is_in(self.group, run):
            self.open_group(next(one for one in GROUPS if is_in(one, run)))
        return super().move_to(row)

    # --- Pane ------------------------------------------------------------------------

    def focus_body(self) -> None:
        """Give the keys to the runs, or back to the pane."""
        if self.has_class("-opened") or self._pane.is_in:
            self._pane.target.focus()
        else:
            self.table.focus()

    def action_pane(self) -> None:
        """Give the keys to the pane, and room where it has none; or take them back."""
        if self._pane.is_in:
            self.leave_pane()
        else:
            self.set_class(self.has_class("-narrow"), "-opened")
            self._pane.target.focus()

    action_other_table = action_pane

    def action_plan_down(self) -> None:
        """Show what is further down in the plan."""
        self._pane.scroll_plan(1)

    def action_plan_up(self) -> None:
        """Show what is further up in the plan."""
        self._pane.scroll_plan(-1)

    def leave_pane(self) -> None:
        """Give the keys back to the runs."""
        self.remove_class("-opened")
        self.table.focus()

    def action_back(self) -> None:
        """Go back to the run above, out of the pane, then clear marks and filter."""
        if self._pane.is_in or self.has_class("-opened"):
            if not self._pane.rise():
                self.leave_pane()
        else:
            super().action_back()

    def on_descendant_focus(self) -> None:
        """Offer what can be done with what the keys act on now."""
        if self.ready:
            self._pane.touched = self._pane.touched or self._pane.is_in
            self._follow_cursor()

    @on(LineTable.Highlighted)
    def _moved(self, event: LineTable.Highlighted) -> None:
        """Follow the cursor, but not away from a run that somebody is looking into."""
        event.prevent_default()
        self._follow_cursor()

    def _follow_cursor(self) -> None:
        if not (self._pane.is_in or self.has_class("-opened")):
            self._pane.point(self.table.cursor)
        self.refresh_bindings()

    @on(LineTable.Selected)
    def _opened(self, event: LineTable.Selected) -> None:
        """Give a run the whole body; show an item or a checkpoint whole."""
        event.prevent_default()
        item, point = self._pane.item, self._pane.checkpoint
        if event.table is self.table:
            self.add_class("-opened")
            self._pane.target.focus()
        elif item is not None:
            stage = self._pane.book.visits.get(item.visit, "")
            sheet = ItemSheet(item, stage)
            self.app.push_screen(sheet, partial(self._go_to_task, item))
        elif point is not None:
            text = checkpoint_text(point)
            self.app.push_screen(MessageSheet(safe(point.address), text))

    # --- Drawing ---------------------------------------------------------------------

    def show(self, delta: Delta) -> None:
        """Draw the runs that changed."""
        for run in delta.runs:
            self.table.mark_dirty(run)
        self._pane.hear(delta)
        super().show(delta)
        if delta.runs:
            self._show_status()
            self._ask_plans()
        if self.awaited in delta.runs:
            self.awaited = "" if self.move_to(self.awaited) else self.awaited

    def show_all(self) -> None:
        """Draw everything anew."""
        super().show_all()
        self._pane.hear(Delta(reset=True))
        self._refused.clear()
        self._ask_plans()

    def age(self) -> None:
        """Let rates, times left and ages move on."""
        super().age()
        self._pane.age()

    def _ask_plans(self) -> None:
        """Ask for the plans of runs, for their names."""
        model = self.console.model
        named = {run.plan for run in model.runs.values()}
        unknown = named.difference(model.plans, self._refused)
        if unknown and model.live:
            self.run_worker(self._take_plans(sorted(unknown)), group="plans")

    async def _take_plans(self, plans: Sequence[str]) -> None:
        model = self.console.model
        for plan in plans[:PLANS]:
            self._refused.add(plan)  # asked for once, whatever comes
            try:
                model.plans[plan] = await self.console.swarm.plan(plan)
            except AgentkitError:
                continue
        if self.app.is_running:
            for row in model.runs:
                self.table.mark_dirty(row)
            self.table.replace_rows(model.runs, self.console.now())
            self._pane.draw()

    def total(self) -> int:
        """Return how many runs the group has."""
        return group_counts(self.console.model.runs.values())[self.group]

    def _show_status(self) -> None:
        super()._show_status()
        counts = group_counts(self.console.model.runs.values())
        self.query_one("#groups", Tabs).show(self.group, counts)

    def empty(self, table: LineTable[Any]) -> str:
        """Say what is not there, and how to begin."""
        del table
        filtered = self.chosen_by is not None
        return no_runs(self.console, self.group, filtered=filtered)

    # --- Cursor ----------------------------------------------------------------------

    def chosen(self) -> list[Run]:
        """Return the run in the pane that has the keys, else the marked ones, else one.

        The last is that under the cursor.
        """
        if self._pane.is_in:
            run = self._pane.run
            return [run] if run is not None else []
        runs = self.console.model.runs
        return [runs[key] for key in self.table.targets if key in runs]

    def chosen_point(self) -> Checkpoint | None:
        """Return the checkpoint under the cursor."""
        return self._pane.checkpoint if self._pane.is_in else None

    def given(self) -> Need:
        """Say what is under the cursor or marked."""
        if not self.ready:
            return Need.NOTHING
        runs = self.chosen()
        given = Need.ROW if runs or not self.console.model.runs else Need.NOTHING
        states = {run.state for run in runs}
        if "running" in states:
            given |= Need.RUNNING
        if states & {"failed", "cancelled"}:
            given |= Need.STOPPED
        if states & {"failed", "done"}:
            given |= Need.ENDED
        return given | self._given_in_pane()

    def _given_in_pane(self) -> Need:
        given = Need.NOTHING
        if self.chosen_point() is not None:
            given |= Need.POINT
        if self._pane.is_in and self._pane.item is not None and self._pane.item.ref:
            given |= Need.ITEM
        return given

    def first_words(self) -> str:
        """Return the command that runs the example."""
        return "" if self.console.model.runs else FIRST_RUN

    def action_copy(self) -> None:
        """Copy the address of the checkpoint, the task, or the result of the run."""
        pane = self._pane
        text = ""
        if point := self.chosen_point():
            text = point.address
        elif pane.is_in and pane.item is not None:
            text = pane.item.ref
        elif runs := self.chosen():
            text = f"swarm://{runs[0].id}/result"
        if text := text or self.first_words():
            self.app.copy_to_clipboard(text)
            self.say(f"copied {text}", "done")

    # --- Going to what does an item ---------------------------------------------------

    def action_task(self) -> None:
        """Go to the task, or the run, that does the item under the cursor."""
        if (item := self._pane.item) is not None:
            self._go_to_task(item, go=True)

    def _go_to_task(self, item: Item, go: object) -> None:
        if not go or not item.ref:
            return
        if item.kind == "machine":
            self._pane.dive(item.ref)
        else:
            self.console.show_task(item.ref)
