"""The desk of alerts: follows what the hub commits, and sends what is due."""

import asyncio
from contextlib import suppress
from typing import Final

from agentkit.protocol import Event
from server.alerts.facts import SETTLES, TOLD, alert_of, settled_by
from server.alerts.gate import Gate
from server.alerts.message import compose
from server.alerts.post import Post
from server.alerts.targets import Target, targets
from server.hub import Pushed
from server.office import Office

GATHER: Final = 1.0
"""Seconds in which alerts gather: what comes up at once is told at once."""

LOOK: Final = 60.0
"""Seconds between looks at the clock at most: clocks are set, and machines sleep."""

FAREWELL: Final = 1.0
"""Seconds that the end of the hub waits for what is on its way."""


class Desk:
    """Makes alerts of what the hub commits; a subscriber of the hub.

    What is open when it begins is not told: it is no news.

    Args:
        office: the hub's.
        found: where alerts go.
    """

    def __init__(self, office: Office, found: list[Target]) -> None:
        settings, self._hub, self._tally = office.settings, office.hub, office.alerts
        self._about = frozenset(settings.alerted)
        self._gate = Gate(settings.alerts_per_hour, settings.quiet)
        now = self._hub.now
        self._posts = [Post(target, self._tally, now) for target in found]
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to follow."""
        self._tally.waiting = lambda: (
            self._gate.waiting + sum(post.waiting for post in self._posts)
        )
        for post in self._posts:
            post.open()
        self._task = asyncio.create_task(self._run(), name="alerts")
        self._hub.subscribe(self)

    async def close(self) -> None:
        """End: what may go goes, if it arrives at once; the rest is lost."""
        self._hub.unsubscribe(self)
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._send()
        await asyncio.gather(*(post.close(FAREWELL) for post in self._posts))

    def push(self, pushed: Pushed) -> None:
        """Take in the alerts of a turn, and what it settles."""
        rows = pushed.turn.rows
        for _, event in pushed.turn.events:
            kind = type(event)
            if kind in SETTLES:
                self._settle(event)
            elif kind in TOLD:
                alert = alert_of(event, rows)
                if alert and alert.about in self._about and self._gate.add(alert):
                    self._wake.set()

    def _settle(self, event: Event) -> None:
        key = settled_by(event)
        if key is not None:
            self._gate.settle(key)

    async def _run(self) -> None:
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
        due = self._gate.due(now)
        if due is None:
            return None
        return min(LOOK, max(0.0, (due - now).total_seconds()))

    def _send(self) -> None:
        """Put what may go into one message for every target."""
        alerts = self._gate.take(self._hub.now())
        if alerts:
            self._tally.told += len(alerts)
            message = compose(alerts)
            for post in self._posts:
                post.put(message)


def desk_of(office: Office) -> Desk | None:
    """Return the desk that the settings ask for, not open; None when nothing is set.

    Raises:
        Invalid: an address cannot be used, or Apprise is not installed.
    """
    urls = office.settings.alert_addresses
    return Desk(office, targets(urls)) if urls else None
