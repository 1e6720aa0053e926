"""What follows: whenever something is settled or due, runs go on."""

from datetime import datetime
from typing import Final

from agentkit.plans import Cost
from agentkit.protocol import Event
from server.core.runs.items import BATCH, begin, call_off, settle
from server.core.runs.moment import Moment
from server.core.runs.stages import enter, leave
from server.core.swarm import Swarm

AT_ONCE: Final = 1000
"""How many runs one turn wakes whose times are up."""

LATER: Final = "nobody waits for it any more"


def follow_up(swarm: Swarm, now: datetime, spare: int, cost: Cost) -> list[Event]:
    """Say what the next run that is stirred leads to; nothing if none has more to do.

    Args:
        swarm: what is known; it is not changed but for where to look.
        now: the time.
        spare: how many steps are left; without any no item is begun or called off,
            no stage entered or left: the rest waits, and stays stirred.
        cost: what expressions take is added to it.
    """
    book = swarm.runs
    book.wake(now, AT_ONCE)
    for key in tuple(book.stirred):
        run = book.rows.get(key)
        at = Moment(swarm, run, now, cost) if run else None
        events = _advance(at, min(spare, BATCH)) if at else []
        if events:
            return events
        if spare or run is None:
            book.settle_down(key)
        else:
            # The next look begins with those that were not looked at yet.
            book.put_last(key)
    return []


def _advance(at: Moment, most: int) -> list[Event]:
    """Say what a run leads to next."""
    run = at.run
    if run.is_settled:
        return call_off(at, run.reason or LATER, most)
    if not run.entered:
        return enter(at) if most else []
    if settled := settle(at):
        return settled
    if not at.is_over:
        return begin(at, most)
    if run.active:
        return call_off(at, LATER, most)
    return leave(at) if most else []
