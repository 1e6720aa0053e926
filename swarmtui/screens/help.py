"""The help desk: who needs a person, the question in the row, the answer in place."""

import asyncio
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical

from agentkit.filters import Filter
from agentkit.rows import HelpRequest
from swarmtui.actions import Need, bindings
from swarmtui.modals.answer import AnswerSheet
from swarmtui.modals.helper import HelperSheet
from swarmtui.modals.snooze import SnoozeSheet
from swarmtui.modals.why import WhySheet
from swarmtui.model import Delta
from swarmtui.screens.columns import HELP, question
from swarmtui.screens.pane import HelpPane
from swarmtui.screens.standing import no_agents
from swarmtui.screens.tables import TableScreen
from swarmtui.text import clip, safe
from swarmtui.widgets.filter_bar import Unit
from swarmtui.widgets.line_table import LineTable, Sort

LOOKS = (0.2, 0.8, 2.0, 5.0)
"""Pauses in seconds before it is looked whether an answer has arrived."""


class HelpScreen(TableScreen):
    """Mode 3: help requests by severity and age."""

    scope = "help"
    unit = Unit("request", "requests")
    hint = "cap:video age>10m task:P0.* words of the question"
    BINDINGS: ClassVar = bindings("help")

    settled = False
    """Whether answered and resolved requests are on show."""
    chosen_by: Filter | None = None

    def body(self) -> ComposeResult:
        """Build the table and the pane."""
        with Vertical(id="tables"):
            yield LineTable(
                HELP,
                self.console.model.helps,
                id="requests",
                below=question,
                sort=Sort("urgency"),
            )
        yield HelpPane()

    def on_mount(self) -> None:
        """Fold away what is settled."""
        self._fold()

    def show(self, delta: Delta) -> None:
        """Draw the requests that changed."""
        table = self.tables[0]
        for request in delta.helps:
            table.mark_dirty(request)
        super().show(delta)

    def total(self) -> int:
        """Return how many requests there are to show."""
        return sum(
            one.is_open or self.settled for one in self.console.model.helps.values()
        )

    def empty(self, _table: LineTable[Any]) -> str:
        """Say that nobody needs help."""
        model = self.console.model
        if not model.agents:
            return no_agents(self.console)
        if self.chosen_by is not None:
            return "no request matches\nesc clears the filter"
        past = len(model.helps)
        return "nobody needs you" + (f"\no shows {past:,} settled" if past else "")

    # --- Filter ----------------------------------------------------------------------

    def apply_filter(self, compiled: Any) -> None:
        """Filter by who asks, and by the words of the question."""
        self.chosen_by = compiled if compiled.text else None
        self._fold()

    def _fold(self) -> None:
        self.tables[0].show_only(self._is_shown, self.console.now())
        self._show_status()

    def _is_shown(self, request: HelpRequest, now: datetime) -> bool:
        if not (request.is_open or self.settled):
            return False
        if self.chosen_by is None:
            return True
        agent = self.console.model.agents.get(request.agent)
        return agent is not None and self.chosen_by(
            replace(agent, message=request.question, task=request.task), now
        )

    # --- Cursor ----------------------------------------------------------------------

    @property
    def request(self) -> HelpRequest | None:
        """The request under the cursor."""
        return self.console.model.helps.get(self.table.cursor or "")

    def call_under_cursor(self) -> str:
        """Return the request under the cursor."""
        return self.table.cursor or ""

    def given(self) -> Need:
        """Say whether the request under the cursor still waits."""
        given = super().given()
        request = self.request
        return given | Need.CALL if request and request.is_open else given

    # --- Actions ---------------------------------------------------------------------

    def action_answer(self) -> None:
        """Answer in place."""
        if request := self.request:
            send = partial(self._answer, request)
            self.app.push_screen(AnswerSheet(request), send)

    async def _answer(self, request: HelpRequest, text: str | None) -> None:
        if text:
            wish = self.console.swarm.answer(request.id, text)
            await self._do(wish, f"answered {request.agent}: {clip(text, 60)}")
            self.run_worker(self._see_delivered(request), group="answers")

    async def _see_delivered(self, request: HelpRequest) -> None:
        """Say when the answer has arrived, or that it still waits."""
        for pause in LOOKS:
            await asyncio.sleep(pause)
            rows = await self.console.carry_out(self.console.swarm.ledger(request.id))
            if any(row.kind == "answer" and row.acked for row in rows or ()):
                self.say(f"{request.agent} has the answer", "done")
                return
        self.say(f"the answer waits until {request.agent} fetches its mail", "idle")

    async def action_take(self) -> None:
        """Tell the others that somebody sees to it."""
        if request := self.request:
            wish = self.console.swarm.take(request.id)
            await self._do(wish, f"took the request of {request.agent}")

    def action_assign(self) -> None:
        """Choose a helper."""
        if request := self.request:
            send = partial(self._send_helper, request)
            self.app.push_screen(HelperSheet(request), send)

    async def _send_helper(self, request: HelpRequest, helper: str | None) -> None:
        if helper:
            wish = self.console.swarm.assign_helper(request.id, helper)
            await self._do(wish, f"sent {helper} to help {request.agent}")

    def action_snooze(self) -> None:
        """Choose for how long."""
        if request := self.request:
            self.app.push_screen(SnoozeSheet(), partial(self._snooze, request))

    async def _snooze(self, request: HelpRequest, span: Any) -> None:
        if span is not None:
            until = self.console.now() + span
            wish = self.console.swarm.snooze(request.id, until)
            await self._do(wish, f"snoozed the request of {request.agent}")

    async def action_resolve(self) -> None:
        """Close it without an answer."""
        if request := self.request:
            wish = self.console.swarm.resolve(request.id)
            await self._do(wish, f"resolved the request of {request.agent}")

    def action_settled(self) -> None:
        """Show what is settled, or fold it away."""
        self.settled = not self.settled
        self._fold()

    def action_why(self) -> None:
        """Show why the agent is in its state."""
        if request := self.request:
            self.app.push_screen(WhySheet(request.agent))

    async def _do(self, wish: Any, done: str) -> None:
        if await self.console.carry_out(wish) is not None:
            self.say(safe(done), "done")
