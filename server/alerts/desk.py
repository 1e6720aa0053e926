"""The desk of alerts: follows what the hub commits, and sends what is due."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from agentkit.rows import Run
from server.alerts.book import Book
from server.alerts.facts import SETTLES, TOLD, runs_elsewhere, still_open
from server.alerts.gate import Gate
from server.alerts.post import Post
from server.alerts.targets import Target, targets
from server.core import Swarm
from server.hub import Pushed
from server.office import Office
from server.store.base import StoreError

GATHER: Final = 1.0
"""Seconds in which alerts gather: what comes up at once is told at once."""

REST: Final = 0.1
"""Seconds between two notes of what arrived: they are written where the hub writes."""

LOOK: Final = 60.0
"""Seconds between looks at the clock at most: clocks are set, and machines sleep."""

FAREWELL: Final = 1.0
"""Seconds that the end of the hub waits for what is on its way."""

NOTE: Final = "alerts"
"""Where the store has what was told."""

log = logging.getLogger("swarmtui.hub")


class Desk:
    """Makes alerts of what the hub commits; a subscriber of the hub.

    Args:
        office: the hub's.
        found: where alerts go.
    """

    def __init__(self, office: Office, found: list[Target]) -> None:
        settings, self._hub, self._tally = office.settings, office.hub, office.alerts
        self._about = frozenset(settings.alerted)
        gate = Gate(settings.alerts_per_hour, settings.quiet)
        self._book = Book(gate, [target.name for target in found])
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        now, changed, owed = self._hub.now, self._changed.set, self._book.owed
        self._posts = [
            Post(target, owed[target.name], self._tally, now, changed)
            for target in found
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Begin to follow, with what was open before and nobody was told of."""
        note = await self._hub.store.note(NOTE)
        runs = await self._runs_elsewhere()
        await self._hub.ask(lambda swarm: self._begin(swarm, note, runs))
        await self._save()
        self._tally.waiting = lambda: self._book.waiting
        for post in self._posts:
            post.open()
        self._tasks = [
            asyncio.create_task(self._send_when_due(), name="alerts"),
            asyncio.create_task(self._note_what_changed(), name="note of alerts"),
        ]

    def _begin(self, swarm: Swarm, note: str, runs: dict[str, Run]) -> None:
        now = self._hub.now()
        found = still_open(swarm, now, runs)
        told = (alert for alert in found if alert.about in self._about)
        self._book.begin(note, told, now)
        self._hub.subscribe(self)

    async def _runs_elsewhere(self) -> dict[str, Run]:
        keys = await self._hub.ask(runs_elsewhere)
        found = [await self._hub.store.run(key) for key in keys]
        return {run.id: run for run in found if run is not None}

    async def close(self) -> None:
        """End: what may go goes, if it arrives at once; the rest after a restart."""
        if not self._tasks:  # it never began, and knows nothing to note
            return
        self._hub.unsubscribe(self)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._send()
        await asyncio.gather(*(post.close(FAREWELL) for post in self._posts))
        await self._save()

    def push(self, pushed: Pushed) -> None:
        """Take in the alerts of a turn, and what it settles."""
        rows = pushed.turn.rows
        for _, event in pushed.turn.events:
            kind = type(event)
            if kind in SETTLES:
                self._book.settle(SETTLES[kind](event))
            elif kind in TOLD:
                alert = TOLD[kind](event, rows)
                if alert and alert.about in self._about:
                    new = self._book.take_in(alert)
                    (self._wake if new else self._changed).set()

    # --- what is due ------------------------------------------------------------------

    async def _send_when_due(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience()):
                    await self._wake.wait()
            if self._wake.is_set():
                self._wake.clear()
                await asyncio.sleep(GATHER)
            self._send()

    def _patience(self) -> float | None:
        """Return the seconds until something may go; None while nothing waits."""
        now = self._hub.now()
        due = self._book.due(now)
        if due is None:
            return None
        return min(LOOK, max(0.0, (due - now).total_seconds()))

    def _send(self) -> None:
        if told := self._book.tell(self._hub.now()):
            self._tally.told += told
            for post in self._posts:
                post.wake()

    # --- what a restart has to know ---------------------------------------------------

    async def _note_what_changed(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(REST if await self._save() else LOOK)

    async def _save(self) -> bool:
        """Note what was told; say whether that is on disk."""
        self._changed.clear()
        try:
            await self._hub.store.put_note(NOTE, self._book.note())
        except StoreError as error:
            self._changed.set()
            log.warning("what alerts told is not noted, trying again: %s", error)
            return False
        return True


def desk_of(office: Office) -> Desk | None:
    """Return the desk that the settings ask for, not open; None when nothing is set.

    Raises:
        Invalid: an address cannot be used, or Apprise is not installed.
    """
    urls = office.settings.alert_addresses
    return Desk(office, targets(urls)) if urls else None
