"""Mail for agents that report over a broker: handed to it, and again if unanswered.

What an agent is handed stays in its mailbox until it is done. So whatever the broker
loses is handed out once more: when the agent reports and has not acknowledged it, when
it asks, after a while, and when the hub has started anew.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from agentkit.errors import AgentkitError
from agentkit.rows import Delivery
from server.core import Swarm
from server.hub import Pushed
from server.letters import Letter
from server.mailroom import Mailroom

SOON: Final = 5.0
"""Seconds after which an agent that reports should have acknowledged its mail."""

LATER: Final = 60.0
"""Seconds until mail is handed out again that was not acknowledged; then doubled."""

LATEST: Final = 3600.0

AT_ONCE: Final = 64
"""Agents whose mail is handed out at the same time."""

PAUSE: Final = 1.0
"""Seconds between attempts when the broker takes nothing."""

Publish = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""Publishes the mail of an agent.

Raises:
    TransportError: the broker did not take it.
"""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Round:
    """How far an agent's mail was handed to the broker since the hub has started."""

    handed: int = 0
    waiting: dict[int, float] = field(default_factory=dict)
    """When what it has not acknowledged was handed out last, by number."""
    soon: bool = True
    """It was heard just now: it should have acknowledged what is older than `SOON`."""


class Carrier:
    """Carries the mail of the agents of one bridge; a subscriber of the hub.

    Args:
        name: of the bridge: its agents are those that reported over it last.
        mailroom: where the mail is. An agent with a WebSocket gets it there.
        publish: see `Publish`.
    """

    def __init__(self, name: str, mailroom: Mailroom, publish: Publish) -> None:
        self._name = name
        self._mailroom = mailroom
        self._publish = publish
        self._rounds: dict[str, Round] = {}
        self._due: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to hand out what there is and what the hub commits."""

        def begin(swarm: Swarm) -> None:
            self._mailroom.hub.subscribe(self)
            for agent in swarm.agents.values():
                if agent.via == self._name:
                    self._heard(agent.id)

        await self._mailroom.hub.ask(begin)
        self._task = asyncio.create_task(self._carry(), name=f"mail of {self._name}")

    async def close(self) -> None:
        """Stop; what was not handed out stays in the mailboxes."""
        self._mailroom.hub.unsubscribe(self)
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    def fetch(self, agent: str, after: int) -> bool:
        """Hand out again what an agent has not done above a number, if it is ours."""
        if agent not in self._rounds:
            return False
        self._rounds[agent] = Round(handed=after)
        self._put(agent)
        return True

    def push(self, pushed: Pushed) -> None:
        """Take in who is heard over the bridge, and what is there for them."""
        rows = pushed.turn.rows
        for agent in rows.agents.values():
            if agent.via == self._name:
                self._heard(agent.id)
            else:
                self._rounds.pop(agent.id, None)
        for row in rows.deliveries.values():
            if row.agent not in self._rounds:
                continue
            if row.state == "queued":
                self._put(row.agent)
            elif row.state != "sent":
                self._rounds[row.agent].waiting.pop(row.seq, None)

    def remind(self) -> None:
        """See to what was handed out long ago; to be called now and then."""
        now = asyncio.get_running_loop().time()
        for agent, round_ in self._rounds.items():
            if any(now - at >= LATER for at in round_.waiting.values()):
                self._put(agent)

    def _heard(self, agent: str) -> None:
        known = self._rounds.get(agent)
        if known is None:
            self._rounds[agent] = Round()
        elif known.waiting:
            known.soon = True
        else:
            return
        self._put(agent)

    def _put(self, agent: str) -> None:
        self._due[agent] = None
        self._wake.set()

    async def _carry(self) -> None:
        while True:
            self._wake.clear()
            if not self._due:
                await self._wake.wait()
            agents = list(self._due)[:AT_ONCE]
            for agent in agents:
                del self._due[agent]
            failed = await self._hand_out(agents)
            if failed:
                self._due.update(dict.fromkeys(failed))
                await asyncio.sleep(PAUSE)

    async def _hand_out(self, agents: list[str]) -> list[str]:
        """Hand out what agents are to have; return those it must be tried for again."""
        handed: list[Delivery] = []
        results = await asyncio.gather(
            *(self._serve(agent, handed) for agent in agents), return_exceptions=True
        )
        failed = []
        for agent, error in zip(agents, results, strict=True):
            if error is None:
                continue
            failed.append(agent)
            if not isinstance(error, AgentkitError):
                log.error("mail was not handed out", exc_info=error)
        with suppress(AgentkitError):
            await self._mailroom.mark_sent(handed)
        return failed

    async def _serve(self, agent: str, handed: list[Delivery]) -> None:
        """Hand out what one agent is to have.

        Raises:
            TransportError: the broker did not take it.
            HubUnavailable: the mailbox cannot be read.
        """
        round_ = self._rounds.get(agent)
        if round_ is None or agent in self._mailroom.recipients:
            return
        soon, round_.soon = round_.soon, False
        after = 0 if round_.waiting else round_.handed
        unanswered: set[int] = set()
        while letters := await self._mailroom.letters(agent, after):
            for letter in letters:
                after = letter.delivery.seq
                if letter.delivery.state in ("queued", "sent"):
                    unanswered.add(after)
                if after > round_.handed or _is_late(round_, letter, soon=soon):
                    await self._hand(round_, letter)
                    handed.append(letter.delivery)
        for seq in round_.waiting.keys() - unanswered:
            del round_.waiting[seq]

    async def _hand(self, round_: Round, letter: Letter) -> None:
        agent, seq = letter.delivery.agent, letter.delivery.seq
        round_.waiting[seq] = asyncio.get_running_loop().time()
        await self._publish(agent, _as_data(letter))
        round_.handed = max(round_.handed, seq)


def _is_late(round_: Round, letter: Letter, *, soon: bool) -> bool:
    """Say whether what was handed out should have been acknowledged by now."""
    at = round_.waiting.get(letter.delivery.seq)
    if at is None or letter.delivery.state not in ("queued", "sent"):
        return False
    patience = SOON if soon else LATER * 2 ** min(letter.delivery.attempts - 1, 16)
    return asyncio.get_running_loop().time() - at >= min(patience, LATEST)


def _as_data(letter: Letter) -> dict[str, Any]:
    """Return a delivery as the data of an event."""
    data: dict[str, Any] = orjson.loads(letter.text)
    del data["type"]
    return data
