"""Queue a task: what is to be done, who is able to do it, when, how often to try."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from agentkit.errors import AgentkitError
from swarmtui.modals.sheet import Sheet, field
from swarmtui.model import Delta, Model
from swarmtui.orders import typed_time
from swarmtui.text import clock, plural, safe


class Mistyped(ValueError):
    """A field that cannot be read: which one, and what it takes."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


@dataclass(frozen=True, slots=True)
class Wish:
    """A task as it was typed."""

    id: str
    title: str
    needs: tuple[str, ...]
    agent: str
    priority: int
    not_before: datetime | None
    max_attempts: int | None


class EnqueueSheet(Sheet[str]):
    """The fields of a task; dismissed with its id once it is queued, or None."""

    heading = "Queue a task"
    keys: ClassVar = (("enter", "Queue it"), ("tab", "Next field"), ("esc", "Cancel"))

    def form(self) -> ComposeResult:
        """Ask for the task."""
        yield field("title", Input(placeholder="what is to be done", id="title"))
        yield field("id", Input(self.console.model.suggest_task(), id="task"))
        yield field("needs", Input(placeholder="python sql, or nothing", id="needs"))
        yield field("or for", Input(placeholder="one agent, by its id", id="agent"))
        yield Static(id="able", classes="note")
        yield field(
            "priority",
            Input("0", id="priority"),
            Static("not before", classes="label beside"),
            Input(placeholder="10m or 21:30", id="after"),
            Static("tries", classes="label beside"),
            Input(placeholder="as the hub", id="tries"),
        )
        yield Static(id="notes", classes="note")

    def on_mount(self) -> None:
        """Start with the title: the task has an id already."""
        self.query_one("#title").focus()
        self._note("")
        self._show_able()

    def tick(self, delta: Delta) -> None:
        """Follow who is able."""
        if delta.agents or delta.reset:
            self._show_able()

    @on(Input.Changed)
    def _changed(self) -> None:
        self._note("")
        self._show_able()

    @on(Input.Submitted)
    async def _submit(self) -> None:
        try:
            wish = self._read()
        except Mistyped as error:
            self._note(str(error))
            self.query_one(f"#{error.name}").focus()
            return
        try:
            await self._send(wish)
        except AgentkitError as error:
            self._note(str(error))
            return
        self.dismiss(wish.id)

    async def _send(self, wish: Wish) -> None:
        """Queue it, or assign it when it is for one agent."""
        swarm = self.console.swarm
        if wish.agent:
            await swarm.assign(
                wish.agent,
                wish.id,
                title=wish.title,
                priority=wish.priority,
                not_before=wish.not_before,
                max_attempts=wish.max_attempts,
            )
            return
        await swarm.enqueue(
            wish.title,
            task=wish.id,
            needs=wish.needs,
            priority=wish.priority,
            not_before=wish.not_before,
            max_attempts=wish.max_attempts,
        )

    # --- What is typed ---------------------------------------------------------------

    def _typed(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()

    def _read(self) -> Wish:
        """Return the task as it was typed.

        Raises:
            Mistyped: a field is missing or cannot be read.
        """
        if not self._typed("title"):
            raise Mistyped("title", "Say what is to be done.")
        if not self._typed("task"):
            raise Mistyped("task", "A task needs an id.")
        return Wish(
            id=self._typed("task"),
            title=self._typed("title"),
            needs=_words(self._typed("needs")),
            agent=self._agent(),
            priority=self._number("priority", 0) or 0,
            not_before=self._after(),
            max_attempts=self._number("tries", 1),
        )

    def _agent(self) -> str:
        agent = self._typed("agent")
        if agent and self._typed("needs"):
            raise Mistyped("agent", "Say either what it needs or for whom it is.")
        return agent

    def _number(self, name: str, least: int) -> int | None:
        text = self._typed(name)
        if not text:
            return None
        try:
            number = int(text)
        except ValueError:
            raise Mistyped(name, f"{safe(text)!r} is not a whole number.") from None
        if least and number < least:
            raise Mistyped(name, "It is tried at least once.")
        return number

    def _after(self) -> datetime | None:
        text = self._typed("after")
        if not text:
            return None
        found = typed_time(text, self.console.now())
        if found is None:
            raise Mistyped("after", "Write 10m, 2h, or a time such as 21:30.")
        return found

    # --- What it would mean ----------------------------------------------------------

    def _show_able(self) -> None:
        line = able_line(
            self.console.model, _words(self._typed("needs")), self._typed("agent")
        )
        at = typed_time(self._typed("after"), self.console.now())
        if at is not None:
            line = Content.assemble(line, (f", from {clock(at)} on", "$ink-dim"))
        self.query_one("#able", Static).update(line)

    def _note(self, text: str) -> None:
        notes = self.query_one("#notes", Static)
        notes.update(Content.styled(safe(text), "$st-help"))
        notes.display = bool(text)


def able_line(model: Model, needs: Sequence[str], agent: str) -> Content:
    """Return who could do a task: how many are able, or how its one agent is."""
    if agent:
        row = model.agents.get(agent)
        if row is None:
            return Content.styled("no such agent: it waits for it", "$st-blocked")
        return Content.assemble((row.state, f"$st-{row.state}"), " just now")
    able = model.able(needs)
    if not able:
        words = "no agent covers it: it waits until one does"
        return Content.styled(words, "$st-blocked")
    idle = sum(bool(one.ticket) for one in able)
    return Content.assemble(
        (plural(len(able), "agent"), "bold"),
        " may take it, ",
        (f"{idle:,} idle", "$st-idle" if idle else "$ink-dim"),
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.replace(",", " ").split()))
