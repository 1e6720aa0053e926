"""A live picture of the swarm, made of the frames that a hub sends its watchers.

Where the frames come from is not said here: from a connection (`Coordinator`), or out
of a recording.
"""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from agentkit.changes import Change, Changes, Stats
from agentkit.codec import decode
from agentkit.link import Link
from agentkit.mirror import Mirror
from agentkit.run_orders import RunOrders
from agentkit.traffic import Tapped
from agentkit.transports.metrics import Metrics


class Follower(RunOrders):
    """Rows by id, kept up to date by `follow`, and what changes as it does."""

    def __init__(self) -> None:
        self._mirror = Mirror()
        self.agents = self._mirror.agents
        self.helps = self._mirror.helps
        self.tasks = self._mirror.tasks
        self.broadcasts = self._mirror.broadcasts
        self.runs = self._mirror.runs
        """Runs with none above them, without their output; `run` tells more of one."""
        self.task_counts = self._mirror.task_counts
        """The hub's tasks by state; `tasks` has those that tell most (`Mirror`)."""
        self.stats: Stats | None = None
        self.hub: Mapping[str, Any] = {}
        """What the hub says of itself: version, started, store, url."""
        self.role = ""
        self._iterators: WeakSet[Changes] = WeakSet()

    @property
    def cursor(self) -> int:
        """The rows are as of this event."""
        return self._mirror.cursor

    @property
    @abstractmethod
    def link(self) -> Link:
        """How the connection to the hub is."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The hub's address."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @abstractmethod
    async def close(self) -> None:
        """End it, and every iterator's wait."""

    # --- watching ---

    def changes(self) -> AsyncIterator[Change]:
        """Return what changes from now on: first a snapshot, then turn after turn.

        Each event comes once, in order, also across reconnections: the snapshot after
        one brings along what happened in between. An iterator that is not drained
        gets a snapshot in place of what piled up. Iterating ends with the error that
        ended the connection for good.
        """
        mirror = self._mirror
        iterator = Changes(lambda n: mirror.snapshot(missed=n), self._check)
        if self._is_whole:
            iterator.push(mirror.snapshot())
        self._iterators.add(iterator)
        return iterator

    @abstractmethod
    async def tap(self, pattern: str) -> None:
        """Have every message that a pattern matches told, as it goes by.

        They come as changes of the kind ``traffic``, until the pattern is empty. There
        is one pattern at a time. What goes by while the hub is away is not told.
        """

    @abstractmethod
    async def links(self, *, follow: bool = False) -> list[Metrics]:
        """Return the links of the hub, in figures: its own, and those it is told of.

        Args:
            follow: have them told once a second from now on while they change, as
                changes of the kind ``links``.
        """

    @property
    def _is_whole(self) -> bool:
        """Whether there is a picture for who begins to watch now."""
        return self._mirror.loaded

    def _check(self) -> None:
        """Raise when nothing more will come."""

    def _push(self, change: Change) -> None:
        for iterator in self._iterators:
            iterator.push(change)

    def _wake(self) -> None:
        for iterator in self._iterators:
            iterator.wake()

    def _tell_link(self) -> None:
        self._push(Change(kind="link", cursor=self.cursor))

    # --- what comes down ---

    def follow(self, frame: dict[str, Any]) -> None:
        """Take a frame of the hub in, and tell what it changed.

        A frame of a kind that is not known changes nothing.
        """
        match frame["type"]:
            case "welcome":
                self._mirror.forget_copies()
                self.hub, self.role = frame.get("hub", {}), frame.get("role", "")
            case "snapshot":
                if self._mirror.copy(frame):
                    self._copied()
            case "resync":
                self._mirror.forget_copies()
            case "turn":
                self._push(self._mirror.turn(frame))
            case "stats":
                self.stats = decode(Stats, frame)
                self._push(self._change("stats", stats=self.stats))
            case "traffic":
                traffic = tuple(decode(Tapped, each) for each in frame["messages"])
                dropped = frame["dropped"]
                self._push(self._change("traffic", traffic=traffic, dropped=dropped))
            case "links":
                links = tuple(map(Metrics.read, frame["links"]))
                self._push(self._change("links", links=links))

    def _change(self, kind: Any, **fields: Any) -> Change:
        return Change(kind=kind, cursor=self.cursor, **fields)

    def _copied(self) -> None:
        """Tell of the snapshot that is complete."""
        self._push(self._mirror.snapshot())
