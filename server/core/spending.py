"""Spending: what agents use up, and when one has had enough for today.

Two may tell what an agent uses: it itself, bit by bit or as a total in its reports, and
telemetry, bit by bit. They count the same, so the larger of the two counts and never
their sum: of dollars in all (`Agent.cost`) and on each UTC day (`Agent.spent`), and of
tokens.
A total that falls began anew or came late, and counts for nothing until it rises again.

An agent that has spent its budget of the day gets no new work while the day lasts: its
claims find nothing, and what is for it alone waits outside its mailbox. What it holds
it may finish. Its day ends when that is said (`AgentSolvent`), not a moment before.
"""

from datetime import datetime
from math import isfinite
from typing import Any, Final

from agentkit.errors import Conflict, Invalid
from agentkit.protocol import (
    AgentOverspent,
    AgentSolvent,
    AgentSpent,
    Event,
    Spend,
    TaskReady,
)
from agentkit.rows import Agent, day_of
from server.core.mailbox import advance
from server.core.outboxes import accept, numbered
from server.core.renewal import replace
from server.core.swarm import Swarm

MOST: Final = 10**12
"""How many dollars or tokens can be told of at once."""

DIGITS: Final = 9
"""Decimals of a dollar that sums are kept to: they show no noise of the addition."""

NOTHING: Final = {"spent": 0.0, "spent_told": 0.0, "spent_metered": 0.0}

AT_ONCE: Final = 1000
"""How many events one tick has for agents that get work again, about."""


# --- what is told --------------------------------------------------------------------


@numbered
def decide_spend(swarm: Swarm, wish: Spend, now: datetime) -> list[Event]:
    """Count what an agent used, and see whether that was its last for today."""
    agent = swarm.agent(wish.agent)
    used = wish.cost, wish.tokens_in, wish.tokens_out
    if not all(isfinite(amount) and 0 <= amount <= MOST for amount in used):
        raise Invalid(
            f"{wish.agent} is said to have used {wish.cost:g} dollars, "
            f"{wish.tokens_in} and {wish.tokens_out} tokens: send what was used since "
            f"the last time, 0 to {MOST:,}"
        )
    if not any(used) and not wish.spool:
        return []
    after = _used(agent, now, wish.told, wish.cost, used[1:])
    spent = AgentSpent(
        at=now,
        agent=agent.id,
        added=wish.cost,
        cost=after["cost"],
        tokens_in=after["tokens_in"],
        tokens_out=after["tokens_out"],
        spent=after["spent"],
        added_in=wish.tokens_in,
        added_out=wish.tokens_out,
        told=wish.told,
        spool=wish.spool,
        seq=wish.seq,
    )
    return [spent, *_crossing(swarm, agent, spent.spent, now)]


def after_total(
    swarm: Swarm, agent: Agent, total: float | None, now: datetime
) -> list[Event]:
    """Return what follows when an agent tells what it has cost in all; None is not."""
    if total is None:
        return []
    return _crossing(swarm, agent, counted(agent, now, told=total)["spent"], now)


def due_renewals(swarm: Swarm, now: datetime) -> list[Event]:
    """Let agents get work again whose day is over."""
    events: list[Event] = []
    for agent in swarm.overspent.due(now, AT_ONCE):
        events += _renewed(swarm, agent, now)
        if len(events) >= AT_ONCE:
            break
    return events


def after_start(swarm: Swarm, now: datetime) -> list[Event]:
    """Measure everybody by the budget that is set now, and by the day that it is."""
    budget, today = swarm.rules.budget, day_of(now)
    events: list[Event] = []
    for agent in swarm.agents.values():
        over = agent.spent_on == today and 0 < budget <= agent.spent
        if agent.over_budget and not over:
            events += _renewed(swarm, agent.id, now)
        elif over:
            events += _crossing(swarm, agent, agent.spent, now)
    return events


def require_budget(swarm: Swarm, agent: str) -> None:
    """Refuse what would be new work for an agent that has spent its budget."""
    known = swarm.agents.get(agent)
    if known is not None and known.over_budget:
        raise Conflict(
            f"{agent} has spent {known.spent:.2f} dollars of its budget of "
            f"{swarm.rules.budget:.2f} for {known.spent_on} (UTC): it gets new work "
            "when that day is over, or when the budget is raised"
        )


# --- what follows --------------------------------------------------------------------


def evolve_spent(swarm: Swarm, event: AgentSpent) -> None:
    """Count it; who uses something is alive, but that brings back none who is lost."""
    agent = swarm.agents[event.agent]
    tokens = event.added_in, event.added_out
    after = _used(agent, event.at, event.told, event.added, tokens)
    heard = agent.heard if agent.lost else event.at
    swarm.put_agent(replace(agent, heard=heard, version=swarm.cursor, **after))
    accept(swarm, event.agent, event.spool, event.seq)


def evolve_overspent(swarm: Swarm, event: AgentOverspent) -> None:
    """Give the agent no new work: what was not handed to it yet is held back."""
    agent = swarm.agents[event.agent]
    swarm.put_agent(replace(agent, over_budget=True, version=swarm.cursor))
    for key in swarm.ready.of(event.agent):
        task = swarm.tasks[key]
        row = swarm.mail.get(task.agent, {}).get(task.seq)
        if row is not None and row.state == "queued":
            advance(swarm, row, "done", event.at)
            swarm.put_task(replace(task, seq=0, version=swarm.cursor))


def evolve_solvent(swarm: Swarm, event: AgentSolvent) -> None:
    """Give the agent work again; with a new day it has spent nothing yet."""
    agent = swarm.agents[event.agent]
    today = day_of(event.at)
    changes = {} if agent.spent_on == today else {"spent_on": today, **NOTHING}
    swarm.put_agent(replace(agent, over_budget=False, version=swarm.cursor, **changes))


# --- how -----------------------------------------------------------------------------


def _used(
    agent: Agent, now: datetime, told: bool, cost: float, tokens: tuple[int, int]
) -> dict[str, Any]:
    """Return what changes in the row of an agent that used something.

    Args:
        agent: as it was.
        now: when.
        told: it tells that itself; else telemetry does.
        cost: dollars.
        tokens: those read, and those written.
    """
    if told:
        dollars = counted(agent, now, told=round(told_of(agent) + cost, DIGITS))
    else:
        dollars = counted(agent, now, metered=cost)
    by_whom = {"tokens_told": agent.tokens_told, "tokens_metered": metered_of(agent)}
    whose = "tokens_told" if told else "tokens_metered"
    by_whom[whose] = _sum(by_whom[whose], tokens)
    tokens_in, tokens_out = map(max, *by_whom.values())
    return {"tokens_in": tokens_in, "tokens_out": tokens_out, **by_whom, **dollars}


def counted(
    agent: Agent, now: datetime, *, told: float | None = None, metered: float = 0.0
) -> dict[str, Any]:
    """Return what changes in the row of an agent that costs something.

    Args:
        agent: as it was.
        now: when.
        told: the total that it tells.
        metered: what telemetry tells of, since the last time.
    """
    day = agent.spent_on if agent.over_budget else day_of(now)
    same = agent.spent_on == day
    before = told_of(agent)
    total = before if told is None else told
    rise = max(total - before, 0.0)
    by_itself = (agent.spent_told if same else 0.0) + rise
    by_meter = (agent.spent_metered if same else 0.0) + metered
    in_all = round(agent.metered + metered, DIGITS)
    return {
        "cost": max(total, in_all),
        "told": total,
        "metered": in_all,
        "spent_on": day,
        "spent": round(max(by_itself, by_meter), DIGITS),
        "spent_told": round(by_itself, DIGITS),
        "spent_metered": round(by_meter, DIGITS),
    }


def told_of(agent: Agent) -> float:
    """Return what an agent told last that it cost in all.

    Rows of earlier versions know but one cost, and that is what was told.
    """
    return agent.told if agent.told or agent.metered else agent.cost


def metered_of(agent: Agent) -> tuple[int, int]:
    """Return how many tokens telemetry has told of, read and written.

    Rows of earlier versions know but one count, and that is what telemetry told.
    """
    if any((*agent.tokens_told, *agent.tokens_metered)):
        return agent.tokens_metered
    return agent.tokens_in, agent.tokens_out


def _sum(one: tuple[int, int], two: tuple[int, int]) -> tuple[int, int]:
    return one[0] + two[0], one[1] + two[1]


def _crossing(swarm: Swarm, agent: Agent, spent: float, now: datetime) -> list[Event]:
    """Say that an agent has spent its budget of the day, once."""
    budget = swarm.rules.budget
    if agent.over_budget or not 0 < budget <= spent:
        return []
    return [AgentOverspent(at=now, agent=agent.id, spent=spent, budget=budget)]


def _renewed(swarm: Swarm, agent: str, now: datetime) -> list[Event]:
    """Let an agent get work again, first what was held back."""
    held_back = (key for key in swarm.ready.of(agent) if not swarm.tasks[key].seq)
    return [
        AgentSolvent(at=now, agent=agent),
        *(TaskReady(at=now, agent=agent, task=key) for key in held_back),
    ]
