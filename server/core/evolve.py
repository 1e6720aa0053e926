"""Events to rows: which concern writes which fact."""

from collections.abc import Callable
from typing import Any, Final

from agentkit import protocol as p
from agentkit.protocol import Event
from server.core import helpdesk, links, mailbox, reports, work
from server.core.swarm import Swarm

EVOLVE: Final[dict[type, Callable[[Swarm, Any], None]]] = {
    p.HubStarted: links.evolve_started,
    p.AgentReported: reports.evolve_reported,
    p.ReportRefused: reports.evolve_refused,
    p.AgentConnected: links.evolve_connected,
    p.AgentDisconnected: links.evolve_disconnected,
    p.AgentLost: links.evolve_lost,
    p.HelpAsked: helpdesk.evolve_asked,
    p.HelpAnswered: helpdesk.evolve_answered,
    p.HelpTaken: helpdesk.evolve_taken,
    p.HelperAssigned: helpdesk.evolve_helper,
    p.HelpSnoozed: helpdesk.evolve_snoozed,
    p.HelpWoken: helpdesk.evolve_woken,
    p.HelpEscalated: helpdesk.evolve_escalated,
    p.HelpResolved: helpdesk.evolve_resolved,
    p.TaskAssigned: work.evolve_assigned,
    p.TaskStarted: work.evolve_task_started,
    p.TaskDone: work.evolve_task_done,
    p.BroadcastSent: mailbox.evolve_broadcast,
    p.DeliverySent: mailbox.evolve_sent,
    p.DeliveryAcked: mailbox.evolve_acked,
    p.DeliveryDone: mailbox.evolve_done,
}


def evolve(swarm: Swarm, event: Event) -> None:
    """Apply one event that was decided on this swarm; cannot fail.

    The event takes the next cursor.
    """
    swarm.cursor += 1
    EVOLVE[type(event)](swarm, event)
