"""The dashboard: views over a coordinator's live picture of the swarm."""

import gc
import os
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, TypeVar, cast

from textual.app import App
from textual.binding import BindingType
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from agentkit.coordinator import Heard
from agentkit.errors import AgentkitError
from agentkit.follower import Follower
from agentkit.settings import paths
from swarmtui.actions import Action, Need, Scope, bindings, by_id, in_scope, offered
from swarmtui.alerts import Gate, Targets, calls, loud, summary, title
from swarmtui.crash import last_words, write_crash
from swarmtui.feed import Feed
from swarmtui.modals.confirm import ConfirmSheet
from swarmtui.modals.goto import GotoSheet
from swarmtui.modals.keys import KeysSheet
from swarmtui.modals.sheet import Sheet
from swarmtui.model import Delta, Model
from swarmtui.pace import Pace
from swarmtui.palette import SwarmCommands
from swarmtui.preferences import Preferences
from swarmtui.ringing import Ringer
from swarmtui.screens.base import SwarmScreen
from swarmtui.screens.fleet import FleetScreen
from swarmtui.screens.help import HelpScreen
from swarmtui.screens.queue import QueueScreen
from swarmtui.screens.runs import RunsScreen
from swarmtui.screens.tasks import TasksScreen
from swarmtui.screens.traffic import TrafficScreen
from swarmtui.text import plural, safe
from swarmtui.themes import THEMES, variable_defaults

T = TypeVar("T")

KEEP_TITLE = "\x1b[22;0t"
GIVE_TITLE_BACK = "\x1b[23;0t"
"""The terminal's own stack of titles (xterm's window operations)."""


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class SwarmApp(App[None], inherit_bindings=False):
    """The dashboard over one coordinator.

    Args:
        swarm: the client; entered when the app starts and left when it ends.
        clock: the time by which ages are told.
        settings: what the person chose.
        embedded: the hub ends with the dashboard, so leaving may have to be confirmed.
    """

    TITLE = "swarmtui"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "fleet": FleetScreen,
        "queue": QueueScreen,
        "help": HelpScreen,
        "traffic": TrafficScreen,
        "tasks": TasksScreen,
        "runs": RunsScreen,
    }
    DEFAULT_MODE = "fleet"
    BINDINGS: ClassVar[list[BindingType]] = bindings("app")
    COMMANDS = {SwarmCommands}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide"), (150, "-xwide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    PAUSE_GC_ON_SCROLL = True

    live_word = "live"
    """What the first line calls a hub that answers."""

    def __init__(
        self,
        swarm: Follower,
        *,
        clock: Callable[[], datetime] = utc_now,
        settings: Preferences | None = None,
        embedded: bool = False,
    ) -> None:
        super().__init__()
        self.swarm = swarm
        self.model = Model()
        self.settings = settings or Preferences()
        self.paused = False
        self.pace = Pace()
        self._clock = clock
        self._embedded = embedded
        self._feed = Feed(swarm, self.model)
        self._gate = Gate()
        self._targets = Targets()
        self._ringer = Ringer(self.settings.notices, os.environ, self._write)
        self._open = AsyncExitStack()
        self._last_view: Scope = "fleet"
        self._given = Need.NOTHING
        self._said_title = ""
        self._beat: Timer | None = None
        self.animation_level = "none"

    # --- life ---------------------------------------------------------------------

    def on_mount(self) -> None:
        """Choose the colours and the keys, then start to listen and to beat."""
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = self.settings.theme
        self.set_keymap(dict(self.settings.keymap))
        self._set_pace()
        self.set_interval(1.0, self._second)
        self.call_after_refresh(self._start)

    def _start(self) -> None:
        """Connect, now that there is something to look at meanwhile."""
        self.run_worker(self._follow(), group="feed")
        if not self.is_headless:
            _settle()

    async def _follow(self) -> None:
        """Follow the hub; leave when it does not want us at all."""
        try:
            await self._open.enter_async_context(self.swarm)
            await self._feed.run()
        except AgentkitError as error:
            if not self.model.loaded:
                self.exit(return_code=error.exit_code, message=str(error))

    async def on_unmount(self) -> None:
        """Close the connection; not in the worker, which is cancelled half-way."""
        await self._open.aclose()
        self._write(GIVE_TITLE_BACK)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give every theme the colours that have a meaning here."""
        return variable_defaults(self.current_theme)

    def _handle_exception(self, error: Exception) -> None:
        """Leave a log and one sentence instead of a traceback."""
        if self.is_headless:
            super()._handle_exception(error)
            return
        path = write_crash(error, paths().logs, self.now())
        self.exit(return_code=1, message=last_words(error, path))

    # --- beat ---------------------------------------------------------------------

    def _set_pace(self) -> None:
        if self._beat is not None:
            self._beat.stop()
        self._beat = self.set_interval(1 / self.pace.rate, self._tick)

    def _tick(self) -> None:
        """Drain the feed and let every open screen show what changed."""
        if not self.is_running:
            return  # the screens are being taken apart
        started = perf_counter()
        delta = self._feed.drain_link() if self.paused else self._feed.drain()
        if delta is not None:
            self._spread(delta)
        if self.pace.note(perf_counter() - started):
            self._set_pace()

    def _spread(self, delta: Delta) -> None:
        if not delta.reset:
            self._gate.add(calls(delta.events))
        for screen in self.screen_stack:
            # One that is just being put together reads the model when it is done.
            if isinstance(screen, SwarmScreen | Sheet) and screen.is_mounted:
                screen.tick(delta)
        if delta.stats:
            self._tell_of_targets()
        if self.given() != self._given:
            self._given = self.given()
            self.screen.refresh_bindings()

    def _tell_of_targets(self) -> None:
        """Say in the ticker when alerts do not arrive elsewhere, or do so again."""
        stats, view = self.model.stats, self.view
        if stats is None or view is None:
            return
        if news := self._targets.news(stats.alerts_failing):
            view.say(news, "blocked" if stats.alerts_failing else "done")

    def _second(self) -> None:
        """Let ages move on, and ring if somebody called."""
        if not self.is_running:
            return
        view = self.view
        if view is not None:
            view.second()
        self._set_title()
        heard = self._gate.take(perf_counter())
        if heard:
            self._alert(heard)

    def _alert(self, heard: list[Heard]) -> None:
        """Say who called, once; who needs a person at once is heard as well."""
        if ringing := loud(heard):
            self.run_worker(self._ringer.ring(summary(ringing)), group="ringing")
        if self.scope != "help":
            self.clear_notifications()
            self.notify(f"▲ {summary(heard)}", severity="warning", markup=False)

    def on_app_focus(self) -> None:
        """Ring no more: the person looks."""
        self._ringer.in_front = True

    def on_app_blur(self) -> None:
        """Ring again: the person looks at something else."""
        self._ringer.in_front = False

    def _set_title(self) -> None:
        words = title(len(self.model.calling))
        if words != self._said_title:
            keep = "" if self._said_title else KEEP_TITLE
            self._said_title = words
            self._write(f"{keep}\x1b]0;{words}\x07")

    def _write(self, sequence: str) -> None:
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)

    # --- what screens ask -----------------------------------------------------------

    @property
    def view(self) -> SwarmScreen | None:
        """The view that is open, whatever sheet lies over it."""
        below = self.screen_stack[0] if self.screen_stack else None
        return below if isinstance(below, SwarmScreen) else None

    @property
    def scope(self) -> Scope:
        """The name of the view that is open."""
        return cast("Scope", self.current_mode)

    @property
    def address(self) -> str:
        """The address of the hub."""
        return self.swarm.url

    @property
    def started(self) -> datetime | None:
        """When the hub started; None as long as it has not said."""
        said = self.swarm.hub.get("started")
        return datetime.fromisoformat(said) if said else None

    @property
    def silenced(self) -> bool:
        """Whether calls are not heard although they are set to be."""
        return self._ringer.silenced

    @property
    def backlog(self) -> int:
        """Events that a paused view has not shown yet."""
        return self._feed.backlog

    def now(self) -> datetime:
        """Return the time by which ages are told."""
        return self._clock()

    def foot(self) -> Iterable[Widget]:
        """Return what stands between the news and the keys of every view."""
        return ()

    def actions(self) -> list[Action]:
        """Return what can be done in the view that is open."""
        return in_scope(self.scope)

    def given(self) -> Need:
        """Return what is true of the link and the swarm."""
        given = Need.NOTHING
        if self.model.live:
            given |= Need.HUB | Need.ANSWERS
        if self.model.calling:
            given |= Need.CALLS
        return given

    async def carry_out(self, wish: Awaitable[T]) -> T | None:
        """Await an order; when it is refused, tell why and return None."""
        try:
            return await wish
        except AgentkitError as error:
            self.tell(str(error), error=True)
            return None

    def tell(self, text: str, *, error: bool = False) -> None:
        """Say one sentence in the ticker, and an error as a toast as well."""
        view = self.view
        if view is not None:
            view.say(text, "blocked" if error else "done")
        if error:
            self.notify(safe(text), severity="error", markup=False)

    def show_agent(self, agent: str) -> None:
        """Go to the fleet with the cursor on an agent."""
        self.action_view("fleet")
        self.call_after_refresh(self._put_cursor, agent)

    def show_task(self, task: str) -> None:
        """Go to the work queue with the cursor on a task."""
        self.action_view("tasks")
        self.call_after_refresh(self._put_cursor, task)

    def show_run(self, run: str) -> None:
        """Go to the runs with the cursor on one."""
        self.action_view("runs")
        self.call_after_refresh(self._put_cursor, run)

    def _put_cursor(self, row: str) -> None:
        view = self.view
        if view is not None and not view.move_to(row):
            self.tell(f"{row} is not on show; the filter hides it.")

    # --- actions --------------------------------------------------------------------

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """Grey out what cannot be done just now."""
        return offered(action, "app", self.given())

    async def do(self, name: str) -> None:
        """Do the action with this id, as if its key had been pressed."""
        if self.view is not None:
            await self.view.do(by_id(name))

    def action_view(self, name: str) -> None:
        """Open a view."""
        if name != self.current_mode:
            self._last_view = self.scope
            self.switch_mode(name)

    def action_last_view(self) -> None:
        """Open the view that was open before."""
        self.action_view(self._last_view)

    def action_pause(self) -> None:
        """Hold the picture still, or let it go on."""
        self.paused = not self.paused
        if self.view is not None:
            self.view.second()

    def action_silence(self) -> None:
        """Let calls be silent, or heard again."""
        self._ringer.toggle()
        off = self._ringer.chosen == "off"
        words = "are silent until you want them back" if off else "are heard again"
        self.tell(f"calls {words}")
        if self.view is not None:
            self.view.second()

    def action_next_call(self) -> None:
        """Go to the help request that calls loudest, then to the one below it."""
        view = self.view
        at = view.call_under_cursor() if view is not None else ""
        request = self.model.next_call(at)
        if request is not None:
            self.action_view("help")
            self.call_after_refresh(self._put_cursor, request.id)

    def action_goto(self) -> None:
        """Ask where to go, and go there."""
        self.push_screen(GotoSheet(), self._go)

    def _go(self, place: str | None) -> None:
        kind, _, name = (place or "").partition(":")
        if kind == "view":
            self.action_view(name)
        elif kind == "agent":
            self.show_agent(name)
        elif kind == "task":
            self.show_task(name)
        elif kind == "run":
            self.show_run(name)

    def action_keys(self) -> None:
        """Show every key; the one that is chosen is pressed."""
        self.push_screen(
            KeysSheet(self.actions(), dict(self.settings.keymap)), self._press
        )

    async def _press(self, name: str | None) -> None:
        if name:
            await self.do(name)

    async def action_leave(self) -> None:
        """Leave; ask when the hub goes too and agents are connected to it."""
        linked = sum(agent.linked for agent in self.model.agents.values())
        if not (self._embedded and linked):
            self.exit()
            return
        text = (
            f"{plural(linked, 'agent')} still connected to the hub of this "
            "dashboard, which ends with it. What they say meanwhile waits in their "
            "outboxes. Leave?"
        )
        self.push_screen(ConfirmSheet("Leave the dashboard?", text), self._leave)

    def _leave(self, agreed: bool | None) -> None:
        if agreed:
            self.exit()


def _settle() -> None:
    """Spare the collector what was made for good while starting."""
    gc.collect()
    gc.freeze()
