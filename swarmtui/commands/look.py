"""The words that only look: status, agents, help-desk, deliveries."""

from datetime import datetime
from typing import Any

import click

from agentkit.codec import encode
from agentkit.coordinator import Coordinator
from agentkit.errors import NotFound
from agentkit.rows import Agent, Delivery, HelpRequest, presence, spent_today
from swarmtui import output
from swarmtui.asking import ask, dead_deliveries, hub_options, look, utc_now
from swarmtui.model import Model
from swarmtui.orders import audience
from swarmtui.output import Column, Form
from swarmtui.text import OVER, STATES, ago, money, plural, safe, short, state

ACT = 6
"""The exit code that says: a person must act."""

AGENTS = (
    Column("state", coloured=True),
    Column("agent", flexible=True),
    Column("for", right=True),
    Column("task", flexible=True),
    Column("done", right=True, spare=3),
    Column("cost", right=True, spare=4),
    Column("today", right=True, spare=6),
    Column("tokens", right=True, spare=7),
    Column("presence", spare=2),
    Column("can", flexible=True, spare=5),
    Column("says", flexible=True, spare=1),
)
HELP = (
    Column("kind", coloured=True),
    Column("id"),
    Column("agent", flexible=True),
    Column("age", right=True),
    Column("severity", spare=2),
    Column("is", spare=3),
    Column("question", flexible=True),
    Column("choices", flexible=True, spare=1),
)
DELIVERIES = (
    Column("state"),
    Column("agent", flexible=True),
    Column("seq", right=True, spare=2),
    Column("tries", right=True, spare=1),
    Column("queued", right=True),
    Column("acked", right=True),
    Column("done", right=True),
)
DEAD = (
    Column("delivery", flexible=True),
    Column("kind"),
    Column("of", flexible=True),
    Column("agent", flexible=True, spare=3),
    Column("tries", right=True, spare=2),
    Column("dead", right=True),
    Column("again", flexible=True, spare=1),
    Column("reason", flexible=True),
)


@click.command()
@click.option(
    "--any-waiting", is_flag=True, help="Exit with 6 when somebody needs a person."
)
@output.form_options
@hub_options
def status(*, any_waiting: bool, form: Form) -> int:
    """Tell how the swarm is doing, in a few lines."""
    model = ask(look)
    calling = len(model.calling)
    if form == "table":
        _tell_status(model)
    else:
        output.as_json(**_summary(model))
    return ACT if any_waiting and calling else 0


def _summary(model: Model) -> dict[str, Any]:
    return {
        "agents": len(model.agents),
        "states": {name: model.counts[name] for name in STATES if name != "done"},
        "queue": len(model.waiting()),
        "waiting_for_a_person": len(model.calling),
        "escalated": sum(request.escalated for request in model.desk()),
        "tasks": model.task_counts,
    }


def _tell_status(model: Model) -> None:
    output.line(plural(len(model.agents), "agent"))
    for name in STATES:
        if model.counts[name]:
            shown = output.painted(f"{state(name):<10}", name)
            output.line(f"  {shown}{model.counts[name]:>7,}")
    output.line(f"{plural(len(model.calling), 'request')} waiting for a person")
    for request in model.desk()[:3]:
        output.line(safe(f"  {request.agent}: {request.question}"))
    output.line(f"{plural(model.unsettled, 'task')} open")


@click.command()
@click.argument("where", metavar="[FILTER]…", nargs=-1)
@output.form_options
@hub_options
def agents(*, where: tuple[str, ...], form: Form) -> None:
    """List the agents, all or those a filter chooses.

    \b
    state:busy,blocked   cap:video      task:P0.*    agent:web-*
    presence:silent      cost>5         age>10m      !lost      any text
    budget:over          spent>5        tokens>1m    done>3
    """  # noqa: D301 - \b is meant: click leaves these lines as they are
    now = utc_now()
    model = ask(look)
    chosen = sorted(audience(model, " ".join(where), now), key=lambda agent: agent.id)
    output.rows(
        form,
        "agents",
        chosen,
        AGENTS,
        cells=lambda agent: _agent_cells(agent, now),
        data=lambda agent: _agent_data(agent, now),
    )


def _agent_data(agent: Agent, now: datetime) -> dict[str, Any]:
    return {
        **encode(agent),
        "state": agent.state,
        "presence": presence(agent, now),
    }


def _agent_cells(agent: Agent, now: datetime) -> list[str]:
    return [
        state(agent.state),
        agent.id,
        ago(agent.since, now),
        agent.task,
        str(agent.completed),
        money(agent.cost),
        _today(agent, now),
        short(agent.tokens_in + agent.tokens_out),
        presence(agent, now),
        ",".join(agent.capabilities),
        agent.message,
    ]


def _today(agent: Agent, now: datetime) -> str:
    spent = money(spent_today(agent, now))
    return f"{OVER} {spent}" if agent.over_budget else spent


@click.command("help-desk")
@click.option("--all", "settled", is_flag=True, help="With those that are settled.")
@output.form_options
@hub_options
def help_desk(*, settled: bool, form: Form) -> None:
    """List who needs a person, the worst first."""
    now = utc_now()
    model = ask(look)

    def cells(request: HelpRequest) -> list[str]:
        return [
            state(request.kind),
            request.id,
            request.agent,
            ago(request.opened, now),
            request.severity,
            "escalated" if request.escalated and request.is_open else request.state,
            request.question,
            " · ".join(request.choices),
        ]

    output.rows(form, "help", model.desk(settled=settled), HELP, cells=cells)


@click.command()
@click.argument("ref", required=False)
@click.option("--dead", is_flag=True, help="What agents gave up, the newest first.")
@click.option("--agent", metavar="AGENT", help="With --dead: what this one gave up.")
@output.form_options
@hub_options
def deliveries(*, ref: str | None, dead: bool, agent: str | None, form: Form) -> None:
    """Show who received a task or a broadcast.

    REF is the id of a task, a broadcast or a help request. With --dead it shows what
    was given up, whatever it was.
    """
    if (ref is None) is not dead:
        raise click.UsageError("say the REF of what was delivered, or --dead")
    if ref is None:
        _show_dead(dead_deliveries(agent), form)
    else:
        _show_ledger(ref, form)


def _show_dead(found: list[Delivery], form: Form) -> None:
    now = utc_now()

    def cells(row: Delivery) -> list[str]:
        return [
            row.id,
            row.kind,
            row.ref,
            row.agent,
            str(row.attempts),
            ago(row.done, now) if row.done else "-",
            f"{row.retried}@{row.agent}" if row.retried else "",
            row.reason,
        ]

    output.rows(
        form,
        "deliveries",
        found,
        DEAD,
        cells=cells,
        data=lambda row: {"id": row.id, **encode(row)},
    )


def _show_ledger(ref: str, form: Form) -> None:
    now = utc_now()
    ledger = ask(lambda swarm: _ledger(swarm, ref))
    if not ledger:
        raise NotFound(f"nothing was delivered for {ref!r}: see swarmtui tasks")

    def cells(row: Delivery) -> list[str]:
        times = (row.queued, row.acked, row.done)
        return [
            row.state,
            row.agent,
            str(row.seq),
            str(row.attempts),
            *(ago(at, now) if at else "-" for at in times),
        ]

    output.rows(form, "deliveries", ledger, DELIVERIES, cells=cells)


async def _ledger(swarm: Coordinator, ref: str) -> list[Delivery]:
    """Return all the deliveries of a task, broadcast or help request."""
    ledger = page = await swarm.ledger(ref)
    while page:
        page = await swarm.ledger(ref, after=page[-1].agent)
        ledger = ledger + page
    return ledger
