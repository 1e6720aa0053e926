"""Results: what is written under ``swarm://RUN/NAME``, by whoever may.

The swarm keeps none of them: a row goes to the store with its turn. What a run leads
to, and its checkpoints, are written by the run itself.
"""

from datetime import datetime

from agentkit.addresses import Address
from agentkit.errors import Conflict, Invalid
from agentkit.protocol import (
    DeleteResult,
    Event,
    ResultDeleted,
    ResultWritten,
    WriteResult,
)
from agentkit.rows import Result
from server.core.checks import check_id
from server.core.swarm import Swarm


def decide_write(swarm: Swarm, wish: WriteResult, now: datetime) -> list[Event]:
    """Write something over what was there."""
    _check_place(swarm, wish)
    check_id(swarm.rules, "media type", wish.type)
    if wish.size < 0:
        raise Invalid(f"a result of {wish.size} bytes is told: count what was written")
    return [
        ResultWritten(
            at=now,
            run=wish.run,
            name=wish.name,
            type=wish.type,
            value=wish.value,
            file=wish.file,
            size=wish.size,
            by=wish.by,
        )
    ]


def decide_delete(swarm: Swarm, wish: DeleteResult, now: datetime) -> list[Event]:
    """Take away what is there; the edge has looked whether anything is."""
    _check_place(swarm, wish)
    return [ResultDeleted(at=now, run=wish.run, name=wish.name, by=wish.by)]


def evolve_written(swarm: Swarm, event: ResultWritten) -> None:
    """Give the store what was written."""
    swarm.put_result(written_row(event, swarm.cursor))


def evolve_deleted(swarm: Swarm, event: ResultDeleted) -> None:
    """Tell the store that it is gone."""
    swarm.put_result(
        Result(
            run=event.run,
            name=event.name,
            at=event.at,
            by=event.by,
            deleted=True,
            version=swarm.cursor,
        )
    )


def written_row(event: ResultWritten, cursor: int) -> Result:
    """Return the row that an event at a cursor has made."""
    return Result(
        run=event.run,
        name=event.name,
        at=event.at,
        type=event.type,
        value=event.value,
        file=event.file,
        size=event.size,
        by=event.by,
        version=cursor,
    )


def may_write(swarm: Swarm, agent: str, run: str) -> bool:
    """Say whether an agent may write under a name: its own, or that of its work.

    The name of its work is that of the task it has a lease on, and of the task's run.
    """
    held = swarm.held.get(agent, {})
    own = {agent, *held, *(swarm.tasks[key].run for key in held)}
    return run in own - {""}


def _check_place(swarm: Swarm, wish: WriteResult | DeleteResult) -> None:
    check_id(swarm.rules, "run", wish.run)
    check_id(swarm.rules, "name", wish.name)
    address = Address(wish.run, wish.name)
    if address.is_reserved and wish.run in swarm.runs.rows:
        raise of_the_run(address)


def of_the_run(address: Address) -> Conflict:
    """Return the refusal of what only a run itself writes."""
    return Conflict(f"{address} is written by the run itself: choose another name")
