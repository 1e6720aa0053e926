"""Reports: what agents say of themselves, and what follows from it."""

from datetime import datetime
from typing import Any

from agentkit.errors import Invalid
from agentkit.protocol import (
    AgentReported,
    Event,
    HelpAsked,
    HelpResolved,
    Notify,
    TaskDone,
    TaskStarted,
)
from agentkit.rows import Agent, HelpRequest, Status
from server.core.checks import check_capabilities, check_id, check_text
from server.core.holders import goes_on_with
from server.core.outboxes import accept, numbered
from server.core.renewal import replace
from server.core.spending import after_total, counted, told_of
from server.core.swarm import Swarm
from server.core.transitions import STATUS_AFTER, TASK


@numbered
def decide_notify(swarm: Swarm, wish: Notify, now: datetime) -> list[Event]:
    """Accept a report, and see what it does to the agent's task and question."""
    _check(swarm, wish)
    known = swarm.agents.get(wish.agent)
    said = _reported(known, wish, now)
    named = wish.task is not None
    events = _task_events(swarm, said, named=named)
    events += _help_events(swarm, known, wish, said)
    base = known or _newcomer(said)
    return [said, *events, *after_total(swarm, base, wish.cost, now)]


def evolve_reported(swarm: Swarm, event: AgentReported) -> None:
    """Write what was said into the agent's row."""
    known = swarm.agents.get(event.agent)
    completed = event.report == "completed"
    left = goes_on_with(swarm, event.agent, event.task) if completed else ""
    status: Status = "busy" if left else STATUS_AFTER[event.report]
    same = known is not None and known.status == status
    queued = same and known is not None and known.ticket
    base = known or _newcomer(event)
    agent = replace(
        base,
        status=status,
        since=base.since if same else event.at,
        heard=event.at,
        task=left or event.task,
        message=event.message,
        capabilities=event.capabilities,
        completed=event.completed,
        reported_at=event.reported_at,
        waiting_since=None if left else event.waiting_since,
        ticket=(queued or swarm.cursor) if status == "idle" else 0,
        via=event.via,
        lost=False,
        escalated=same and base.escalated,
        cause=base.cause if same else swarm.cursor,
        version=swarm.cursor,
        **_costs(base, event),
    )
    swarm.put_agent(agent)
    accept(swarm, event.agent, event.spool, event.seq)


def _costs(agent: Agent, event: AgentReported) -> dict[str, Any]:
    if event.cost == told_of(agent):
        return {}
    return counted(agent, event.at, told=event.cost)


def _newcomer(event: AgentReported) -> Agent:
    return Agent(
        id=event.agent,
        status=event.status,
        since=event.at,
        heard=event.at,
        joined=event.at,
    )


def _check(swarm: Swarm, wish: Notify) -> None:
    rules = swarm.rules
    check_id(rules, "agent", wish.agent)
    if wish.id:
        _check_request(swarm, wish)
    for what, text in (("task", wish.task), ("message", wish.message)):
        check_text(rules, what, text or "")
    check_capabilities(rules, wish.capabilities or ())
    for choice in wish.choices:
        check_text(rules, "choice", choice)
    if (wish.cost or 0) < 0 or (wish.completed or 0) < 0:
        raise Invalid("cost and completed tasks cannot be negative; send a total")


def _check_request(swarm: Swarm, wish: Notify) -> None:
    check_id(swarm.rules, "help request", wish.id)
    taken = swarm.helps.get(wish.id)
    if taken is not None and taken.agent != wish.agent:
        raise Invalid(f"help request {wish.id!r} is another agent's; leave the id out")


def _reported(known: Agent | None, wish: Notify, now: datetime) -> AgentReported:
    idle = STATUS_AFTER[wish.report] == "idle"
    waiting = wish.waiting_since
    if idle and waiting is None:
        was_idle = known is not None and known.status == "idle"
        waiting = known.waiting_since if known and was_idle else now.isoformat()
    return AgentReported(
        at=now,
        agent=wish.agent,
        report=wish.report,
        task=wish.task if wish.task is not None else known.task if known else "",
        message=wish.message or "",
        capabilities=_capabilities(known, wish),
        cost=_cost(known, wish),
        completed=_completed(known, wish),
        reported_at=wish.reported_at or now.isoformat(),
        waiting_since=waiting if idle else None,
        via=wish.via,
        spool=wish.spool,
        seq=wish.seq,
    )


def _capabilities(known: Agent | None, wish: Notify) -> tuple[str, ...]:
    if wish.capabilities is None:
        return known.capabilities if known else ()
    return tuple(dict.fromkeys(wish.capabilities))


def _cost(known: Agent | None, wish: Notify) -> float:
    if wish.cost is not None:
        return wish.cost
    return told_of(known) if known else 0.0


def _completed(known: Agent | None, wish: Notify) -> int:
    if wish.completed is not None:
        return wish.completed
    return (known.completed if known else 0) + (wish.report == "completed")


def _task_events(swarm: Swarm, said: AgentReported, *, named: bool) -> list[Event]:
    """Begin or end the task; one that is not named is that which the agent has.

    What it had last may wait for it again: to be busy is not to have begun it.
    """
    task = swarm.tasks.get(said.task)
    if task is None or task.agent != said.agent or not (named or task.is_held):
        return []
    if said.report == "busy" and (task.state, "working") in TASK:
        return [TaskStarted(at=said.at, agent=said.agent, task=task.id)]
    if said.report == "completed" and (task.state, "done") in TASK:
        return [TaskDone(at=said.at, agent=said.agent, task=task.id)]
    return []


def _help_events(
    swarm: Swarm, known: Agent | None, wish: Notify, said: AgentReported
) -> list[Event]:
    """Open a request for help or a blocker; close the one that is over."""
    if said.report not in ("help", "blocked"):
        note = f"{said.agent} reported {said.report}"
        return moved_on(swarm, said.agent, said.at, note)
    current = _open_request(swarm, known)
    if current and _asks_the_same(current, wish):
        return []
    closing = [_close(current, said.at, "asked again")] if current else []
    number = swarm.cursor + 2 + len(closing)
    asked = HelpAsked(
        at=said.at,
        agent=said.agent,
        help=wish.id or f"h{number}",
        kind=said.report,
        question=said.message,
        severity=wish.severity or ("high" if said.report == "help" else "normal"),
        choices=wish.choices,
        wanted=said.capabilities,
        task=said.task,
    )
    return [*closing, asked]


def moved_on(swarm: Swarm, agent: str, at: datetime, note: str) -> list[Event]:
    """Close what an agent asked: it goes on without an answer."""
    current = _open_request(swarm, swarm.agents.get(agent))
    return [_close(current, at, note)] if current else []


def _open_request(swarm: Swarm, known: Agent | None) -> HelpRequest | None:
    current = swarm.helps.get(known.help) if known else None
    return current if current and current.is_open else None


def _asks_the_same(current: HelpRequest, wish: Notify) -> bool:
    asked = (current.kind, current.question, current.choices)
    return asked == (wish.report, wish.message or "", wish.choices) and (
        not wish.id or wish.id == current.id
    )


def _close(current: HelpRequest, at: datetime, note: str) -> HelpResolved:
    return HelpResolved(
        at=at, agent=current.agent, help=current.id, note=note, by=current.agent
    )


def touch(swarm: Swarm, agent: Agent, at: datetime) -> Agent:
    """Return the row of an agent that was just heard: a lost one is back."""
    if not agent.lost:
        return replace(agent, heard=at, version=swarm.cursor)
    ticket = swarm.cursor if agent.status == "idle" else 0
    return replace(agent, heard=at, lost=False, ticket=ticket, version=swarm.cursor)
