"""What transports tell each other on reserved subjects: letters and metrics."""

import asyncio
import logging
import os
import socket
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from heapq import nlargest
from secrets import token_hex
from typing import Any, ClassVar, Final

from agentkit.errors import Invalid
from agentkit.subjects import matches
from agentkit.transports.connection import Connection
from agentkit.transports.dispatch import Dispatch
from agentkit.transports.errors import TransportError
from agentkit.transports.events import DEAD, LINK, REQUEUE, Event
from agentkit.transports.letters import Letter, Letters, in_one_line
from agentkit.transports.metrics import Metrics, SubscriptionMetrics, Tally
from agentkit.transports.worker import Fetch, Subscription

log = logging.getLogger(__name__)

TOLD: Final = 100
"""Subscriptions that are told of, of more those in the most trouble."""


class Correspondent(Connection):
    """Keeps the letters of its subscriptions, and tells them and its metrics.

    Args:
        name: who it is to others; made of the host and the process if empty.
        url: of the broker, without a password.
        fetch: see `Fetch`; None unless it is persistent.
    """

    tells: ClassVar[bool] = True
    """Whether there is anybody to tell."""
    link_interval: ClassVar[float] = 5.0
    """Seconds between metrics on ``_link``, if they changed."""

    def __init__(self, *, name: str, url: str, fetch: Fetch | None) -> None:
        super().__init__(url)
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{token_hex(2)}"
        self.persistent = fetch is not None
        self._tally = Tally()
        self._letters = Letters()
        self._untold: set[str] = set()
        """Letters that were written while nobody could be told."""
        self._told: dict[str, Any] = {}
        self._overhearers: list[Callable[[Event], None]] = []
        self._dispatch = Dispatch(self._tally, self._bury, self._too_slow, fetch)
        self._cover.add(REQUEUE)

    @abstractmethod
    def metrics(self) -> Metrics:
        """Return the transport in figures."""

    @abstractmethod
    def _too_slow(self, subscription: Subscription) -> None:
        """End a subscription that could not keep up."""

    def letters(self) -> list[Letter]:
        """Return the newest 1,000 letters of this transport, oldest first."""
        return self._letters.all()

    async def requeue(self, letter_id: str) -> None:
        """Give a letter's event once more to the subscription that failed on it.

        Raises:
            TransportError: there is no such letter, or its subscription has ended, or
                is for other subjects now.
            PublishError: there is no connection.
        """
        letter = self._letters.get(letter_id)
        self._require_connection()
        if not self._is_for_us(letter):
            raise TransportError(
                f"the subscription {letter.subscription!r} of the letter {letter_id} "
                f"is not there: subscribe to {letter.pattern!r} again under that name"
            )
        await self._give_again(letter)

    async def discard(self, letter_id: str) -> None:
        """Forget a letter.

        Raises:
            TransportError: there is no such letter.
        """
        self._letters.forget(self._letters.get(letter_id).id)

    async def overhear(self, callback: Callable[[Event], None]) -> None:
        """Call back with letters and metrics that other transports tell; for hubs."""
        self._overhearers.append(callback)
        for subject in (DEAD, LINK):
            self._cover.add(subject)
        await self._adjust_if_up()

    async def tell(self, event: Event) -> None:
        """Publish an event on a reserved subject; for hubs.

        Raises:
            PublishError: the broker did not take it, or there is no connection.
        """
        self._require_connection()
        await self._send(event, event.encode())

    async def _tell_all(self) -> None:
        """Tell letters that are untold, and the metrics if they changed.

        Raises:
            PublishError: the broker did not take them.
        """
        for letter in self._letters.all():
            if letter.id in self._untold:
                await self._tell_letter(letter)
                self._untold.discard(letter.id)
        self._untold.intersection_update(letter.id for letter in self._letters.all())
        await self._tell_figures()

    async def _keep_telling(self) -> None:
        while True:
            with suppress(TransportError):
                await self._tell_all()
            await asyncio.sleep(self.link_interval)

    async def _bury(
        self, subscription: Subscription, event: Event, error: Exception
    ) -> None:
        """Keep a letter of an event, and tell it.

        Raises:
            TransportError: the transport is persistent, and could not store it.
        """
        letter = Letter(
            event=event,
            pattern=subscription.pattern,
            subscription=subscription.name,
            transport=self.name,
            reason=in_one_line(error),
            attempts=subscription.retry.attempts,
        )
        try:
            await self._tell_letter(letter)
        except TransportError:
            if self.persistent:
                raise
            self._untold.add(letter.id)
        self._letters.keep(letter)
        self._tally.dead += 1

    async def _tell_letter(self, letter: Letter) -> None:
        """Tell a letter, unless nobody can be told of such an event.

        That comes from others alone: their JSON is not ours, or it leaves no room.

        Raises:
            PublishError: the broker did not take it.
        """
        try:
            told = Event(DEAD, letter.as_data(), source=self.name)
            payload = told.encode()
        except Invalid as error:
            log.warning("the letter %s is not told: %s", letter.id, error)
            return
        if self._largest and len(payload) > self._largest:
            log.warning("the letter %s is not told: it is too large", letter.id)
            return
        await self._send(told, payload)

    async def _tell_figures(self) -> None:
        """Tell the metrics, if they changed.

        Raises:
            PublishError: the broker did not take them.
        """
        figures = _in_short(self.metrics()).as_data()
        if figures != self._told:
            event = Event(LINK, figures, source=self.name)
            await self._send(event, event.encode())
            self._told = figures

    async def _overhear(self, event: Event) -> None:
        """Take in what came on a reserved subject."""
        if event.name == REQUEUE:
            try:
                letter = Letter.read(event.data.get("letter"))
            except Invalid:
                self._tally.garbage += 1
                return
            if self._is_for_us(letter):
                self._run(self._give_again(letter))
        for overhearer in tuple(self._overhearers):
            overhearer(event)

    def _is_for_us(self, letter: Letter) -> bool:
        """Say whether a subscription of ours would take the event of a letter."""
        subscription = self._dispatch.named(letter.subscription)
        return bool(subscription and matches(subscription.pattern, letter.event.name))

    async def _give_again(self, letter: Letter) -> None:
        """Give a letter's event to its own subscription, and forget the letter.

        At a persistent transport the event is stored for it, so that whoever shares its
        work may take it, and one of them does.

        Raises:
            PublishError: the broker did not take it.
        """
        event = replace(letter.event, only=letter.subscription, letter=letter.id)
        payload = event.encode()
        if self.persistent:
            await self._send(event, payload)
        else:
            await self._dispatch.give(event, len(payload))
        self._letters.forget(letter.id)


def _in_short(metrics: Metrics) -> Metrics:
    """Return metrics that a broker takes, however many subscriptions there are."""
    each = metrics.subscriptions
    if len(each) <= TOLD:
        return metrics
    return replace(metrics, subscriptions=tuple(nlargest(TOLD, each, key=_trouble)))


def _trouble(one: SubscriptionMetrics) -> tuple[int, int, int, int]:
    return one.queued, one.dropped, one.dead, one.delivered
