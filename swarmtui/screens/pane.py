"""The pane beside a table: all there is to say of the row under the cursor.

What the dashboard knows by itself is drawn at once. What only the hub knows (history,
mailbox) is asked for when the cursor rests, and again when the row changes.
"""

from collections.abc import Sequence
from typing import TypeAlias

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from agentkit.errors import AgentkitError
from agentkit.follower import Follower
from agentkit.protocol import Logged
from agentkit.rows import Delivery
from swarmtui import facts
from swarmtui.console import console
from swarmtui.model import Delta
from swarmtui.telling import is_of_note

REST = 0.15
"""Seconds that the cursor rests before the hub is asked."""
AGAIN = 1.0
"""Seconds before the hub is asked again of a row that keeps changing."""
EVENTS = 24
MAIL = 8

Found: TypeAlias = tuple[Sequence[Logged], Sequence[Delivery]]
"""What was asked for: events, the newest first, and deliveries."""


class Pane(VerticalScroll, can_focus=False):
    """Shows one row; `point` says which."""

    def __init__(self) -> None:
        super().__init__(id="pane")
        self.row: str | None = None
        self._text = Static(id="pane-text")
        self._height = -1
        """In lines; as long as it stays, nothing has to be laid out anew."""
        self._events: Sequence[Logged] | None = None
        self._mail: Sequence[Delivery] = ()
        self._asking: Timer | None = None

    def compose(self) -> ComposeResult:
        """Make the text."""
        yield self._text

    def point(self, row: str | None) -> None:
        """Show another row, or nothing."""
        if row == self.row:
            return
        self.row = row
        self._events, self._mail = None, ()
        self.scroll_home(animate=False)
        self.draw()
        self._ask_in(REST, anew=True)

    def concerns(self, delta: Delta) -> bool:
        """Say whether a change is about what is shown."""
        raise NotImplementedError

    def changed(self) -> None:
        """Show the row anew: it has changed."""
        self.draw()
        self._ask_in(AGAIN)

    def draw(self) -> None:
        """Draw what is known."""
        width = self._text.size.width
        if self.display and width:
            content = self.content(width)
            height = content.plain.count("\n")
            self._text.update(content, layout=height != self._height)
            self._height = height

    def on_resize(self) -> None:
        """Draw for the new width."""
        self.draw()
        if self._events is None:
            self._ask_in(REST)

    def content(self, width: int) -> Content:
        """Return the text for a width in cells."""
        raise NotImplementedError

    def agent(self) -> str | None:
        """Return the agent whose history and mailbox are wanted."""
        return None

    def _ask_in(self, seconds: float, *, anew: bool = False) -> None:
        if anew and self._asking is not None:
            self._asking.stop()
            self._asking = None
        if self._asking is None and self.display:
            self._asking = self.set_timer(seconds, self._ask_now)

    def _ask_now(self) -> None:
        self._asking = None
        self.run_worker(self._ask(), exclusive=True, group="pane")

    async def _ask(self) -> None:
        """Ask the hub; what it cannot tell just now is left out."""
        row = self.row
        if row is None or not console(self).model.live:
            return
        try:
            found = await self.fetch(console(self).swarm)
        except AgentkitError:
            return
        if found is not None and row == self.row:
            self._events, self._mail = found
            self.draw()

    async def fetch(self, swarm: Follower) -> Found | None:
        """Return what only the hub knows of the row; None when there is no such row.

        Raises:
            AgentkitError: the hub cannot be asked.
        """
        agent = self.agent()
        if agent is None:
            return None
        events = await swarm.history(agent, limit=EVENTS)
        return events, await swarm.mailbox(agent, limit=MAIL)


class AgentPane(Pane):
    """An agent: facts, history, mailbox."""

    def concerns(self, delta: Delta) -> bool:
        """Say whether the agent, or a task or broadcast of anybody, changed."""
        return self.row in delta.agents or bool(delta.tasks or delta.broadcasts)

    def agent(self) -> str | None:
        """Return the agent itself."""
        return self.row

    def content(self, width: int) -> Content:
        """Return facts, then history, then mailbox."""
        model = console(self).model
        agent = model.agents.get(self.row or "")
        if agent is None:
            return Content("")
        now = console(self).now()
        parts = [facts.agent_facts(agent, now, width)]
        if held := model.held_by(agent.id):
            parts += [
                Content(""),
                facts.rule("works on", width),
                facts.leases(held, now, width),
            ]
        if self._events is not None:
            news = [one for one in self._events if is_of_note(one.event.subject)]
            parts += [
                Content(""),
                facts.rule("history", width),
                facts.history(news[: EVENTS // 2], width),
                Content(""),
                facts.rule("mailbox", width),
                facts.mailbox(model, self._mail, width),
            ]
        return Content("\n").join(parts)


class HelpPane(Pane):
    """A help request: the question in full, who could help, the thread."""

    def concerns(self, delta: Delta) -> bool:
        """Say whether the request or who asks changed."""
        return self.row in delta.helps or self.agent() in delta.agents

    def agent(self) -> str | None:
        """Return who asks."""
        request = console(self).model.helps.get(self.row or "")
        return request.agent if request else None

    def content(self, width: int) -> Content:
        """Return the question, the candidates, the thread and the answer's way."""
        model = console(self).model
        request = model.helps.get(self.row or "")
        if request is None:
            return Content("")
        parts = [facts.help_facts(model, request, console(self).now(), width)]
        if request.is_open:
            parts += [
                Content(""),
                facts.rule("who could help", width),
                facts.candidates(model, request, width, most=5),
            ]
        if self._events is not None:
            parts += self._thread(request.id, width)
        return Content("\n").join(parts)

    def _thread(self, request: str, width: int) -> list[Content]:
        model = console(self).model
        thread = [
            heard
            for heard in self._events or ()
            if getattr(heard.event, "help", "") == request
        ]
        sent = [row for row in self._mail if row.ref == request]
        parts = [Content(""), facts.rule("thread", width), facts.history(thread, width)]
        if sent:
            parts += [Content(""), facts.rule("answer", width)]
            parts += [facts.mailbox(model, sent, width)]
        return parts
