"""Events to rows: which concern writes which fact."""

from collections.abc import Callable
from typing import Any, Final

from agentkit import protocol as p
from agentkit.protocol import Event
from server.core import (
    helpdesk,
    leases,
    letters,
    links,
    mailbox,
    messages,
    outboxes,
    reports,
    results,
    spending,
    tokens,
    watching,
    work,
)
from server.core.runs import ends, items, opening, stages
from server.core.swarm import Swarm


def evolve_started(swarm: Swarm, event: p.HubStarted) -> None:
    """Let the time of every link and every lease begin anew."""
    links.evolve_started(swarm, event)
    leases.evolve_leases_anew(swarm, event)


EVOLVE: Final[dict[type, Callable[[Swarm, Any], None]]] = {
    p.HubStarted: evolve_started,
    p.AgentReported: reports.evolve_reported,
    p.ReportRefused: outboxes.evolve_refused,
    p.AgentConnected: links.evolve_connected,
    p.AgentDisconnected: links.evolve_disconnected,
    p.AgentLost: links.evolve_lost,
    p.AgentSpent: spending.evolve_spent,
    p.AgentOverspent: spending.evolve_overspent,
    p.AgentSolvent: spending.evolve_solvent,
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
    p.TaskEnqueued: work.evolve_enqueued,
    p.TaskReady: work.evolve_ready,
    p.TaskLeased: leases.evolve_leased,
    p.TaskExtended: leases.evolve_extended,
    p.TaskProgressed: leases.evolve_progressed,
    p.TaskWatched: watching.evolve_watched,
    p.TaskDone: leases.evolve_done,
    p.TaskReleased: leases.evolve_released,
    p.TaskDead: leases.evolve_dead,
    p.TaskCancelled: work.evolve_cancelled,
    p.TaskRequeued: work.evolve_requeued,
    p.BroadcastSent: mailbox.evolve_broadcast,
    p.MessageSent: messages.evolve_message,
    p.DeliverySent: mailbox.evolve_sent,
    p.DeliveryAcked: mailbox.evolve_acked,
    p.DeliveryDone: mailbox.evolve_done,
    p.DeliveryDead: mailbox.evolve_dead,
    p.DeliveryRetried: mailbox.evolve_retried,
    p.TokenCreated: tokens.evolve_created,
    p.TokenRevoked: tokens.evolve_revoked,
    p.LetterDead: letters.evolve_dead,
    p.LetterRequeued: letters.evolve_requeued,
    p.LetterDiscarded: letters.evolve_discarded,
    p.PlanKept: opening.evolve_kept,
    p.RunLaunched: opening.evolve_launched,
    p.RunEntered: stages.evolve_entered,
    p.ItemStarted: items.evolve_started,
    p.ItemRetrying: items.evolve_retrying,
    p.ItemDone: items.evolve_done,
    p.ItemFailed: items.evolve_failed,
    p.ItemCancelled: items.evolve_cancelled,
    p.RunMoved: stages.evolve_moved,
    p.RunFinished: ends.evolve_finished,
    p.RunFailed: ends.evolve_failed,
    p.RunCancelled: ends.evolve_cancelled,
    p.RunResumed: ends.evolve_resumed,
    p.RunRetried: ends.evolve_retried,
    p.ResultWritten: results.evolve_written,
    p.ResultDeleted: results.evolve_deleted,
}


def evolve(swarm: Swarm, event: Event) -> None:
    """Apply one event that was decided on this swarm; cannot fail.

    The event takes the next cursor.
    """
    swarm.cursor += 1
    EVOLVE[type(event)](swarm, event)
