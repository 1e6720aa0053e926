"""Hand a task to one agent or to each of several, and see that it arrives."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, Static

from agentkit.errors import AgentkitError
from swarmtui.modals.confirm import CountInput
from swarmtui.modals.ledger import Ledger
from swarmtui.modals.sheet import Sheet, field
from swarmtui.model import Delta, first_names
from swarmtui.orders import Handout, hand_out, must_confirm, progress
from swarmtui.text import fit, safe, width

NAMES = 120
"""How many characters of names are shown."""
SHOWN = 6
"""How many conflicts, failures or ledger lines are shown."""


class AssignSheet(Sheet[bool]):
    """Who receives, which task, what stands in the way; then the ledger.

    Dismissed with whether anything was sent.
    """

    heading = "Assign a task"
    keys: ClassVar = (("enter", "Assign"), ("tab", "Next field"), ("esc", "Cancel"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "close", "Close", show=False)
    ]

    def __init__(self, agents: Sequence[str]) -> None:
        super().__init__()
        self._agents = list(agents)
        self._sent: list[Handout] = []

    def form(self) -> ComposeResult:
        """Show the recipients and ask for the task."""
        count = len(self._agents)
        names = safe(", ".join(first_names(self._agents, NAMES)))
        yield field("to", Static(Content(names), id="names"))
        yield field("task", Input(self.console.model.suggest_task(), id="task"))
        yield field("title", Input(placeholder="what is to be done", id="title"))
        if must_confirm(count):
            yield field("confirm", CountInput(count))
        yield Static(id="notes", classes="note")
        yield Ledger(id="ledger", classes="part")
        yield Static(id="lines", classes="part")

    def on_mount(self) -> None:
        """Start in the title: the task has an id already."""
        self.query_one("#title").focus()
        for part in self.query("#ledger, #lines"):
            part.display = False
        self._plan()

    @on(Input.Changed, "#task")
    def _plan(self) -> None:
        """Show what would happen."""
        plan = self._handouts()
        lines = [
            (f"{one.agent} {one.conflict}", "$st-blocked")
            for one in plan
            if one.conflict
        ]
        if len(plan) > 1:
            lines.insert(
                0, (f"each gets its own: {plan[0].task} to {plan[-1].task}", "")
            )
        self._note(lines)

    @on(Input.Submitted)
    async def _submit(self) -> None:
        """Send, unless something is missing."""
        if self._sent or not self._complete():
            return
        self._sent = self._handouts()
        title = self.query_one("#title", Input).value.strip()
        failures = await self._send(self._sent, title)
        self._show_ledger(failures)

    def _note(self, lines: Sequence[tuple[str, str]]) -> None:
        notes = self.query_one("#notes", Static)
        notes.update(_lines(lines))
        notes.display = bool(lines)

    def action_leave(self) -> None:
        """Close, and say whether anything was sent."""
        self.dismiss(bool(self._sent))

    def action_close(self) -> None:
        """Close what was sent, as whoever just pressed enter expects."""
        if self._sent:
            self.action_leave()

    def _handouts(self) -> list[Handout]:
        task = self.query_one("#task", Input).value.strip()
        return hand_out(self.console.model, self._agents, task)

    def _complete(self) -> bool:
        counts = self.query(CountInput)
        if counts and not counts.first().is_right:
            counts.first().focus()
            return False
        task = self.query_one("#task", Input)
        if not task.value.strip():
            task.focus()
            return False
        return True

    async def _send(self, plan: Sequence[Handout], title: str) -> list[str]:
        """Hand out every task; return what was refused, as sentences."""
        swarm = self.console.swarm
        results = await asyncio.gather(
            *(swarm.assign(one.agent, one.task, title=title) for one in plan),
            return_exceptions=True,
        )
        failures: list[str] = []
        for result in results:
            if isinstance(result, AgentkitError):
                failures.append(str(result))
            elif isinstance(result, BaseException):
                raise result
        return failures

    def _show_ledger(self, failures: Sequence[str]) -> None:
        """Turn the form into the ledger of what was sent."""
        for line in self.query(".field"):
            line.display = False
        names = ", ".join(first_names(self._agents, 40))
        tasks = self._sent[0].task
        if len(self._sent) > 1:
            tasks += f" to {self._sent[-1].task}"
        self.show_heading(f"{tasks} → {names}")
        self._note([(text, "$st-help") for text in failures])
        for part in self.query("#ledger, #lines"):
            part.display = True
        self.show_keys((("esc", "Close"),))
        self.set_focus(None)
        self._draw()

    def tick(self, delta: Delta) -> None:
        """Follow what was sent."""
        if self._sent and (delta.reset or delta.tasks):
            self._draw()

    def _draw(self) -> None:
        held = self.console.model.tasks
        tasks = [held[one.task] for one in self._sent if one.task in held]
        self.query_one(Ledger).show(progress(tasks))
        first, second = (
            max((width(text) for text in column), default=0)
            for column in ([one.id for one in tasks], [one.agent for one in tasks])
        )
        lines = [
            (f"{fit(one.id, first)}  {fit(one.agent, second)}  {one.state}", "")
            for one in tasks
        ]
        self.query_one("#lines", Static).update(_lines(lines))


def _lines(lines: Sequence[tuple[str, str]]) -> Content:
    """Return the first lines, and how many more there are."""
    shown = [Content.styled(safe(text), style) for text, style in lines[:SHOWN]]
    if len(lines) > SHOWN:
        shown.append(Content.styled(f"and {len(lines) - SHOWN:,} more", "$ink-dim"))
    return Content("\n").join(shown)
