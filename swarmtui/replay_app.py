"""The dashboard over a recording: the same views, and a scrubber below them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.events import Key
from textual.widget import Widget

from swarmtui.actions import Action, Need, bindings, by_id, in_scope
from swarmtui.app import SwarmApp
from swarmtui.preferences import Preferences
from swarmtui.replay import Replay
from swarmtui.widgets.keys_bar import KeysBar
from swarmtui.widgets.scrubber import Place, Scrubber

PAUSE = replace(by_id("view.pause"), show=True)
NO_ORDERS = "this is a recording: nobody hears orders in it"


class ReplayApp(SwarmApp):
    """The dashboard, played; the time is that of the recording.

    Args:
        replay: what is played; entered when the app starts and left when it ends.
        settings: what the person chose.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        PAUSE.binding,
        *bindings("replay"),
    ]
    live_word = "recorded"

    def __init__(self, replay: Replay, *, settings: Preferences | None = None) -> None:
        chosen = replace(settings or Preferences(), notices="off")
        super().__init__(replay, clock=replay.now, settings=chosen)
        self.replay = replay

    def foot(self) -> Iterable[Widget]:
        """Return the scrubber."""
        return (Scrubber(id="scrubber"),)

    def actions(self) -> list[Action]:
        """Return what can be done in the view that is open."""
        return in_scope(self.scope, "replay")

    def given(self) -> Need:
        """Return what is true of the recording: it answers, and takes no orders."""
        return (super().given() & ~Need.HUB) | Need.RECORDED

    def on_key(self, event: Key) -> None:
        """Say why a key that would give an order does nothing."""
        keymap = dict(self.settings.keymap)
        orders = (one for one in self.actions() if Need.HUB in one.needs)
        keys = (keymap.get(one.id, one.key).split(",") for one in orders)
        view = self.view
        if (
            view is not None
            and view is self.screen
            and any(event.key in each for each in keys)
        ):
            view.say(NO_ORDERS)

    @on(Scrubber.Sought)
    def _seek(self, event: Scrubber.Sought) -> None:
        self._go_to(event.second)

    def _go_to(self, second: float) -> None:
        self.replay.seek(second)
        self._tick()

    def _tick(self) -> None:
        super()._tick()
        if self.is_running and self.view is not None and self.view.ready:
            self.view.query_one(Scrubber).show(self._place())
            word = PAUSE.label if self.replay.playing else "Play"
            self.view.query_one(KeysBar).call_it(PAUSE.call, word)

    def _place(self) -> Place:
        replay = self.replay
        return Place(
            second=replay.second,
            length=replay.length,
            speed=replay.speed,
            playing=replay.playing,
            calls=tuple(replay.reel.calls),
            gaps=tuple(replay.reel.gaps),
        )

    # --- actions --------------------------------------------------------------------

    def action_pause(self) -> None:
        """Let the recording stand, or play on."""
        self.replay.toggle()
        self._tick()

    def action_silence(self) -> None:
        """Say why nothing is heard anyway."""
        self.tell("this is a recording: its calls are long over, and silent")

    def action_step(self, seconds: int) -> None:
        """Go on or back by seconds."""
        self._go_to(self.replay.second + seconds)

    def action_edge(self, end: int) -> None:
        """Go to the start (0) or the end (1)."""
        self._go_to(self.replay.length if end else 0.0)

    def action_pace(self, steps: int) -> None:
        """Play faster (1) or slower (-1)."""
        self.replay.faster(steps)
        self._tick()

    def action_call(self, way: int) -> None:
        """Go to the next call for help (1), or the one before (-1)."""
        found = self.replay.next_call() if way > 0 else self.replay.last_call()
        if not found:
            where = "after" if way > 0 else "before"
            self.tell(f"nobody calls for a person {where} this")
        self._tick()
