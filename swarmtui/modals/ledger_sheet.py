"""Everybody to whom something was sent, how far it got, and a key to send it again."""

from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from agentkit.errors import AgentkitError
from agentkit.rows import Delivery
from swarmtui.facts import DELIVERY_INKS
from swarmtui.modals.ledger import Ledger
from swarmtui.modals.sheet import Sheet
from swarmtui.model import Delta
from swarmtui.orders import progress
from swarmtui.text import safe
from swarmtui.widgets.columns import age, names, number, words
from swarmtui.widgets.line_table import Column, LineTable, Sort
from swarmtui.work_facts import reached

LIMIT = 1000
"""How many recipients are asked for."""
AGAIN = 1.0
"""Seconds before the hub is asked again of something that moves on."""

_RANK = ("dead", "queued", "sent", "acked", "done")


def _rank(row: Delivery) -> tuple[int, str, int]:
    return (_RANK.index(row.state), row.agent, row.seq)


def _last(row: Delivery) -> datetime:
    return row.done or row.acked or row.sent or row.queued


def _remark(row: Delivery) -> str:
    return f"sent again as {row.retried:,}" if row.retried else row.reason


COLUMNS: tuple[Column[Delivery], ...] = (
    names("agent", "AGENT", lambda row: row.agent, width=12, flex=2),
    Column(
        key="state",
        title="WAY",
        width=28,
        text=lambda row, _: " → ".join(reached(row)),
        sort=_rank,
        style=lambda row: DELIVERY_INKS[row.state].removeprefix("st-"),
    ),
    number(
        "tries",
        "TRIES",
        lambda row: row.attempts,
        width=5,
        style=lambda row: "blocked" if row.attempts > 1 else "dim",
    ),
    age("ago", "AGO", _last, width=4, falling=True),
    words(
        "reason",
        "REASON",
        _remark,
        width=8,
        flex=3,
        sorts=False,
        style=lambda _: "dim",
    ),
)


class LedgerSheet(Sheet[None]):
    """The deliveries of a task, a broadcast or a help request, the dead ones first."""

    heading = "Ledger"
    keys: ClassVar = (("↑↓", "Move"), ("r", "Send a dead one again"), ("esc", "Close"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "retry", "Send again", show=False)
    ]

    def __init__(self, ref: str, heading: str) -> None:
        super().__init__()
        self._ref = ref
        self._title = heading
        self._rows: dict[str, Delivery] = {}
        self._stale = False

    def form(self) -> ComposeResult:
        """Leave room for the recipients."""
        yield Ledger(classes="part")
        yield LineTable(
            COLUMNS,
            self._rows,
            id="recipients",
            sort=Sort("state"),
            empty="asking the hub …",
        )

    def on_mount(self) -> None:
        """Ask, and ask again when something has moved on."""
        self.show_heading(self._title)
        self.query_one(LineTable).focus()
        self.set_interval(AGAIN, self._second)
        self._ask_now()

    def tick(self, delta: Delta) -> None:
        """Note that deliveries have moved on."""
        self._stale = (
            self._stale
            or delta.reset
            or any(heard.subject.startswith("delivery.") for heard in delta.events)
        )

    def _second(self) -> None:
        if self._stale:
            self._stale = False
            self._ask_now()
        self.query_one(LineTable).flush(self.console.now())

    def _ask_now(self) -> None:
        self.run_worker(self._ask(), exclusive=True, group="ledger")

    async def _ask(self) -> None:
        """Ask for the recipients; what is on show stays when the hub does not tell."""
        table = self.query_one(LineTable)
        try:
            found = await self.console.swarm.ledger(self._ref, limit=LIMIT)
        except AgentkitError as error:
            table.set_empty(safe(str(error)))
            return
        self._rows.clear()
        self._rows.update((row.id, row) for row in found)
        table.set_empty("it is in nobody's mailbox\nwhoever claims it gets it")
        table.rebuild(self.console.now())
        table.refresh()
        current = [row for row in found if not row.retried]
        self.query_one(Ledger).show(progress(current))

    async def action_retry(self) -> None:
        """Send the dead delivery under the cursor once more."""
        row = self._rows.get(self.query_one(LineTable).cursor or "")
        if row is None or row.state != "dead" or row.retried:
            return
        swarm = self.console.swarm
        wish = swarm.requeue(row.ref) if row.kind == "task" else swarm.retry(row.id)
        if await self.console.carry_out(wish) is not None:
            self.console.tell(safe(f"sent again to {row.agent}"))
            self._ask_now()
