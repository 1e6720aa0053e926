"""Links: whose WebSocket is open, and who stayed away too long."""

from datetime import datetime

from agentkit.protocol import (
    AgentConnected,
    AgentDisconnected,
    AgentLost,
    Event,
    HubStarted,
    Link,
    Start,
    Unlink,
)
from agentkit.rows import Agent
from server.core.checks import check_capabilities, check_id
from server.core.renewal import replace
from server.core.reports import touch
from server.core.swarm import Swarm


def decide_start(_swarm: Swarm, wish: Start, now: datetime) -> list[Event]:
    """Note that the hub started."""
    return [HubStarted(at=now, version=wish.version)]


def decide_link(swarm: Swarm, wish: Link, now: datetime) -> list[Event]:
    """Note that an agent's WebSocket opened."""
    check_id(swarm.rules, "agent", wish.agent)
    check_capabilities(swarm.rules, wish.capabilities or ())
    known = swarm.agents.get(wish.agent)
    capabilities = wish.capabilities
    if capabilities is None:
        capabilities = known.capabilities if known else ()
    return [
        AgentConnected(
            at=now,
            agent=wish.agent,
            capabilities=tuple(dict.fromkeys(capabilities)),
            guarantee=wish.guarantee,
        )
    ]


def decide_unlink(swarm: Swarm, wish: Unlink, now: datetime) -> list[Event]:
    """Note that an agent's WebSocket is gone, once."""
    agent = swarm.agents.get(wish.agent)
    if agent is None or not agent.linked:
        return []
    return [AgentDisconnected(at=now, agent=wish.agent, reason=wish.reason)]


def due_losses(swarm: Swarm, now: datetime) -> list[Event]:
    """Declare lost who stayed away for longer than lease and grace."""
    lost: list[Event] = []
    for agent, gone in swarm.away.items():
        if gone + swarm.rules.lost_after > now:
            break
        lost.append(AgentLost(at=now, agent=agent))
    return lost


def evolve_started(swarm: Swarm, event: HubStarted) -> None:
    """Close every link of the last run; each agent's time to come back starts now."""
    for agent in list(swarm.agents.values()):
        if agent.linked or (agent.unlinked and not agent.lost):
            swarm.put_agent(
                replace(agent, linked=False, unlinked=event.at, version=swarm.cursor)
            )


def evolve_connected(swarm: Swarm, event: AgentConnected) -> None:
    """Mark the agent as linked; one the hub did not know joins as idle."""
    known = swarm.agents.get(event.agent)
    if known is None:
        agent = Agent(
            id=event.agent,
            status="idle",
            since=event.at,
            heard=event.at,
            joined=event.at,
            waiting_since=event.at.isoformat(),
            reported_at=event.at.isoformat(),
            ticket=swarm.cursor,
            cause=swarm.cursor,
            via="ws",
            version=swarm.cursor,
        )
    else:
        agent = touch(swarm, known, event.at)
    swarm.put_agent(
        replace(
            agent,
            linked=True,
            unlinked=None,
            capabilities=event.capabilities,
            guarantee=event.guarantee,
        )
    )


def evolve_disconnected(swarm: Swarm, event: AgentDisconnected) -> None:
    """Mark the agent as unlinked and let its time run."""
    agent = swarm.agents[event.agent]
    swarm.put_agent(
        replace(agent, linked=False, unlinked=event.at, version=swarm.cursor)
    )


def evolve_lost(swarm: Swarm, event: AgentLost) -> None:
    """Mark the agent as lost; it waits for work no longer."""
    agent = swarm.agents[event.agent]
    swarm.put_agent(replace(agent, lost=True, ticket=0, version=swarm.cursor))
