"""What goes over the wire, as it does."""

from collections.abc import Iterable
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from agentkit.codec import encode
from agentkit.coordinator import Heard
from agentkit.filters import quote
from agentkit.rows import Letter
from agentkit.settings import paths, private_folder
from swarmtui.actions import Need, bindings
from swarmtui.links import ALL, OWN, LinkRow, is_bridge
from swarmtui.modals.message import MessageSheet, json_lines
from swarmtui.model import TRAFFIC, Delta
from swarmtui.screens.letters import LetterScreen
from swarmtui.screens.tap import Tap
from swarmtui.screens.traffic_columns import MESSAGES
from swarmtui.screens.wire_pane import WirePane
from swarmtui.text import count, plural, safe
from swarmtui.traffic import HUB, Message, Passed, Told, as_json, by_time
from swarmtui.traffic_filter import HINT, compile_traffic, tap_pattern
from swarmtui.widgets.filter_bar import Unit
from swarmtui.widgets.line_log import LineLog
from swarmtui.widgets.line_table import LineTable
from swarmtui.widgets.pulse import Pulse

KEPT = Unit("kept", "kept")
TYPING = 0.3
"""Seconds that a filter rests before the hub is told of its pattern."""


class TrafficScreen(LetterScreen):
    """Mode 4: the messages, beside links, subjects, letters and latencies.

    The hub is asked to show what goes by only while the view is open.
    """

    scope = "traffic"
    hint = HINT
    CSS_PATH = [
        Path(__file__).with_name("base.tcss"),
        Path(__file__).with_name("traffic.tcss"),
    ]
    BINDINGS: ClassVar = bindings("traffic")
    compile = staticmethod(compile_traffic)

    def __init__(self) -> None:
        super().__init__()
        self._cursor = 0
        """The place in the log of the newest event that was added."""
        self._epoch = 0
        """The time that these are of (see `Model.epoch`)."""
        self._tapped = 0
        """How many tapped messages were added."""
        self._looked: Message | Letter | None = None

    # --- Body ------------------------------------------------------------------------

    def body(self) -> ComposeResult:
        """Build the figures, and the messages with the one that is looked at."""
        yield WirePane()
        with Vertical(id="wire"):
            yield LineLog[Message](
                MESSAGES,
                kept=TRAFFIC,
                id="messages",
                empty="no messages since the dashboard opened",
                order=by_time,
            )
            with VerticalScroll(id="message", can_focus=False):
                yield Static(id="json")

    @cached_property
    def tap(self) -> Tap:
        """What the hub is asked to show."""
        return Tap(self.console)

    @property
    def messages(self) -> LineLog[Message]:
        """The messages."""
        return self.query_one("#messages", LineLog)

    @property
    def pane(self) -> WirePane:
        """The figures."""
        return self.query_one(WirePane)

    @property
    def is_opened(self) -> bool:
        """Whether the pane has the whole width of a small terminal."""
        return self.has_class("-opened") and self.has_class("-narrow")

    @property
    def is_in_pane(self) -> bool:
        """Whether the keys go to the pane."""
        return isinstance(self.focused, LineTable)

    def focus_body(self) -> None:
        """Give the keys to the messages, or back to the pane."""
        if self.is_opened or self.is_in_pane:
            self.pane.table.focus()
        else:
            self.messages.focus()

    def move_to(self, row: str) -> bool:
        """Say that no row can be found by an id here."""
        del row
        return False

    def given(self) -> Need:
        """Say whether there is a message or a letter to act on."""
        given = Need.ROW if self._looked is not None else Need.NOTHING
        if isinstance(self._looked, Message):
            given |= Need.MESSAGE
        if self.letters():
            given |= Need.LETTER
        return given

    # --- Looking on ------------------------------------------------------------------

    def on_screen_suspend(self) -> None:
        """Have the hub show nothing more, unless it is only a sheet that lies over."""
        if self.app.current_mode != self.scope:
            self.app.run_worker(self.tap.close(), group="tap")

    def _look_on(self, after: float = 0.0) -> None:
        """Have the hub show what the filter could let through, and its links."""
        if self.app.current_mode == self.scope:
            pattern = tap_pattern(self.filter_bar.text)
            self.run_worker(self._open_tap(pattern, after), exclusive=True, group="tap")

    async def _open_tap(self, pattern: str, after: float) -> None:
        await self.tap.open(pattern, after)
        self.pane.show()

    # --- Drawing ---------------------------------------------------------------------

    def show(self, delta: Delta) -> None:
        """Add the messages that came."""
        self.pane.count(self._add(delta.events), live=True)
        self.pane.stir(delta)
        if delta.link:
            self._show_link()

    def show_all(self) -> None:
        """Add what came while the view was away, and look on."""
        self._forget_other_times()
        self.pane.count(self._add(self.console.model.traffic), live=False)
        self.pane.stir(Delta(reset=True))
        self.pane.show()
        self._show_link()

    def _forget_other_times(self) -> None:
        """Drop what was shown when it is not of this time any more."""
        epoch = self.console.model.epoch
        if epoch != self._epoch:
            self._epoch, self._cursor, self._tapped = epoch, 0, 0
            self.messages.clear()
            self.pane.forget()

    def age(self) -> None:
        """Let the rates move on."""
        self.pane.second()
        self._show_state()

    def _show_link(self) -> None:
        """Show whether anything can come; a hub that was away is asked anew."""
        live = self.console.model.live
        self.messages.dim(not live)
        if live:
            self._look_on()
        else:
            self.tap.lost()

    def _add(self, events: Iterable[Heard]) -> list[Message]:
        """Add what is newer than what was added before, in order, and return it."""
        heard = [one for one in events if one.cursor > self._cursor]
        self._cursor = heard[-1].cursor if heard else self._cursor
        told: list[Message] = [Told(one) for one in heard]
        passed = self._fresh()
        new = (
            sorted((*told, *passed), key=by_time) if told and passed else told + passed
        )
        self.messages.extend(new)
        return new

    def _fresh(self) -> list[Message]:
        """Return the tapped messages that were not added yet."""
        model = self.console.model
        many = min(model.tapped - self._tapped, len(model.passed))
        self._tapped = model.tapped
        newest = islice(model.passed, len(model.passed) - many, None)
        return [Passed(tapped) for tapped in newest]

    def _show_state(self) -> None:
        log = self.messages
        state = "following" if log.following else f"held, {count(log.missed)} newer"
        left_out = self.tap.left_out
        lost = f"{count(left_out)} left out: too fast" if left_out else ""
        notes = (lost, state) if log.following else (state, lost)
        self.filter_bar.show(len(log.shown), log.kept, *notes, unit=KEPT)

    # --- What is looked at -----------------------------------------------------------

    def letters(self) -> list[Letter]:
        """Return the marked letters, else the one under the cursor."""
        return self.pane.chosen_letters if self.is_in_pane else []

    def letters_ordered(self) -> None:
        """Take the marks off."""
        self.pane.table.clear_marks()

    def on_descendant_focus(self) -> None:
        """Look at what the keys act on now."""
        self._look()

    @on(LineLog.Highlighted)
    @on(LineTable.Highlighted, "#letters")
    @on(LineTable.MarksChanged, "#letters")
    def _look(self) -> None:
        """Show the message or the letter under the cursor."""
        if not self.ready:
            return
        letter = self.pane.table.cursor_row if self.is_in_pane else None
        following = self.messages.following
        looked = None if self.is_in_pane or following else self.messages.entry
        self._looked = letter if isinstance(letter, Letter) else looked
        self.set_class(self._looked is not None, "-looking")
        if self._looked is not None:
            self.query_one("#json", Static).update(json_lines(gist(self._looked)))
        self._show_state()
        self.refresh_bindings()

    @on(LineLog.Selected)
    @on(LineTable.Selected, "#letters")
    def _open_sheet(self) -> None:
        self._look()
        if self._looked is not None:
            sheet = MessageSheet(safe(self._looked.subject), pretty(self._looked))
            self.app.push_screen(sheet)

    # --- Filter ----------------------------------------------------------------------

    def apply_filter(self, compiled: Any) -> None:
        """Show only the messages that the filter lets through."""
        self.messages.show_only(compiled)
        self._look_on(TYPING)
        self._show_state()

    @on(LineTable.Selected, "#subjects")
    def _pick_subject(self, event: LineTable.Selected) -> None:
        self._pick(f"subject:{event.id}")

    @on(LineTable.Selected, "#links")
    def _pick_link(self) -> None:
        self._pick(of_link(self.pane.chosen_link))

    def _pick(self, text: str) -> None:
        """Show what a row of the pane is about, among the messages."""
        self.filter_bar.put(text)
        self.remove_class("-opened")
        self.messages.focus()

    @on(Pulse.Pressed)
    def _state_pressed(self, event: Pulse.Pressed) -> None:
        event.prevent_default()
        self.filter_bar.put(f"subject:agent.{event.state}")

    # --- Actions ---------------------------------------------------------------------

    def action_back(self) -> None:
        """Close the pane, else follow the end again, else clear the filter."""
        if self.is_opened or self.is_in_pane:
            self.remove_class("-opened")
            self.messages.focus()
        elif self.messages.following:
            super().action_back()
        else:
            self.messages.hold(held=False)

    def action_pane(self) -> None:
        """Give the keys to the pane, and room where it has none; or take them back."""
        if self.is_opened or self.is_in_pane:
            self.action_back()
        else:
            self.add_class("-opened")
            self.pane.table.focus()

    def action_next_group(self) -> None:
        """Show the table to the right."""
        self.add_class("-opened")
        self.pane.turn(1)

    def action_last_group(self) -> None:
        """Show the table to the left."""
        self.add_class("-opened")
        self.pane.turn(-1)

    def action_only(self) -> None:
        """Show only messages from or to the agent of this one."""
        if isinstance(message := self._looked, Message):
            end = message.receiver if message.way == "out" else message.sender
            self.filter_bar.put(f"agent:{quote(end) if ' ' in end else end}")

    def action_copy(self) -> None:
        """Copy the message or the letter as JSON."""
        if self._looked is not None:
            self.app.copy_to_clipboard(pretty(self._looked))
            self.console.tell("copied as JSON")

    def action_export(self) -> None:
        """Write the messages on show to a file, one line of JSON each."""
        shown = list(self.messages.shown)
        name = f"traffic-{self.console.now():%Y%m%d-%H%M%S}.jsonl"
        try:
            path = private_folder(paths().recordings) / name
            path.write_text("".join(f"{one.line}\n" for one in shown), "utf-8")
        except OSError as error:
            reason = error.strerror or str(error)
            self.console.tell(
                f"{name} was not written: {reason}; free or allow its folder.",
                error=True,
            )
            return
        self.console.tell(f"{plural(len(shown), 'message')} in {path}")


def pretty(looked: Message | Letter) -> str:
    """Return a message or a letter as JSON over many lines."""
    return looked.pretty() if isinstance(looked, Message) else as_json(encode(looked))


def gist(looked: Message | Letter) -> str:
    """Return what a message says, or why a letter was given up, as JSON."""
    if isinstance(looked, Message):
        return as_json(looked.data)
    why = {name: getattr(looked, name) for name in ("reason", "subscription")}
    return as_json({**why, "attempts": looked.attempts, "data": looked.message["data"]})


def of_link(link: LinkRow) -> str:
    """Return the filter for what goes over a link, or comes from a transport."""
    if link.id == ALL:
        return ""
    if link.name in OWN:
        return "link:bus" if link.name == "bus" else f"link:{HUB}"
    own = "link" if is_bridge(link.name, link.kind) else "agent"
    return f"{own}:{link.name}"
