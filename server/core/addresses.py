"""Addresses: whom a message is for, by name, by what they can do, or by pattern."""

from typing import Final, NamedTuple

from agentkit.errors import Conflict, NotFound
from agentkit.subjects import matches
from server.core.checks import check_id
from server.core.mailbox import check_room, has_room
from server.core.swarm import Swarm

CAPABILITY: Final = "cap:"


class Chosen(NamedTuple):
    """Who gets a message."""

    agents: tuple[str, ...]
    left_out: int = 0
    """How many more were meant, but have no room in their mailbox."""


def choose(swarm: Swarm, to: str, sender: str) -> Chosen:
    """Find whom an address means.

    An agent whose id is the whole address comes before any other reading of it. Neither
    a capability nor a pattern ever means the sender.

    Raises:
        NotFound: nobody is called so, nobody is able to, or it is another swarm's.
        Conflict: the mailbox is full, or those of all who are able to are.
        Invalid: it is no address.
    """
    name = to if to in swarm.agents else _in_swarm(swarm, to)
    check_id(swarm.rules, "address", name)
    if name in swarm.agents:
        check_room(swarm, name)
        return Chosen((name,))
    if name.startswith(CAPABILITY):
        return Chosen((_able(swarm, name.removeprefix(CAPABILITY), sender),))
    if "*" in name:
        return _matching(swarm, name, sender)
    return Chosen((swarm.agent(name).id,))


def _in_swarm(swarm: Swarm, to: str) -> str:
    """Return an address without the name of the swarm, which must be ours."""
    name, at, there = to.rpartition("@")
    if not at:
        return to
    ours = swarm.rules.swarm
    if there != ours:
        raise NotFound(
            f"{to!r} is in swarm {there!r} and this is {ours!r}: send to {name}@{ours}"
        )
    return name


def _able(swarm: Swarm, capability: str, sender: str) -> str:
    """Return who of the able waits longest for work, else who has least to read."""
    for agent in swarm.idle.having(capability):
        if agent != sender and has_room(swarm, agent):
            return agent
    able = [agent for agent in swarm.able.get(capability, ()) if agent != sender]
    if not able:
        raise NotFound(
            f"no agent that is there has the capability {capability!r}: swarmtui "
            "agents lists what they have"
        )
    with_room = [agent for agent in able if has_room(swarm, agent)]
    if not with_room:
        raise Conflict(
            f"the mailboxes of all who have the capability {capability!r} are full: "
            "wait until they have read"
        )
    return min(with_room, key=lambda agent: (swarm.waiting(agent), agent))


def _matching(swarm: Swarm, pattern: str, sender: str) -> Chosen:
    meant = [
        agent for agent in swarm.agents if agent != sender and matches(pattern, agent)
    ]
    agents = tuple(agent for agent in meant if has_room(swarm, agent))
    return Chosen(agents, len(meant) - len(agents))
