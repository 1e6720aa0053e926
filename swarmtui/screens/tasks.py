"""The work queue: what waits, what is leased to whom, what is done, what is dead."""

from collections import ChainMap
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from agentkit.errors import AgentkitError
from agentkit.rows import Delivery, Task
from swarmtui.actions import Need, bindings
from swarmtui.modals.confirm import SureSheet
from swarmtui.modals.enqueue import EnqueueSheet
from swarmtui.modals.give import GiveSheet
from swarmtui.modals.ledger_sheet import LedgerSheet
from swarmtui.modals.why import WhySheet
from swarmtui.model import Delta
from swarmtui.screens import errands
from swarmtui.screens.standing import FIRST_TASK, no_tasks
from swarmtui.screens.tables import TableScreen
from swarmtui.screens.work_columns import WORK, dead_columns
from swarmtui.screens.work_pane import WorkPane
from swarmtui.text import plural, safe
from swarmtui.widgets.filter_bar import Unit
from swarmtui.widgets.line_table import LineTable, Sort
from swarmtui.widgets.tabs import Tabs
from swarmtui.work import (
    GROUPS,
    HINT,
    Chosen,
    Group,
    Letter,
    compile_work,
    group_counts,
    group_of,
)

LETTERS = 1000
"""How many dead deliveries are asked for."""
STIRS = frozenset({"delivery.dead", "delivery.retried"})
"""Subjects of events after which the dead deliveries are others."""


class TasksScreen(TableScreen):
    """Mode 5: one table for each group of the work queue, one of them on show."""

    scope = "tasks"
    unit = Unit("task", "tasks")
    hint = HINT
    BINDINGS: ClassVar = bindings("tasks")
    compile = staticmethod(compile_work)

    group: Group = "ready"
    chosen_by: Chosen | None = None
    awaited = ""
    """A task that was just queued: the cursor goes there when it arrives."""

    def __init__(self) -> None:
        super().__init__()
        self._visited: set[Group] = {self.group}
        """Groups whose cursor is where somebody left it."""

    # --- Body ------------------------------------------------------------------------

    def body(self) -> ComposeResult:
        """Build the tabs, a table for each group, and the pane."""
        model = self.console.model
        with Vertical(id="tables"):
            yield Tabs(GROUPS, loud="dead", id="groups")
            for name, (columns, sort) in WORK.items():
                yield LineTable(columns, model.tasks, id=name, sort=sort)
            letters = cast("dict[str, Letter]", model.letters)
            work = cast("dict[str, Letter]", model.tasks)
            dead = ChainMap(work, letters)
            yield LineTable(
                dead_columns(model), dead, id="dead", sort=Sort("ago", falling=True)
            )
        yield WorkPane()

    def on_mount(self) -> None:
        """Give each table its rows, and show the first."""
        now = self.console.now()
        for name in GROUPS:
            table = self.query_one(f"#{name}", LineTable)
            table.show_only(partial(self._is_shown, name), now)
            table.display = name == self.group

    def _is_shown(self, group: Group, row: Letter, now: datetime) -> bool:
        if group_of(row) != group or self._has_a_task(row):
            return False
        return self.chosen_by is None or self.chosen_by(row, now)

    def _has_a_task(self, row: Letter) -> bool:
        """Say whether a dead delivery is told by its task, which is dead as well."""
        if not isinstance(row, Delivery) or row.kind != "task":
            return False
        return row.ref in self.console.model.tasks

    @property
    def tables(self) -> Sequence[LineTable[Any]]:
        """The table on show."""
        return (self.query_one(f"#{self.group}", LineTable),)

    # --- Groups ----------------------------------------------------------------------

    def open_group(self, group: Group) -> None:
        """Show another group; its cursor, marks and order are as they were left."""
        self.group = group
        for name in GROUPS:
            self.query_one(f"#{name}", LineTable).display = name == group
        table = self.table
        table.rebuild(self.console.now())
        if group not in self._visited:
            self._visited.add(group)
            table.index = 0
        table.set_empty(self.empty(table))
        table.focus()
        if self.pane is not None:
            self.pane.point(table.cursor)
        self._show_status()
        self.refresh_bindings()

    def action_next_group(self) -> None:
        """Show the group to the right."""
        self._turn(1)

    def action_last_group(self) -> None:
        """Show the group to the left."""
        self._turn(-1)

    action_other_table = action_next_group

    def _turn(self, by: int) -> None:
        at = GROUPS.index(self.group)
        self.open_group(GROUPS[(at + by) % len(GROUPS)])

    @on(Tabs.Pressed)
    def _tab_pressed(self, event: Tabs.Pressed) -> None:
        self.open_group(cast("Group", event.name))

    @property
    def table(self) -> LineTable[Any]:
        """The table on show, whatever has the focus."""
        return self.tables[0]

    def move_to(self, row: str) -> bool:
        """Put the cursor on a task or a dead delivery, in whichever group it is."""
        model = self.console.model
        found = model.tasks.get(row) or model.letters.get(row)
        if found is None:
            return False
        if group_of(found) != self.group:
            self.open_group(group_of(found))
        return super().move_to(row)

    # --- Drawing ---------------------------------------------------------------------

    def show(self, delta: Delta) -> None:
        """Draw the tasks that changed."""
        table = self.table
        for task in delta.tasks:
            table.mark_dirty(task)
        super().show(delta)
        if any(heard.subject in STIRS for heard in delta.events):
            self._ask_letters()
        if self.awaited in delta.tasks:
            self.awaited = "" if self.move_to(self.awaited) else self.awaited

    def show_all(self) -> None:
        """Draw everything anew, and ask for the dead deliveries."""
        super().show_all()
        self._ask_letters()

    def _ask_letters(self) -> None:
        if self.console.model.live:
            self.run_worker(self._take_letters(), exclusive=True, group="letters")

    async def _take_letters(self) -> None:
        """Ask for the dead deliveries; the known ones stay when the hub is silent."""
        try:
            rows = await self.console.swarm.dead(limit=LETTERS)
        except AgentkitError:
            return
        if not self.app.is_running:
            return
        self.console.model.put_letters(rows)
        if self.group == "dead":
            self.table.rebuild(self.console.now())
            self.table.refresh()
        self._show_status()

    def age(self) -> None:
        """Let leases run down."""
        super().age()
        self._show_tabs()

    def total(self) -> int:
        """Return how many rows of the group are known here."""
        model = self.console.model
        known = sum(group_of(task) == self.group for task in model.tasks.values())
        return known + (self._letters() if self.group == "dead" else 0)

    def _letters(self) -> int:
        letters = self.console.model.letters.values()
        return sum(not self._has_a_task(row) for row in letters)

    def _show_tabs(self) -> None:
        counts = group_counts(self.console.model.task_counts, self._letters())
        known, all_ = self.total(), counts[self.group]
        remark = f"{known:,} of {all_:,} are here" if known < all_ else ""
        tabs = self.query_one(Tabs)
        tabs.show(self.group, counts, remark)

    def _show_status(self) -> None:
        super()._show_status()
        self._show_tabs()

    def empty(self, table: LineTable[Any]) -> str:
        """Say what is not there, and how to begin."""
        filtered = self.chosen_by is not None
        return no_tasks(self.console, cast("Group", table.id), filtered=filtered)

    def apply_filter(self, compiled: Any) -> None:
        """Filter every group."""
        self.chosen_by = compiled
        self.table.rebuild(self.console.now())
        self.table.set_empty(self.empty(self.table))
        self._show_status()

    # --- Cursor ----------------------------------------------------------------------

    def chosen(self) -> list[Letter]:
        """Return the marked rows, else the one under the cursor."""
        model = self.console.model
        rows = (
            model.tasks.get(key) or model.letters.get(key) for key in self.table.targets
        )
        return [row for row in rows if row is not None]

    def chosen_tasks(self) -> list[Task]:
        """Return the tasks among them."""
        return [row for row in self.chosen() if isinstance(row, Task)]

    def given(self) -> Need:
        """Say what is under the cursor or marked."""
        row = self.table.cursor_row
        given = Need.NOTHING if row is None else Need.ROW | Need.WORK
        if row is None and not self.console.model.tasks:
            given |= Need.ROW
        if row is not None and row.agent in self.console.model.agents:
            given |= Need.AGENT
        if any(not task.is_settled for task in self.chosen_tasks()):
            given |= Need.UNSETTLED
        return given

    # --- Actions ---------------------------------------------------------------------

    def action_enqueue(self) -> None:
        """Queue a task."""
        self.app.push_screen(EnqueueSheet(), self._queued)

    def _queued(self, task: str | None) -> None:
        if task:
            self.awaited = "" if self.move_to(task) else task
            self.say(safe(f"queued {task}"), "done")

    def action_requeue(self) -> None:
        """Begin tasks anew, and send dead deliveries again."""
        rows = self.chosen()
        if question := errands.requeue_question(rows):
            sheet = SureSheet("Requeue?", question, len(rows), "rows")
            self.app.push_screen(sheet, partial(self._requeue, rows))
        else:
            self._requeue(rows, agreed=True)

    def _requeue(self, rows: Sequence[Letter], agreed: bool | None) -> None:
        if agreed:
            wish = partial(errands.again, self.console.swarm)
            self._carry_out(errands.each(rows, wish), "requeued", rows)

    def action_cancel(self) -> None:
        """Call tasks off, after a question."""
        tasks = [task for task in self.chosen_tasks() if not task.is_settled]
        question = errands.cancel_question(tasks)
        sheet = SureSheet("Cancel?", question, len(tasks), "tasks")
        self.app.push_screen(sheet, partial(self._cancel, tasks))

    def _cancel(self, tasks: Sequence[Task], agreed: bool | None) -> None:
        if agreed:
            swarm = self.console.swarm
            wishes = errands.each(tasks, lambda task: swarm.cancel(task.id))
            self._carry_out(wishes, "cancelled", tasks)

    def action_assign(self) -> None:
        """Choose the agent that gets the tasks."""
        if tasks := self.chosen_tasks():
            sheet = GiveSheet(errands.hand_over_heading(tasks), tasks)
            self.app.push_screen(sheet, partial(self._assign, tasks))

    def _assign(self, tasks: Sequence[Task], agent: str | None) -> None:
        if agent:
            wish = partial(errands.hand_over, self.console.swarm, agent)
            self._carry_out(errands.each(tasks, wish), f"to {agent}:", tasks)

    def action_ledger(self) -> None:
        """Show how far a task, or what a delivery carried, got with each recipient."""
        row = self.table.cursor_row
        if isinstance(row, Task):
            self.app.push_screen(LedgerSheet(row.id, f"{row.id} {row.title}"))
        elif isinstance(row, Delivery):
            heading = errands.carried_heading(self.console.model, row)
            self.app.push_screen(LedgerSheet(row.ref, heading))

    def action_why(self) -> None:
        """Show why the agent of the task is in its state."""
        row = self.table.cursor_row
        if row is not None and row.agent in self.console.model.agents:
            self.app.push_screen(WhySheet(row.agent))

    def first_words(self) -> str:
        """Return the command that queues the first task."""
        return "" if self.console.model.tasks else FIRST_TASK

    def _carry_out(self, wishes: Any, done: str, rows: Sequence[Letter]) -> None:
        """Give orders one after the other, then say what became of them."""
        self.table.clear_marks()

        async def run() -> None:
            refused = await wishes
            left = len(rows) - len(refused)
            if refused:
                more = f", and {len(refused) - 1:,} more" if len(refused) > 1 else ""
                self.console.tell(f"{refused[0]}{more}", error=True)
            if left:
                name = rows[0].id if len(rows) == 1 else plural(left, "row")
                self.say(safe(f"{done} {name}"), "done")

        self.run_worker(run(), group="orders")
