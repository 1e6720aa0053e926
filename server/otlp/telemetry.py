"""Has what telemetry tells counted, once, for agents that are there or soon will be.

Telemetry of a session may come before its first report. Then it is owed: the hub counts
it when the agent joins, or forgets it when none has within a few minutes. The same is
true of what cannot be written just now. An export that is sent again adds nothing to
what is owed, so that it has effect once, however often it comes.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from agentkit.errors import AgentkitError, NotFound, SwarmError
from agentkit.protocol import Spend
from agentkit.rows import Agent
from server.hub import Hub, Pushed
from server.otlp.ledger import Ledger, Spent
from server.otlp.reading import Export, Use
from server.otlp.sessions import agent_of

PATIENCE: Final = timedelta(minutes=5)
"""How long what is owed waits for its agent."""

OWED: Final = 1000
"""For how many agents something may be owed that the hub does not know."""

SEEN: Final = 20_000
"""How many exports, and how many sessions, are remembered: those that came last."""

AGENT, SESSION = "agent:", "session:"
"""How it is told who is meant: an agent by its id, or by its session."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Debt:
    """What is to be counted of somebody."""

    spent: Spent
    until: datetime
    numbers: int = 0
    """How many numbers it was told in."""


@dataclass(slots=True)
class Tally:
    """What became of telemetry since the hub began."""

    counted: int = 0
    """Numbers that are counted."""
    other: int = 0
    """Points and records that tell of something else."""
    dropped: int = 0
    """Numbers that nobody was found for, or that could not be read."""


class Telemetry:
    """Counts telemetry; a subscriber of the hub, which waits for agents to join."""

    def __init__(self, hub: Hub) -> None:
        self.tally = Tally()
        self._hub = hub
        self._ledger = Ledger(_nanoseconds(hub.started))
        self._entered: OrderedDict[str, None] = OrderedDict()
        self._agents: OrderedDict[str, str] = OrderedDict()
        """The agents that sessions were found to be."""
        self._owed: OrderedDict[str, Debt] = OrderedDict()
        self._paying: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to notice who joins."""
        await self._hub.ask(lambda _: self._hub.subscribe(self))

    async def take(
        self, export: Export, who: Callable[[Use], str], digest: str, size: int
    ) -> int:
        """Count what an export tells; return how many numbers nobody is found for.

        Args:
            export: what was read in it.
            who: says who a number is of, as `AGENT` and `SESSION` begin it; empty is
                nobody.
            digest: of the body: the same export counts once.
            size: bytes that came over the wire for it.

        Raises:
            StoreError: nothing can be written just now: the export is sent again.
        """
        self._forget_old()
        self.tally.other += export.other
        told: dict[str, list[Use]] = {}
        for use in export.uses:
            told.setdefault(who(use), []).append(use)
        nobodys = len(told.pop("", ())) + export.bad
        self.tally.dropped += nobodys
        for name, uses in told.items():
            key = f"otlp:{digest}:{name}"
            self._enter(name, uses, key)
            await self._pay(name, key, size)
        return nobodys

    def push(self, pushed: Pushed) -> None:
        """Count what is owed by whoever joins."""
        if not self._owed:
            return
        rows = pushed.turn.rows.agents.values()
        joined = [agent for agent in rows if agent.joined == agent.heard]
        for name in self._of(joined) if joined else ():
            self._begin(self._pay(name, "", 0))

    # --- what is owed ---

    def _enter(self, name: str, uses: list[Use], key: str) -> None:
        """Owe what is new in an export, unless it came before."""
        if key in self._entered:
            return
        now = self._hub.now()
        self._owe(name, self._ledger.enter(name, uses, _nanoseconds(now)), len(uses))
        _remember(self._entered, key, None)

    def _owe(self, name: str, spent: Spent, numbers: int) -> None:
        debt = self._owed.get(name)
        if debt is None:
            until = self._hub.now() + PATIENCE
            debt = self._owed[name] = Debt(Spent(), until)
        debt.spent = debt.spent.plus(spent)
        debt.numbers += numbers
        if len(self._owed) > OWED:
            self._drop(next(iter(self._owed)))

    async def _pay(self, name: str, key: str, size: int) -> None:
        """Have what is owed counted; it stays owed while its agent is not known."""
        debt = self._owed.pop(name, None)
        if debt is None:
            return
        try:
            agent = await self._agent(name)
            if agent:
                wish = _wish(agent, debt.spent)
                await self._hub.submit(wish, key=key, size=size)
                self.tally.counted += debt.numbers
                return
            self._owe(name, debt.spent, debt.numbers)
        except NotFound:
            self._owe(name, debt.spent, debt.numbers)
        except SwarmError as refusal:
            self.tally.dropped += debt.numbers
            log.warning("telemetry of %r was refused: %s", name, refusal)
        except AgentkitError:
            self._owe(name, debt.spent, debt.numbers)
            raise

    def _forget_old(self) -> None:
        now = self._hub.now()
        while self._owed and next(iter(self._owed.values())).until <= now:
            self._drop(next(iter(self._owed)))

    def _drop(self, name: str) -> None:
        debt = self._owed.pop(name)
        self.tally.dropped += debt.numbers
        log.info("telemetry of %r was dropped: no such agent came", name)

    # --- who is meant ---

    async def _agent(self, name: str) -> str:
        """Return the agent that is meant; empty when a session is not known."""
        if name.startswith(AGENT):
            return name.removeprefix(AGENT)
        session = name.removeprefix(SESSION)
        found = self._agents.get(session)
        if found is None:
            found = await self._hub.ask(
                lambda swarm: agent_of(session, swarm.agents.values())
            )
        if found:
            _remember(self._agents, session, found)
        return found

    def _of(self, agents: Iterable[Agent]) -> list[str]:
        """Return who of those that something is owed of is one of these."""
        rows = list(agents)
        ids = {agent.id for agent in rows}
        return [
            name
            for name in self._owed
            if name.removeprefix(AGENT) in ids
            or (name.startswith(SESSION) and agent_of(name.removeprefix(SESSION), rows))
        ]

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._paying.add(task)
        task.add_done_callback(self._paid)

    def _paid(self, task: asyncio.Task[None]) -> None:
        """Note what went wrong: it is owed still."""
        self._paying.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, AgentkitError):
            log.info("telemetry is counted later: %s", error)
        elif error is not None:
            log.error("telemetry could not be counted", exc_info=error)


def _wish(agent: str, spent: Spent) -> Spend:
    return Spend(
        agent=agent,
        cost=spent.cost,
        tokens_in=round(spent.tokens_in),
        tokens_out=round(spent.tokens_out),
    )


def _nanoseconds(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp() * 1e9)


def _remember(seen: OrderedDict[str, Any], key: str, value: Any) -> None:
    seen[key] = value
    seen.move_to_end(key)
    if len(seen) > SEEN:
        seen.popitem(last=False)
