"""What agents send up over a broker: reports, and receipts of their mail."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any, Final, get_args

from agentkit.errors import AgentkitError, Invalid, NotFound
from agentkit.protocol import Ack, Command, Done, GiveUp
from agentkit.rows import Report
from agentkit.subjects import from_segment
from agentkit.transports import Event
from server.asgi import CODES, RequestError
from server.hub import Outcome
from server.office import Office
from server.store.base import StoreError
from server.wire import NOTIFICATION, is_plain, notify_of, valid
from server.wire.bridge import FETCH, RECEIPT, REFUSAL

PATTERN: Final = "agent.*.*"
"""What is published for the hub."""

REPORTS: Final[dict[str, Report]] = {report: report for report in get_args(Report)}

IN_FLIGHT: Final = 256
"""Wishes that may wait for their COMMIT before more are taken."""

UNTELLABLE: Final = (
    "what this says cannot be told on: leave out numbers beyond 64 bits, halves of "
    "surrogate pairs and more than 200 levels"
)

Refuse = Callable[[Event, AgentkitError], None]
"""Tells that an event was not taken; must not block or raise."""

log = logging.getLogger("swarmtui.hub")


class Intake:
    """Makes wishes of events, and submits them in the order in which they came.

    A broker that keeps events is answered after the COMMIT, and an event that comes
    again has no second effect. From any other broker more is taken while what came
    before waits for its COMMIT: if that fails, it is lost, as it is when the hub ends.

    Args:
        office: the hub's.
        name: of the bridge.
        persistent: whether the broker keeps events until they are taken.
        fetch: hands an agent's mail out again, above a number; says whether it may.
        refuse: see `Refuse`.
    """

    def __init__(
        self,
        office: Office,
        name: str,
        *,
        persistent: bool,
        fetch: Callable[[str, int], bool],
        refuse: Refuse,
    ) -> None:
        self._office = office
        self._hub = office.hub
        self._name = name
        self._persistent = persistent
        self._submit: Callable[[Command, Event], Awaitable[None]] = (
            self._finish if persistent else self._begin
        )
        self._fetch = fetch
        self._refuse = refuse
        self._flying: set[asyncio.Future[Outcome[Any]]] = set()

    async def take(self, event: Event) -> None:
        """Take in what an agent published under `PATTERN`.

        Raises:
            StoreError: the hub cannot write just now; it may be taken in later.
        """
        _, segment, word = event.name.split(".")
        try:
            agent = from_segment(segment)
            if not is_plain([agent, event.data]):
                raise Invalid(UNTELLABLE)
            if word == "fetch":
                await self._hand_out(agent, event)
            elif wish := self._wish(agent, word, event):
                await self._submit(wish, event)
        except StoreError:
            raise
        except AgentkitError as refusal:
            self._refuse(event, refusal)

    def _wish(self, agent: str, word: str, event: Event) -> Command | None:
        """Return what an agent wishes; None if the subject is none of the hub's.

        Raises:
            AgentkitError: it is malformed, or too much.
        """
        match word:
            case _ if word in REPORTS:
                return self._notify(agent, REPORTS[word], event)
            case "ack":
                return Ack(agent=agent, upto=valid(RECEIPT, event.data)["seq"])
            case "done":
                return Done(agent=agent, **valid(RECEIPT, event.data))
            case "dead":
                return GiveUp(
                    agent=agent, **{"reason": "", **valid(REFUSAL, event.data)}
                )
            case _:
                return None

    def _notify(self, agent: str, report: Report, event: Event) -> Command:
        if not self._persistent:  # else the broker holds what the hub cannot take yet
            self._office.slow_down(agent)
        said = {"session_id": agent, "status": report, "timestamp": event.at}
        said = valid(NOTIFICATION, {**said, **event.data})
        if said.session_id != agent:
            raise Invalid(
                f"{event.name} has a report of {said.session_id!r}: publish it under "
                "that agent's own subject, or leave session_id out"
            )
        return replace(notify_of(report, said), via=self._name)

    async def _hand_out(self, agent: str, event: Event) -> None:
        """Have mail handed out again, when all that was sent before is on disk."""
        after = valid(FETCH, event.data).get("after", 0)
        await self._hub.ask(lambda _: None)
        if not self._fetch(agent, after):
            raise NotFound(
                f"agent {agent!r} did not report here last: report under "
                f"{event.name.removesuffix('fetch')}idle first, and then fetch"
            )

    async def _finish(self, wish: Command, event: Event) -> None:
        key = f"{self._name} {sha256(event.key.encode(errors='replace')).hexdigest()}"
        await self._hub.submit(wish, key=key, size=len(event.encode()))

    async def _begin(self, wish: Command, event: Event) -> None:
        """Submit a wish without waiting; the hub keeps the order of what began."""
        answer = self._hub.post(wish, size=len(event.encode()))
        self._flying.add(answer)
        answer.add_done_callback(partial(self._ended, event))
        if len(self._flying) >= IN_FLIGHT:
            await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)

    def _ended(self, event: Event, answer: asyncio.Future[Outcome[Any]]) -> None:
        self._flying.discard(answer)
        match answer.exception():
            case None:
                pass
            case AgentkitError() as refusal:
                self._refuse(event, refusal)
            case defect:
                log.error("%s was not taken in", event.name, exc_info=defect)


def code_of(refusal: AgentkitError) -> str:
    """Return the word for a refusal on the wire."""
    return CODES[refusal.status] if isinstance(refusal, RequestError) else refusal.code
