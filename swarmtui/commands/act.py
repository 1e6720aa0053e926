"""The words that act: assign, broadcast, answer.

Whatever goes to more than one agent says to how many and asks; without somebody to ask
it is refused, unless ``--yes`` said so beforehand.
"""

from typing import Any

import click

from agentkit.coordinator import Coordinator
from agentkit.errors import NotFound
from swarmtui import output, words
from swarmtui.asking import NobodyThere, ask, hub_options, known, look, utc_now
from swarmtui.model import Model
from swarmtui.orders import audience, hand_out
from swarmtui.output import Column, Form
from swarmtui.text import plural

HANDED = (Column("agent", flexible=True), Column("task", flexible=True))


def where_option(command: Any) -> Any:
    """Give a command ``--where`` and ``--yes``."""
    command = click.option("--yes", is_flag=True, help="Do not ask.")(command)
    return click.option(
        "--where", metavar="FILTER", help="Those that a filter chooses."
    )(command)


@click.command()
@click.argument("said", nargs=-1, metavar="[AGENT] TASK")
@click.option("--title", default="", help="What the task is about.")
@where_option
@output.form_options
@hub_options
def assign(
    *, said: tuple[str, ...], title: str, where: str | None, yes: bool, form: Form
) -> None:
    """Hand a task to an agent.

    With --where every agent that the filter chooses gets one: TASK.1, TASK.2 and so on.
    """
    wanted = 1 if where is not None else 2
    if len(said) != wanted:
        raise click.UsageError(
            "say AGENT and TASK, or TASK and --where FILTER"
            if where is None
            else "with --where say only the TASK"
        )
    model = ask(look)
    handouts = hand_out(model, _meant(model, said[0], where), said[-1])
    for one in handouts:
        if one.conflict:
            words.say(f"note: {one.agent} {one.conflict}")
    recipients = [one.agent for one in handouts]
    words.agree(f"Assign {said[-1]} to", recipients, "agent", yes=yes)

    async def order(swarm: Coordinator) -> None:
        for one in handouts:
            await swarm.assign(one.agent, one.task, title=title)

    ask(order)
    done = [{"agent": one.agent, "task": one.task} for one in handouts]
    output.rows(form, "assigned", done, HANDED, cells=lambda row: list(row.values()))


def _meant(model: Model, agent: str, where: str | None) -> list[str]:
    """Return the agents that a task is for."""
    if where is not None:
        return _chosen(model, where)
    known("agent", agent, model.agents)
    return [agent]


@click.command()
@click.argument("text")
@where_option
@output.form_options
@hub_options
def broadcast(*, text: str, where: str | None, yes: bool, form: Form) -> None:
    """Tell something to all agents, or to some."""
    words.agree("Tell", _chosen(ask(look), where or ""), "agent", yes=yes)
    sent = ask(lambda swarm: swarm.broadcast(text, where=where or ""))
    if form == "table":
        told = plural(len(sent.recipients), "agent")
        words.say(f"told {told}; see swarmtui deliveries {sent.broadcast}")
        output.line(sent.broadcast)
    else:
        output.as_json(broadcast=sent)


@click.command()
@click.argument("ident", metavar="ID")
@click.argument("text")
@output.form_options
@hub_options
def answer(*, ident: str, text: str, form: Form) -> None:
    """Answer somebody who asked for help.

    ID is the request, as swarmtui help-desk lists it, or the agent that asked.
    """
    model = ask(look)
    request = _request(model, ident)
    ask(lambda swarm: swarm.answer(request, text))
    agent = model.helps[request].agent
    if form == "table":
        words.say(f"{agent} gets your answer")
    else:
        output.as_json(answered={"help": request, "agent": agent})


def _request(model: Model, ident: str) -> str:
    """Return the id of the help request that is meant."""
    if ident in model.helps:
        return ident
    agent = model.agents.get(ident)
    if agent is None:
        known("help request", ident, model.helps)
    elif not agent.help:
        raise NotFound(f"{ident} has asked nothing: see swarmtui help-desk")
    return agent.help if agent else ""


def _chosen(model: Model, where: str) -> list[str]:
    """Return the ids of those that a filter chooses, at least one."""
    agents = sorted(agent.id for agent in audience(model, where, utc_now()))
    if not agents:
        raise NobodyThere(
            f"the filter {where!r} chooses nobody out of {len(model.agents):,}: try it "
            "with swarmtui agents"
            if where
            else "no agent has connected yet: see agentkit --help"
        )
    return agents
