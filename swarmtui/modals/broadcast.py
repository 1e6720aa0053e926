"""Tell many agents something, and see how far it gets."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from agentkit.errors import AgentkitError, BadFilter
from agentkit.protocol import BroadcastSent
from swarmtui.modals.confirm import CountInput
from swarmtui.modals.ledger import Ledger
from swarmtui.modals.ledger_sheet import LedgerSheet
from swarmtui.modals.sheet import Sheet, field
from swarmtui.model import Delta, first_names
from swarmtui.orders import audience, must_confirm, of_broadcast
from swarmtui.text import clip, plural, safe

NAMES = 110


class BroadcastSheet(Sheet[None]):
    """The text, who receives it, and afterwards its ledger."""

    heading = "Broadcast"
    keys: ClassVar = (("enter", "Send"), ("tab", "Next field"), ("esc", "Cancel"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "recipients", "Each recipient", show=False),
        Binding("enter", "close", "Close", show=False),
    ]

    def __init__(self, where: str = "", heading: str = "Broadcast") -> None:
        super().__init__()
        self._where = where
        self._heading = heading
        self._count = -1
        """How many would receive; -1 when the filter cannot be read."""
        self._sending = False
        self._sent = ""

    def form(self) -> ComposeResult:
        """Ask for the text and the audience."""
        yield field("text", Input(placeholder="what they should know", id="text"))
        yield field(
            "to",
            Input(
                self._where, placeholder="everybody, or state:idle cap:video", id="to"
            ),
        )
        yield Static(id="names", classes="note")
        yield Vertical(id="confirm")
        yield Ledger(id="ledger", classes="part")

    async def on_mount(self) -> None:
        """Start with the text."""
        self.show_heading(self._heading)
        self.query_one("#ledger").display = False
        self.query_one("#text").focus()
        await self._audience_changed()

    @on(Input.Changed, "#to")
    async def _audience_changed(self) -> None:
        self._count_audience()
        await self._ask_count()

    def _count_audience(self) -> None:
        """Show who would receive it."""
        where = self.query_one("#to", Input).value
        names = self.query_one("#names", Static)
        try:
            chosen = audience(self.console.model, where, self.console.now())
        except BadFilter as error:
            self._count = -1
            names.update(Content.styled(str(error), "$st-help"))
            return
        self._count = len(chosen)
        names.update(_who([agent.id for agent in chosen]))

    async def _ask_count(self) -> None:
        """Have the count typed when there are many, and only then."""
        place = self.query_one("#confirm")
        await place.remove_children()
        if must_confirm(self._count):
            await place.mount(field("confirm", CountInput(self._count)))

    @on(Input.Submitted)
    async def _submit(self) -> None:
        if self._sending or not self._complete():
            return
        self._sending = True
        text = self.query_one("#text", Input).value.strip()
        where = self.query_one("#to", Input).value.strip()
        try:
            sent = await self.console.swarm.broadcast(text, where=where)
        except AgentkitError as error:
            self.query_one("#names", Static).update(
                Content.styled(str(error), "$st-help")
            )
            self._sending = False
            return
        self._show_ledger(sent)

    def _complete(self) -> bool:
        counts = self.query(CountInput)
        if counts and not counts.first().is_right:
            counts.first().focus()
            return False
        text = self.query_one("#text", Input)
        if not text.value.strip():
            text.focus()
            return False
        return self._count > 0

    def _show_ledger(self, sent: BroadcastSent) -> None:
        """Turn the form into the ledger of what was sent."""
        self._sent = sent.broadcast
        for line in self.query(".field, #confirm, #names"):
            line.display = False
        to = plural(len(sent.recipients), "agent")
        self.show_heading(f"“{clip(sent.text, 50)}” to {to}")
        self.query_one("#ledger").display = True
        self.show_keys((("l", "Each recipient"), ("esc", "Close")))
        self.set_focus(None)
        self._draw()

    def action_close(self) -> None:
        """Close what was sent, as whoever just pressed enter expects."""
        if self._sent:
            self.action_leave()

    def action_recipients(self) -> None:
        """Show how far it got with each recipient."""
        row = self.console.model.broadcasts.get(self._sent)
        if row is not None:
            heading = safe(f"“{clip(row.text, 50)}”")
            self.app.push_screen(LedgerSheet(row.id, heading))

    def tick(self, delta: Delta) -> None:
        """Follow the count of recipients, then the ledger."""
        if self._sent:
            self._draw()
        elif delta.joined or delta.reset:
            self._count_audience()

    def _draw(self) -> None:
        row = self.console.model.broadcasts.get(self._sent)
        if row is not None:
            self.query_one(Ledger).show(of_broadcast(row))


def _who(ids: list[str]) -> Content:
    """Return how many, and the first names."""
    if not ids:
        return Content.styled("nobody matches; change the filter", "$st-blocked")
    names = safe(", ".join(first_names(ids, NAMES)))
    return Content.assemble((plural(len(ids), "agent"), "bold"), f"  {names}")
