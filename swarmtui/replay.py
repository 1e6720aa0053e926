"""A recording that is played: it looks like a hub, and takes no orders."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Self

from agentkit.changes import Change, Heard
from agentkit.errors import Conflict
from agentkit.follower import Follower
from agentkit.link import Link
from agentkit.mirror import heard
from agentkit.progress import RunTree, RunView
from agentkit.protocol import Logged
from agentkit.rows import Checkpoint, Delivery, Item, ItemState, Letter, Plan
from agentkit.subjects import matches
from agentkit.transports.metrics import Metrics
from swarmtui.mailboxes import Mailboxes
from swarmtui.model import BEATS, TRAFFIC
from swarmtui.past_runs import PastRuns
from swarmtui.playhead import Playhead
from swarmtui.post import letters_of
from swarmtui.reel import Reel

TICK = 0.05
"""Seconds between two steps."""
SHARE = 0.03
"""Seconds that one step may take; what does not fit in lets the playhead wait."""
LOOK_BACK = 2_000
"""How many events are looked through for an answer, at most."""
RUN_LOOK_BACK = 10_000
"""The same, for an answer about one run."""

_BAD = (KeyError, TypeError, ValueError, AttributeError)


class Replay(Follower):
    """Follows a recording as if it were a hub.

    The rows are those of the second that `second` tells. Questions about the past are
    answered from what is recorded; orders are refused.

    Args:
        reel: the recording; it is closed with this.
        at: the second to begin at.
        speed: how many seconds go by in one.
        paused: stand there.
        loop: begin again at the end.
        clock: steady, in seconds.
    """

    def __init__(
        self,
        reel: Reel,
        *,
        at: float = 0.0,
        speed: float = 1.0,
        paused: bool = False,
        loop: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.reel = reel
        self.loop = loop
        self.damaged = 0
        """Frames that could not be understood and were passed over."""
        self._head = Playhead(reel.length, speed, playing=not paused)
        self._head.put(at, clock())
        self._clock = clock
        self._next = 0
        """The frame that comes next."""
        self._link = Link()
        self._quiet = False
        """What is taken in now is not told."""
        self._task: asyncio.Task[None] | None = None

    # --- what the dashboard asks ---

    @property
    def link(self) -> Link:
        """How the connection was."""
        return self._link

    @property
    def url(self) -> str:
        """The address of the hub that was recorded."""
        return self.reel.recording.header.url

    @property
    def second(self) -> float:
        """Where it is, in seconds from the start."""
        return self._head.at(self._clock())

    @property
    def length(self) -> float:
        """Where it ends, in seconds from the start."""
        return self.reel.length

    @property
    def speed(self) -> float:
        """How many seconds go by in one."""
        return self._head.speed

    @property
    def playing(self) -> bool:
        """Whether it moves."""
        return self._head.playing

    def now(self) -> datetime:
        """Return what the time was."""
        return self.reel.recording.header.started + timedelta(seconds=self.second)

    async def __aenter__(self) -> Self:
        self.seek(self.second)
        self._task = asyncio.create_task(self._run())
        return self

    async def close(self) -> None:
        """Stop, and close the file."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._wake()
        self.reel.close()

    def changes(self) -> AsyncIterator[Change]:
        """Return what changes from now on: first everything as it is here."""
        iterator = super().changes()
        self._tell_all(self._next)
        return iterator

    # --- the hand on the scrubber ---

    def toggle(self) -> None:
        """Pause, or play on."""
        if self.playing:
            self._head.pause(self._clock())
            return
        if self.second >= self.length:
            self.seek(0.0)
        self._head.play(self._clock())

    def faster(self, steps: int = 1) -> None:
        """Take the next higher speed, or a lower one."""
        self._head.faster(self._clock(), steps)

    def step(self, seconds: float) -> None:
        """Go on or back by seconds."""
        self.seek(self.second + seconds)

    def next_call(self) -> bool:
        """Go to where somebody calls for a person next; say whether anybody does."""
        return self._seek_call(self.reel.call_after(self.second))

    def last_call(self) -> bool:
        """Go back to where somebody called for a person; say whether anybody did."""
        return self._seek_call(self.reel.call_before(self.second - 1.0))

    def _seek_call(self, second: float | None) -> bool:
        if second is not None:
            self.seek(second)
        return second is not None

    def seek(self, second: float) -> None:
        """Go to a second, or as near to it as anything is known.

        Whoever watches gets a snapshot that is `Change.anew`, with the latest of what
        goes by: events, messages, figures.
        """
        second = min(max(second, self.reel.begins), self.length)
        self._head.put(second, self._clock())
        end = self.reel.upto(second)
        shot = self.reel.shot(second)
        self._quiet = True
        for frame in islice(self.reel.back(end, "welcome"), 1):
            self.follow(frame)
        if shot is not None:
            self._link = Link("live")
            for frame in self.reel.frames(shot.first, end):
                self.follow(frame)
        self._quiet = False
        self._next = end
        self._tell_all(end)

    def _tell_all(self, end: int) -> None:
        """Tell everything as it was before a frame."""
        events = _newest(self._events(end), TRAFFIC)
        self._push(replace(self._mirror.snapshot(tuple(events)), anew=True))
        for frame in _newest(self.reel.back(end, "traffic"), BEATS):
            self.follow(frame)
        for frame in _newest(self.reel.back(end, "stats"), BEATS):
            self.follow(frame)
        for frame in islice(self.reel.back(end, "links"), 1):
            self.follow(frame)

    # --- moving ---

    async def _run(self) -> None:
        while True:
            self.advance()
            await asyncio.sleep(TICK)

    def advance(self) -> None:
        """Take in what has come until now; at the end stop, or begin again."""
        if not self.playing:
            return
        started = time.perf_counter()
        end = self.reel.upto(self.second)
        while self._next < end:
            self.follow(self.reel.recording.frame(self._next))
            self._next += 1
            if time.perf_counter() - started > SHARE:
                self._head.put(self.reel.recording.times[self._next - 1], self._clock())
                return
        if self.second >= self.length:
            self._finish()

    def _finish(self) -> None:
        if self.loop:
            self.seek(0.0)
        else:
            self._head.pause(self._clock())

    def follow(self, frame: dict[str, Any]) -> None:
        """Take a frame in; one that makes no sense is passed over and counted."""
        try:
            if frame["type"] == "link":
                self._relink(frame)
            else:
                super().follow(frame)
        except _BAD:
            self.damaged += 1

    def _relink(self, frame: Mapping[str, Any]) -> None:
        again = frame["retry_at"]
        at = datetime.fromisoformat(again) if again else None
        self._link = Link(frame["state"], frame["error"], at)
        self._tell_link()

    def _push(self, change: Change) -> None:
        if not self._quiet:
            super()._push(change)

    # --- what is known of the past ---

    async def _request(
        self, do: str, args: Mapping[str, Any], key: str = ""
    ) -> dict[str, Any]:
        del args, key
        raise Conflict(f"this is a recording: {do} would need a hub that listens")

    async def tap(self, pattern: str) -> None:
        """Have nothing to begin: what was tapped is in the recording."""

    async def links(self, *, follow: bool = False) -> list[Metrics]:
        """Return the links as they were last told of."""
        del follow
        for frame in self.reel.back(self._next, "links"):
            return [Metrics.read(each) for each in frame["links"]]
        return []

    async def events(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
        subject: str | None = None,
        agent: str | None = None,
        newest_first: bool = False,
    ) -> list[Logged]:
        """Return the newest recorded events with cursors in (after, before)."""
        found = (
            one
            for one in self._about(agent or "", before)
            if one.cursor > (after or 0) and matches(subject or "**", one.subject)
        )
        kept = [Logged(one.cursor, one.event) for one in islice(found, limit)]
        return kept if newest_first else kept[::-1]

    async def history(
        self, agent: str, *, before: int | None = None, limit: int = 100
    ) -> list[Logged]:
        """Return the newest recorded events of an agent, newest first."""
        return await self.events(
            agent=agent, before=before, limit=limit, newest_first=True
        )

    async def ledger(
        self, ref: str, *, after: str | None = None, limit: int = 1000
    ) -> list[Delivery]:
        """Return the deliveries of something that was recorded, by agent."""
        heads = Mailboxes(_newest(self._about(ref), LOOK_BACK)).rows
        agents = {agent for agent, _ in heads if agent > (after or "")}
        rows = (row for agent in sorted(agents) for row in self._mail(agent))
        return list(islice((row for row in rows if row.ref == ref), limit))

    async def mailbox(self, agent: str, *, limit: int = 100) -> list[Delivery]:
        """Return the recorded deliveries of an agent, newest first."""
        return self._mail(agent)[::-1][:limit]

    async def dead(
        self, agent: str = "", *, after: str = "", limit: int = 100
    ) -> list[Delivery]:
        """Return the recorded deliveries that are dead, newest first."""
        del after
        agents = [agent] if agent else self._who_gave_up()
        rows = [row for name in agents for row in self._mail(name)]
        dead = [row for row in rows if row.state == "dead" and not row.retried]
        return sorted(dead, key=lambda row: -row.seq)[:limit]

    async def letters(
        self, *, dead: bool = True, before: int = 0, limit: int = 100
    ) -> list[Letter]:
        """Return the letters as they were, those that changed last first.

        Those that were given up before the recording began are not among them.
        """
        rows = letters_of(self.reel.heard_of_letters(self._next))
        found = (
            row
            for row in rows
            if (row.state == "dead" or not dead)
            and (not before or row.version < before)
        )
        return list(islice(found, limit))

    # --- what is known of runs ---

    @property
    def _past(self) -> PastRuns:
        return PastRuns(self.runs, self._heard_of)

    def _heard_of(self, name: str) -> list[Heard]:
        return _newest(self._about(name), RUN_LOOK_BACK)

    async def run(self, run: str) -> RunView:
        """Return one run as it was."""
        return self._past.view(run)

    async def tree(self, run: str) -> RunTree:
        """Return a run with those below it that began within the recording."""
        return self._past.tree(run)

    async def items(
        self,
        run: str,
        *,
        visit: int | None = None,
        state: ItemState | None = None,
        after: int | None = None,
        limit: int = 1000,
    ) -> list[Item]:
        """Return the recorded items of a stage of a run, in order."""
        at = self._past.view(run).run.visit if visit is None else visit
        found = (
            item
            for item in self._past.items(run)
            if item.visit == at
            and item.index > (-1 if after is None else after)
            and state in (None, item.state)
        )
        return list(islice(found, limit))

    async def checkpoints(self, run: str, *, limit: int = 100) -> list[Checkpoint]:
        """Return the recorded checkpoints of a run, the newest first."""
        return self._past.checkpoints(run)[:limit]

    async def plan(self, plan: str) -> Plan:
        """Return a plan that was kept within the recording."""
        return self._past.plan(plan)

    async def ping(self) -> float:
        """Return no time at all: it is here."""
        return 0.0

    def _mail(self, agent: str) -> list[Delivery]:
        """Return the deliveries of an agent, oldest first."""
        rows = Mailboxes(_newest(self._about(agent), LOOK_BACK)).rows.values()
        return [row for row in rows if row.agent == agent]

    def _who_gave_up(self) -> list[str]:
        found = islice(self._events(self._next), LOOK_BACK)
        dead = (one for one in found if one.subject == "delivery.dead")
        return sorted({getattr(one.event, "agent", "") for one in dead})

    def _about(self, name: str, before: int | None = None) -> Iterator[Heard]:
        """Yield what was heard of somebody, or of anybody, newest first."""
        found = (
            self.reel.heard_about(name, self._next)
            if name
            else self._events(self._next, before)
        )
        return (one for one in found if before is None or one.cursor < before)

    def _events(self, end: int, before: int | None = None) -> Iterator[Heard]:
        """Yield the events before a frame, newest first."""
        for frame in self.reel.back(self.reel.turn(end, before), "turn"):
            yield from map(heard, reversed(frame["events"]))


def _newest(found: Iterable[Any], most: int) -> list[Any]:
    """Return the first of what comes newest first, with the oldest of them first."""
    return list(islice(found, most))[::-1]
