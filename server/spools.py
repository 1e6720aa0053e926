"""How far the outboxes of agents were accepted, also those not used for long."""

from server.core import Swarm
from server.hub import Hub


async def accepted(hub: Hub, agent: str, spool: str) -> int:
    """Return the highest report that took effect; the next is held to it.

    Raises:
        StoreError: the hub cannot say just now.
    """
    known = await hub.ask(lambda swarm: swarm.accepted(agent, spool))
    if known is not None:
        return known
    row = await hub.store.spool(agent, spool)
    if row is None:
        return 0

    def recall(swarm: Swarm) -> int:
        swarm.recall(row)
        return swarm.spools[agent, spool].accepted

    return await hub.ask(recall)
