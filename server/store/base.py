"""What a store must do; memory and SQLite do it, others may follow.

A store keeps two things in step: the log of events and the rows they changed. It
decides nothing. One body of tests, `tests/contract/stores`, holds every store
to this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Literal, NamedTuple, Protocol, TypeAlias

from agentkit.errors import HubUnavailable
from agentkit.protocol import Logged
from agentkit.rows import (
    Broadcast,
    Checkpoint,
    Delivery,
    HelpRequest,
    Item,
    ItemState,
    Letter,
    Plan,
    Receipt,
    Result,
    Run,
    RunState,
    Spool,
    Task,
)
from server.core.tables import Tables, Turn
from server.store.result_files import ResultFiles

Write: TypeAlias = Callable[[Sequence[Logged]], Turn]
"""Given the events that other hubs appended since our last turn (none, on one machine),
returns the changes to commit. Called on the event loop, once per turn."""


class StoreError(HubUnavailable):
    """The store cannot be opened, read or written; the text says why and what helps."""


class Trimmed(NamedTuple):
    """What one step of trimming took away."""

    rows: int = 0
    bytes: int = 0
    """What was given back to the disk."""

    @property
    def is_all(self) -> bool:
        """Whether there was nothing left to take."""
        return not self.rows and not self.bytes


@dataclass(frozen=True, slots=True)
class Integrity:
    """Whether a store is sound, and what it is made of."""

    ok: bool
    problems: tuple[str, ...] = ()
    """What is wrong with it, the first few."""
    version: int = 0
    """Of its schema."""
    size: int = 0
    """In bytes."""
    sqlite: str = ""
    """The version of SQLite that reads it."""


class Store(Protocol):
    """The log and the rows, kept in step."""

    @property
    def identity(self) -> str:
        """What this log is recognised by, while it is open; a restored one has another.

        Numbers of deliveries mean nothing beyond it.
        """

    @property
    def result_files(self) -> ResultFiles:
        """What is too large for a row, while it is open."""

    async def open(self) -> None:
        """Open or create the store and take its lock.

        Raises:
            StoreError: it is locked by another hub, damaged, or cannot be written.
            WrongKey: it is sealed with another key.
        """

    async def load(self) -> tuple[int, Tables]:
        """Return the cursor of the newest event and the rows that are still of use.

        Every agent and token, and of each agent the `KEEP_SPOOLS` spools that it used
        last, in the order they first came; the newest `KEEP_RECEIPTS` receipts; open
        help requests, tasks and deliveries that wait or may be tried again, unsettled
        broadcasts; of the settled ones the newest `KEEP_SETTLED` of each table by
        version (deliveries: none), and whatever a loaded delivery refers to; calls that
        may be answered yet among the `LOOK_BACK` settled broadcasts before those; as
        many letters that are dead, and as many others.

        Runs that are not settled, or of which something is still to be called off, with
        the items begun of the stage that they are at, the task or run that each of
        these waits for, and their first and newest checkpoint; of the settled runs
        without any above them the newest `KEEP_SETTLED`, alone; the plans of all
        these; no results.
        """

    async def turn(self, write: Write) -> Turn:
        """Call `write` and commit what it returns, durably, in one transaction.

        Raises:
            StoreError: nothing of the turn is kept. Its cursors do not follow the log,
                or it could not be written.
        """

    async def events(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 500,
        subject: str = "**",
        agent: str = "",
        newest_first: bool = False,
    ) -> list[Logged]:
        """Read the log: cursors in (after, before), at most `limit`.

        `subject` is a pattern (`agentkit.subjects`); `agent` narrows to one agent's.
        What was trimmed is passed over: see `oldest`.
        """

    async def oldest(self) -> int:
        """Return the cursor of the oldest event that is kept; 0 before the first."""

    async def deliveries(
        self,
        *,
        ref: str = "",
        agent: str = "",
        state: Literal["", "dead"] = "",
        limit: int = 1000,
        after: str = "",
    ) -> list[Delivery]:
        """Read at most `limit` deliveries.

        With `ref` the ledger of one thing, in order of agent and after agent `after`;
        with `agent` alone the mailbox of one agent, newest first. With the state
        ``dead`` the dead ones, of everybody or of one agent, newest first and after
        the delivery whose id is `after`; `ref` does not count then.

        Raises:
            Invalid: `after` is not the id of a delivery.
        """

    async def task(self, key: str) -> Task | None:
        """Read one task, however old."""

    async def help(self, key: str) -> HelpRequest | None:
        """Read one help request, however old."""

    async def broadcast(self, key: str) -> Broadcast | None:
        """Read one broadcast, however old."""

    async def letter(self, key: str) -> Letter | None:
        """Read one letter, however old."""

    async def letters(
        self, *, state: Literal["", "dead"] = "", before: int = 0, limit: int = 100
    ) -> list[Letter]:
        """Read at most `limit` letters, those that changed last first.

        Args:
            state: the dead ones alone, or all.
            before: the version of the last one seen; 0 begins.
            limit: how many at most.
        """

    async def receipt(self, key: str) -> Receipt | None:
        """Read the receipt of an idempotency key, however old."""

    async def spool(self, agent: str, spool: str) -> Spool | None:
        """Read how much of an outbox was accepted, however long ago."""

    async def plan(self, key: str) -> Plan | None:
        """Read one plan."""

    async def run(self, key: str) -> Run | None:
        """Read one run, however old."""

    async def runs(
        self,
        *,
        state: RunState | Literal[""] = "",
        parent: str = "",
        root: str = "",
        launched_by: str = "",
        before: int = 0,
        limit: int = 100,
    ) -> list[Run]:
        """Read at most `limit` runs, those that changed last first.

        Args:
            state: those alone, or all.
            parent: those right below a run.
            root: all of a tree, the run at its top too.
            launched_by: those that a run launched. Without any of these three: those
                without a run above them.
            before: the version of the last one seen; 0 begins.
            limit: how many at most.
        """

    async def run_tree(self, key: str) -> Tables:
        """Read a run and all below it, as they are at one moment.

        With them come their plans, the items begun of the stage that each is at, and
        the first and the newest checkpoint of each. What it launched is not below it.
        Nothing comes of a run that is not there, or whose tree is being trimmed.
        """

    async def items(
        self,
        run: str,
        *,
        visit: int | None = None,
        after: int = -1,
        limit: int = 1000,
        state: ItemState | Literal[""] = "",
    ) -> list[Item]:
        """Read at most `limit` items of one visit of a run, in order of index.

        Args:
            run: whose items.
            visit: which visit; None is the one that the run is at, with what is begun
                of it.
            after: the index of the last one seen; -1 begins.
            limit: how many at most.
            state: those alone, or all.
        """

    async def latest_failed_visit(self, run: str) -> int | None:
        """Return the last visit of which an item failed; None when there is none.

        An item that was cancelled has not failed. What was visited before the run went
        back does not count.
        """

    async def checkpoint(
        self, run: str, number: int | None = None
    ) -> Checkpoint | None:
        """Read one checkpoint of a run, the newest by default.

        The newest is the one written last: a run that went back to one goes on from it.
        """

    async def checkpoints(self, run: str, limit: int = 100) -> list[Checkpoint]:
        """List the newest checkpoints of a run, those written last first.

        They come without context and input, however much these hold.
        """

    async def result(self, run: str, name: str) -> Result | None:
        """Read one result; one that was deleted says so, until it is trimmed."""

    async def results(self, run: str = "", limit: int = 100) -> list[Result]:
        """Read at most `limit` results that are not deleted.

        Those of one run in order of name, or of all the ones that changed last first.
        """

    async def note(self, name: str) -> str:
        """Read what was noted under a name; empty when nothing was."""

    async def put_note(self, name: str, text: str) -> None:
        """Note a text under a name, durably, in place of the one before.

        For what follows the log and has to know after a restart how far it got. Notes
        are not trimmed.

        Raises:
            StoreError: it could not be written; the one before is kept.
        """

    async def files(self) -> set[str]:
        """Return the digests of all files that results lie in, but deleted ones."""

    async def trim(self, before: datetime, size: int) -> Trimmed:
        """Take away one batch of what is no longer kept; repeat until `is_all`.

        The log loses its oldest events: those from before a time, and more while it
        all takes up more than `size` bytes. What is settled goes when the event that
        settled it has gone: help requests, tasks, deliveries, broadcasts with all of
        their deliveries, letters, and receipts with the last event of theirs; spools
        with the event that last touched them, but for the one that an agent used last
        and the one that it began last. A run goes with all below it, their items,
        checkpoints and results, when the event that settled it has gone and none of
        them waits; a plan with its last run; a result under the name of no run, or
        that was deleted, with its own event. Agents, tokens, whatever still waits, what
        a waiting delivery carries, and the newest event always stay.

        A batch takes a few milliseconds, so that turns come in between.

        Raises:
            StoreError: nothing could be taken away.
        """

    async def check(self) -> str:
        """Prove that the store can be written; return a word on its state.

        Raises:
            StoreError: it cannot.
        """

    async def copy(self) -> BinaryIO:
        """Copy everything, as it is at one moment, while turns go on.

        The file has no name: when it is closed nothing is left of it. It is a store of
        its own, sealed as this one is.

        Raises:
            Conflict: the store is not in a file.
            StoreError: it cannot be copied, for example for lack of room.
        """

    async def examine(self) -> Integrity:
        """Read everything through and say whether it is sound, while turns go on.

        Raises:
            StoreError: it cannot be read.
        """

    async def close(self) -> None:
        """Close the store and release its lock."""


KEEP_RECEIPTS = 50_000
"""How many idempotency keys stay in memory, the newest: what is repeated is repeated
soon."""

KEEP_SETTLED = 1000
"""How many settled rows of a table stay in memory."""

LOOK_BACK = 10_000
"""Through how many older settled messages a start looks for calls that may be answered
yet."""

KEEP_SPOOLS = 8
"""How many spools of an agent stay in memory, those used last: an agent that is not
durable begins one with each of its starts."""
