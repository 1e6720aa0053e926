"""One run as events tell of it: its items, and its checkpoints.

The hub keeps these rows; who has them as they were keeps them up to date with what
happens, and who has only the events makes them anew. What was before the first of the
events is then not known.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from agentkit.changes import Heard
from agentkit.protocol import (
    ItemCancelled,
    ItemDone,
    ItemFailed,
    ItemRetrying,
    ItemStarted,
    RunEntered,
    RunLaunched,
    RunMoved,
    RunResumed,
    RunRetried,
)
from agentkit.rows import Checkpoint, Item

SUBJECTS = ("run.", "item.")
"""How the subjects of the events begin that tell of a run."""


def key_of(item: Item) -> str:
    """Return the key of an item among those of its run."""
    return f"{item.visit}.{item.index}"


class RunBook:
    """The items of a run, by `key_of`, and its checkpoints, by number.

    The mappings stay the same objects. Rows of the hub that are newer stay as they are.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self.items: dict[str, Item] = {}
        self.checkpoints: dict[str, Checkpoint] = {}
        self.visits: dict[int, str] = {}
        """The stages it went to, counted from 1."""

    @property
    def newest(self) -> int:
        """The newest stage that has items, counted from 1; 0 when none has."""
        return max((item.visit for item in self.items.values()), default=0)

    def refs(self, visit: int) -> set[str]:
        """Return the tasks and runs that do the items of a stage, or did."""
        return {item.ref for item in self.items.values() if item.visit == visit}

    def put(self, items: Iterable[Item]) -> None:
        """Take items as the hub has them."""
        for item in items:
            known = self.items.get(key_of(item))
            if known is None or known.version <= item.version:
                self.items[key_of(item)] = item

    def put_checkpoints(self, rows: Iterable[Checkpoint]) -> None:
        """Take checkpoints as the hub has them."""
        for row in rows:
            self.checkpoints[str(row.number)] = row
            self.visits[row.number + 1] = row.stage

    def hear(self, events: Iterable[Heard]) -> set[str]:
        """Take events, in order, and return the keys of the items that changed."""
        changed: set[str] = set()
        for heard in events:
            if not heard.subject.startswith(SUBJECTS):
                continue  # it need not be decoded
            if getattr(heard.event, "run", "") == self.run:
                changed |= self._hear(heard)
        return changed

    def _hear(self, heard: Heard) -> set[str]:
        match event := heard.event:
            case RunEntered():
                self.visits[event.visit] = event.stage
            case RunLaunched() | RunMoved():
                self._mark(event, heard.cursor)
            case RunResumed():
                return self._begin_again(max(self.visits, default=0), heard.cursor)
            case RunRetried():
                self.visits[event.visit] = event.stage
                return self._begin_again(event.visit, heard.cursor)
            case ItemStarted():
                return self._start(event, heard.cursor)
            case ItemRetrying() | ItemDone() | ItemFailed() | ItemCancelled():
                return self._move(event, heard.cursor)
        return set()

    def _mark(self, event: RunLaunched | RunMoved, cursor: int) -> None:
        number = event.checkpoint if isinstance(event, RunMoved) else 0
        row = Checkpoint(
            run=self.run,
            number=number,
            stage=event.stage,
            context={},
            at=event.at,
            version=cursor,
        )
        self.put_checkpoints([row])

    def _begin_again(self, visit: int, cursor: int) -> set[str]:
        """Have the items of a stage that are not done wait."""
        again = [
            replace(item, state="waiting", attempt=0, ended=None, version=cursor)
            for item in self.items.values()
            if item.visit == visit and item.is_settled and item.state != "done"
        ]
        return self._put(*again)

    def _start(self, event: ItemStarted, cursor: int) -> set[str]:
        return self._put(
            Item(
                run=self.run,
                visit=event.visit,
                index=event.index,
                state="running",
                kind=event.kind,
                name=event.name,
                key=event.key,
                ref=event.ref,
                attempt=event.attempt,
                began=event.at,
                version=cursor,
            )
        )

    def _move(
        self,
        event: ItemRetrying | ItemDone | ItemFailed | ItemCancelled,
        cursor: int,
    ) -> set[str]:
        known = self.items.get(f"{event.visit}.{event.index}")
        if known is None:
            return set()
        changes: dict[str, Any]
        match event:
            case ItemRetrying():
                changes = {"state": "retrying", "not_before": event.not_before}
                changes |= {"error": event.error}
            case ItemDone():
                changes = {"state": "done", "output": event.output, "error": {}}
            case ItemFailed():
                changes = {"state": "failed", "error": event.error}
            case ItemCancelled():
                changes = {"state": "cancelled", "error": {"_error": event.reason}}
        if not isinstance(event, ItemRetrying):
            changes |= {"ended": event.at, "not_before": None}
        return self._put(replace(known, version=cursor, **changes))

    def _put(self, *items: Item) -> set[str]:
        self.put(items)
        return {key_of(item) for item in items}
