"""Mailboxes: what the hub has for an agent, numbered, and how far each message got."""

from collections import Counter
from dataclasses import replace
from datetime import datetime

from agentkit.errors import Conflict, Invalid
from agentkit.filters import compile_filter
from agentkit.protocol import (
    Ack,
    BroadcastSent,
    DeliveryAcked,
    DeliveryDone,
    DeliverySent,
    Done,
    Event,
    SendBroadcast,
    Sent,
)
from agentkit.rows import Broadcast, Delivery, DeliveryKind, DeliveryState, Task
from server.core.checks import check_id, require_text
from server.core.swarm import Swarm
from server.core.transitions import DELIVERY, RANK, TASK


def decide_broadcast(swarm: Swarm, wish: SendBroadcast, now: datetime) -> list[Event]:
    """Choose the recipients as of now; the filter is not asked again later."""
    require_text(swarm.rules, "message", wish.text)
    key = wish.id or f"b{swarm.cursor + 1}"
    check_id(swarm.rules, "broadcast", key)
    if key in swarm.broadcasts:
        raise Conflict(f"broadcast {key!r} was sent before; leave the id out")
    chosen = compile_filter(wish.where)
    recipients = tuple(
        agent.id for agent in swarm.agents.values() if chosen(agent, now)
    )
    return [
        BroadcastSent(
            at=now,
            broadcast=key,
            text=wish.text,
            where=wish.where,
            by=wish.by,
            recipients=recipients,
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
    if not any(
        seq <= wish.upto and (row.state, "acked") in DELIVERY
        for seq, row in swarm.mail.get(wish.agent, {}).items()
    ):
        return []
    return [DeliveryAcked(at=now, agent=wish.agent, upto=wish.upto)]


def decide_done(swarm: Swarm, wish: Done, now: datetime) -> list[Event]:
    """Note that an agent handled one delivery; saying so again changes nothing."""
    row = swarm.mail.get(swarm.agent(wish.agent).id, {}).get(wish.seq)
    if row is None:
        return []
    if row.kind == "task":
        raise Conflict(
            f"delivery {wish.seq} is task {row.ref!r}: it is done when {wish.agent} "
            f"reports it completed"
        )
    return [DeliveryDone(at=now, agent=wish.agent, seq=wish.seq)]


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
        if after and row.kind == "broadcast":
            casts[row.ref, row.state, after] += 1
        elif after:
            _follow(swarm, row, after, event.at)
    for (ref, old, new), times in casts.items():
        _count(swarm, ref, old, new, times)


def evolve_acked(swarm: Swarm, event: DeliveryAcked) -> None:
    """Mark everything up to the number as acknowledged."""
    box = swarm.mail.get(event.agent, {})
    for row in [row for seq, row in box.items() if seq <= event.upto]:
        advance(swarm, row, "acked", event.at)


def evolve_done(swarm: Swarm, event: DeliveryDone) -> None:
    """Mark one delivery as handled."""
    row = swarm.mail.get(event.agent, {}).get(event.seq)
    if row is not None:
        advance(swarm, row, "done", event.at)


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
            acked=row.acked or (at if RANK[after] >= RANK["acked"] else None),
            done=at if after == "done" else None,
            version=swarm.cursor,
        )
    )
    return after


def _follow(swarm: Swarm, row: Delivery, state: DeliveryState, at: datetime) -> None:
    """Let what a delivery carries show how far it came."""
    if row.kind == "broadcast":
        _count(swarm, row.ref, row.state, state)
    elif row.kind == "task":
        _follow_task(swarm, row, state, at)


def _count(
    swarm: Swarm, ref: str, old: DeliveryState, new: DeliveryState, times: int = 1
) -> None:
    cast = swarm.broadcasts.get(ref)
    if cast is None or old == new:
        return
    steps = range(RANK[old] + 1, RANK[new] + 1)
    swarm.put_broadcast(
        replace(
            cast,
            sent=cast.sent + times * (RANK["sent"] in steps),
            acked=cast.acked + times * (RANK["acked"] in steps),
            done=cast.done + times * (RANK["done"] in steps),
            version=swarm.cursor,
        )
    )


def _follow_task(
    swarm: Swarm, row: Delivery, state: DeliveryState, at: datetime
) -> None:
    """Let a task show how far its delivery came; `task.done` is told by the agent."""
    task = swarm.tasks.get(row.ref)
    if task is None or not _carries(row, task) or state == "done":
        return
    after = TASK.get((task.state, state))
    if after is not None and after != task.state:
        swarm.put_task(replace(task, state=after, changed=at, version=swarm.cursor))


def _carries(row: Delivery, task: Task) -> bool:
    return (task.agent, task.seq) == (row.agent, row.seq)
