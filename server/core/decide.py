"""Commands to events: which concern decides which wish."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from agentkit import protocol as p
from agentkit.protocol import Command, Event, Start, Tick
from server.core import (
    helpdesk,
    leases,
    letters,
    links,
    mailbox,
    messages,
    reports,
    results,
    spending,
    tokens,
    watching,
    work,
)
from server.core.runs import asking
from server.core.swarm import Swarm


def decide_tick(swarm: Swarm, _wish: Tick, now: datetime) -> list[Event]:
    """Turn whatever is due into events.

    Who gets work again does so before other work comes, which is then not held back.
    A request that is woken and escalated at once is woken first: an escalation opens
    what is snoozed.
    """
    return [
        *spending.due_renewals(swarm, now),
        *leases.due_expiries(swarm, now),
        *work.due_tasks(swarm, now),
        *messages.due_expiries(swarm, now),
        *links.due_losses(swarm, now),
        *helpdesk.due_wakings(swarm, now),
        *helpdesk.due_escalations(swarm, now),
    ]


def decide_start(swarm: Swarm, wish: Start, now: datetime) -> list[Event]:
    """Note that the hub started, maybe with another budget or on another day."""
    return [*links.decide_start(swarm, wish, now), *spending.after_start(swarm, now)]


DECIDE: Final[dict[type, Callable[[Swarm, Any, datetime], list[Event]]]] = {
    p.Notify: reports.decide_notify,
    p.Link: links.decide_link,
    p.Unlink: links.decide_unlink,
    p.Sent: mailbox.decide_sent,
    p.Ack: mailbox.decide_ack,
    p.Done: mailbox.decide_done,
    p.GiveUp: mailbox.decide_give_up,
    p.Retry: mailbox.decide_retry,
    p.Assign: work.decide_assign,
    p.Enqueue: work.decide_enqueue,
    p.Cancel: work.decide_cancel,
    p.Requeue: work.decide_requeue,
    p.Claim: leases.decide_claim,
    p.Extend: leases.decide_extend,
    p.Spend: spending.decide_spend,
    p.Complete: leases.decide_complete,
    p.Fail: leases.decide_fail,
    p.Nack: leases.decide_nack,
    p.SendBroadcast: mailbox.decide_broadcast,
    p.Send: messages.decide_send,
    p.Watch: watching.decide_watch,
    p.Answer: helpdesk.decide_answer,
    p.Take: helpdesk.decide_take,
    p.AssignHelper: helpdesk.decide_helper,
    p.Snooze: helpdesk.decide_snooze,
    p.Resolve: helpdesk.decide_resolve,
    p.CreateToken: tokens.decide_create,
    p.RevokeToken: tokens.decide_revoke,
    p.Bury: letters.decide_bury,
    p.Unbury: letters.decide_unbury,
    p.Discard: letters.decide_discard,
    p.Launch: asking.decide_launch,
    p.CancelRun: asking.decide_cancel,
    p.ResumeRun: asking.decide_resume,
    p.RetryRun: asking.decide_retry,
    p.WriteResult: results.decide_write,
    p.DeleteResult: results.decide_delete,
    p.Tick: decide_tick,
    p.Start: decide_start,
}


def decide(swarm: Swarm, command: Command, now: datetime) -> list[Event]:
    """Say what a command leads to; the swarm is not changed.

    Args:
        swarm: what is known.
        command: the wish.
        now: the time, aware, in UTC; never earlier than in the last call.

    Raises:
        SwarmError: the wish is refused; the text says why and what helps.
    """
    events = DECIDE[type(command)](swarm, command, now)
    return [*events, *watching.told(swarm, events, now)]
