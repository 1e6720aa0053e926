"""Outboxes: what agents number is taken in order, each with effect exactly once.

How far an outbox was accepted is not known for ever, for an agent that is not durable
begins one with each of its starts. Of each agent those that it used last stay in memory
(`Rules.keep_spools`), the others are read back when the agent goes on with one; and one
is forgotten when its last report is no longer kept, unless it is the one that its agent
used last or began last. So whoever goes on where it was finds that place, however long
it was away.

An outbox that was forgotten is like one that never was: it begins with report 1. Where
it stands the hub does not take from the agent: what the agent has left may have had
effect, and only that it is too early is certain. So a higher number is refused.
"""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import TypeAlias, TypeVar

from agentkit.errors import Conflict, SwarmError
from agentkit.protocol import REPEATED, Event, Numbered, ReportRefused
from agentkit.rows import Spool
from server.core.swarm import Swarm

W = TypeVar("W", bound=Numbered)
Decide: TypeAlias = Callable[[Swarm, W, datetime], list[Event]]


def numbered(decide: Decide[W]) -> Decide[W]:
    """Let a decision keep to the number that its wish may have.

    What was accepted before changes nothing; what comes too early is refused. What
    cannot be accepted, or has no effect any more, is recorded as refused, so that what
    lies behind it is not held up. The events must accept the number (`accept`).
    """

    @wraps(decide)
    def decide_in_order(swarm: Swarm, wish: W, now: datetime) -> list[Event]:
        if not wish.spool:
            return decide(swarm, wish, now)
        if _was_accepted(swarm, wish):
            return []
        try:
            events = decide(swarm, wish, now)
            reason, code = REPEATED, Conflict.code
        except SwarmError as error:
            events, reason, code = [], str(error), error.code
        return events or [
            ReportRefused(
                at=now,
                agent=wish.agent,
                spool=wish.spool,
                seq=wish.seq,
                reason=reason,
                code=code,
            )
        ]

    return decide_in_order


def accept(swarm: Swarm, agent: str, spool: str, seq: int) -> None:
    """Note that everything up to a number was accepted; without a spool, nothing."""
    if spool:
        swarm.put_spool(
            Spool(agent=agent, spool=spool, accepted=seq, version=swarm.cursor)
        )


def evolve_refused(swarm: Swarm, event: ReportRefused) -> None:
    """Count the number of what was refused as used."""
    accept(swarm, event.agent, event.spool, event.seq)


def _was_accepted(swarm: Swarm, wish: Numbered) -> bool:
    accepted = swarm.spools.get((wish.agent, wish.spool))
    newest = accepted.accepted if accepted else 0
    if wish.seq > newest + 1:
        raise Conflict(
            f"report {wish.seq} of spool {wish.spool!r} came before report "
            f"{newest + 1}; send them in order"
        )
    return wish.seq <= newest
