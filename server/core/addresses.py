"""Addresses: whom a message is for, by name, by what they can do, or by pattern."""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from agentkit.errors import Conflict, NotFound
from agentkit.subjects import matches
from server.core.checks import check_id
from server.core.mailbox import check_room_for, has_room_for
from server.core.swarm import Swarm

CAPABILITY: Final = "cap:"


class Chosen(NamedTuple):
    """Who gets a message."""

    agents: tuple[str, ...]
    left_out: int = 0
    """How many more were meant, but have no room in their mailbox."""


Fits: TypeAlias = Callable[[str], bool]
"""Whether there is room in an agent's mailbox."""


def choose(swarm: Swarm, to: str, sender: str, size: int) -> Chosen:
    """Find whom an address means.

    An agent whose id is the whole address comes before any other reading of it. Neither
    a capability nor a pattern ever means the sender.

    Args:
        swarm: what is known.
        to: the address.
        sender: the agent that sends; empty when a person does.
        size: the bytes of the message.

    Raises:
        NotFound: nobody is called so, nobody is able to, or it is another swarm's.
        Conflict: the mailbox is full, or those of all who are able to are.
        Invalid: it is no address.
    """
    name = to if to in swarm.agents else _in_swarm(swarm, to)
    check_id(swarm.rules, "address", name)
    if name in swarm.agents:
        check_room_for(swarm, name, size, talk=bool(sender))
        return Chosen((name,))

    def fits(agent: str) -> bool:
        return has_room_for(swarm, agent, size, talk=bool(sender))

    if name.startswith(CAPABILITY):
        return Chosen((_able(swarm, name.removeprefix(CAPABILITY), sender, fits),))
    if "*" in name:
        return _matching(swarm, name, sender, fits)
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


def _able(swarm: Swarm, capability: str, sender: str, fits: Fits) -> str:
    """Return who of the able waits longest for work, else who has least to read."""
    for agent in swarm.idle.having(capability):
        if agent != sender and fits(agent):
            return agent
    able = [agent for agent in swarm.able.get(capability, ()) if agent != sender]
    if not able:
        raise NotFound(
            f"no agent that is there has the capability {capability!r}: swarmtui "
            "agents lists what they have"
        )
    with_room = [agent for agent in able if fits(agent)]
    if not with_room:
        raise Conflict(
            f"the mailboxes of all who have the capability {capability!r} are full: "
            "wait until they have read"
        )
    return min(with_room, key=lambda agent: (swarm.waiting(agent), agent))


def _matching(swarm: Swarm, pattern: str, sender: str, fits: Fits) -> Chosen:
    meant = [
        agent for agent in swarm.agents if agent != sender and matches(pattern, agent)
    ]
    agents = tuple(agent for agent in meant if fits(agent))
    return Chosen(agents, len(meant) - len(agents))
