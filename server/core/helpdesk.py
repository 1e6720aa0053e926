"""The help desk: who needs a person, and what persons do about it."""

from datetime import datetime

from agentkit.errors import Conflict, Invalid
from agentkit.protocol import (
    Answer,
    AssignHelper,
    Event,
    HelpAnswered,
    HelpAsked,
    HelperAssigned,
    HelpEscalated,
    HelpResolved,
    HelpSnoozed,
    HelpTaken,
    HelpWoken,
    Resolve,
    Snooze,
    Take,
)
from agentkit.rows import HelpRequest, HelpState
from server.core.checks import check_text, require_text
from server.core.mailbox import post
from server.core.renewal import replace
from server.core.swarm import Swarm
from server.core.transitions import HELP, HelpWish


def decide_answer(swarm: Swarm, wish: Answer, now: datetime) -> list[Event]:
    """Answer, once."""
    row = _allowed(swarm, wish.help, "answer")
    require_text(swarm.rules, "answer", wish.text)
    return [
        HelpAnswered(at=now, agent=row.agent, help=row.id, text=wish.text, by=wish.by)
    ]


def decide_take(swarm: Swarm, wish: Take, now: datetime) -> list[Event]:
    """Take a request on; taking over from another is allowed."""
    row = _allowed(swarm, wish.help, "take")
    return [HelpTaken(at=now, agent=row.agent, help=row.id, by=wish.by)]


def decide_helper(swarm: Swarm, wish: AssignHelper, now: datetime) -> list[Event]:
    """Send another agent to help."""
    row = _allowed(swarm, wish.help, "assign")
    helper = swarm.agent(wish.helper)
    check_text(swarm.rules, "note", wish.note)
    if helper.id == row.agent:
        raise Invalid(f"{helper.id} asked itself; choose another agent to help")
    return [
        HelperAssigned(
            at=now,
            agent=row.agent,
            help=row.id,
            helper=helper.id,
            note=wish.note,
            by=wish.by,
        )
    ]


def decide_snooze(swarm: Swarm, wish: Snooze, now: datetime) -> list[Event]:
    """Put a request aside until a time to come."""
    row = _allowed(swarm, wish.help, "snooze")
    if wish.until <= now:
        raise Invalid(f"{wish.until.isoformat()} has passed; snooze to a later time")
    return [
        HelpSnoozed(at=now, agent=row.agent, help=row.id, until=wish.until, by=wish.by)
    ]


def decide_resolve(swarm: Swarm, wish: Resolve, now: datetime) -> list[Event]:
    """Close a request without an answer."""
    row = _allowed(swarm, wish.help, "resolve")
    check_text(swarm.rules, "note", wish.note)
    return [
        HelpResolved(at=now, agent=row.agent, help=row.id, note=wish.note, by=wish.by)
    ]


def due_wakings(swarm: Swarm, now: datetime) -> list[Event]:
    """Bring back what was snoozed until now."""
    return [
        HelpWoken(at=now, agent=swarm.helps[key].agent, help=key)
        for key, until in swarm.snoozed.items()
        if until <= now
    ]


def due_escalations(swarm: Swarm, now: datetime) -> list[Event]:
    """Escalate who stayed blocked for longer than the limit."""
    due: list[Event] = []
    for agent, since in swarm.blocked.items():
        if since + swarm.rules.escalate_after > now:
            break
        due.append(HelpEscalated(at=now, agent=agent, help=swarm.agents[agent].help))
    return due


def evolve_asked(swarm: Swarm, event: HelpAsked) -> None:
    """Open the request and make it the agent's current one."""
    agent = swarm.agents[event.agent]
    escalated = agent.escalated and event.kind == "blocked"
    swarm.put_help(
        HelpRequest(
            id=event.help,
            agent=event.agent,
            kind=event.kind,
            state="open",
            question=event.question,
            opened=event.at,
            severity="critical" if escalated else event.severity,
            choices=event.choices,
            wanted=event.wanted,
            task=event.task,
            escalated=escalated,
            version=swarm.cursor,
        )
    )
    swarm.put_agent(replace(agent, help=event.help, version=swarm.cursor))


def evolve_answered(swarm: Swarm, event: HelpAnswered) -> None:
    """Settle the request and put the answer into the asker's mailbox."""
    row = swarm.helps[event.help]
    _put(
        swarm,
        replace(row, answer=event.text, by=event.by, settled=event.at),
        "answer",
    )
    post(swarm, event.agent, "answer", event.help, event.at)


def evolve_taken(swarm: Swarm, event: HelpTaken) -> None:
    """Say who is on it."""
    _put(swarm, replace(swarm.helps[event.help], by=event.by), "take")


def evolve_helper(swarm: Swarm, event: HelperAssigned) -> None:
    """Tell the helper."""
    row = swarm.helps[event.help]
    _put(
        swarm,
        replace(row, helper=event.helper, note=event.note, by=event.by),
        "assign",
    )
    post(swarm, event.helper, "helper", event.help, event.at)


def evolve_snoozed(swarm: Swarm, event: HelpSnoozed) -> None:
    """Put it aside."""
    row = swarm.helps[event.help]
    _put(swarm, replace(row, snoozed_until=event.until, by=event.by), "snooze")


def evolve_woken(swarm: Swarm, event: HelpWoken) -> None:
    """Bring it back."""
    _put(swarm, swarm.helps[event.help], "wake")


def evolve_resolved(swarm: Swarm, event: HelpResolved) -> None:
    """Close it."""
    row = swarm.helps[event.help]
    _put(
        swarm,
        replace(row, note=event.note, by=event.by, settled=event.at),
        "resolve",
    )


def evolve_escalated(swarm: Swarm, event: HelpEscalated) -> None:
    """Mark agent and request; a request that was settled, or is gone, opens again."""
    agent = replace(swarm.agents[event.agent], escalated=True, version=swarm.cursor)
    swarm.put_agent(agent)
    row = swarm.helps.get(event.help) or HelpRequest(
        id=event.help,
        agent=agent.id,
        kind="blocked",
        state="open",
        question=agent.message,
        opened=agent.since,
        wanted=agent.capabilities,
        task=agent.task,
    )
    _put(
        swarm,
        replace(row, escalated=True, severity="critical", settled=None),
        "escalate",
    )


def _allowed(swarm: Swarm, key: str, wish: HelpWish) -> HelpRequest:
    row = swarm.help(key)
    if (row.state, wish) not in HELP:
        who = f" by {row.by}" if row.by else ""
        raise Conflict(
            f"cannot {wish} help request {key!r}: it was {row.state}{who}; "
            f"swarmtui help-desk shows what is open"
        )
    return row


def _put(swarm: Swarm, row: HelpRequest, wish: HelpWish) -> None:
    state: HelpState = HELP[row.state, wish]
    until = row.snoozed_until if state == "snoozed" else None
    swarm.put_help(replace(row, state=state, snoozed_until=until, version=swarm.cursor))
