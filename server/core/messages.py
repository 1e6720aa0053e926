"""Messages between agents, or from a person to agents; calls and their answers."""

from datetime import datetime
from typing import Final

from agentkit.errors import Conflict, Invalid, NotAllowed, NotFound
from agentkit.protocol import DeliveryDead, Event, MessageSent, Send
from agentkit.rows import Broadcast
from server.core.addresses import Chosen, choose
from server.core.checks import (
    check_body,
    check_id,
    check_new_id,
    check_text,
    require_text,
)
from server.core.mailbox import EXPIRED, post
from server.core.outboxes import accept, numbered
from server.core.piles import size_of
from server.core.renewal import replace
from server.core.reports import touch
from server.core.rules import Rules
from server.core.swarm import Swarm
from server.core.work import AT_ONCE

CALLED: Final = 100
"""How many agents one call may go to: the call keeps account of who has answered."""


@numbered
def decide_send(swarm: Swarm, wish: Send, now: datetime) -> list[Event]:
    """Send a message once; the recipients are those that the address means now."""
    _check(swarm.rules, wish)
    known = sent_before(swarm, wish)
    if known is not None:
        return _repeated(known, wish)
    if wish.answers:
        return _answer(swarm, wish, now)
    if wish.call:
        _check_call(swarm, wish, now)
    chosen = choose(swarm, wish.to, wish.agent, size_of(wish))
    if wish.call and not 1 <= len(chosen.agents) <= CALLED:
        raise NotFound(
            f"{wish.to!r} is {len(chosen.agents):,} agents and a call goes to 1 to "
            f"{CALLED}: call others, or send a message"
        )
    return [_sent(swarm, wish, now, wish.to, chosen)]


def sent_before(swarm: Swarm, wish: Send) -> Broadcast | None:
    """Return the message with the id of a wish that the same sender sent before."""
    for key in (own_id(wish.id, wish.agent), wish.id):
        row = swarm.broadcasts.get(key)
        if row is not None and row.sender == wish.agent:
            return row
    return None


def own_id(key: str, sender: str) -> str:
    """Return what a message is called when another sender has used its id."""
    return f"{key}@{sender}" if key else ""


def due_expiries(swarm: Swarm, now: datetime) -> list[Event]:
    """Give up calls that expired before they were handed out."""
    return [
        DeliveryDead(at=now, agent=agent, seq=seq, reason=EXPIRED)
        for agent, seq in swarm.calls.expired(now, AT_ONCE)
    ]


def evolve_message(swarm: Swarm, event: MessageSent) -> None:
    """Put the message into every recipient's mailbox; an answer ends a call."""
    swarm.put_broadcast(
        Broadcast(
            id=event.message,
            text=event.text,
            where="",
            at=event.at,
            by=event.by,
            sender=event.agent,
            to=event.to,
            body=event.body,
            call=event.call,
            answers=event.answers,
            expires=event.expires,
            about=event.about,
            called=event.recipients if event.call else (),
            recipients=len(event.recipients),
            left_out=event.left_out,
            version=swarm.cursor,
        )
    )
    for agent in event.recipients:
        post(swarm, agent, "message", event.message, event.at)
    call = swarm.call(event.answers)
    if call is not None:
        answered = (*call.answered, event.agent)
        swarm.put_broadcast(replace(call, answered=answered, version=swarm.cursor))
    sender = swarm.agents.get(event.agent)
    if sender is not None:
        swarm.put_agent(touch(swarm, sender, event.at))
    accept(swarm, event.agent, event.spool, event.seq)


def _check(rules: Rules, wish: Send) -> None:
    ids = {"agent": wish.agent, "call": wish.call, "answered call": wish.answers}
    for what, key in ids.items():
        if key:
            check_id(rules, what, key)
    if wish.id:
        check_new_id(rules, "message", wish.id)
        _check_own_id(wish)
    if wish.body or wish.answers:
        check_text(rules, "message", wish.text)
    else:
        require_text(rules, "message", wish.text)
    check_body(rules, "message", wish.body)
    if wish.call and wish.answers:
        raise Invalid("a message is a call or an answer: leave call or answers out")
    if wish.expires and not wish.call:
        raise Invalid("the message expires and is no call: leave expires out")


def _check_own_id(wish: Send) -> None:
    """Refuse an id that stands for another sender's message; see `own_id`."""
    if wish.agent and "@" in wish.id:
        raise Invalid(
            f"the id {wish.id!r} may be that of another sender's message: choose one "
            "without an @"
        )


def _repeated(known: Broadcast, wish: Send) -> list[Event]:
    """Let a message that is sent once more be; another one needs an id of its own."""
    # Until when it is waited for is counted anew from each sending.
    was = known.sender, known.text, known.body, known.call, known.answers
    now = wish.agent, wish.text, wish.body, wish.call, wish.answers
    if was == now and (wish.answers or wish.to == known.to):
        return []
    raise Conflict(
        f"message {known.id!r} was sent before and was another: leave the id out"
    )


def _check_call(swarm: Swarm, wish: Send, now: datetime) -> None:
    if not wish.agent:
        raise Invalid("a person has no mailbox for an answer: leave call out")
    if wish.agent not in swarm.agents:
        raise NotFound(
            f"no agent {wish.agent!r} is known, so an answer has nowhere to go: report "
            "first, as agentkit notify idle does"
        )
    if swarm.call(wish.call) is not None:
        raise Conflict(f"a call {wish.call!r} was made before: give it another id")
    if wish.expires and wish.expires <= now:
        raise Conflict(
            f"call {wish.call!r} expired at {wish.expires:%H:%M:%S} UTC: make it again"
        )


def _answer(swarm: Swarm, wish: Send, now: datetime) -> list[Event]:
    """Send an answer to whoever made the call, once.

    It is let into a full mailbox: the caller asked for it, and would wait for ever.
    """
    call = swarm.call(wish.answers)
    if call is None:
        raise Conflict(
            f"no call {wish.answers!r} is known: it was never made, or so long ago "
            "that it is forgotten, so let it be"
        )
    if wish.agent not in call.called:
        raise NotAllowed(
            f"call {wish.answers!r} was not made to {wish.agent or 'a person'}: only "
            "who gets a call answers it"
        )
    if wish.agent in call.answered:
        return []
    return [_sent(swarm, wish, now, call.sender, Chosen((call.sender,)))]


def _sent(
    swarm: Swarm, wish: Send, now: datetime, to: str, chosen: Chosen
) -> MessageSent:
    return MessageSent(
        at=now,
        message=_named(swarm, wish),
        agent=wish.agent,
        to=to,
        recipients=chosen.agents,
        left_out=chosen.left_out,
        text=wish.text,
        body=wish.body,
        call=wish.call,
        answers=wish.answers,
        expires=wish.expires,
        by=wish.by,
        spool=wish.spool,
        seq=wish.seq,
    )


def _named(swarm: Swarm, wish: Send) -> str:
    """Return what a new message is called: nobody can use up the ids of others."""
    if not wish.id:
        return f"m{swarm.cursor + 1}"
    return own_id(wish.id, wish.agent) if wish.id in swarm.broadcasts else wish.id
