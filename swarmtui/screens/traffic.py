"""What goes over the wire, as it does."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from agentkit.coordinator import Heard, Stats
from agentkit.filters import quote
from agentkit.settings import paths, private_folder
from swarmtui.actions import Need, bindings
from swarmtui.model import TRAFFIC, Delta
from swarmtui.screens.base import SwarmScreen
from swarmtui.text import clock, count, fit, millis, plural, safe, short
from swarmtui.traffic import ARROWS, HINT, Message, Rate, Tally, compile_traffic
from swarmtui.widgets.filter_bar import Unit
from swarmtui.widgets.histogram import Histogram
from swarmtui.widgets.line_log import LineLog
from swarmtui.widgets.line_table import Column, LineTable, Sort
from swarmtui.widgets.pulse import Pulse

MESSAGES = (
    Column[Message](
        key="time",
        title="TIME",
        width=12,
        text=lambda one, _: clock(one.heard.event.at, millis=True),
        style=lambda _: "dim",
    ),
    Column[Message](key="way", title=" ", width=1, text=lambda one, _: ARROWS[one.way]),
    Column[Message](
        key="subject",
        title="SUBJECT",
        width=17,
        text=lambda one, _: one.subject,
        style=lambda one: _ink(one.subject),
    ),
    Column[Message](
        key="ends", title="FROM → TO", width=14, flex=1, text=lambda one, _: one.ends
    ),
    Column[Message](
        key="size",
        title="SIZE",
        width=5,
        right=True,
        text=lambda one, _: short(one.size) if one.size else "-",
        style=lambda one: "" if one.size else "faint",
    ),
    Column[Message](
        key="ms",
        title="MS",
        width=5,
        right=True,
        text=lambda one, _: millis(one.ms) if one.size else "-",
        style=lambda one: "blocked" if one.ms >= 10 else "" if one.size else "faint",
    ),
)

SUBJECTS = (
    Column[Rate](
        key="subject",
        title="SUBJECT",
        width=18,
        flex=1,
        text=lambda rate, _: rate.name,
        sort=lambda rate: rate.name,
        style=lambda rate: _ink(rate.name),
    ),
    Column[Rate](
        key="rate",
        title="MSG/S",
        width=6,
        right=True,
        text=lambda rate, _: _pace(rate.rate),
        sort=lambda rate: rate.rate,
        style=lambda rate: "" if rate.rate else "faint",
        falling=True,
    ),
    Column[Rate](
        key="total",
        title="SEEN",
        width=7,
        right=True,
        text=lambda rate, _: short(rate.total),
        sort=lambda rate: rate.total,
        style=lambda _: "dim",
        falling=True,
    ),
)

KEPT = Unit("kept", "kept")
LINKS = {"ws": "WebSocket", "http": "HTTP", "cli": "agentkit"}
"""The ways in which agents report, and their names."""

_INKS = {
    "agent.idle": "idle",
    "agent.busy": "busy",
    "agent.blocked": "blocked",
    "agent.help": "help",
    "agent.completed": "done",
    "agent.lost": "lost",
    "agent.disconnected": "lost",
    "report.refused": "blocked",
    "help.asked": "help",
    "help.escalated": "blocked",
    "task.leased": "busy",
    "task.done": "done",
    "task.released": "blocked",
    "task.dead": "help",
    "delivery.dead": "help",
}


class TrafficScreen(SwarmScreen):
    """Mode 4: the messages beside subjects, links and latencies."""

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
        self._tally = Tally()
        self._subjects: dict[str, Rate] = {}
        self._cursor = 0
        self._message: Message | None = None

    # --- Body ------------------------------------------------------------------------

    def body(self) -> ComposeResult:
        """Build the figures, and the messages with the one that is looked at."""
        with Vertical(id="figures"):
            yield LineTable[Rate](
                SUBJECTS,
                self._subjects,
                id="subjects",
                empty="none yet",
                version=lambda rate: (rate.rate, rate.total),
                sort=Sort("subject"),
            )
            yield Static(id="links")
            yield Static(id="pressure")
        with Vertical(id="wire"):
            yield LineLog[Message](
                MESSAGES,
                kept=TRAFFIC,
                id="messages",
                empty="no messages since the dashboard opened",
            )
            with VerticalScroll(id="message", can_focus=False):
                yield Static(id="json")
            yield Static(id="latency")
            yield Histogram(id="histogram")

    @property
    def messages(self) -> LineLog[Message]:
        """The messages."""
        return self.query_one("#messages", LineLog)

    @property
    def subjects(self) -> LineTable[Rate]:
        """The subjects."""
        return self.query_one("#subjects", LineTable)

    def focus_body(self) -> None:
        """Give the keys to the messages."""
        self.messages.focus()

    def move_to(self, row: str) -> bool:
        """Say that no row can be found by an id here."""
        del row
        return False

    def given(self) -> Need:
        """Say whether there is a message to act on."""
        return Need.ROW if self._message else Need.NOTHING

    # --- Drawing ---------------------------------------------------------------------

    def show(self, delta: Delta) -> None:
        """Add the messages that came."""
        self._tally.pace(self._add(delta.events))
        if delta.stats:
            self._show_latency()
        if delta.link:
            self.messages.dim(not self.console.model.live)

    def show_all(self) -> None:
        """Add what came while the view was away."""
        self._add(self.console.model.traffic)
        self.messages.dim(not self.console.model.live)
        self._show_figures()
        self._show_latency()

    def age(self) -> None:
        """Let the rates move on."""
        self._tally.second()
        self._show_figures()
        self._show_state()

    def _add(self, events: Iterable[Heard]) -> list[Message]:
        """Add the events that are newer than those added before, and return them."""
        new = [Message(heard) for heard in events if heard.cursor > self._cursor]
        if new:
            self._cursor = new[-1].heard.cursor
            self._tally.add(new)
            self.messages.extend(new)
        return new

    def _show_figures(self) -> None:
        fresh = self._tally.subjects()
        for name, rate in fresh.items():
            if self._subjects.get(name) != rate:
                self.subjects.mark_dirty(name)
        self._subjects.update(fresh)
        self.subjects.flush(self.console.now())
        self.query_one("#links", Static).update(self._links())
        stats = self.console.model.stats
        if stats is not None:
            self.query_one("#pressure", Static).update(pressure(stats))

    def _links(self) -> Content:
        agents = self.console.model.agents.values()
        peers = Counter(agent.via for agent in agents)
        rates = {via: self._tally.rate(f"via {via}", peers[via]) for via in LINKS}
        return links(rates, sum(agent.linked for agent in agents))

    def _show_latency(self) -> None:
        stats = self.console.model.stats
        if stats is None:
            return
        self.query_one(Histogram).show(stats.buckets)
        wide = self.query_one("#latency", Static)
        wide.update(_latency(stats, wide.size.width))

    def _show_state(self) -> None:
        log = self.messages
        state = "following" if log.following else f"held, {count(log.missed)} newer"
        self.filter_bar.show(len(log.shown), log.kept, state, unit=KEPT)

    # --- Actions ---------------------------------------------------------------------

    def apply_filter(self, compiled: Any) -> None:
        """Show only the messages that the filter lets through."""
        self.messages.show_only(compiled)
        self._show_state()

    @on(LineLog.Highlighted)
    def _look_at(self, event: LineLog.Highlighted) -> None:
        self._message = event.entry
        self.set_class(event.entry is not None, "-looking")
        if event.entry is not None:
            self.query_one("#json", Static).update(_coloured(event.entry.pretty()))
        self._show_state()
        self.refresh_bindings()

    @on(LineTable.Selected, "#subjects")
    def _pick_subject(self, event: LineTable.Selected) -> None:
        self.filter_bar.put(f"subject:{event.id}")

    @on(Pulse.Pressed)
    def _state_pressed(self, event: Pulse.Pressed) -> None:
        event.prevent_default()
        self.filter_bar.put(f"subject:agent.{event.state}")

    def action_back(self) -> None:
        """Follow the end again, then clear the filter."""
        if self.messages.following:
            super().action_back()
        else:
            self.messages.hold(held=False)

    def action_only(self) -> None:
        """Show only messages from or to the agent of this one."""
        message = self._message
        if message is not None:
            end = message.receiver if message.way == "out" else message.sender
            self.filter_bar.put(f"agent:{quote(end) if ' ' in end else end}")

    def action_copy(self) -> None:
        """Copy the message as JSON."""
        if self._message is not None:
            self.app.copy_to_clipboard(self._message.pretty())
            self.console.tell("copied the message as JSON")

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


def _ink(subject: str) -> str:
    return _INKS.get(subject, "")


def _coloured(text: str) -> Content:
    """Return JSON with its names dimmed; every line safe to draw."""
    lines = []
    for line in text.splitlines():
        name, colon, value = safe(line).partition('": ')
        parts = (name + colon, "$ink-dim"), value
        lines.append(Content.assemble(*parts) if colon else Content(name))
    return Content("\n").join(lines)


def _pace(rate: float) -> str:
    """Return a rate, with a digit below one."""
    if not rate:
        return "-"
    return short(rate) if rate >= 10 else f"{rate:.1f}"


def links(rates: dict[str, Rate], open_sockets: int) -> Content:
    """Return a line for each way of reporting: agents, messages a second."""
    lines = [Content.styled(_row("LINK", "AGENTS", "MSG/S"), "$ink-dim")]
    for via, rate in rates.items():
        style = "" if rate.peers else "$ink-faint"
        text = _row(LINKS[via], short(rate.peers), _pace(rate.rate))
        lines.append(Content.styled(text, style))
    lines.append(Content.styled(_row("open now", short(open_sockets), ""), "$ink-dim"))
    return Content("\n").join(lines)


def pressure(stats: Stats) -> Content:
    """Return how hard the hub works."""
    rows = (
        ("hub queue", count(stats.queue), ""),
        ("last commit", f"{millis(stats.commit_ms)} ms", ""),
        ("watchers", count(stats.watchers), ""),
        ("received", f"{short(stats.in_bytes)}B", _pace(stats.in_rate)),
        ("sent", f"{short(stats.out_bytes)}B", _pace(stats.out_rate)),
    )
    head = Content.styled(_row("HUB", "NOW", "MSG/S"), "$ink-dim")
    return Content("\n").join([head, *(Content(_row(*row)) for row in rows)])


def _row(name: str, figure: str, rate: str) -> str:
    return f"{fit(name, 18)} {fit(rate, 6, right=True)} {fit(figure, 7, right=True)}"


def _latency(stats: Stats, width: int) -> Content:
    figures = "   ".join(
        f"{name} {millis(figure)}"
        for name, figure in (
            ("p50", stats.p50_ms),
            ("p95", stats.p95_ms),
            ("p99", stats.p99_ms),
        )
    )
    words = "arrival to commit, last 10 s"
    gap = max(2, width - len(words) - len(figures) - 3)
    return Content.assemble(
        (words, "$ink-dim"), " " * gap, (f"{figures} ms", "$ink-dim")
    )
