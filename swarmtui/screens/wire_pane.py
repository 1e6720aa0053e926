"""The pane beside the messages: links, subjects, dead letters, latencies."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, cast, get_args

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from agentkit.errors import AgentkitError
from agentkit.rows import Letter
from swarmtui.console import console
from swarmtui.links import ALL, LinkBook, LinkRow, whole
from swarmtui.model import Delta
from swarmtui.rates import Rate, Tally
from swarmtui.screens.traffic_columns import LETTERS, LINKS, SUBJECTS
from swarmtui.screens.traffic_facts import hub_facts, latency, link_facts
from swarmtui.text import safe
from swarmtui.traffic import Message
from swarmtui.widgets.histogram import Histogram
from swarmtui.widgets.line_table import LineTable, Sort
from swarmtui.widgets.tabs import Tabs

Group = Literal["links", "subjects", "letters"]
GROUPS: tuple[Group, ...] = get_args(Group)

MOST = 1000
"""How many letters are asked for."""


class WirePane(Vertical):
    """Three tables, one of them on show, above the latencies of the chosen link."""

    group: Group = "links"
    STIRS: ClassVar = ("letter.dead", "letter.requeued", "letter.discarded")
    """Subjects of events after which the letters are others."""

    def __init__(self) -> None:
        super().__init__(id="figures")
        self.links: dict[str, LinkRow] = {ALL: whole(None, ())}
        self.subjects: dict[str, Rate] = {}
        self.letters: dict[str, Letter] = {}
        self._tally = Tally()
        self._book = LinkBook()
        self._visited: set[Group] = {self.group}
        """Tables whose cursor is where somebody left it."""
        self._stale = True
        """The letters are to be asked for."""

    def compose(self) -> ComposeResult:
        """Make the tables and what is below them."""
        yield Tabs(GROUPS, loud="letters", id="wire-groups")
        yield LineTable(
            LINKS, self.links, id="links", empty="none yet", version=lambda row: row
        )
        yield LineTable(
            SUBJECTS,
            self.subjects,
            id="subjects",
            empty="none yet",
            version=lambda rate: rate,
            sort=Sort("subject"),
        )
        yield LineTable(
            LETTERS,
            self.letters,
            id="letters",
            empty="no dead letters",
            sort=Sort("ago", falling=True),
        )
        yield Static(id="pressure")
        yield Static(id="latency")
        yield Histogram(id="histogram")

    def on_mount(self) -> None:
        """Show the links."""
        self._show_group()

    def on_resize(self) -> None:
        """Write what is as wide as the pane anew, once it has its width."""
        self.call_after_refresh(self._show_facts)

    # --- Tables ----------------------------------------------------------------------

    @property
    def table(self) -> LineTable[Any]:
        """The table on show."""
        return self.query_one(f"#{self.group}", LineTable)

    @property
    def chosen_link(self) -> LinkRow:
        """The link under the cursor, or the hub as a whole."""
        row = self.query_one("#links", LineTable).cursor_row
        return row if isinstance(row, LinkRow) else self.links[ALL]

    @property
    def chosen_letters(self) -> list[Letter]:
        """The marked letters, else the one under the cursor; none in other groups.

        Those that changed least lately come first, so that each subscription gets
        its messages in the order in which they were given up.
        """
        if self.group != "letters":
            return []
        chosen = set(self.table.targets)
        return [row for id_, row in reversed(self.letters.items()) if id_ in chosen]

    def open_group(self, group: Group) -> None:
        """Show another table, and give it the keys."""
        self.group = group
        self._show_group()
        if group not in self._visited:
            self._visited.add(group)
            self.table.index = 0
        self.table.focus()

    def turn(self, by: int) -> None:
        """Show the table so many to the right."""
        self.open_group(GROUPS[(GROUPS.index(self.group) + by) % len(GROUPS)])

    @on(Tabs.Pressed)
    def _tab_pressed(self, event: Tabs.Pressed) -> None:
        event.stop()
        self.open_group(cast("Group", event.name))

    @on(LineTable.Highlighted, "#links")
    def _link_highlighted(self) -> None:
        self._show_facts()

    def _show_group(self) -> None:
        now = console(self).now()
        for name in GROUPS:
            table = self.query_one(f"#{name}", LineTable)
            table.display = name == self.group
        self.table.rebuild(now)
        self.set_class(self.group == "links", "-links")
        self.show_tabs()

    # --- What comes in ---------------------------------------------------------------

    def count(self, messages: Sequence[Message], *, live: bool) -> None:
        """Count messages; those that came just now also for the rates."""
        self._tally.add(messages)
        if live:
            self._tally.pace(messages)

    def forget(self) -> None:
        """Drop every figure: they are of another time."""
        self._tally, self._book = Tally(), LinkBook()
        self.subjects.clear()
        self.letters.clear()
        self.links.clear()
        self.links[ALL] = whole(None, ())
        for table in self.query(LineTable):
            table.rebuild(console(self).now())

    def stir(self, delta: Delta) -> None:
        """Note that letters have changed."""
        self._stale = (
            self._stale
            or delta.reset
            or any(heard.subject in self.STIRS for heard in delta.events)
        )

    def second(self) -> None:
        """Let a second pass: rates move on, and letters are asked for."""
        self._tally.second()
        self._book.take(console(self).model.links)
        self._book.second()
        self.show()
        if self._stale and console(self).model.live:
            self._stale = False
            self.run_worker(self._ask_letters(), exclusive=True, group="letters")

    async def _ask_letters(self) -> None:
        """Ask for the letters; those that are known stay when the hub does not tell."""
        table = self.query_one("#letters", LineTable)
        try:
            found = await console(self).swarm.letters(limit=MOST)
        except AgentkitError as error:
            table.set_empty(safe(str(error)))
            return
        if not self.app.is_running:
            return
        self.letters.clear()
        self.letters.update((row.id, row) for row in found)
        table.set_empty("no dead letters")
        table.rebuild(console(self).now())
        table.refresh()
        self.show_tabs()
        self.screen.refresh_bindings()

    # --- Drawing ---------------------------------------------------------------------

    def show(self) -> None:
        """Draw what is known."""
        self._book.take(console(self).model.links)
        rows = self._book.rows(console(self).model.stats)
        self._replace("#links", self.links, rows)
        self._replace("#subjects", self.subjects, self._tally.subjects())
        self.query_one("#letters", LineTable).flush(console(self).now())
        self.show_tabs()
        self._show_facts()

    def _replace(
        self, name: str, held: dict[str, Any], fresh: Mapping[str, Any]
    ) -> None:
        """Put fresh rows in the place of those of a table."""
        table, now = self.query_one(name, LineTable), console(self).now()
        for id_ in _changed(held, fresh):
            table.mark_dirty(id_)
        others = held.keys() != fresh.keys()
        held.clear()
        held.update(fresh)
        if others:
            table.rebuild(now)
        table.flush(now)

    def show_tabs(self) -> None:
        """Draw the tabs, each with how much is in it."""
        counts = {
            "links": len(self.links) - 1,
            "subjects": len(self.subjects),
            "letters": len(self.letters),
        }
        self.query_one(Tabs).show(self.group, counts)

    def _show_facts(self) -> None:
        link = self.chosen_link
        stats = console(self).model.stats
        facts = self.query_one("#pressure", Static)
        if link.metrics is not None:
            facts.update(link_facts(link, link.metrics))
        elif stats is not None:
            facts.update(hub_facts(stats))
        width = self.query_one("#latency", Static).content_size.width
        self.query_one("#latency", Static).update(latency(link, width))
        self.query_one(Histogram).show(link.labels, link.buckets)


def _changed(held: Mapping[str, Any], fresh: Mapping[str, Any]) -> Iterable[str]:
    return [
        id_ for id_ in held.keys() | fresh.keys() if held.get(id_) != fresh.get(id_)
    ]
