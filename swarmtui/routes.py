"""Which way an event went, from whom and to whom."""

from typing import Literal, TypeAlias

from agentkit.protocol import (
    AgentConnected,
    AgentDisconnected,
    AgentReported,
    BroadcastSent,
    DeliveryAcked,
    DeliveryDead,
    DeliveryDone,
    DeliveryRetried,
    DeliverySent,
    Event,
    HelpAnswered,
    HelperAssigned,
    LetterDead,
    MessageSent,
    ReportRefused,
    TaskAssigned,
    TaskCancelled,
    TaskDead,
    TaskDone,
    TaskEnqueued,
    TaskExtended,
    TaskLeased,
    TaskProgressed,
    TaskReleased,
    TaskRequeued,
    TaskStarted,
    TaskWatched,
)
from swarmtui.text import plural

Way: TypeAlias = Literal["in", "out", "hub"]
"""From an agent, to agents, or within the hub and its desk."""

ARROWS: dict[Way, str] = {"in": "→", "out": "←", "hub": "·"}

_FROM_AGENT = (
    AgentReported,
    ReportRefused,
    AgentConnected,
    AgentDisconnected,
    DeliveryAcked,
    DeliveryDone,
    DeliveryDead,
    TaskStarted,
    TaskExtended,
    TaskProgressed,
    TaskWatched,
    TaskDone,
    TaskReleased,
    TaskDead,
)
_TO_AGENT = (
    TaskAssigned,
    TaskLeased,
    HelpAnswered,
    DeliveryRetried,
)


def route(event: Event) -> tuple[Way, str, str]:
    """Return the way an event went, from whom and to whom."""
    match event:
        case HelperAssigned():
            return "out", event.by or "hub", event.helper
        case BroadcastSent():
            return "out", event.by or "hub", plural(len(event.recipients), "agent")
        case MessageSent():
            return _mail(event)
        case DeliverySent():
            agents = {agent for agent, _ in event.deliveries}
            one = len(agents) == 1
            return "out", "hub", agents.pop() if one else plural(len(agents), "agent")
        case _:
            return _ends(event)


def _mail(event: MessageSent) -> tuple[Way, str, str]:
    """Return the ends of a message: whoever gets it, or the pattern of their names."""
    to = event.recipients[0] if len(event.recipients) == 1 else event.to
    way: Way = "in" if event.agent else "out"
    return way, event.agent or event.by or "hub", to


def _ends(event: Event) -> tuple[Way, str, str]:
    """Return the way of an event that its kind alone tells."""
    agent, by = getattr(event, "agent", ""), getattr(event, "by", "")
    if isinstance(event, _FROM_AGENT):
        return "in", agent, "hub"
    if isinstance(event, LetterDead):
        return "in", by, "hub"
    if isinstance(event, _TO_AGENT):
        return "out", by or "hub", agent
    if isinstance(event, TaskEnqueued | TaskCancelled | TaskRequeued):
        return "hub", by or "hub", agent or "queue"
    if run := getattr(event, "run", ""):
        return "hub", by or "hub", run
    return "hub", by or "hub", "desk" if by == agent else agent or "hub"
