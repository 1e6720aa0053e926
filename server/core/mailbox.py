"""Mailboxes: what the hub has for an agent, numbered, and how far each message got."""

from collections import Counter
from datetime import datetime
from itertools import takewhile
from typing import Final

from agentkit.errors import Conflict, Invalid, NotFound
from agentkit.filters import compile_filter
from agentkit.protocol import (
    Ack,
    BroadcastSent,
    DeliveryAcked,
    DeliveryDead,
    DeliveryDone,
    DeliveryRetried,
    DeliverySent,
    Done,
    Event,
    GiveUp,
    Retry,
    SendBroadcast,
    Sent,
    TaskDead,
)
from agentkit.rows import Broadcast, Delivery, DeliveryKind, DeliveryState, Task
from server.core.checks import check_new_id, check_text, require_text
from server.core.renewal import replace
from server.core.swarm import Swarm
from server.core.transitions import DELIVERY, STEPS, TASK

EXPIRED: Final = "nobody waits for its answer any more"


def decide_broadcast(swarm: Swarm, wish: SendBroadcast, now: datetime) -> list[Event]:
    """Choose the recipients as of now; the filter is not asked again later."""
    require_text(swarm.rules, "message", wish.text)
    key = wish.id or f"b{swarm.cursor + 1}"
    if wish.id:
        check_new_id(swarm.rules, "broadcast", key)
    if key in swarm.broadcasts:
        raise Conflict(f"broadcast {key!r} was sent before; leave the id out")
    chosen = compile_filter(wish.where)
    wanted = [agent.id for agent in swarm.agents.values() if chosen(agent, now)]
    recipients = tuple(agent for agent in wanted if has_room(swarm, agent))
    return [
        BroadcastSent(
            at=now,
            broadcast=key,
            text=wish.text,
            where=wish.where,
            by=wish.by,
            recipients=recipients,
            left_out=len(wanted) - len(recipients),
        )
    ]


def decide_sent(swarm: Swarm, wish: Sent, now: datetime) -> list[Event]:
    """Note which deliveries were handed to connections."""
    known = tuple(
        (agent, seq)
        for agent, seq in wish.deliveries
        if seq in swarm.mail.get(agent, ())
    )
    return [DeliverySent(at=now, deliveries=known)] if known else []


def decide_ack(swarm: Swarm, wish: Ack, now: datetime) -> list[Event]:
    """Note that an agent has its mailbox up to a number."""
    agent = swarm.agent(wish.agent)
    if wish.upto > swarm.cursor:
        raise Invalid(
            f"{agent.id} acknowledged delivery {wish.upto}, but the log ends at "
            f"{swarm.cursor}; acknowledge only what was received"
        )
    oldest = next(iter(swarm.unacked.get(agent.id, ())), None)
    if oldest is None or oldest > wish.upto:
        return []
    return [DeliveryAcked(at=now, agent=wish.agent, upto=wish.upto)]


def decide_done(swarm: Swarm, wish: Done, now: datetime) -> list[Event]:
    """Note that an agent handled one delivery; saying so again changes nothing."""
    row = swarm.mail.get(swarm.agent(wish.agent).id, {}).get(wish.seq)
    if row is None or row.is_settled:
        return []
    if row.kind == "task":
        raise Conflict(
            f"delivery {wish.seq} is task {row.ref!r}: it is done when {wish.agent} "
            f"reports it completed"
        )
    return [DeliveryDone(at=now, agent=wish.agent, seq=wish.seq)]


def decide_give_up(swarm: Swarm, wish: GiveUp, now: datetime) -> list[Event]:
    """Note that an agent will not handle a delivery; the task it carries is dead."""
    row = swarm.mail.get(swarm.agent(wish.agent).id, {}).get(wish.seq)
    if row is None or row.is_settled:
        return []
    check_text(swarm.rules, "reason", wish.reason)
    reason = wish.reason or "it failed without a reason"
    given_up = DeliveryDead(at=now, agent=row.agent, seq=row.seq, reason=reason)
    task = swarm.tasks.get(row.ref) if row.kind == "task" else None
    if task is None or not _carries(row, task) or (task.state, "dead") not in TASK:
        return [given_up]
    return [
        given_up,
        TaskDead(
            at=now, agent=row.agent, task=task.id, fence=task.fence, reason=reason
        ),
    ]


def decide_retry(swarm: Swarm, wish: Retry, now: datetime) -> list[Event]:
    """Send a dead delivery once more."""
    agent = swarm.agent(wish.agent)
    row = swarm.mail.get(agent.id, {}).get(wish.seq)
    if row is None:
        raise NotFound(
            f"no delivery {wish.seq}@{wish.agent} waits or is dead: swarmtui "
            "deliveries --dead lists what can be retried"
        )
    if row.state != "dead":
        raise Conflict(f"delivery {row.id} is {row.state}: only a dead one is retried")
    if row.kind == "task":
        raise Conflict(
            f"delivery {row.id} carries task {row.ref!r}: requeue the task instead"
        )
    if row.is_cast:
        _check_awaited(swarm, row, now)
    check_room(swarm, agent.id)
    return [DeliveryRetried(at=now, agent=agent.id, seq=row.seq, by=wish.by)]


def evolve_broadcast(swarm: Swarm, event: BroadcastSent) -> None:
    """Put the message into every recipient's mailbox."""
    swarm.put_broadcast(
        Broadcast(
            id=event.broadcast,
            text=event.text,
            where=event.where,
            at=event.at,
            by=event.by,
            recipients=len(event.recipients),
            left_out=event.left_out,
            version=swarm.cursor,
        )
    )
    for agent in event.recipients:
        post(swarm, agent, "broadcast", event.broadcast, event.at)


def evolve_sent(swarm: Swarm, event: DeliverySent) -> None:
    """Count another attempt of each delivery; a ledger is written once for all."""
    casts: Counter[tuple[str, DeliveryState, DeliveryState]] = Counter()
    for agent, seq in event.deliveries:
        row = swarm.mail.get(agent, {}).get(seq)
        if row is None:
            continue
        after = _move(swarm, row, "sent", event.at)
        if after and row.is_cast:
            casts[row.ref, row.state, after] += 1
        elif after:
            _follow(swarm, row, after, event.at)
    for (ref, old, new), times in casts.items():
        _count(swarm, ref, old, new, times)


def evolve_acked(swarm: Swarm, event: DeliveryAcked) -> None:
    """Mark everything up to the number as acknowledged."""
    unacked = swarm.unacked.get(event.agent, ())
    for seq in list(takewhile(lambda seq: seq <= event.upto, unacked)):
        advance(swarm, swarm.mail[event.agent][seq], "acked", event.at)


def evolve_done(swarm: Swarm, event: DeliveryDone) -> None:
    """Mark one delivery as handled."""
    row = swarm.mail.get(event.agent, {}).get(event.seq)
    if row is not None:
        advance(swarm, row, "done", event.at)


def evolve_dead(swarm: Swarm, event: DeliveryDead) -> None:
    """Mark one delivery as given up; a call that expired is never tried again."""
    row = swarm.mail[event.agent][event.seq]
    cast = swarm.broadcasts.get(row.ref) if row.is_cast else None
    expires = cast.expires if cast else None
    swarm.put_delivery(
        replace(
            row,
            state="dead",
            done=event.at,
            reason=event.reason,
            lapsed=expires is not None and expires <= event.at,
            version=swarm.cursor,
        )
    )
    _tally(swarm, row, dead=1)


def evolve_retried(swarm: Swarm, event: DeliveryRetried) -> None:
    """Put it into the mailbox anew; its ledger counts it from the beginning."""
    row = swarm.mail[event.agent][event.seq]
    swarm.put_delivery(replace(row, retried=swarm.cursor, version=swarm.cursor))
    post(swarm, row.agent, row.kind, row.ref, event.at)
    _tally(
        swarm,
        row,
        sent=-(row.sent is not None),
        acked=-(row.acked is not None),
        dead=-1,
    )


def has_room(swarm: Swarm, agent: str) -> bool:
    """Say whether a mailbox takes one more."""
    return swarm.waiting(agent) < swarm.rules.max_mailbox


def check_room(swarm: Swarm, agent: str) -> None:
    """Refuse what would overfill a mailbox."""
    if not has_room(swarm, agent):
        raise Conflict(
            f"the mailbox of {agent} is full: {swarm.rules.max_mailbox:,} deliveries "
            "wait in it or are scheduled for it, so start the agent, or cancel its "
            "tasks"
        )


def has_room_for(swarm: Swarm, agent: str, size: int, *, talk: bool) -> bool:
    """Say whether a mailbox takes one more message.

    Args:
        swarm: what is known.
        agent: whose mailbox it is.
        size: the bytes of the message.
        talk: whether it comes from an agent, and not from a person.
    """
    rules, piles = swarm.rules, swarm.piles
    share = 2 if talk else 1
    if talk and piles.talk[agent] * share >= rules.max_mailbox:
        return False
    return has_room(swarm, agent) and (
        (piles.bytes[agent] + size) * share <= rules.mailbox_bytes
    )


def check_room_for(swarm: Swarm, agent: str, size: int, *, talk: bool) -> None:
    """Refuse a message that would overfill a mailbox."""
    check_room(swarm, agent)
    if not has_room_for(swarm, agent, size, talk=talk):
        piles = swarm.piles
        raise Conflict(
            f"the mailbox of {agent} has no room for a message of {size:,} bytes: "
            f"{piles.talk[agent]:,} messages of agents and {piles.bytes[agent]:,} "
            "bytes wait in it, so start the agent, or send when it has read"
        )


def post(swarm: Swarm, to: str, kind: DeliveryKind, ref: str, at: datetime) -> int:
    """Put a message at the end of an agent's mailbox and return its number.

    An event puts at most one message into a mailbox, so its cursor is the number.
    """
    swarm.put_delivery(
        Delivery(
            agent=to,
            seq=swarm.cursor,
            kind=kind,
            ref=ref,
            state="queued",
            queued=at,
            version=swarm.cursor,
        )
    )
    return swarm.cursor


def advance(swarm: Swarm, row: Delivery, to: DeliveryState, at: datetime) -> None:
    """Move a delivery on, and with it the thing that it carries."""
    after = _move(swarm, row, to, at)
    if after:
        _follow(swarm, row, after, at)


def _check_awaited(swarm: Swarm, row: Delivery, now: datetime) -> None:
    """Refuse to send a call again that has expired."""
    expires = swarm.broadcasts[row.ref].expires
    if expires is not None and expires <= now:
        raise Conflict(
            f"delivery {row.id} carries a call that expired at {expires:%H:%M:%S} UTC: "
            f"{EXPIRED}, so let it be"
        )


def _move(
    swarm: Swarm, row: Delivery, to: DeliveryState, at: datetime
) -> DeliveryState | None:
    """Move a delivery on; return where it came to, or None when it stays."""
    after = DELIVERY.get((row.state, to))
    if after is None:
        return None
    swarm.put_delivery(
        replace(
            row,
            state=after,
            attempts=row.attempts + (to == "sent"),
            sent=row.sent or at,
            acked=row.acked or (at if after in ("acked", "done") else None),
            done=at if after == "done" else None,
            version=swarm.cursor,
        )
    )
    return after


def _follow(swarm: Swarm, row: Delivery, state: DeliveryState, at: datetime) -> None:
    """Let what a delivery carries show how far it came."""
    if row.is_cast:
        _count(swarm, row.ref, row.state, state)
    elif row.kind == "task":
        _follow_task(swarm, row, state, at)


def _count(
    swarm: Swarm, ref: str, old: DeliveryState, new: DeliveryState, times: int = 1
) -> None:
    cast = swarm.broadcasts.get(ref)
    if cast is None or old == new:
        return
    first = STEPS.index(old) + 1 if old in STEPS else 0
    steps = STEPS[first : STEPS.index(new) + 1]
    swarm.put_broadcast(
        replace(
            cast,
            sent=cast.sent + times * ("sent" in steps),
            acked=cast.acked + times * ("acked" in steps),
            done=cast.done + times * ("done" in steps),
            version=swarm.cursor,
        )
    )


def _tally(
    swarm: Swarm, row: Delivery, *, sent: int = 0, acked: int = 0, dead: int = 0
) -> None:
    """Correct the ledger of a broadcast or message."""
    cast = swarm.broadcasts.get(row.ref) if row.is_cast else None
    if cast is not None:
        swarm.put_broadcast(
            replace(
                cast,
                sent=cast.sent + sent,
                acked=cast.acked + acked,
                dead=cast.dead + dead,
                version=swarm.cursor,
            )
        )


def _follow_task(
    swarm: Swarm, row: Delivery, state: DeliveryState, at: datetime
) -> None:
    """Let a task show how far its delivery came; `task.done` is told by the agent."""
    task = swarm.tasks.get(row.ref)
    if task is None or not _carries(row, task):
        return
    if state in ("sent", "acked") and (task.state, state) in TASK:
        swarm.put_task(replace(task, state=state, changed=at, version=swarm.cursor))


def _carries(row: Delivery, task: Task) -> bool:
    return (task.agent, task.seq) == (row.agent, row.seq)
