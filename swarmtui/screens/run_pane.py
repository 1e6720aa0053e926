"""The pane beside the runs: one run in its plan, its items, checkpoints and output."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Literal, cast, get_args

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from agentkit.errors import AgentkitError
from agentkit.follower import Follower
from agentkit.progress import RunTree, RunView
from agentkit.rows import Checkpoint, Item, Run
from swarmtui import run_facts
from swarmtui.console import console
from swarmtui.modals.message import json_lines
from swarmtui.model import Delta
from swarmtui.run_book import SUBJECTS, RunBook
from swarmtui.screens.pane import REST, Pane
from swarmtui.screens.run_columns import (
    CHECKPOINTS,
    NEWEST_CHECKPOINT,
    NEWEST_STAGE,
    is_past,
    item_columns,
)
from swarmtui.widgets.line_table import LineTable
from swarmtui.widgets.tabs import Tabs

Part = Literal["items", "checkpoints", "output"]
PARTS: tuple[Part, ...] = get_args(Part)

ITEMS = 1000
"""How many items are asked for, those of the newest stages first."""
VISITS = 12
"""How many stages back they are asked for."""
POINTS = 200
"""How many checkpoints are asked for."""


class RunPane(Pane):
    """One run: facts and plan above, and one of three parts below.

    `point` says which run; `dive` goes to one below it, and `rise` back.
    """

    part: Part = "items"

    def __init__(self) -> None:
        super().__init__()
        self.book = RunBook("")
        self.view: RunView | None = None
        self.below: RunTree | None = None
        self._seen: Run | None = None
        """The run on show as it was among those below another."""
        self.touched = False
        """Somebody has put the cursor where it is."""
        self._above: list[str] = []
        """The runs that one dived from, the topmost first."""
        self._written = ""
        """The output that is drawn."""
        self._known = False
        """The items and checkpoints were asked for."""

    def compose(self) -> ComposeResult:
        """Make what is above, the tabs, and the three parts."""
        with VerticalScroll(id="run-facts", can_focus=False):
            yield self._text
        yield Tabs(PARTS, id="parts")
        yield LineTable(
            item_columns(lambda: self.book, self._agent),
            self.book.items,
            id="items",
            sort=NEWEST_STAGE,
            version=lambda item: (item.version, is_past(item, self.book)),
        )
        yield LineTable(
            CHECKPOINTS, self.book.checkpoints, id="checkpoints", sort=NEWEST_CHECKPOINT
        )
        with VerticalScroll(id="output"):
            yield Static(id="output-text")

    def on_mount(self) -> None:
        """Show the items."""
        self._show_part()

    # --- Which run -------------------------------------------------------------------

    def point(self, row: str | None) -> None:
        """Show another run, or none."""
        if row != (self._above[0] if self._above else self.row):
            self._above = []
            self._turn_to(row)

    def dive(self, run: str) -> None:
        """Show a run below the one on show."""
        if self.row is not None and run != self.row:
            self._above.append(self.row)
            rows = (one.run for _, one in self.below.walk()) if self.below else ()
            self._turn_to(run, next((row for row in rows if row.id == run), None))

    def rise(self) -> bool:
        """Show the run above again; say whether there is one."""
        if not self._above:
            return False
        self._turn_to(self._above.pop())
        return True

    def _turn_to(self, row: str | None, seen: Run | None = None) -> None:
        self.row, self.book, self._seen = row, RunBook(row or ""), seen
        self.view = self.below = self._events = None
        self._known = self.touched = False
        now = console(self).now()
        self._items.replace_rows(self.book.items, now)
        self._points.replace_rows(self.book.checkpoints, now)
        for table in (self._items, self._points):
            table.index = 0
        self.query_one("#run-facts", VerticalScroll).scroll_home(animate=False)
        self.draw()
        self._ask_in(REST, anew=True)

    @property
    def run(self) -> Run | None:
        """The run on show, as far as it is known."""
        row = console(self).model.runs.get(self.row or "", self._seen)
        asked = self.view.run if self.view is not None else None
        if row is None or asked is None:
            return row or asked
        return row if row.version >= asked.version else asked

    # --- Parts -----------------------------------------------------------------------

    @property
    def _items(self) -> LineTable[Item]:
        return self.query_one("#items", LineTable)

    @property
    def _points(self) -> LineTable[Checkpoint]:
        return self.query_one("#checkpoints", LineTable)

    @property
    def target(self) -> Widget:
        """The part on show, which takes the keys."""
        return self.query_one(f"#{self.part}")

    @property
    def item(self) -> Item | None:
        """The item under the cursor."""
        return self._items.cursor_row if self.part == "items" else None

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint under the cursor."""
        return self._points.cursor_row if self.part == "checkpoints" else None

    @property
    def is_in(self) -> bool:
        """Whether the keys go to it."""
        return self.screen.focused is self.target

    def open_part(self, part: Part) -> None:
        """Show another part, and give it the keys."""
        self.part = part
        self._show_part()
        self.target.focus()

    def scroll_plan(self, by: int) -> None:
        """Scroll what is above the parts by lines."""
        self.query_one("#run-facts", VerticalScroll).scroll_relative(
            y=by, animate=False
        )

    def turn(self, by: int) -> None:
        """Show the part so many to the right."""
        self.open_part(PARTS[(PARTS.index(self.part) + by) % len(PARTS)])

    @on(Tabs.Pressed)
    def _tab_pressed(self, event: Tabs.Pressed) -> None:
        event.stop()
        self.open_part(cast("Part", event.name))

    def _show_part(self) -> None:
        for name in PARTS:
            self.query_one(f"#{name}").display = name == self.part
        self._show_tables()

    # --- What comes in ---------------------------------------------------------------

    def hear(self, delta: Delta) -> None:
        """Take what happened to the run; a snapshot has everything asked for anew."""
        if delta.reset:
            self._known = False
            self._ask_in(REST, anew=True)
        if not self._known:
            return  # what is asked for has it
        for key in self.book.hear(delta.events):
            self._items.mark_dirty(key)

    def concerns(self, delta: Delta) -> bool:
        """Say whether the run, or one below it, has changed."""
        return self.row is not None and (
            self.row in delta.runs
            or any(
                heard.subject.startswith(SUBJECTS)
                and _is_below(getattr(heard.event, "run", ""), self.row)
                for heard in delta.events
            )
        )

    def age(self) -> None:
        """Let ages move on, and dim what is no longer known to be true."""
        gone = not console(self).model.live
        for table in (self._items, self._points):
            table.dimmed = gone
        self._show_tables()

    def draw(self) -> None:
        """Draw what is known."""
        self.set_class(self.row is None, "-empty")
        super().draw()
        if self.display and self.is_mounted:
            self._show_tables()
            self._show_output()

    def _show_tables(self) -> None:
        now = console(self).now()
        self._items.set_empty(self._no_items())
        self._points.set_empty("no checkpoints" if self._known else "")
        for table in (self._items, self._points):
            table.flush(now)
            if not self.touched:
                table.index = 0
        counts = {
            "items": len(self.book.items),
            "checkpoints": len(self.book.checkpoints),
        }
        self.query_one(Tabs).show(self.part, counts)

    def _no_items(self) -> str:
        run = self.run
        if run is None or not self._known:
            return ""
        if run.total and not run.is_settled:
            return "no item was begun yet"
        return "nothing to do at this stage" if run.entered else "about to begin"

    def _show_output(self) -> None:
        run = self.view.run if self.view is not None else self.run
        text = ""
        if run is not None and (run.error or run.state == "done"):
            text = run_facts.shown(run_facts.pretty(run_facts.led_to(run)))
        if text != self._written:
            self._written = text
            self.query_one("#output-text", Static).update(json_lines(text))

    def content(self, width: int) -> Content:
        """Return the facts, and the plan with where the run stands in it."""
        run, model = self.run, console(self).model
        if run is None:
            return Content("")
        plan = model.plans.get(run.plan)
        document = plan.document if plan is not None else {}
        parts = run_facts.run_facts(model, run, self.view, console(self).now(), width)
        parts += run_facts.plan_lines(run, document, self.book, self.below, width)
        return Content("\n").join(parts)

    def _agent(self, item: Item) -> str:
        """Return who does an item, or what stage the run is at that does."""
        if item.kind == "machine":
            return item.name
        task = console(self).model.tasks.get(item.ref)
        return (task.agent or task.target) if task is not None else ""

    # --- Asking ----------------------------------------------------------------------

    async def _ask(self) -> None:
        """Ask the hub for the run; what it cannot tell just now is left out."""
        row = self.row
        if row is None or not console(self).model.live:
            return
        swarm = console(self).swarm
        try:
            view = await swarm.run(row)
            tree = await swarm.tree(row) if view.children else None
            if not self._known:
                await self._ask_rows(swarm, view.run)
        except AgentkitError:
            return
        await self._ask_plan(swarm, view.run.plan)
        if row == self.row and self.app.is_running:
            self.view, self.below, self._events = view, tree, ()
            self.draw()
            self.screen.refresh_bindings()

    async def _ask_plan(self, swarm: Follower, plan: str) -> None:
        """Ask for a plan; the picture does without one that the hub does not tell."""
        plans = console(self).model.plans
        if plan not in plans:
            with suppress(AgentkitError):
                plans[plan] = await swarm.plan(plan)

    async def _ask_rows(self, swarm: Follower, run: Run) -> None:
        """Ask for checkpoints and items, and keep them when the run is still shown."""
        points = await swarm.checkpoints(run.id, limit=POINTS)
        items = await newest_items(swarm, run)
        if run.id != self.row:
            return
        self.book.put_checkpoints(points)
        self.book.put(items)
        self.book.visits[run.visit + (not run.entered)] = run.stage
        self._known = True
        now = console(self).now()
        for table in (self._items, self._points):
            table.rebuild(now)
            table.refresh()


async def newest_items(swarm: Follower, run: Run) -> Sequence[Item]:
    """Return the items of a run, those of the newest stages first.

    Raises:
        AgentkitError: the hub cannot be asked.
    """
    found: list[Item] = []
    oldest = max(run.visit - VISITS, 0)
    for visit in range(run.visit, oldest, -1):
        if len(found) >= ITEMS:
            break
        found += await swarm.items(run.id, visit=visit, limit=ITEMS - len(found))
    return found


def _is_below(run: str, above: str) -> bool:
    return run == above or run.startswith(f"{above}.")
