"""The chrome of every view, and what is the same in all of them.

From top to bottom: the hub, the views with their counts, the pulse, the filter, the
view's own body, the news, the keys.
"""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Static

from agentkit.coordinator import Heard
from agentkit.filters import compile_filter
from swarmtui.actions import Action, Need, Scope, offered
from swarmtui.console import Console, console
from swarmtui.modals.broadcast import BroadcastSheet
from swarmtui.model import Delta
from swarmtui.screens.standing import standing
from swarmtui.telling import is_call, is_news, tell, whom
from swarmtui.text import GLYPHS, safe
from swarmtui.widgets.filter_bar import FilterBar
from swarmtui.widgets.keys_bar import KeysBar
from swarmtui.widgets.lines import Span
from swarmtui.widgets.modes import Mode, Modes
from swarmtui.widgets.pulse import Pulse
from swarmtui.widgets.ticker import Ticker
from swarmtui.widgets.topbar import TopBar

MODES = (
    Mode("fleet", "1", "Fleet", "Fl"),
    Mode("queue", "2", "Queue", "Qu"),
    Mode("help", "3", "Help", "He", calls=True),
    Mode("traffic", "4", "Traffic", "Tr"),
    Mode("tasks", "5", "Tasks", "Ta"),
    Mode("runs", "6", "Runs", "Ru"),
)
HOLD = 4
"""Seconds for which what a person did stays in the news, unless somebody calls."""
SMALLEST = (60, 16)
"""The columns and rows below which only a text asks for more room."""


class SwarmScreen(Screen[None]):
    """A view: the chrome around one body.

    A view builds its `body`, draws what a `Delta` names in `show` and everything in
    `show_all`, and filters in `apply_filter`. `tick` and `second` call these only
    while the view is open.
    """

    CSS_PATH: ClassVar[list[str | PurePath]] = [Path(__file__).with_name("base.tcss")]

    scope: ClassVar[Scope]
    _hold = 0
    _news: Heard | None = None
    _calls = False
    """What is kept for the news is a call for help."""
    _news_epoch = 0
    """The time that the news are of (see `Model.epoch`)."""
    ready = False
    """Everything is in place, so that there is something to draw on."""
    hint: ClassVar[str] = "state:busy cap:video cost>5 age>10m !lost text"
    """What stands in an empty filter line."""

    # --- What a view adds ------------------------------------------------------------

    def body(self) -> ComposeResult:
        """Build what is between the filter and the news."""
        raise NotImplementedError

    def show(self, delta: Delta) -> None:
        """Draw what changed; called at most ten times a second."""
        raise NotImplementedError

    def show_all(self) -> None:
        """Draw everything anew: the view was away, or there is a new snapshot."""
        raise NotImplementedError

    def age(self) -> None:
        """Let what depends on the time alone move on; called once a second."""

    def compile(self, text: str) -> Any:
        """Compile a filter as it is typed.

        Raises:
            BadFilter: it cannot be read.
        """
        return compile_filter(text)

    def apply_filter(self, compiled: Any) -> None:
        """Show only what a compiled filter lets through."""
        raise NotImplementedError

    def focus_body(self) -> None:
        """Give the keys back to the body."""
        raise NotImplementedError

    def move_to(self, row: str) -> bool:
        """Put the cursor on a row, and return whether it is on show."""
        raise NotImplementedError

    def call_under_cursor(self) -> str:
        """Return the id of the help request under the cursor; empty in other views."""
        return ""

    def given(self) -> Need:
        """Return what is true of the cursor, beside what the app knows."""
        return Need.NOTHING

    # --- Chrome ----------------------------------------------------------------------

    @property
    def console(self) -> Console:
        """The app, as far as a view may know it."""
        return console(self)

    @property
    def filter_bar(self) -> FilterBar:
        """The filter line."""
        return self.query_one(FilterBar)

    def compose(self) -> ComposeResult:
        """Build the chrome and the body."""
        yield TopBar(id="topbar")
        yield Modes(MODES, self.scope, id="modes")
        yield Pulse(id="pulse")
        yield FilterBar(self.compile, self.hint, id="filter")
        with Horizontal(id="body"):
            yield from self.body()
        yield Ticker(id="ticker")
        yield from self.console.foot()
        yield KeysBar("app.keys", id="keys")
        yield Static(id="small")

    def on_mount(self) -> None:
        """Begin when everything is in place."""
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.ready = True
        self._catch_up()

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another view, or a sheet, was open."""
        if self.ready:
            self._catch_up()

    def _catch_up(self) -> None:
        self.show_all()
        self._show_counts()
        self.second()
        self.focus_body()

    def tick(self, delta: Delta) -> None:
        """Show what changed."""
        if not self.ready:
            return
        if delta.reset:
            self.show_all()
        else:
            self.show(delta)
        self._report(delta.events)
        counted = delta.joined or delta.helps or delta.tasks or delta.runs
        if counted or delta.stats or delta.reset:
            self._show_counts()
        if delta.link:
            self._show_standing()

    def second(self) -> None:
        """Let the time move on."""
        if self.ready:
            self._show_standing()
            self._show_news()
            self.age()

    def say(self, text: str, state: str = "") -> None:
        """Show one sentence in the news, and leave it there for a moment."""
        if not self.app.is_running:
            return  # an order was answered while the screens are taken apart
        self._hold = HOLD
        ink = state or "dim"
        glyph = f"{GLYPHS.get(state, '·')} "
        spans = (Span(glyph, ink), Span(safe(text)))
        self.query_one(Ticker).say(self.console.now(), spans)

    def _show_standing(self) -> None:
        self.query_one(TopBar).show(standing(self.console))
        self.set_class(
            self.console.model.loaded and not self.console.model.live, "-gone"
        )

    def _show_counts(self) -> None:
        model = self.console.model
        self.query_one(Modes).show(
            {
                "fleet": len(model.agents),
                "queue": model.counts["idle"],
                "help": len(model.calling),
                "tasks": model.unsettled,
                "runs": model.running,
            }
        )
        self.query_one(Pulse).show(model.counts, model.rates, model.delays)

    def _report(self, events: Sequence[Heard]) -> None:
        """Keep the newest event worth it for the news, a call for help first."""
        if self._news_epoch != self.console.model.epoch:
            self._news_epoch, self._news = self.console.model.epoch, None
            self.query_one(Ticker).clear()
        calls = [heard for heard in events if is_call(heard.subject)]
        news = [heard for heard in events if is_news(heard.subject)]
        if calls or (news and not self._calls):
            self._news = (calls or news)[-1]
            self._calls = bool(calls)

    def _show_news(self) -> None:
        """Show what was kept; once a second, so that it can be read."""
        self._hold = max(0, self._hold - 1)
        if self._news is None or (self._hold and not self._calls):
            return
        event, self._news, self._calls = self._news.event, None, False
        told = tell(event)
        spans = (
            Span(f"{GLYPHS.get(told.state, '·')} {told.word} ", told.state or "dim"),
            Span(f"{whom(event)} "),
            Span(told.text, "dim"),
        )
        self.query_one(Ticker).say(event.at, spans)

    def on_resize(self, event: Resize) -> None:
        """Ask for more room when there is too little."""
        columns, rows = event.size
        small = columns < SMALLEST[0] or rows < SMALLEST[1]
        self.set_class(small, "-small")
        self.query_one("#small", Static).update(
            f"swarmtui needs {SMALLEST[0]} columns and {SMALLEST[1]} rows\n"
            f"this terminal has {columns} and {rows}"
        )

    # --- Actions ---------------------------------------------------------------------

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """Grey out what cannot be done just now."""
        given = self.console.given() | self.given()
        in_view = offered(action, self.scope, given)
        return in_view and offered(action, "view", given)

    async def do(self, action: Action) -> None:
        """Do an action as if its key had been pressed, unless it is out of reach."""
        doer = self.focused if action.scope == "table" and self.focused else self
        await doer.run_action(action.call)

    def action_filter(self) -> None:
        """Let the person type a filter."""
        self.filter_bar.edit()

    def action_back(self) -> None:
        """Clear the filter."""
        self.filter_bar.put("")

    def action_broadcast(self) -> None:
        """Tell many agents something; the filter is the audience to begin with."""
        self.app.push_screen(BroadcastSheet(self.audience()))

    def audience(self) -> str:
        """Return the filter that a broadcast begins with."""
        return self.filter_bar.text

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        self.apply_filter(event.compiled)

    @on(FilterBar.Left)
    def _filter_left(self) -> None:
        self.focus_body()

    @on(Modes.Pressed)
    async def _mode_pressed(self, event: Modes.Pressed) -> None:
        await self.run_action(f"app.view({event.name!r})")

    @on(Pulse.Pressed)
    def _state_pressed(self, event: Pulse.Pressed) -> None:
        term = f"state:{event.state}"
        self.filter_bar.put("" if self.filter_bar.text == term else term)
